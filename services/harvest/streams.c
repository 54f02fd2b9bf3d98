#include "streams.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

void streams_init(struct streams *streams)
{
    *streams = (struct streams){0};
    map_init(&streams->by_name);
}

void streams_finish(struct streams *streams)
{
    free(streams->items);
    map_finish(&streams->by_name);
    streams_init(streams);
}

static void add(struct streams *streams, const char *name, size_t symbol, enum stream_use use)
{
    if (map_get(&streams->by_name, name) != MAP_ABSENT)
        return;
    streams->items =
        memory_grow(streams->items, &streams->capacity, streams->count + 1, sizeof *streams->items);
    struct stream *stream = &streams->items[streams->count];
    *stream = (struct stream){.symbol = symbol, .use = use, .link = STREAM_UNHEARD};
    snprintf(stream->name, sizeof stream->name, "%s", name);
    map_put(&streams->by_name, stream->name, streams->count++);
}

static void add_of_symbol(struct streams *streams, const struct receiver_config *config, size_t symbol,
                          const char *suffix, enum stream_use use)
{
    char name[STREAM_NAME_BYTES];
    snprintf(name, sizeof name, "%.*s", SYMBOL_BYTES, config->symbols[symbol]);
    for (char *at = name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    size_t length = strlen(name);
    snprintf(name + length, sizeof name - length, "%s", suffix);
    add(streams, name, symbol, use);
}

void streams_choose(struct streams *streams, const struct receiver_config *config)
{
    for (size_t i = 0; i < config->symbol_count; i++) {
        add_of_symbol(streams, config, i, config->depth_stream, STREAM_BOOK);
        add_of_symbol(streams, config, i, config->raw_trades ? "@trade" : "@aggTrade", STREAM_TRADE);
        if (!config->partial_books)
            add_of_symbol(streams, config, i, "@bookTicker", STREAM_TICKER);
    }
}

static bool part_is(const char *part, const char *word)
{
    size_t length = strlen(word);
    return strncmp(part, word, length) == 0 && (part[length] == 0 || part[length] == '@');
}

/* use_of: what an offered stream serves for, -1: for nothing here. */
static int use_of(const struct receiver_config *config, const char *part)
{
    bool is_partial = part_is(part, "depth5") || part_is(part, "depth10") || part_is(part, "depth20");
    if (is_partial || part_is(part, "depth"))
        return is_partial == config->partial_books ? STREAM_BOOK : -1;
    if (part_is(part, config->raw_trades ? "trade" : "aggTrade"))
        return STREAM_TRADE;
    return part_is(part, "bookTicker") && !config->partial_books ? STREAM_TICKER : -1;
}

static void add_offered(struct streams *streams, const struct receiver_config *config, const char *name)
{
    const char *at = strchr(name, '@');
    size_t length = at ? (size_t)(at - name) : 0;
    if (!at || strlen(name) >= STREAM_NAME_BYTES)
        return;
    for (size_t i = 0; i < config->symbol_count; i++) {
        int use = strlen(config->symbols[i]) == length && strncasecmp(config->symbols[i], name, length) == 0
                      ? use_of(config, at + 1)
                      : -1;
        if (use >= 0)
            add(streams, name, i, (enum stream_use)use);
    }
}

enum status streams_choose_offered(struct streams *streams, const struct receiver_config *config,
                                   const char *body, size_t bytes, struct error *error)
{
    yyjson_doc *document = yyjson_read(body, bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    streams->awaits_read = yyjson_is_true(yyjson_obj_get(root, "awaits_read"));
    yyjson_val *market = yyjson_obj_get(root, "market"), *names = yyjson_obj_get(root, "streams");
    enum status status = STATUS_OK;
    if (!yyjson_is_str(market) || !yyjson_is_arr(names)) {
        status = error_set(error, STATUS_MALFORMED,
                           "the simulator's answer to /simulator/streams has no market or no streams");
    } else if (venue_market_from_name(yyjson_get_str(market)) != (int)config->market) {
        status = error_set(error, STATUS_CONFLICT,
                           "the simulator serves the market \"%s\", harvest.market is another",
                           yyjson_get_str(market));
    } else {
        size_t index, count;
        yyjson_val *name;
        yyjson_arr_foreach(names, index, count, name)
        {
            if (yyjson_is_str(name))
                add_offered(streams, config, yyjson_get_str(name));
        }
        if (streams->count == 0)
            status = error_set(error, STATUS_NOT_FOUND,
                               "the simulator offers no stream of the configured symbols");
    }
    yyjson_doc_free(document);
    return status;
}

void streams_url(const struct streams *streams, size_t link, const char *base, struct buffer *out)
{
    buffer_format(out, "%s/stream?streams=", base);
    const char *slash = "";
    for (size_t i = 0; i < streams->count; i++) {
        if (streams->items[i].link != link)
            continue;
        buffer_format(out, "%s%s", slash, streams->items[i].name);
        slash = "/";
    }
}

size_t streams_find(const struct streams *streams, const char *text, size_t bytes)
{
    static const char HEAD[] = "{\"stream\":\"";
    size_t head = sizeof HEAD - 1;
    if (bytes <= head || memcmp(text, HEAD, head) != 0)
        return MAP_ABSENT;
    const char *end =
        memchr(text + head, '"', bytes - head < STREAM_NAME_BYTES ? bytes - head : STREAM_NAME_BYTES);
    return end ? map_get_bytes(&streams->by_name, text + head, (size_t)(end - text) - head) : MAP_ABSENT;
}
