/* Connections: which are open, and which opening follows an earlier one's end: the symbols it serves are told. They
 * concern several symbols, so they are kept here and not there. */
#include "base/json.h"
#include "base/memory.h"
#include "feed_symbol.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char END_OF_RECORDING[] = "1000 end of recording";
static const char PLANNED[] = "planned";

enum { SOCKET_TEXT_BYTES = 640 };

static bool is_of(const struct feed_connection *connection, const struct capture_record *record)
{
    return connection->number && connection->source == record->source &&
           connection->conn_id == record->conn_id;
}

struct feed_connection *feed_connection_of(struct feed *feed, const struct capture_record *record)
{
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (is_of(&feed->state.connections[i], record))
            return &feed->state.connections[i];
    return NULL;
}

static struct feed_connection *connection_numbered(struct feed *feed, int64_t number)
{
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (number && feed->state.connections[i].number == number)
            return &feed->state.connections[i];
    return NULL;
}

/* connection_slot: an unused slot, else the closed one heard of longest ago, else that of the open ones. */
static struct feed_connection *connection_slot(struct feed *feed)
{
    struct feed_connection *best = &feed->state.connections[0];
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        struct feed_connection *connection = &feed->state.connections[i];
        if (!connection->number)
            return connection;
        if (connection->is_open < best->is_open ||
            (connection->is_open == best->is_open && connection->last_ns < best->last_ns))
            best = connection;
    }
    return best;
}

/* streams_of: the part of a URL that says which streams it carries; a port or host may change between openings. */
static const char *streams_of(const char *url, size_t bytes, size_t *out_bytes)
{
    static const char KEY[] = "streams=";
    const char *at = memmem(url, bytes, KEY, sizeof KEY - 1);
    const char *streams = at ? at + sizeof KEY - 1 : url;
    *out_bytes = bytes - (size_t)(streams - url);
    return streams;
}

/* services_of: which of a symbol's services an opening carries: bits of trades and books; with a URL that names no streams, all. */
static void services_of(struct feed *feed, const struct capture_record *record, uint8_t *out_services)
{
    size_t streams_bytes;
    const char *url = record->payload;
    const char *streams = streams_of(url, record->payload_bytes, &streams_bytes);
    const char *end = streams + streams_bytes;
    bool names_some = streams != url;
    for (const char *at = streams; names_some && at < end;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        int symbol = venue_stream_symbol(feed->venue, at, (size_t)(stop - at));
        bool trades =
            memmem(at, (size_t)(stop - at), "@trade", 6) || memmem(at, (size_t)(stop - at), "@aggTrade", 9);
        if (symbol >= 0)
            out_services[symbol] |= (uint8_t)(1 << (trades ? FEED_TRADE : FEED_BOOK));
        at = stop + 1;
    }
    for (size_t i = 0; !names_some && i < feed->config.symbol_count; i++)
        out_services[i] = (1 << FEED_TRADE) | (1 << FEED_BOOK);
}

/* reopening: what an opening is to those it serves. */
struct reopening {
    bool reopens, overlaps;
    const struct feed_connection *before; /* whose end made a hole; may have been forgotten */
};

/* services_at: where a symbol keeps which openings serve it in a capture; NULL: it has nothing to do with it. */
static int64_t *services_at(struct feed_symbol *symbol, int64_t source)
{
    if (symbol->state.owner == source)
        return symbol->state.served;
    return symbol->expected.source == source ? symbol->expected.served : NULL;
}

/* look_back: at who has carried one symbol's services until now. True: a hole lies behind it. */
static bool look_back(struct feed *feed, const struct capture_record *record, const int64_t *served,
                      uint8_t services, struct reopening *reopening)
{
    bool has_hole = false;
    for (size_t i = 0; i < FEED_SERVICES; i++) {
        const struct feed_connection *before = connection_numbered(feed, served[i]);
        if (!(services & 1 << i) || !served[i])
            continue;
        if (before && before->is_open && before->conn_id != record->conn_id) {
            reopening->overlaps = true;
            continue;
        }
        has_hole = reopening->reopens = true;
        reopening->before = before ? before : reopening->before;
    }
    return has_hole;
}

static void meta_make(const struct capture_record *record, const struct feed_connection *before,
                      struct buffer *meta)
{
    size_t url_bytes = record->payload_bytes < SOCKET_TEXT_BYTES ? record->payload_bytes : SOCKET_TEXT_BYTES;
    int64_t down_ms = before ? record->recv_ns / 1000000 - before->last_ns / 1000000 : 0;
    struct json json;
    buffer_init(meta, META_BYTES - 1);
    json_init(&json, meta);
    json_object_begin(&json);
    json_key_i64(&json, "down_ms", down_ms);
    json_key_text(&json, "reason", before ? before->reason : "");
    json_key(&json, "socket");
    json_text_bytes(&json, record->payload, url_bytes);
    json_object_end(&json);
    if (meta->overflowed) { /* a URL or reason that had to be escaped at length */
        buffer_clear(meta);
        buffer_format(meta, "{\"down_ms\":%" PRId64 ",\"reason\":\"\",\"socket\":\"\"}", down_ms);
    }
}

