#include "proto/heartbeat.h"

#include <stddef.h>
#include <string.h>

static const struct field HEARTBEAT_FIELDS[] = {
    FIELD_OF(struct heartbeat_row, name, FIELD_TEXT, 0, "–", "instance"),
    FIELD_OF(struct heartbeat_row, pid, FIELD_I64, 0, "–", "process id"),
    FIELD_OF(struct heartbeat_row, generation, FIELD_I64, 0, "–",
             "life of the instance, given by the orchestrator"),
    FIELD_OF(struct heartbeat_row, seq, FIELD_I64, 0, "–", "beat number of this life"),
    FIELD_OF(struct heartbeat_row, state, FIELD_TEXT, 0, "–", "ready, running, draining, drained"),
    FIELD_OF(struct heartbeat_row, wall_ms, FIELD_I64, 0, "ms", "wall time"),
    FIELD_OF(struct heartbeat_row, mono_ms, FIELD_I64, 0, "ms", "monotonic time"),
    FIELD_OF(struct heartbeat_row, event_ts_ms, FIELD_I64, FIELD_NULLABLE, "ms", "newest event time seen"),
    FIELD_OF(struct heartbeat_row, config_fingerprint, FIELD_TEXT, 0, "–", "of the effective configuration"),
    FIELD_OF(struct heartbeat_row, progress, FIELD_I64, 0, "–", "rows or records consumed in this life"),
    FIELD_OF(struct heartbeat_row, caught_up, FIELD_BOOL, 0, "–",
             "every input position has reached its producer"),
    FIELD_OF(struct heartbeat_row, rss_mb, FIELD_F64, FIELD_NULLABLE, "MB",
             "resident memory; null: not measured"),
    FIELD_OF(struct heartbeat_row, open_files, FIELD_I64, FIELD_NULLABLE, "–",
             "descriptors; null: not measured"),
    FIELD_OF(struct heartbeat_row, queue_len, FIELD_I64, 0, "–", "input waiting"),
    FIELD_OF(struct heartbeat_row, queue_cap, FIELD_I64, FIELD_NULLABLE, "–",
             "its limit; null: none, input waits in its producer's journal"),
    FIELD_OF(struct heartbeat_row, last_error, FIELD_TEXT, FIELD_NULLABLE, "–", "last error"),
    FIELD_OF(struct heartbeat_row, brief, FIELD_BOOL, 0, "–",
             "counters and gauges of single streams are left out: those told last still hold"),
};

const struct message heartbeat_message = {
    .name = "heartbeat",
    .title = "Heartbeat",
    .kind = ROW_HEARTBEAT,
    .row_bytes = sizeof(struct heartbeat_row),
    .fields = HEARTBEAT_FIELDS,
    .field_count = sizeof HEARTBEAT_FIELDS / sizeof HEARTBEAT_FIELDS[0],
    .field_count_default = sizeof HEARTBEAT_FIELDS / sizeof HEARTBEAT_FIELDS[0],
};

static const struct field STREAM_STATUS_FIELDS[] = {
    FIELD_OF(struct stream_status_row, stream, FIELD_TEXT, 0, "–", "service/SYMBOL"),
    FIELD_OF(struct stream_status_row, published, FIELD_BOOL, 0, "–",
             "true: a stream of the sender; false: one it reads"),
    FIELD_OF(struct stream_status_row, first_sequence, FIELD_I64, 0, "sequence", "oldest held (published)"),
    FIELD_OF(struct stream_status_row, last_sequence, FIELD_I64, 0, "sequence",
             "newest journaled or consumed, 0 = none"),
    FIELD_OF(struct stream_status_row, source, FIELD_I64, 0, "sequence",
             "harvest sequence up to which this stream is complete"),
    FIELD_OF(struct stream_status_row, ended, FIELD_BOOL, 0, "–", "its end_of_stream has passed"),
    FIELD_OF(struct stream_status_row, durable_sequence, FIELD_I64, 0, "sequence",
             "newest durable state or sink position (read streams)"),
};

