#include "venue.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const SYNTHETIC_STREAMS[] = {
    [STREAM_DEPTH_DIFF] = "depth@100ms",
    [STREAM_AGG_TRADE] = "aggTrade",
    [STREAM_BOOK_TICKER] = "bookTicker",
};
enum { STREAM_KINDS = STREAM_BOOK_TICKER + 1 };

/* ---- opening ---- */

static void append_entry(void *context, const struct tape_entry *entry)
{
    tape_append(context, entry);
}

/* pass_faults: a recording's whole tape through the faults, once. */
static void pass_faults(struct venue *venue)
{
    struct tape *tape = venue_tape(venue);
    struct tape_entry *entries = tape->entries;
    size_t count = tape->count;
    tape->entries = NULL;
    tape->count = 0;
    tape->capacity = 0;
    for (size_t i = 0; i < count; i++)
        inject_pass(venue->inject, &venue->recording.catalogue, &entries[i], append_entry, tape);
    free(entries);
}

static enum status open_recording(struct venue *venue, const struct venue_config *config, struct error *error)
{
    struct recording *recording = &venue->recording;
    enum status status = recording_load(recording, config->captures, config->capture_count,
                                        config->synthetic.symbols, config->synthetic.symbol_count, error);
    if (status != STATUS_OK)
        return status;
    if (!recording->tape.count)
        return error_set(error, STATUS_INVALID, "the captures hold no message of the chosen symbols");
    if (config->shift)
        recording_shift(recording, config->synthetic.start_ms - recording->tape.entries[0].recv_ns / 1000000);
    if (venue->inject)
        pass_faults(venue);
    recording_index(recording);
    venue->first_ns = recording->tape.entries[0].recv_ns;
    venue->last_ns = recording->tape.entries[recording->tape.count - 1].recv_ns;
    for (size_t i = 0; i < recording->catalogue.stream_count; i++)
        venue->messages += recording->catalogue.streams[i].messages;
    return STATUS_OK;
}

static void describe_symbol(struct venue *venue, uint16_t index)
{
    struct catalogue *catalogue = &venue->recording.catalogue;
    struct symbol *symbol = &catalogue->symbols[index];
    struct synthetic_scale scale = synthetic_scale(venue->synthetic, index);
    symbol->price_decimals = symbol->price_significant = scale.price_decimals;
    symbol->quantity_decimals = symbol->quantity_significant = scale.quantity_decimals;
    for (size_t kind = 0; kind < STREAM_KINDS; kind++) {
        if (!SYNTHETIC_STREAMS[kind])
            continue;
        char name[NAME_BYTES + 16];
        size_t length = strlen(symbol->name);
        for (size_t i = 0; i < length; i++)
            name[i] = (char)(symbol->name[i] >= 'A' && symbol->name[i] <= 'Z' ? symbol->name[i] + 32
                                                                              : symbol->name[i]);
        name[length] = '@';
        snprintf(name + length + 1, sizeof name - length - 1, "%s", SYNTHETIC_STREAMS[kind]);
        venue->stream_of[(size_t)index * STREAM_KINDS + kind] =
            catalogue_add_stream(catalogue, span_of(name));
    }
}

static enum status open_synthetic(struct venue *venue, const struct synthetic_config *config,
                                  struct error *error)
{
    struct catalogue *catalogue = &venue->recording.catalogue;
    enum status status = synthetic_create(config, &venue->synthetic, error);
    if (status != STATUS_OK)
        return status;
    venue->recording.market = config->market;
    venue->snapshot_said = memory_allocate(config->symbol_count * sizeof *venue->snapshot_said);
    venue->stream_of = memory_allocate(config->symbol_count * STREAM_KINDS * sizeof *venue->stream_of);
    for (size_t i = 0; i < config->symbol_count; i++)
        if (catalogue_add_symbol(catalogue, span_of(config->symbols[i])) != i)
            return error_set(error, STATUS_INVALID, "simulator.symbols: %s is there twice",
                             config->symbols[i]);
    for (size_t i = 0; i < config->symbol_count; i++)
        describe_symbol(venue, (uint16_t)i);
    venue->first_ns = config->start_ms * 1000000;
    venue->last_ns = config->length_ms ? venue->first_ns + config->length_ms * 1000000 : INT64_MAX;
    return STATUS_OK;
}

enum status venue_open(struct venue *venue, const struct venue_config *config, struct error *error)
{
    *venue = (struct venue){.inject = config->inject};
    recording_init(&venue->recording);
    enum status status = config->capture_count ? open_recording(venue, config, error)
                                               : open_synthetic(venue, &config->synthetic, error);
    if (status != STATUS_OK)
        venue_close(venue);
    return status;
}

void venue_close(struct venue *venue)
{
    recording_finish(&venue->recording);
    synthetic_destroy(venue->synthetic);
    free(venue->snapshot_said);
    free(venue->stream_of);
    *venue = (struct venue){0};
}

/* ---- the synthetic tape ---- */

static void take_message(void *context, const struct synthetic_message *message, bool snapshot)
{
    struct venue *venue = context;
    struct tape *tape = venue_tape(venue);
    uint16_t stream = venue->stream_of[message->symbol * STREAM_KINDS + message->kind];
    struct tape_entry entry = {.recv_ns = message->recv_ns,
                               .text = tape_keep_text(tape, message->text, message->bytes),
                               .bytes = (uint32_t)message->bytes,
                               .data_offset = (uint32_t)message->data_offset,
                               .data_bytes = (uint32_t)message->data_bytes,
                               .stream = snapshot ? STREAM_NONE : stream,
                               .symbol = message->symbol,
                               .kind = snapshot ? TAPE_SNAPSHOT : TAPE_MESSAGE,
                               .flags = snapshot ? TAPE_NEEDED : 0};
    if (snapshot) {
        venue->snapshot_said[message->symbol] = true;
    } else {
        venue->messages++;
        venue->recording.catalogue.streams[stream].messages++;
    }
    if (venue->inject)
        inject_pass(venue->inject, &venue->recording.catalogue, &entry, append_entry, tape);
    else
        tape_append(tape, &entry);
}

