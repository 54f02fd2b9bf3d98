#include "ticks.h"

#include "base/log.h"
#include "base/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

enum { TICKS_BYTES_MAX = 64 * 1024 * 1024 };

void ticks_finish(struct ticks *ticks)
{
    free(ticks->items);
    *ticks = (struct ticks){0};
}

static void keep(struct ticks *ticks, const struct export_tick *tick)
{
    ticks->items = memory_grow(ticks->items, &ticks->capacity, ticks->count + 1, sizeof *ticks->items);
    ticks->items[ticks->count++] = *tick;
    ticks->ok += tick->ok;
    ticks->failed += !tick->ok;
    ticks->failed_in_a_row = tick->ok ? 0 : ticks->failed_in_a_row + 1;
    ticks->retries += tick->attempts > 1 ? tick->attempts - 1 : 0;
    ticks->final_made = ticks->final_made || tick->number == EXPORT_FINAL_TICK;
    if (tick->number >= ticks->next_number)
        ticks->next_number = tick->number + 1;
}

/* ---- text ---- */

static void tick_json(struct json *json, const struct export_tick *tick, bool with_number)
{
    char at[TIME_TEXT_BYTES];
    time_iso_ms(tick->at_wall_ms, at);
    json_object_begin(json);
    if (with_number) {
        json_key_i64(json, "number", tick->number);
        json_key_i64(json, "at_ms", tick->at_wall_ms);
    }
    json_key_text(json, "at", at);
    json_key_bool(json, "ok", tick->ok);
    json_key_i64(json, "attempts", tick->attempts);
    if (tick->http_status)
        json_key_i64(json, "http_status", tick->http_status);
    else
        json_key_null(json, "http_status");
    json_object_end(json);
}

void ticks_json(const struct ticks *ticks, struct json *json)
{
    json_array_begin(json);
    for (size_t i = 0; i < ticks->count; i++)
        tick_json(json, &ticks->items[i], false);
    json_array_end(json);
}

static bool parse(yyjson_val *root, struct export_tick *out_tick)
{
    yyjson_val *number = yyjson_obj_get(root, "number"), *at = yyjson_obj_get(root, "at_ms"),
               *ok = yyjson_obj_get(root, "ok"), *attempts = yyjson_obj_get(root, "attempts");
    if (!yyjson_is_int(number) || !yyjson_is_int(at) || !yyjson_is_bool(ok) || !yyjson_is_int(attempts))
        return false;
    *out_tick =
        (struct export_tick){.number = yyjson_get_sint(number),
                             .at_wall_ms = yyjson_get_sint(at),
                             .ok = yyjson_get_bool(ok),
                             .attempts = yyjson_get_int(attempts),
                             .http_status = (long)yyjson_get_sint(yyjson_obj_get(root, "http_status"))};
    return true;
}

/* ---- file ---- */

enum status ticks_load(struct ticks *ticks, const char *path, struct error *error)
{
    struct buffer text;
    buffer_init(&text, TICKS_BYTES_MAX);
    enum status status = *path ? file_read(path, &text) : STATUS_NOT_FOUND;
    const char *at = buffer_text(&text), *end;
    for (; status == STATUS_OK && (end = strchr(at, '\n')); at = end + 1) {
        struct export_tick tick;
        yyjson_doc *line = yyjson_read(at, (size_t)(end - at), 0);
        if (parse(yyjson_doc_get_root(line), &tick))
            keep(ticks, &tick);
        else
            status = error_set(error, STATUS_MALFORMED, "%s: line %zu is no tick of an export", path,
                               ticks->count + 1);
        yyjson_doc_free(line);
    }
    if (status == STATUS_OK && *at &&
        truncate(path, (off_t)(at - buffer_text(&text))) != 0) /* a torn last line */
        status = error_set(error, STATUS_IO, "%s: its torn last line cannot be cut off: %m", path);
    buffer_finish(&text);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void ticks_add(struct ticks *ticks, const char *path, const struct export_tick *tick)
{
    struct buffer line;
    struct json json;
    keep(ticks, tick);
    if (!*path)
        return;
    buffer_init(&line, 0);
    json_init(&json, &line);
    tick_json(&json, tick, true);
    buffer_append_byte(&line, '\n');
    int descriptor =
        folder_make_for(path) == STATUS_OK ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (descriptor < 0 || file_write_all(descriptor, line.data, line.length) != STATUS_OK) {
        ticks->write_errors++;
        log_event(LOG_ERROR, "write_error", "file=%s reason=\"%m\"", path);
    }
    if (descriptor >= 0)
        close(descriptor);
    buffer_finish(&line);
}
