/* Connections: which are open, and which opening follows an earlier one's end: the symbols it serves are told. They
 * concern several symbols, so they are kept here and not there. */
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "feed_symbol.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char END_OF_RECORDING[] = "1000 end of recording";
static const char PLANNED[] = "planned";

enum { SOCKET_TEXT_BYTES = 640 };

struct feed_connection *feed_connection_of(struct feed *feed, uint16_t conn_id)
{
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        struct feed_connection *connection = &feed->state.connections[i];
        if (connection->number && connection->conn_id == conn_id)
            return connection;
    }
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

/* mark_symbol: gives one symbol the text of its reconnect event, in its place among the messages. */
static void mark_symbol(struct feed *feed, size_t symbol, const struct buffer *meta)
{
    struct venue_message mark;
    memset(&mark, 0, sizeof mark);
    mark.kind = VENUE_REOPENED;
    mark.symbol = (int32_t)symbol;
    mark.text = (const char *)meta->data;
    mark.text_bytes = meta->length;
    feed_symbol_message(&feed->symbols[symbol], &mark);
    sync_reopened(&feed->symbols[symbol].sync);
}

/* mark_symbols: those whose streams the URL names; all when it names none. */
static void mark_symbols(struct feed *feed, const char *url, size_t bytes, const struct buffer *meta)
{
    size_t streams_bytes;
    const char *streams = streams_of(url, bytes, &streams_bytes);
    const char *end = streams + streams_bytes;
    bool *is_served = memory_allocate(feed->config.symbol_count * sizeof *is_served);
    bool names_some = streams != url;
    for (const char *at = streams; names_some && at < end;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        int symbol = venue_stream_symbol(feed->venue, at, (size_t)(stop - at));
        if (symbol >= 0)
            is_served[symbol] = true;
        at = stop + 1;
    }
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        if (is_served[i] || !names_some)
            mark_symbol(feed, i, meta);
    free(is_served);
}

static void reopened(struct feed *feed, const struct capture_record *record,
                     const struct feed_connection *before)
{
    size_t url_bytes = record->payload_bytes < SOCKET_TEXT_BYTES ? record->payload_bytes : SOCKET_TEXT_BYTES;
    int64_t down_ms = record->recv_ns / 1000000 - before->last_ns / 1000000;
    struct buffer meta;
    struct json json;
    buffer_init(&meta, META_BYTES - 1);
    json_init(&json, &meta);
    json_object_begin(&json);
    json_key_i64(&json, "down_ms", down_ms);
    json_key_text(&json, "reason", before->reason);
    json_key(&json, "socket");
    json_text_bytes(&json, record->payload, url_bytes);
    json_object_end(&json);
    if (meta.overflowed) { /* a URL or reason that had to be escaped at length */
        buffer_clear(&meta);
        buffer_format(&meta, "{\"down_ms\":%" PRId64 ",\"reason\":\"\",\"socket\":\"\"}", down_ms);
    }
    feed->state.counters[FEED_RECONNECTS]++;
    mark_symbols(feed, record->payload, record->payload_bytes, &meta);
    buffer_finish(&meta);
}

void feed_connection_opened(struct feed *feed, const struct capture_record *record)
{
    size_t streams_bytes;
    const char *streams = streams_of(record->payload, record->payload_bytes, &streams_bytes);
    uint64_t streams_hash = hash_fnv1a(streams, streams_bytes);
    bool overlaps = false;
    const struct feed_connection *before = NULL;
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        struct feed_connection *other = &feed->state.connections[i];
        if (!other->number || other->streams_hash != streams_hash)
            continue;
        if (other->is_open && other->conn_id != record->conn_id)
            overlaps = true;
        else
            before = other;
    }
    if (overlaps)
        feed->state.counters[FEED_PLANNED_RECONNECTS]++;
    else if (before)
        reopened(feed, record, before);
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        struct feed_connection *other = &feed->state.connections[i];
        if (other->conn_id == record->conn_id || (!other->is_open && other->streams_hash == streams_hash))
            memset(other, 0, sizeof *other);
    }
    struct feed_connection *connection = connection_slot(feed);
    memset(connection, 0, sizeof *connection);
    connection->conn_id = record->conn_id;
    connection->number = ++feed->state.openings;
    connection->is_open = 1;
    connection->last_ns = record->recv_ns;
    connection->streams_hash = streams_hash;
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

void feed_connection_closed(struct feed *feed, const struct capture_record *record)
{
    bool any_open = false;
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        struct feed_connection *connection = &feed->state.connections[i];
        if (!connection->number)
            continue;
        bool is_meant = connection->conn_id == record->conn_id || record->conn_id == CAPTURE_ALL_CONNECTIONS;
        if (is_meant && connection->is_open)
            connection_close(connection, record);
        if (is_meant && begins_with(record, PLANNED))
            memset(connection, 0, sizeof *connection);
        any_open = any_open || connection->is_open;
    }
    if (begins_with(record, END_OF_RECORDING) && !any_open)
        feed_end(feed);
}