bool venue_extend(struct venue *venue, uint64_t number)
{
    struct tape *tape = venue_tape(venue);
    while (number >= tape_end(tape) && !tape->complete)
        if (synthetic_step(venue->synthetic, take_message, venue) == STATUS_END)
            tape->complete = true;
    return number < tape_end(tape);
}

/* ---- REST ---- */

bool venue_snapshot_ahead(const struct venue *venue, uint16_t symbol, uint64_t position)
{
    const struct tape *tape = &venue->recording.tape;
    if (venue->synthetic) {
        if (!venue->snapshot_said[symbol])
            return true;
        for (uint64_t i = position; i < tape_end(tape); i++)
            if (tape_at(tape, i)->kind == TAPE_SNAPSHOT && tape_at(tape, i)->symbol == symbol)
                return true;
        return false;
    }
    const struct recorded_symbol *recorded = &venue->recording.symbols[symbol];
    for (size_t i = 0; i < recorded->snapshot_count; i++)
        if (recorded->snapshots[i] >= position && tape_at(tape, recorded->snapshots[i])->flags & TAPE_NEEDED)
            return true;
    return false;
}

enum status venue_depth(struct venue *venue, uint16_t symbol, uint64_t position, size_t limit,
                        struct buffer *out)
{
    if (!venue->synthetic)
        return recording_depth(&venue->recording, symbol, position, limit, out);
    synthetic_depth(venue->synthetic, symbol, limit, out);
    return STATUS_OK;
}

void venue_agg_trades(const struct venue *venue, uint16_t symbol, int64_t from_id, size_t limit,
                      uint64_t position, struct buffer *out)
{
    if (venue->synthetic)
        synthetic_agg_trades(venue->synthetic, symbol, from_id, limit, out);
    else
        recording_agg_trades(&venue->recording, symbol, from_id, limit, position, out);
}

/* ---- exchangeInfo ---- */

static void write_step(struct json *json, const char *key, int64_t units, int decimals)
{
    char text[32];
    int64_t power = 1;
    for (int i = 0; i < decimals; i++)
        power *= 10;
    if (decimals)
        snprintf(text, sizeof text, "%lld.%0*lld", (long long)(units / power), decimals,
                 (long long)(units % power));
    else
        snprintf(text, sizeof text, "%lld", (long long)units);
    json_key_text(json, key, text);
}

static void write_filters(const struct venue *venue, size_t index, struct json *json)
{
    const struct symbol *symbol = &venue_catalogue(venue)->symbols[index];
    int64_t tick = venue->synthetic ? synthetic_scale(venue->synthetic, (uint16_t)index).tick_units : 1;
    json_key(json, "filters");
    json_array_begin(json);
    json_object_begin(json);
    json_key_text(json, "filterType", "PRICE_FILTER");
    write_step(json, "tickSize", tick, symbol->price_significant);
    json_object_end(json);
    json_object_begin(json);
    json_key_text(json, "filterType", "LOT_SIZE");
    write_step(json, "stepSize", 1, symbol->quantity_significant);
    json_object_end(json);
    json_array_end(json);
}

static void write_precisions(const struct venue *venue, const struct symbol *symbol, struct json *json)
{
    if (venue_market(venue) == MARKET_SPOT) {
        json_key_i64(json, "baseAssetPrecision", 8);
        json_key_i64(json, "quotePrecision", 8);
        json_key_i64(json, "quoteAssetPrecision", 8);
        return;
    }
    json_key_i64(json, "pricePrecision", symbol->price_decimals);
    json_key_i64(json, "quantityPrecision", symbol->quantity_decimals);
}

static void write_symbol(const struct venue *venue, size_t index, struct json *json)
{
    const struct symbol *symbol = &venue_catalogue(venue)->symbols[index];
    json_object_begin(json);
    json_key_text(json, "symbol", symbol->name);
    if (venue_market(venue) != MARKET_SPOT) {
        json_key(json, "pair");
        json_text_bytes(json, symbol->name, strcspn(symbol->name, "_"));
    }
    json_key_text(json, venue_market(venue) == MARKET_COINM ? "contractStatus" : "status", "TRADING");
    if (venue_market(venue) == MARKET_COINM)
        json_key_i64(json, "contractSize", strncmp(symbol->name, "BTCUSD", 6) == 0 ? 100 : 10);
    write_precisions(venue, symbol, json);
    write_filters(venue, index, json);
    json_object_end(json);
}

void venue_exchange_info(const struct venue *venue, int64_t now_ms, struct buffer *out)
{
    if (venue->recording.exchange_info.bytes) {
        buffer_append(out, venue->recording.exchange_info.text, venue->recording.exchange_info.bytes);
        return;
    }
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "timezone", "UTC");
    json_key_i64(&json, "serverTime", now_ms);
    json_key(&json, "symbols");
    json_array_begin(&json);
    for (size_t i = 0; i < venue_catalogue(venue)->symbol_count; i++)
        if (venue_catalogue(venue)->symbols[i].offered)
            write_symbol(venue, i, &json);
    json_array_end(&json);
    json_object_end(&json);
}
