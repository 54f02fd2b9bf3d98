#include "telemetry.h"

#include "base/memory.h"
#include "proto/frame.h"

#include <stdlib.h>
#include <string.h>

void telemetry_init(struct telemetry *telemetry)
{
    *telemetry = (struct telemetry){0};
    message_clear(&heartbeat_message, &telemetry->beat);
}

void telemetry_finish(struct telemetry *telemetry)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        free(telemetry->parts[i].items);
    telemetry_init(telemetry);
}

void telemetry_forget(struct telemetry *telemetry)
{
    telemetry->seen = false;
}

size_t telemetry_row_bytes(enum telemetry_part part)
{
    static const int KINDS[PART_COUNT] = {[PART_STREAMS] = ROW_STREAM_STATUS,
                                          [PART_COUNTERS] = ROW_COUNTER,
                                          [PART_GAUGES] = ROW_GAUGE,
                                          [PART_SINKS] = ROW_SINK_STATUS,
                                          [PART_STREAM_COUNTERS] = ROW_COUNTER,
                                          [PART_STREAM_GAUGES] = ROW_GAUGE};
    return message_of_kind(KINDS[part])->row_bytes;
}

/* part_of: where rows of a kind belong, PART_COUNT: a newer program says more; it is not for us. */
static enum telemetry_part part_of(int kind)
{
    switch (kind) {
    case ROW_STREAM_STATUS: return PART_STREAMS;
    case ROW_COUNTER: return PART_COUNTERS;
    case ROW_GAUGE: return PART_GAUGES;
    case ROW_SINK_STATUS: return PART_SINKS;
    default: return PART_COUNT;
    }
}

/* scratch_row: one row of any kind there is a part for. */
union scratch_row {
    struct stream_status_row stream;
    struct counter_row counter;
    struct gauge_row gauge;
    struct sink_status_row sink;
};

/* part_of_row: as part_of, but those of single streams apart. */
static enum telemetry_part part_of_row(int kind, const union scratch_row *row)
{
    if (kind == ROW_COUNTER && figure_is_of_stream(row->counter.name))
        return PART_STREAM_COUNTERS;
    if (kind == ROW_GAUGE && figure_is_of_stream(row->gauge.name))
        return PART_STREAM_GAUGES;
    return part_of(kind);
}

void telemetry_row_add(struct telemetry *telemetry, int kind, const void *row)
{
    struct telemetry_rows *rows = &telemetry->parts[part_of_row(kind, row)];
    size_t bytes = message_of_kind(kind)->row_bytes;
    rows->items = memory_grow(rows->items, &rows->capacity, rows->count + 1, bytes);
    memcpy((char *)rows->items + rows->count++ * bytes, row, bytes);
}

static enum status check_origin(const struct frame *frame, const struct telemetry_expected *expected,
                                struct error *error)
{
    const struct frame_header *header = &frame->header;
    if (strcmp(header->run_id, expected->run_id) != 0 || strcmp(header->instance, expected->instance) != 0 ||
        header->generation != expected->generation)
        return error_set(error, STATUS_CONFLICT, "heartbeat of %s generation %lld in run %s",
                         header->instance, (long long)header->generation, header->run_id);
    return STATUS_OK;
}

/* beat_of: the first row has to be the heartbeat itself. */
static enum status beat_of(struct frame *frame, const struct telemetry_expected *expected,
                           struct heartbeat_row *out_beat, struct error *error)
{
    struct row_view view;
    if (!frame_next(frame, &view) || view.kind != ROW_HEARTBEAT)
        return error_set(error, STATUS_MALFORMED, "heartbeat frame of %s without a heartbeat",
                         expected->instance);
    enum status status = row_decode(&view, &heartbeat_message, out_beat, error);
    if (status == STATUS_OK && expected->pid && out_beat->pid != expected->pid)
        return error_set(error, STATUS_CONFLICT, "heartbeat of %s by process %lld, expected %lld",
                         expected->instance, (long long)out_beat->pid, (long long)expected->pid);
    return status;
}

/* Decoded twice: the first pass into scratch finds what is wrong before anything is replaced. */
static enum status rows_check(struct frame frame, struct error *error)
{
    struct row_view view;
    union scratch_row scratch;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && frame_next(&frame, &view))
        if (part_of(view.kind) != PART_COUNT)
            status = row_decode(&view, message_of_kind(view.kind), &scratch, error);
    return status;
}

static bool is_of_streams(enum telemetry_part part)
{
    return part == PART_STREAM_COUNTERS || part == PART_STREAM_GAUGES;
}

/* rows_forget: what the next beat tells anew: of a brief one not what it leaves out. */
static void rows_forget(struct telemetry *telemetry, bool is_brief)
{
    for (enum telemetry_part part = 0; part < PART_COUNT; part++)
        if (!is_brief || !is_of_streams(part))
            telemetry->parts[part].count = 0;
}

enum status telemetry_read(struct telemetry *telemetry, const struct telemetry_expected *expected,
                           int64_t now_ms, const void *data, size_t bytes, struct error *error)
{
    struct frame frame;
    struct heartbeat_row beat;
    enum status status = frame_open(&frame, data, bytes, error);
    status = status == STATUS_OK ? check_origin(&frame, expected, error) : status;
    status = status == STATUS_OK ? beat_of(&frame, expected, &beat, error) : status;
    status = status == STATUS_OK ? rows_check(frame, error) : status;
    if (status != STATUS_OK)
        return status;
    if (telemetry->seen && beat.seq < telemetry->beat.seq)
        return STATUS_OK; /* overtaken by one that came with an answer */
    telemetry->beat = beat;
    telemetry->seen = true;
    telemetry->received_ms = now_ms;
    rows_forget(telemetry, beat.brief == 1);
    struct row_view view;
    union scratch_row row;
    while (status == STATUS_OK && frame_next(&frame, &view)) {
        if (part_of(view.kind) == PART_COUNT)
            continue;
        status = row_decode(&view, message_of_kind(view.kind), &row, error);
        bool is_left_out = beat.brief == 1 && is_of_streams(part_of_row(view.kind, &row));
        if (status == STATUS_OK && !is_left_out) /* one that is there all the same would be there twice */
            telemetry_row_add(telemetry, view.kind, &row);
    }
    return status;
}

