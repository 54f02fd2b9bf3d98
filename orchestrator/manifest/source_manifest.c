/* The source manifest (data.md §6.2): where the data of a run came from, as the raw capture recorded it. */
#include "base/memory.h"
#include "journal/capture.h"
#include "manifest.h"
#include "orchestrator/plan/playback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { ENDPOINTS_MAX = 4096, CONNECTIONS = 65536, TIMED_MAX = 1000 };

/* endpoint: one connection of the capture, from its opening to its closing. */
struct endpoint {
    char *url;
    int64_t opened_ns, closed_ns; /* closed 0: not before the end */
    int64_t messages;
};

struct endpoints {
    struct endpoint *items;
    size_t count, capacity;
    size_t *open; /* by connection: index + 1, 0: none */
    int64_t first_ns, last_ns;
    int64_t first_event_ms; /* the earliest of the first messages; 0: none says a time */
    int64_t timed;          /* of one capture */
    bool unknown;           /* a capture could not be read to its end */
};

void manifest_source_path(const struct run *run, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "source_manifest_%s.json",
              run->run_id);
}

static void opened(struct endpoints *endpoints, const struct capture_record *record)
{
    if (endpoints->count == ENDPOINTS_MAX)
        return;
    endpoints->items =
        memory_grow(endpoints->items, &endpoints->capacity, endpoints->count + 1, sizeof *endpoints->items);
    char *url = memory_allocate(record->payload_bytes + 1);
    memcpy(url, record->payload, record->payload_bytes);
    endpoints->items[endpoints->count++] = (struct endpoint){.url = url, .opened_ns = record->recv_ns};
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
        endpoints->items[endpoints->open[record->conn_id] - 1].messages++;
    if (record->kind == CAPTURE_MESSAGE)
        event_take(endpoints, record);
}

/* capture_read: one instance's connections; their numbers are its own. */
static void capture_read(const struct run *run, const struct process *harvest, struct endpoints *endpoints)
{
    char folder[PATH_BYTES];
    struct capture_reader *reader;
    struct capture_record record;
    struct error error;
    run_capture_folder(run, harvest, folder);
    enum status status = capture_reader_open(folder, run->run_id, NULL, &reader, &error);
    bool is_open = status == STATUS_OK;
    memset(endpoints->open, 0, CONNECTIONS * sizeof *endpoints->open);
    endpoints->timed = 0;
    while (status == STATUS_OK && (status = capture_next(reader, &record, &error)) == STATUS_OK)
        record_take(endpoints, &record);
    endpoints->unknown = endpoints->unknown || status != STATUS_END;
    if (is_open)
        capture_reader_close(reader);
}

static void endpoints_read(const struct run *run, struct endpoints *endpoints)
{
    *endpoints = (struct endpoints){.open = memory_allocate(CONNECTIONS * sizeof *endpoints->open)};
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].module_index == MODULE_HARVEST)
            capture_read(run, &run->processes[i], endpoints);
}

static void endpoints_finish(struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++)
        free(endpoints->items[i].url);
    free(endpoints->items);
    free(endpoints->open);
}

static void key_time_ns(struct json *json, const char *key, int64_t wall_ns)
{
    char text[TIME_TEXT_BYTES];
    if (wall_ns)
        time_iso_ms(wall_ns / 1000000, text);
    json_key_text(json, key, wall_ns ? text : NULL);
}

/* write_streams: the names in the URL's query, "…?streams=a/b/c". */
static void write_streams(struct json *json, const char *url)
{
    const char *at = strstr(url, "streams=");
    json_key(json, "streams");
    json_array_begin(json);
    for (at = at ? at + strlen("streams=") : NULL; at && *at;) {
        size_t length = strcspn(at, "/&");
        json_text_bytes(json, at, length);
        at = at[length] == '/' ? at + length + 1 : NULL;
    }
    json_array_end(json);
}

