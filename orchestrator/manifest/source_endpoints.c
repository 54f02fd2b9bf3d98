#include "source_endpoints.h"

#include "base/memory.h"
#include "journal/capture.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum {
    ENDPOINTS_MAX = 4096,
    CONNECTIONS = 65536,
    TIMED_MAX = 1000,
    STREAMS_MAX = 10000,
    STREAM_LOOKED = 256
};

void endpoints_init(struct endpoints *endpoints)
{
    *endpoints = (struct endpoints){.open = memory_allocate(CONNECTIONS * sizeof *endpoints->open)};
}

static void texts_finish(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

void endpoints_finish(struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        struct endpoint *endpoint = &endpoints->items[i];
        free(endpoint->url);
        texts_finish(endpoint->streams, endpoint->stream_count);
        map_finish(&endpoint->streams_known);
    }
    texts_finish(endpoints->folders, endpoints->folder_count);
    free(endpoints->items);
    free(endpoints->open);
    free(endpoints->rest_origin);
}

static char *text_of(const void *bytes, size_t length)
{
    char *text = memory_allocate(length + 1);
    memcpy(text, bytes, length);
    return text;
}

static void opened(struct endpoints *endpoints, const struct capture_record *record)
{
    if (endpoints->count == ENDPOINTS_MAX)
        return;
    endpoints->items =
        memory_grow(endpoints->items, &endpoints->capacity, endpoints->count + 1, sizeof *endpoints->items);
    struct endpoint *endpoint = &endpoints->items[endpoints->count++];
    *endpoint = (struct endpoint){.url = text_of(record->payload, record->payload_bytes),
                                  .opened_ns = record->recv_ns};
    map_init(&endpoint->streams_known);
    endpoints->open[record->conn_id] = endpoints->count;
}

static void closed(struct endpoints *endpoints, const struct capture_record *record)
{
    for (size_t i = 0; endpoints->items && i < CONNECTIONS; i++) {
        bool meant = i == record->conn_id || record->conn_id == CAPTURE_ALL_CONNECTIONS;
        if (meant && endpoints->open[i]) {
            endpoints->items[endpoints->open[i] - 1].closed_ns = record->recv_ns;
            endpoints->open[i] = 0;
        }
    }
}

/* event_take: the event time of one of the first messages; messages of several streams may be out of order. */
static void event_take(struct endpoints *endpoints, const struct capture_record *record)
{
    if (endpoints->timed >= TIMED_MAX)
        return;
    yyjson_doc *document = yyjson_read((const char *)record->payload, record->payload_bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *data = yyjson_obj_get(root, "data");
    yyjson_val *time = yyjson_obj_get(data ? data : root, "T");
    if (!time)
        time = yyjson_obj_get(data ? data : root, "E"); /* spot books have no T */
    if (yyjson_is_int(time)) {
        int64_t event_ms = yyjson_get_sint(time);
        endpoints->timed++;
        if (!endpoints->first_event_ms || event_ms < endpoints->first_event_ms)
            endpoints->first_event_ms = event_ms;
    }
    yyjson_doc_free(document);
}

/* heard: a message; {"stream":"btcusdt@trade","data":…} says of which stream, also of one that was subscribed to later. */
static void heard(struct endpoint *endpoint, const struct capture_record *record)
{
    static const char MEMBER[] = "\"stream\":\"";
    size_t looked = record->payload_bytes < STREAM_LOOKED ? record->payload_bytes : STREAM_LOOKED;
    const char *end = (const char *)record->payload + looked;
    const char *name = memmem(record->payload, looked, MEMBER, sizeof MEMBER - 1);
    endpoint->messages++;
    name = name ? name + sizeof MEMBER - 1 : end;
    const char *stop = memchr(name, '"', (size_t)(end - name));
    size_t length = stop ? (size_t)(stop - name) : 0;
    if (!length || endpoint->stream_count == STREAMS_MAX ||
        map_get_bytes(&endpoint->streams_known, name, length) != MAP_ABSENT)
        return;
    char *text = text_of(name, length);
    endpoint->streams = memory_grow(endpoint->streams, &endpoint->stream_capacity, endpoint->stream_count + 1,
                                    sizeof *endpoint->streams);
    map_put(&endpoint->streams_known, text, endpoint->stream_count);
    endpoint->streams[endpoint->stream_count++] = text;
}

/* origin_of: of a URL: up to its path; NULL: it is none. */
static char *origin_of(const char *url, size_t bytes)
{
    static const char SCHEME_END[] = "://";
    const char *host = memmem(url, bytes, SCHEME_END, sizeof SCHEME_END - 1), *end = url + bytes;
    if (!host)
        return NULL;
    const char *stop = host + sizeof SCHEME_END - 1;
    while (stop < end && !strchr("/?\n", *stop))
        stop++;
    return text_of(url, (size_t)(stop - url));
}

static void record_take(struct endpoints *endpoints, const struct capture_record *record)
{
    if (!endpoints->first_ns || record->recv_ns < endpoints->first_ns)
        endpoints->first_ns = record->recv_ns;
    if (record->recv_ns > endpoints->last_ns)
        endpoints->last_ns = record->recv_ns;
    if (record->kind == CAPTURE_OPENED)
        opened(endpoints, record);
    else if (record->kind == CAPTURE_CLOSED)
        closed(endpoints, record);
    else if (record->kind == CAPTURE_MESSAGE && endpoints->open[record->conn_id])
        heard(&endpoints->items[endpoints->open[record->conn_id] - 1], record);
    else if (record->kind == CAPTURE_REST && !endpoints->rest_origin)
        endpoints->rest_origin = origin_of(record->payload, record->payload_bytes);
    if (record->kind == CAPTURE_MESSAGE)
        event_take(endpoints, record);
}

void endpoints_read(struct endpoints *endpoints, const char *folder, const char *run_id)
{
    struct capture_reader *reader;
    struct capture_record record;
    struct error error;
    enum status status = capture_reader_open(folder, run_id, NULL, &reader, &error);
    if (status == STATUS_NOT_FOUND) /* an instance that never lived */
        return;
    bool is_open = status == STATUS_OK;
    endpoints->folders = memory_grow(endpoints->folders, &endpoints->folder_capacity,
                                     endpoints->folder_count + 1, sizeof *endpoints->folders);
    endpoints->folders[endpoints->folder_count++] = memory_copy_text(folder);
    memset(endpoints->open, 0,
           CONNECTIONS * sizeof *endpoints->open); /* numbers of connections are its own */
    endpoints->timed = 0;
    while (status == STATUS_OK && (status = capture_next(reader, &record, &error)) == STATUS_OK)
        record_take(endpoints, &record);
    endpoints->unknown = endpoints->unknown || status != STATUS_END;
    if (is_open)
        capture_reader_close(reader);
}
