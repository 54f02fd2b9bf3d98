#include "window.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>

void windows_finish(struct windows *windows)
{
    for (size_t i = 0; i < windows->count; i++) {
        columns_destroy(windows->items[i].columns);
        key_set_finish(&windows->items[i].keys);
        buffer_finish(&windows->items[i].rejects);
    }
    free(windows->items);
    *windows = (struct windows){0};
}

struct window *windows_find(struct windows *windows, int64_t start_ms, int64_t sequence)
{
    for (size_t i = 0; i < windows->count; i++)
        if (windows->items[i].start_ms == start_ms)
            return &windows->items[i];
    windows->items =
        memory_grow(windows->items, &windows->capacity, windows->count + 1, sizeof *windows->items);
    struct window *window = &windows->items[windows->count++];
    *window = (struct window){.start_ms = start_ms, .first_sequence = sequence};
    key_set_init(&window->keys);
    buffer_init(&window->rejects, 0);
    return window;
}

static void take(struct window *window, enum data_kind kind, struct flush *flush)
{
    flush->items = memory_resize(flush->items, (flush->item_count + 1) * sizeof *flush->items);
    flush->items[flush->item_count++] = (struct flush_item){
        .kind = kind,
        .columns = window->columns,
        .rejects = window->rejects,
        .reject_count = window->reject_count,
        .reject_ts_ms = window->reject_ts_ms,
        .duplicates = window->duplicates,
    };
    key_set_finish(&window->keys);
}

void windows_take(struct windows *windows, enum data_kind kind, int64_t below_ms, struct flush *flush,
                  size_t *out_bytes)
{
    size_t kept = 0;
    for (size_t i = 0; i < windows->count; i++) {
        struct window *window = &windows->items[i];
        if (window->start_ms < below_ms) {
            *out_bytes += window->bytes;
            take(window, kind, flush);
        } else {
            windows->items[kept++] = *window;
        }
    }
    windows->count = kept;
}

int64_t windows_first_sequence(const struct windows *windows)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < windows->count; i++)
        if (windows->items[i].first_sequence < first)
            first = windows->items[i].first_sequence;
    return first;
}

/* --- dead letters --- */

static void put_raw(struct json *json, enum data_kind kind, const struct row_view *view, const void *row)
{
    static const char HEX[] = "0123456789abcdef";
    if (row) {
        message_json(json, KINDS[kind].message, KINDS[kind].message->field_count, row, true);
        return;
    }
    struct buffer text;
    buffer_init(&text, 0);
    for (size_t i = 0; i < view->bytes; i++) {
        buffer_append_byte(&text, (uint8_t)HEX[view->data[i] >> 4]);
        buffer_append_byte(&text, (uint8_t)HEX[view->data[i] & 15]);
    }
    json_text(json, buffer_text(&text));
    buffer_finish(&text);
}

static void put_time(struct json *json, const char *key, enum data_kind kind, const void *row)
{
    const struct field *field = row ? message_field(KINDS[kind].message, key) : NULL;
    json_key(json, key);
    if (field)
        field_json(json, field, row);
    else
        json_null(json);
}

void window_reject(struct window *window, enum data_kind kind, enum quality reason, const char *symbol,
                   int64_t day_ts_ms, const struct row_view *view, const void *row)
{
    struct json json;
    json_init(&json, &window->rejects);
    json_object_begin(&json);
    json_key_text(&json, "reason", quality_name(reason));
    json_key_text(&json, "kind", kind == KIND_NONE ? "unknown" : KINDS[kind].name);
    json_key_text(&json, "symbol", symbol);
    put_time(&json, "ts_ms", kind, row);
    put_time(&json, "recv_ts_ms", kind, row);
    json_key(&json, "raw");
    put_raw(&json, kind, view, row);
    json_object_end(&json);
    buffer_append_byte(&window->rejects, '\n');
    if (!window->reject_count++)
        window->reject_ts_ms = day_ts_ms;
}