static void write_endpoints(struct json *json, const struct endpoints *endpoints)
{
    json_key(json, "ws_endpoints");
    if (endpoints->unknown) {
        json_null(json);
        return;
    }
    json_array_begin(json);
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct endpoint *endpoint = &endpoints->items[i];
        json_object_begin(json);
        json_key_text(json, "url", endpoint->url);
        write_streams(json, endpoint->url);
        key_time_ns(json, "opened_at", endpoint->opened_ns);
        key_time_ns(json, "closed_at", endpoint->closed_ns);
        json_key_i64(json, "messages", endpoint->messages);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_snapshot(struct json *json, const struct run *run)
{
    static const char *const SECTIONS[] = {"harvest", "features", "signal", "broker"};
    json_key(json, "config_snapshot");
    json_object_begin(json);
    for (size_t i = 0; i < sizeof SECTIONS / sizeof *SECTIONS; i++) {
        struct buffer text;
        buffer_init(&text, 0);
        config_json_section(run->config, SECTIONS[i], &text);
        json_key(json, SECTIONS[i]);
        json_raw(json, (const char *)text.data, text.length);
        buffer_finish(&text);
    }
    json_object_end(json);
}

static void write_times(struct json *json, const struct run *run, const struct endpoints *endpoints)
{
    int64_t event_ms = run_fed_event_ms(run);
    key_time_ns(json, "session_start", endpoints->first_ns);
    key_time_ns(json, "session_end", endpoints->last_ns);
    int64_t first_event_ms = endpoints->first_event_ms ? endpoints->first_event_ms : playback_first_ms(run);
    if (first_event_ms)
        json_key_i64(json, "session_start_event_ms", first_event_ms);
    else
        json_key_null(json, "session_start_event_ms");
    json_key(json, "session_end_event_ms");
    if (event_ms == FIELD_NULL_I64)
        json_null(json);
    else
        json_i64(json, event_ms);
}

static void write_source(struct json *json, const struct run *run, const struct endpoints *endpoints)
{
    const struct config *config = run->config;
    struct config_list symbols = config_list(config, "run.symbols");
    char path[PATH_BYTES];
    json_object_begin(json);
    json_key_text(json, "run_id", run->run_id);
    write_times(json, run, endpoints);
    json_key(json, "symbols");
    json_array_begin(json);
    for (size_t i = 0; i < symbols.count; i++)
        json_text(json, symbols.texts[i]);
    json_array_end(json);
    write_endpoints(json, endpoints);
    playback_write(run, json);
    json_key_text(json, "ws_region", config_text(config, "harvest.region"));
    json_key_text(json, "rest_base", config_text(config, "harvest.rest_url"));
    json_key_text(json, "input_mode", config_text(config, "run.input_mode"));
    json_key_i64(json, "replay_mode", config_i64(config, "run.replay_mode"));
    json_key_bool(json, "watch_enabled", config_i64(config, "run.replay_mode") == 0);
    path_join(path, config_text(config, "run.data_root"), "ofi_cvd");
    json_key_text(json, "features_dir", path);
    json_key_text(json, "data_root", config_text(config, "run.data_root"));
    path_join(path, config_text(config, "run.data_root"), "raw");
    json_key_text(json, "capture_dir", path);
    write_snapshot(json, run);
    json_key_text(json, "config_fingerprint", run->fingerprint);
    json_object_end(json);
}

enum status manifest_write_source(const struct run *run, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer text;
    struct json json;
    struct endpoints endpoints;
    endpoints_read(run, &endpoints);
    buffer_init(&text, 0);
    json_init(&json, &text);
    write_source(&json, run, &endpoints);
    buffer_append_byte(&text, '\n');
    endpoints_finish(&endpoints);
    manifest_source_path(run, path);
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length,
                              strcmp(config_text(run->config, "journal.durability"), "power") == 0);
    buffer_finish(&text);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}
