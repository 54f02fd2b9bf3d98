#include "telemetry.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>
#include <yyjson.h>

enum { STATUS_FILE_BYTES_MAX = 4 * 1024 * 1024 };

static void take_field(const struct field *field, yyjson_val *value, void *row)
{
    void *member = (char *)row + field->offset;
    if (field->type == FIELD_I64 && yyjson_is_int(value))
        memcpy(member, &(int64_t){yyjson_get_sint(value)}, sizeof(int64_t));
    else if (field->type == FIELD_F64 && yyjson_is_num(value))
        memcpy(member, &(double){yyjson_get_num(value)}, sizeof(double));
    else if (field->type == FIELD_TEXT && yyjson_is_str(value) && yyjson_get_len(value) < field->size)
        memcpy(member, yyjson_get_str(value), yyjson_get_len(value) + 1);
}

static void *row_add(struct telemetry_rows *rows, const struct message *message)
{
    rows->items = memory_grow(rows->items, &rows->capacity, rows->count + 1, message->row_bytes);
    void *row = (char *)rows->items + rows->count++ * message->row_bytes;
    message_clear(message, row);
    return row;
}

/* take_named: counters and gauges: an object of name and value. */
static void take_named(struct telemetry_rows *rows, const struct message *message, yyjson_val *object)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        void *row = row_add(rows, message);
        take_field(&message->fields[0], key, row);
        take_field(&message->fields[1], value, row);
    }
}

static void take_rows(struct telemetry_rows *rows, const struct message *message, yyjson_val *array)
{
    size_t index, count;
    yyjson_val *one;
    yyjson_arr_foreach(array, index, count, one)
    {
        void *row = row_add(rows, message);
        for (size_t i = 0; i < message->field_count; i++)
            take_field(&message->fields[i], yyjson_obj_get(one, message->fields[i].name), row);
    }
}

static bool is_of(yyjson_val *root, const char *run_id, const char *instance)
{
    return yyjson_equals_str(yyjson_obj_get(root, "run_id"), run_id) &&
           yyjson_equals_str(yyjson_obj_get(root, "name"), instance);
}

void telemetry_recall(struct telemetry *telemetry, const char *path, const char *run_id, const char *instance)
{
    struct buffer text;
    buffer_init(&text, STATUS_FILE_BYTES_MAX);
    yyjson_doc *document =
        file_read(path, &text) == STATUS_OK ? yyjson_read((const char *)text.data, text.length, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    if (!telemetry->seen && is_of(root, run_id, instance)) {
        for (size_t i = 0; i < PART_COUNT; i++)
            telemetry->parts[i].count = 0;
        take_named(&telemetry->parts[PART_COUNTERS], &counter_message, yyjson_obj_get(root, "counters"));
        take_named(&telemetry->parts[PART_GAUGES], &gauge_message, yyjson_obj_get(root, "gauges"));
        take_rows(&telemetry->parts[PART_SINKS], &sink_status_message, yyjson_obj_get(root, "sinks"));
        yyjson_val *event_ms = yyjson_obj_get(root, "event_ts_ms");
        if (yyjson_is_int(event_ms))
            telemetry->beat.event_ts_ms = yyjson_get_sint(event_ms);
    }
    yyjson_doc_free(document);
    buffer_finish(&text);
}
