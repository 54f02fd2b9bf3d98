#include "telemetry.h"

#include "base/file.h"

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
    else if (field->type == FIELD_BOOL && yyjson_is_bool(value))
        memcpy(member, &(int8_t){yyjson_get_bool(value)}, sizeof(int8_t));
    else if (field->type == FIELD_TEXT && yyjson_is_str(value) && yyjson_get_len(value) < field->size)
        memcpy(member, yyjson_get_str(value), yyjson_get_len(value) + 1);
}

/* take_row: an object with a member for every field; what it lacks is no value. */
static void take_row(const struct message *message, yyjson_val *object, void *row)
{
    message_clear(message, row);
    for (size_t i = 0; i < message->field_count; i++)
        take_field(&message->fields[i], yyjson_obj_get(object, message->fields[i].name), row);
}

/* recalled_row: one row of any kind that is read from the file. */
union recalled_row {
    struct stream_status_row stream;
    struct counter_row counter;
    struct gauge_row gauge;
    struct sink_status_row sink;
};

/* take_named: counters and gauges: an object of name and value. */
static void take_named(struct telemetry *telemetry, const struct message *message, yyjson_val *object)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        union recalled_row row;
        message_clear(message, &row);
        take_field(&message->fields[0], key, &row);
        take_field(&message->fields[1], value, &row);
        telemetry_row_add(telemetry, message->kind, &row);
    }
}

static void take_rows(struct telemetry *telemetry, const struct message *message, yyjson_val *array)
{
    size_t index, count;
    yyjson_val *one;
    yyjson_arr_foreach(array, index, count, one)
    {
        union recalled_row row;
        take_row(message, one, &row);
        telemetry_row_add(telemetry, message->kind, &row);
    }
}

static bool is_of(yyjson_val *root, const char *run_id, const char *instance)
{
    return yyjson_equals_str(yyjson_obj_get(root, "run_id"), run_id) &&
           yyjson_equals_str(yyjson_obj_get(root, "name"), instance);
}

static void take_figures(struct telemetry *telemetry, yyjson_val *root)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        telemetry->parts[i].count = 0;
    take_named(telemetry, &counter_message, yyjson_obj_get(root, "counters"));
    take_named(telemetry, &gauge_message, yyjson_obj_get(root, "gauges"));
    take_rows(telemetry, &sink_status_message, yyjson_obj_get(root, "sinks"));
}

static yyjson_doc *status_read(const char *path)
{
    struct buffer text;
    buffer_init(&text, STATUS_FILE_BYTES_MAX);
    yyjson_doc *document =
        file_read(path, &text) == STATUS_OK ? yyjson_read((const char *)text.data, text.length, 0) : NULL;
    buffer_finish(&text);
    return document;
}

void telemetry_recall(struct telemetry *telemetry, const char *path, const char *run_id, const char *instance)
{
    yyjson_doc *document = status_read(path);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (!telemetry->seen && is_of(root, run_id, instance)) {
        take_figures(telemetry, root);
        yyjson_val *event_ms = yyjson_obj_get(root, "event_ts_ms");
        if (yyjson_is_int(event_ms))
            telemetry->beat.event_ts_ms = yyjson_get_sint(event_ms);
    }
    yyjson_doc_free(document);
}

/* is_newer: said by the life that is meant, behind what has been heard of it. */
static bool is_newer(const struct telemetry *telemetry, const struct telemetry_expected *expected,
                     const struct heartbeat_row *beat)
{
    int64_t pid = telemetry->seen ? telemetry->beat.pid : expected->pid;
    return pid && beat->pid == pid && beat->generation == expected->generation &&
           (!telemetry->seen || beat->seq > telemetry->beat.seq);
}

bool telemetry_last_word(struct telemetry *telemetry, const char *path,
                         const struct telemetry_expected *expected)
{
    struct heartbeat_row beat;
    yyjson_doc *document = status_read(path);
    yyjson_val *root = yyjson_doc_get_root(document);
    take_row(&heartbeat_message, root, &beat);
    bool newer = is_of(root, expected->run_id, expected->instance) && is_newer(telemetry, expected, &beat);
    if (newer) {
        telemetry->beat = beat;
        telemetry->seen = true;
        take_figures(telemetry, root);
        take_rows(telemetry, &stream_status_message, yyjson_obj_get(root, "streams"));
    }
    yyjson_doc_free(document);
    return newer;
}
