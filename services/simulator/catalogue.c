#include "catalogue.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const MARKET_NAMES[] = {"unknown", "usdm", "coinm", "spot"};

const char *market_name(enum market_kind market)
{
    return MARKET_NAMES[market];
}

bool market_parse(const char *name, enum market_kind *out_market)
{
    for (int i = MARKET_USDM; i <= MARKET_SPOT; i++)
        if (strcmp(name, MARKET_NAMES[i]) == 0) {
            *out_market = (enum market_kind)i;
            return true;
        }
    return false;
}

void catalogue_init(struct catalogue *catalogue)
{
    *catalogue = (struct catalogue){0};
    map_init(&catalogue->stream_index);
    map_init(&catalogue->symbol_index);
}

void catalogue_finish(struct catalogue *catalogue)
{
    free(catalogue->streams);
    free(catalogue->symbols);
    map_finish(&catalogue->stream_index);
    map_finish(&catalogue->symbol_index);
    *catalogue = (struct catalogue){0};
}

static bool upper_name(struct span name, char out_name[NAME_BYTES])
{
    if (!name.bytes || name.bytes >= NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.bytes; i++)
        out_name[i] = (char)toupper((unsigned char)name.text[i]);
    out_name[name.bytes] = 0;
    return true;
}

uint16_t catalogue_add_symbol(struct catalogue *catalogue, struct span name)
{
    char text[NAME_BYTES];
    if (!upper_name(name, text))
        return SYMBOL_NONE;
    size_t known = map_get(&catalogue->symbol_index, text);
    if (known != MAP_ABSENT)
        return (uint16_t)known;
    size_t index = catalogue->symbol_count;
    if (index == STREAMS_MAX)
        return SYMBOL_NONE;
    catalogue->symbols =
        memory_grow(catalogue->symbols, &catalogue->symbol_capacity, index + 1, sizeof *catalogue->symbols);
    struct symbol *symbol = &catalogue->symbols[catalogue->symbol_count++];
    *symbol = (struct symbol){.offered = true};
    memcpy(symbol->name, text, sizeof text);
    map_put(&catalogue->symbol_index, text, index);
    return (uint16_t)index;
}

uint16_t catalogue_symbol(const struct catalogue *catalogue, const char *name)
{
    char text[NAME_BYTES];
    if (!upper_name(span_of(name), text))
        return SYMBOL_NONE;
    size_t index = map_get(&catalogue->symbol_index, text);
    return index == MAP_ABSENT ? SYMBOL_NONE : (uint16_t)index;
}

static struct span symbol_part(struct span stream)
{
    const char *at = memchr(stream.text, '@', stream.bytes);
    bool whole_market = stream.bytes && *stream.text == '!';
    return (struct span){stream.text, at && !whole_market ? (size_t)(at - stream.text) : 0};
}

uint16_t catalogue_add_stream(struct catalogue *catalogue, struct span name)
{
    size_t known = map_get_bytes(&catalogue->stream_index, name.text, name.bytes);
    if (known != MAP_ABSENT)
        return (uint16_t)known;
    size_t index = catalogue->stream_count;
    if (index == STREAMS_MAX || !name.bytes || name.bytes >= NAME_BYTES)
        return STREAM_NONE;
    struct stream stream = {.kind = stream_kind_of(name),
                            .symbol = catalogue_add_symbol(catalogue, symbol_part(name))};
    memcpy(stream.name, name.text, name.bytes);
    catalogue->streams =
        memory_grow(catalogue->streams, &catalogue->stream_capacity, index + 1, sizeof *catalogue->streams);
    catalogue->streams[catalogue->stream_count++] = stream;
    map_put(&catalogue->stream_index, stream.name, index);
    return (uint16_t)index;
}

uint16_t catalogue_stream(const struct catalogue *catalogue, const char *name)
{
    size_t index = map_get(&catalogue->stream_index, name);
    return index == MAP_ABSENT ? STREAM_NONE : (uint16_t)index;
}

static bool starts_with(struct span span, const char *text)
{
    size_t length = strlen(text);
    return span.bytes >= length && memcmp(span.text, text, length) == 0;
}

enum stream_kind stream_kind_of(struct span name)
{
    const char *at = memchr(name.text, '@', name.bytes);
    if (!at || *name.text == '!')
        return STREAM_OTHER;
    struct span kind = {at + 1, name.bytes - (size_t)(at + 1 - name.text)};
    if (span_equals(kind, "depth") || starts_with(kind, "depth@"))
        return STREAM_DEPTH_DIFF;
    if (starts_with(kind, "depth"))
        return STREAM_DEPTH_PARTIAL;
    if (span_equals(kind, "trade"))
        return STREAM_TRADE;
    if (span_equals(kind, "aggTrade"))
        return STREAM_AGG_TRADE;
    return span_equals(kind, "bookTicker") ? STREAM_BOOK_TICKER : STREAM_OTHER;
}

bool symbol_is_coin_margined(const char *symbol)
{
    const char *underscore = strchr(symbol, '_');
    return underscore && underscore - symbol > 3 && memcmp(underscore - 3, "USD", 3) == 0;
}

static void observe(struct span text, int *decimals, int *significant)
{
    const char *point = memchr(text.text, '.', text.bytes);
    if (!point)
        return;
    const char *end = text.text + text.bytes;
    int written = (int)(end - point - 1);
    while (end[-1] == '0')
        end--;
    int needed = (int)(end - point - 1);
    *decimals = written > *decimals ? written : *decimals;
    *significant = needed > *significant ? needed : *significant;
}

void symbol_observe_price(struct symbol *symbol, struct span text)
{
    observe(text, &symbol->price_decimals, &symbol->price_significant);
}

void symbol_observe_quantity(struct symbol *symbol, struct span text)
{
    observe(text, &symbol->quantity_decimals, &symbol->quantity_significant);
}
