/* telemetry: what the heartbeats of one process said (operations.md §9). A heartbeat replaces all that was
 * known; a brief one all but the figures of single streams.
 *
 * Nothing of a frame is believed that is not of this run, this instance, this generation and this process. */
#pragma once

#include "base/json.h"
#include "proto/heartbeat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PART_STREAM_COUNTERS, PART_STREAM_GAUGES: those of single streams (figure_is_of_stream), which may be many thousands: who looks for one
 * of the others does not pass them. */
enum telemetry_part {
    PART_STREAMS,
    PART_COUNTERS,
    PART_GAUGES,
    PART_SINKS,
    PART_STREAM_COUNTERS,
    PART_STREAM_GAUGES,
    PART_COUNT
};

struct telemetry {
    bool seen; /* a heartbeat of the present generation has arrived */
    int64_t received_ms;
    struct heartbeat_row beat;
    struct telemetry_rows {
        void *items; /* rows of the part's message */
        size_t count, capacity;
    } parts[PART_COUNT];
};

static inline size_t telemetry_count(const struct telemetry *telemetry, enum telemetry_part part)
{
    return telemetry->parts[part].count;
}
static inline const struct stream_status_row *telemetry_streams(const struct telemetry *telemetry)
{
    return telemetry->parts[PART_STREAMS].items;
}
static inline const struct counter_row *telemetry_counters(const struct telemetry *telemetry)
{
    return telemetry->parts[PART_COUNTERS].items;
}
static inline const struct gauge_row *telemetry_gauges(const struct telemetry *telemetry)
{
    return telemetry->parts[PART_GAUGES].items;
}
static inline const struct sink_status_row *telemetry_sinks(const struct telemetry *telemetry)
{
    return telemetry->parts[PART_SINKS].items;
}

struct telemetry_expected {
    const char *run_id;
    const char *instance;
    int64_t generation;
    int64_t pid; /* 0: not known here */
};

void telemetry_init(struct telemetry *telemetry);
/* telemetry_row_add: one row of a kind that has a part. */
void telemetry_row_add(struct telemetry *telemetry, int kind, const void *row);
/* telemetry_row_bytes: of one row of a part. */
size_t telemetry_row_bytes(enum telemetry_part part);
void telemetry_finish(struct telemetry *telemetry);

/* telemetry_forget: a new generation: nothing has been heard of it. The last figures stay readable. */
void telemetry_forget(struct telemetry *telemetry);

/* telemetry_read: one heartbeat frame. STATUS_CONFLICT: of another run, instance, generation or process;
 * STATUS_MALFORMED. In both cases nothing changed. */
enum status telemetry_read(struct telemetry *telemetry, const struct telemetry_expected *expected,
                           int64_t now_ms, const void *data, size_t bytes, struct error *error) MUST_USE;

/* telemetry_recall: what this orchestrator has not heard itself: the counters, gauges, sinks and event time that an instance wrote into
 * its status file of this run last. Known like those of a generation that has died: nothing has been seen. A file that is not there, of another
 * run or no JSON tells nothing. */
void telemetry_recall(struct telemetry *telemetry, const char *path, const char *run_id,
                      const char *instance);

/* telemetry_last_word: of an instance that has ended: its last heartbeat, as it stands in its status file, where it has not arrived (the bus
 * may lose any). False: what has arrived is as new, or the file is of another run or life, or does not say. Of a life that has never been
 * heard the file is believed only where its pid is known. */
bool telemetry_last_word(struct telemetry *telemetry, const char *path,
                         const struct telemetry_expected *expected);

/* telemetry_written: rows all its sinks have made durable. */
int64_t telemetry_written(const struct telemetry *telemetry);

/* telemetry_counter, telemetry_gauge: false when the last heartbeat did not carry it. Not those of single streams. */
bool telemetry_counter(const struct telemetry *telemetry, const char *name, int64_t *out_value);
bool telemetry_gauge(const struct telemetry *telemetry, const char *name, double *out_value);
/* telemetry_each: every counter, or gauge, whose name begins so; those of a prefix "name/service/" are of single streams. `rest`: of the
 * name, behind the prefix. */
typedef void telemetry_reader(void *context, const char *rest, double value);
void telemetry_each(const struct telemetry *telemetry, bool gauges, const char *prefix,
                    telemetry_reader *each, void *context);
const struct stream_status_row *telemetry_stream(const struct telemetry *telemetry, const char *stream,
                                                 bool published);

/* telemetry_rows: sum of the last sequences of what it publishes, or, of what it reads, of its positions. */
int64_t telemetry_rows(const struct telemetry *telemetry, bool published);

/* telemetry_ended: all streams of that side have ended; false when there are fewer than `least`. */
bool telemetry_ended(const struct telemetry *telemetry, bool published, size_t least);

/* telemetry_counts_json: members "sinks", "counters" of an open object. */
void telemetry_counts_json(struct json *json, const struct telemetry *telemetry);

/* telemetry_json: members "heartbeat", "streams", "counters", "gauges", "sinks" of an open object. */
void telemetry_json(struct json *json, const struct telemetry *telemetry);
