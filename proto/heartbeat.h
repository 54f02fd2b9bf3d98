/* heartbeat: the frame every process publishes each 200 ms under topic heartbeat/<instance>: one heartbeat row, then one
 * stream_status row per stream it publishes or reads, then counters, gauges and sinks (operations.md §9).
 *
 * A figure named name/service/SYMBOL is of one stream. There may be a thousand of those, so most beats are brief: without them. */
#pragma once

#include "proto/kind.h"

#include <stdbool.h>

/* heartbeat_row: liveness is progress moving or an empty input, never the mere arrival of a beat. */
struct heartbeat_row {
    char name[INSTANCE_BYTES];
    int64_t pid;
    int64_t generation;
    int64_t seq;
    char state[16];
    int64_t wall_ms;
    int64_t mono_ms;
    int64_t event_ts_ms;
    char config_fingerprint[68];
    int64_t progress;
    int8_t caught_up;
    double rss_mb;
    int64_t open_files;
    int64_t queue_len;
    int64_t queue_cap;
    char last_error[256];
    int8_t brief;
};
extern const struct message heartbeat_message;

/* stream_status_row: the tail-loss rule: a consumer behind last_sequence asks for the rest. */
struct stream_status_row {
    char stream[STREAM_BYTES];
    int8_t published;
    int64_t first_sequence;
    int64_t last_sequence;
    int64_t source;
    int8_t ended;
    int64_t durable_sequence;
};
extern const struct message stream_status_message;

/* figure_is_of_stream: whether a counter or gauge of that name is of one stream: name/service/SYMBOL. */
bool figure_is_of_stream(const char *name);

/* counter_row */
struct counter_row {
    char name[64];
    int64_t value;
};
extern const struct message counter_message;

/* gauge_row */
struct gauge_row {
    char name[64];
    double value;
};
extern const struct message gauge_message;

/* sink_status_row (data.md §5.4) */
struct sink_status_row {
    char sink[16];
    int64_t position;
    int64_t lag_rows;
    int64_t dropped;
    int64_t written;
    int64_t dedup;
    int64_t key_conflict;
    int64_t write_errors;
    int64_t last_write_ms;
    int64_t open_files;
};
extern const struct message sink_status_message;