const struct message stream_status_message = {
    .name = "stream_status",
    .title = "Stream status",
    .kind = ROW_STREAM_STATUS,
    .row_bytes = sizeof(struct stream_status_row),
    .fields = STREAM_STATUS_FIELDS,
    .field_count = sizeof STREAM_STATUS_FIELDS / sizeof STREAM_STATUS_FIELDS[0],
    .field_count_default = sizeof STREAM_STATUS_FIELDS / sizeof STREAM_STATUS_FIELDS[0],
};

bool figure_is_of_stream(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash && strchr(slash + 1, '/');
}

static const struct field COUNTER_FIELDS[] = {
    FIELD_OF(struct counter_row, name, FIELD_TEXT, 0, "–", "counter"),
    FIELD_OF(struct counter_row, value, FIELD_I64, 0, "–", "value"),
};

const struct message counter_message = {
    .name = "counter",
    .title = "Counter",
    .kind = ROW_COUNTER,
    .row_bytes = sizeof(struct counter_row),
    .fields = COUNTER_FIELDS,
    .field_count = sizeof COUNTER_FIELDS / sizeof COUNTER_FIELDS[0],
    .field_count_default = sizeof COUNTER_FIELDS / sizeof COUNTER_FIELDS[0],
};

static const struct field GAUGE_FIELDS[] = {
    FIELD_OF(struct gauge_row, name, FIELD_TEXT, 0, "–", "gauge"),
    FIELD_OF(struct gauge_row, value, FIELD_F64, FIELD_NULLABLE, "–", "value; null = not measured"),
};

const struct message gauge_message = {
    .name = "gauge",
    .title = "Gauge",
    .kind = ROW_GAUGE,
    .row_bytes = sizeof(struct gauge_row),
    .fields = GAUGE_FIELDS,
    .field_count = sizeof GAUGE_FIELDS / sizeof GAUGE_FIELDS[0],
    .field_count_default = sizeof GAUGE_FIELDS / sizeof GAUGE_FIELDS[0],
};

static const struct field SINK_STATUS_FIELDS[] = {
    FIELD_OF(struct sink_status_row, sink, FIELD_TEXT, 0, "–", "jsonl, sqlite, orders, parquet"),
    FIELD_OF(struct sink_status_row, position, FIELD_I64, 0, "sequence",
             "last durable row, summed over streams"),
    FIELD_OF(struct sink_status_row, lag_rows, FIELD_I64, 0, "rows", "journaled but not durable"),
    FIELD_OF(struct sink_status_row, dropped, FIELD_I64, 0, "rows",
             "taken by retention before the sink had them"),
    FIELD_OF(struct sink_status_row, written, FIELD_I64, 0, "rows", "rows made durable in this run"),
    FIELD_OF(struct sink_status_row, dedup, FIELD_I64, 0, "rows", "equal rows met again"),
    FIELD_OF(struct sink_status_row, key_conflict, FIELD_I64, 0, "rows", "different rows under one key"),
    FIELD_OF(struct sink_status_row, write_errors, FIELD_I64, 0, "–", "failed writes"),
    FIELD_OF(struct sink_status_row, last_write_ms, FIELD_I64, FIELD_NULLABLE, "ms", "wall time"),
    FIELD_OF(struct sink_status_row, open_files, FIELD_I64, 0, "–", "files open"),
};

const struct message sink_status_message = {
    .name = "sink_status",
    .title = "Sink status",
    .kind = ROW_SINK_STATUS,
    .row_bytes = sizeof(struct sink_status_row),
    .fields = SINK_STATUS_FIELDS,
    .field_count = sizeof SINK_STATUS_FIELDS / sizeof SINK_STATUS_FIELDS[0],
    .field_count_default = sizeof SINK_STATUS_FIELDS / sizeof SINK_STATUS_FIELDS[0],
};