/* mark_symbol: gives one symbol the text of its reconnect event, in its place among the messages. */
static void mark_symbol(struct feed *feed, size_t symbol, int64_t source, const struct buffer *meta)
{
    struct venue_message mark;
    memset(&mark, 0, sizeof mark);
    mark.kind = VENUE_REOPENED;
    mark.symbol = (int32_t)symbol;
    mark.text = (const char *)meta->data;
    mark.text_bytes = meta->length;
    feed_symbol_arrives(&feed->symbols[symbol], source, &mark, NULL);
}

/* serve: those it carries are carried by it from now on; whom it leaves a hole is told. */
static void serve(struct feed *feed, const struct capture_record *record, int64_t number)
{
    struct reopening reopening = {0};
    uint8_t *services = memory_allocate(feed->config.symbol_count * sizeof *services);
    bool *has_hole = memory_allocate(feed->config.symbol_count * sizeof *has_hole);
    struct buffer meta;
    services_of(feed, record, services);
    for (size_t i = 0; i < feed->config.symbol_count; i++) {
        int64_t *served = services_at(&feed->symbols[i], record->source);
        if (!served || !services[i])
            continue;
        has_hole[i] = look_back(feed, record, served, services[i], &reopening);
        for (size_t k = 0; k < FEED_SERVICES; k++)
            if (services[i] & 1 << k)
                served[k] = number;
    }
    feed->state.counters[FEED_RECONNECTS] += reopening.reopens;
    feed->state.counters[FEED_PLANNED_RECONNECTS] += reopening.overlaps && !reopening.reopens;
    meta_make(record, reopening.before, &meta);
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        if (has_hole[i])
            mark_symbol(feed, i, record->source, &meta);
    buffer_finish(&meta);
    free(services);
    free(has_hole);
}

void feed_connection_opened(struct feed *feed, const struct capture_record *record)
{
    serve(feed, record, ++feed->state.openings);
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (is_of(&feed->state.connections[i], record))
            memset(&feed->state.connections[i], 0, sizeof feed->state.connections[i]);
    struct feed_connection *connection = connection_slot(feed);
    memset(connection, 0, sizeof *connection);
    connection->conn_id = record->conn_id;
    connection->source = record->source;
    connection->number = feed->state.openings;
    connection->is_open = 1;
    connection->last_ns = record->recv_ns;
}

static void connection_close(struct feed_connection *connection, const struct capture_record *record)
{
    size_t bytes = record->payload_bytes < FEED_REASON_BYTES ? record->payload_bytes : FEED_REASON_BYTES - 1;
    connection->is_open = 0;
    memset(connection->reason, 0, sizeof connection->reason);
    memcpy(connection->reason, record->payload, bytes);
    /* At a restart nobody knows since when it was down: since the last message. */
    if (record->conn_id != CAPTURE_ALL_CONNECTIONS)
        connection->last_ns = record->recv_ns;
}

static bool begins_with(const struct capture_record *record, const char *text)
{
    size_t bytes = strlen(text);
    return record->payload_bytes >= bytes && memcmp(record->payload, text, bytes) == 0;
}

static void unheard(struct feed *feed, int64_t connection)
{
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        feed_symbol_unheard(&feed->symbols[i], connection);
}

/* end_of_capture: of the symbols that it has. Others may go on: their instance was not there when this one came to the end. */
static void end_of_capture(struct feed *feed, int64_t source)
{
    bool others = false;
    for (size_t i = 0; i < feed->config.symbol_count; i++) {
        const struct feed_symbol_state *state = &feed->symbols[i].state;
        others = others || (state->owner != source && state->owner != FEED_ELSEWHERE && !state->has_ended);
    }
    for (size_t i = 0; others && i < feed->config.symbol_count; i++)
        if (feed->symbols[i].state.owner == source)
            feed_symbol_end(&feed->symbols[i]);
    if (!others)
        feed_end(feed);
}

void feed_connection_closed(struct feed *feed, const struct capture_record *record)
{
    bool any_open = false, is_planned = begins_with(record, PLANNED);
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        struct feed_connection *connection = &feed->state.connections[i];
        if (!connection->number || connection->source != record->source)
            continue;
        bool is_meant = is_of(connection, record) || record->conn_id == CAPTURE_ALL_CONNECTIONS;
        if (is_meant && connection->is_open)
            connection_close(connection, record);
        if (is_meant && !is_planned)
            unheard(feed, connection->number);
        if (is_meant && is_planned)
            memset(connection, 0, sizeof *connection);
        any_open = any_open || connection->is_open;
    }
    if (begins_with(record, END_OF_RECORDING) && !any_open)
        end_of_capture(feed, record->source);
}