int64_t telemetry_written(const struct telemetry *telemetry)
{
    int64_t written = 0;
    for (size_t i = 0; i < telemetry_count(telemetry, PART_SINKS); i++)
        written += telemetry_sinks(telemetry)[i].written;
    return written;
}

bool telemetry_counter(const struct telemetry *telemetry, const char *name, int64_t *out_value)
{
    const struct counter_row *rows = telemetry_counters(telemetry);
    for (size_t i = 0; i < telemetry_count(telemetry, PART_COUNTERS); i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out_value = rows[i].value;
            return true;
        }
    return false;
}

bool telemetry_gauge(const struct telemetry *telemetry, const char *name, double *out_value)
{
    const struct gauge_row *rows = telemetry_gauges(telemetry);
    for (size_t i = 0; i < telemetry_count(telemetry, PART_GAUGES); i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out_value = rows[i].value;
            return true;
        }
    return false;
}

/* each_of: of one part: counters or gauges. */
static void each_of(const struct telemetry_rows *rows, bool gauges, const char *prefix,
                    telemetry_reader *each, void *context)
{
    const struct counter_row *counters = rows->items;
    const struct gauge_row *levels = rows->items;
    size_t length = strlen(prefix);
    for (size_t i = 0; i < rows->count; i++) {
        const char *name = gauges ? levels[i].name : counters[i].name;
        if (strncmp(name, prefix, length) == 0)
            each(context, name + length, gauges ? levels[i].value : (double)counters[i].value);
    }
}

void telemetry_each(const struct telemetry *telemetry, bool gauges, const char *prefix,
                    telemetry_reader *each, void *context)
{
    const struct telemetry_rows *parts = telemetry->parts;
    each_of(&parts[gauges ? PART_GAUGES : PART_COUNTERS], gauges, prefix, each, context);
    each_of(&parts[gauges ? PART_STREAM_GAUGES : PART_STREAM_COUNTERS], gauges, prefix, each, context);
}

const struct stream_status_row *telemetry_stream(const struct telemetry *telemetry, const char *stream,
                                                 bool published)
{
    const struct stream_status_row *rows = telemetry_streams(telemetry);
    for (size_t i = 0; i < telemetry_count(telemetry, PART_STREAMS); i++)
        if ((rows[i].published == 1) == published && strcmp(rows[i].stream, stream) == 0)
            return &rows[i];
    return NULL;
}

int64_t telemetry_rows(const struct telemetry *telemetry, bool published)
{
    const struct stream_status_row *rows = telemetry_streams(telemetry);
    int64_t sum = 0;
    for (size_t i = 0; i < telemetry_count(telemetry, PART_STREAMS); i++)
        if ((rows[i].published == 1) == published)
            sum += rows[i].last_sequence;
    return sum;
}

bool telemetry_ended(const struct telemetry *telemetry, bool published, size_t least)
{
    const struct stream_status_row *rows = telemetry_streams(telemetry);
    size_t count = 0;
    for (size_t i = 0; i < telemetry_count(telemetry, PART_STREAMS); i++) {
        if ((rows[i].published == 1) != published)
            continue;
        if (rows[i].ended != 1)
            return false;
        count++;
    }
    return count >= least;
}

static void rows_json(struct json *json, const char *key, const struct message *message,
                      const struct telemetry_rows *rows)
{
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < rows->count; i++)
        message_json(json, message, message->field_count, (const char *)rows->items + i * message->row_bytes,
                     true);
    json_array_end(json);
}

static void counters_json(struct json *json, const struct telemetry_rows *rows)
{
    const struct counter_row *counters = rows->items;
    for (size_t i = 0; i < rows->count; i++)
        json_key_i64(json, counters[i].name, counters[i].value);
}

static void gauges_json(struct json *json, const struct telemetry_rows *rows)
{
    const struct gauge_row *gauges = rows->items;
    for (size_t i = 0; i < rows->count; i++)
        json_key_f64(json, gauges[i].name, gauges[i].value);
}

void telemetry_counts_json(struct json *json, const struct telemetry *telemetry)
{
    rows_json(json, "sinks", &sink_status_message, &telemetry->parts[PART_SINKS]);
    json_key(json, "counters");
    json_object_begin(json);
    counters_json(json, &telemetry->parts[PART_COUNTERS]);
    counters_json(json, &telemetry->parts[PART_STREAM_COUNTERS]);
    json_object_end(json);
}

void telemetry_json(struct json *json, const struct telemetry *telemetry)
{
    json_key(json, "heartbeat");
    if (telemetry->beat.seq > 0)
        message_json(json, &heartbeat_message, heartbeat_message.field_count, &telemetry->beat, true);
    else
        json_null(json);
    rows_json(json, "streams", &stream_status_message, &telemetry->parts[PART_STREAMS]);
    telemetry_counts_json(json, telemetry);
    json_key(json, "gauges");
    json_object_begin(json);
    gauges_json(json, &telemetry->parts[PART_GAUGES]);
    gauges_json(json, &telemetry->parts[PART_STREAM_GAUGES]);
    json_object_end(json);
}
