/* collector: sorts rows into windows and decides when they are written (data.md §3.1, §4.2).
 *
 * Each (stream, kind) has open windows of archive.rotate_s of event time. When a stream's watermark passes a
 * window's end, all kinds of the stream are written for all windows that ended, with everything read so far; a
 * row that comes later for such a window makes a second file of it. A kind is written whole when one of its
 * windows has max_rows rows, and everything at the stream's end. A planned stop writes nothing: the rows wait
 * in the producers' journals.
 *
 * Watermark of harvest's streams: what harvest sends with its trades and books. Of features' streams: the
 * newest grid time. Of both at least: the newest event time less one window, so that a stream without a grid is
 * written too.
 *
 * What is already durable (checkpoint.h) is passed over when it is read again after a restart. The rows go to a
 * writer; no file is touched here. */
#pragma once

#include "checkpoint.h"
#include "writer.h"

#include "proto/frame.h"

struct collector;

struct collector_config {
    int levels;       /* book levels in use */
    int64_t rotate_s; /* 10…300, divides 3600 */
    size_t max_rows;
    bool merge_hours; /* archive.compact_hourly */
};

enum {
    COLLECTOR_BYTES_MAX =
        128 * 1024 * 1024,       /* of rows in open windows: then the growing kind is written at once */
    MERGE_DELAY_MS = 120 * 1000, /* an hour is complete when the watermark is so far behind its end */
};

struct collector *collector_create(const struct collector_config *config, struct writer *writer);
void collector_destroy(struct collector *collector); /* accepts NULL; open windows are forgotten */

/* collector_stream: adds "<service>/<symbol>", going on from what the writer holds durably; returns its number. */
size_t collector_stream(struct collector *collector, const char *service, const char *symbol);

/* collector_resume: the row behind which reading begins; collector_durable: all rows up to there are durable. */
int64_t collector_resume(const struct collector *collector, const char *stream);
int64_t collector_durable(const struct collector *collector, const char *stream);

/* collector_row: the next row of a stream. Bad rows become dead letters. */
void collector_row(struct collector *collector, size_t stream, const struct row_view *view);

struct collector_figures {
    int64_t rows_read;
    int64_t rows_passed_over; /* read again, already durable */
    int64_t late_rows;        /* of windows that had been written */
    int64_t early_flushes;    /* kinds written before their time: max_rows or memory */
    int64_t open_rows;
    size_t open_bytes;
    int64_t position_sequences, durable_sequences; /* summed over streams */
    int64_t restart_gap_ms; /* newest durable event time to the first new row; FIELD_NULL_I64: cold start */
};
void collector_figures(const struct collector *collector, struct collector_figures *out_figures);
