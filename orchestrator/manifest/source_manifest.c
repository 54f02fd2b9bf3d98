/* The source manifest (data.md §6.2): where the data of a run came from, as the raw capture recorded it. */
#include "manifest.h"
#include "orchestrator/plan/playback.h"
#include "source_endpoints.h"

#include <stdio.h>
#include <string.h>

void manifest_source_path(const struct run *run, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "source_manifest_%s.json",
              run->run_id);
}

static void key_time_ns(struct json *json, const char *key, int64_t wall_ns)
{
    char text[TIME_TEXT_BYTES];
    if (wall_ns)
        time_iso_ms(wall_ns / 1000000, text);
    json_key_text(json, key, wall_ns ? text : NULL);
}

/* url_streams: the names in a URL's query, "…?streams=a/b/c". */
static const char *url_streams(const char *url)
{
    const char *at = strstr(url, "streams=");
    return at ? at + strlen("streams=") : "";
}

static bool url_names(const char *url, const char *stream)
{
    size_t wanted = strlen(stream);
    for (const char *at = url_streams(url); *at && *at != '&';) {
        size_t length = strcspn(at, "/&");
        if (length == wanted && memcmp(at, stream, length) == 0)
            return true;
        at += length + (at[length] == '/');
    }
    return false;
}

/* write_streams: those that were asked for when it opened, then those that have been heard besides. */
static void write_streams(struct json *json, const struct endpoint *endpoint)
{
    json_key(json, "streams");
    json_array_begin(json);
    for (const char *at = url_streams(endpoint->url); *at && *at != '&';) {
        size_t length = strcspn(at, "/&");
        json_text_bytes(json, at, length);
        at += length + (at[length] == '/');
    }
    for (size_t i = 0; i < endpoint->stream_count; i++)
        if (!url_names(endpoint->url, endpoint->streams[i]))
            json_text(json, endpoint->streams[i]);
    json_array_end(json);
}

static void write_endpoints(struct json *json, const struct endpoints *endpoints)
{
    json_key(json, "ws_endpoints");
    if (endpoints->unknown || !endpoints->folder_count) {
        json_null(json);
        return;
    }
    json_array_begin(json);
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct endpoint *endpoint = &endpoints->items[i];
        json_object_begin(json);
        json_key_text(json, "url", endpoint->url);
        write_streams(json, endpoint);
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

static bool takes_feed(const struct run *run, size_t process)
{
    return run->processes[process].module->takes_feed;
}

/* is_told: somebody who takes the feed has said that it publishes rows of the symbol. */
static bool is_told(const struct run *run, const char *symbol)
{
    for (size_t i = 0; i < run->process_count; i++) {
        const struct telemetry *telemetry = &run->processes[i].telemetry;
        for (size_t j = 0; takes_feed(run, i) && j < telemetry_count(telemetry, PART_STREAMS); j++) {
            const struct stream_status_row *row = &telemetry_streams(telemetry)[j];
            const char *slash = strrchr(row->stream, '/');
            if (row->published && slash && strcmp(slash + 1, symbol) == 0)
                return true;
        }
    }
    return false;
}

static void write_symbols(struct json *json, const struct run *run)
{
    struct config_list symbols = config_list(run->config, "run.symbols");
    json_key(json, "symbols");
    json_array_begin(json);
    for (size_t i = 0; i < symbols.count; i++)
        if (is_told(run, symbols.texts[i]))
            json_text(json, symbols.texts[i]);
    json_array_end(json);
}

/* fingerprint_told: by those who take the feed; NULL: by none, or they do not agree. */
static const char *fingerprint_told(const struct run *run)
{
    const char *told = NULL;
    for (size_t i = 0; i < run->process_count; i++) {
        const char *own = run->processes[i].telemetry.beat.config_fingerprint;
        if (!takes_feed(run, i) || !*own)
            continue;
        if (told && strcmp(told, own) != 0)
            return NULL;
        told = own;
    }
    return told;
}

/* write_folders: of all instances of harvest that kept a capture. */
static void write_folders(struct json *json, const struct endpoints *endpoints)
{
    json_key(json, "capture_dirs");
    json_array_begin(json);
    for (size_t i = 0; i < endpoints->folder_count; i++)
        json_text(json, endpoints->folders[i]);
    json_array_end(json);
}

static void write_source(struct json *json, const struct run *run, const struct endpoints *endpoints)
{
    const struct config *config = run->config;
    char path[PATH_BYTES];
    json_object_begin(json);
    json_key_text(json, "run_id", run->run_id);
    write_times(json, run, endpoints);
    write_symbols(json, run);
    write_endpoints(json, endpoints);
    playback_write(run, json);
    json_key_text(json, "ws_region", config_text(config, "harvest.region"));
    json_key_text(json, "rest_base",
                  endpoints->rest_origin ? endpoints->rest_origin : config_text(config, "harvest.rest_url"));
    json_key_text(json, "input_mode", config_text(config, "run.input_mode"));
    json_key_i64(json, "replay_mode", config_i64(config, "run.replay_mode"));
    json_key_bool(json, "watch_enabled", !run->recorded); /* health asks for growth */
    path_join(path, config_text(config, "run.data_root"), "ofi_cvd");
    json_key_text(json, "features_dir", path);
    json_key_text(json, "data_root", config_text(config, "run.data_root"));
    path_join(path, config_text(config, "run.data_root"), "raw");
    json_key_text(json, "capture_dir", endpoints->folder_count ? endpoints->folders[0] : path);
    write_folders(json, endpoints);
    write_snapshot(json, run);
    json_key_text(json, "config_fingerprint", fingerprint_told(run));
    json_object_end(json);
}

enum status manifest_write_source(const struct run *run, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer text;
    struct json json;
    struct endpoints endpoints;
    endpoints_init(&endpoints);
    for (size_t i = 0; i < run->process_count; i++) {
        if (run->processes[i].module_index != MODULE_HARVEST)
            continue;
        run_capture_folder(run, &run->processes[i], path);
        endpoints_read(&endpoints, path, run->run_id);
    }
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
