/* summary_counts: what a summary tells of the daemons' own counters (data.md §6.1, §6.4). They are written twice: with the summary, from
 * what had been heard by then, and behind the last exit, from what every daemon said last (summary_given). Pure. */
#pragma once

#include "base/buffer.h"
#include "base/json.h"
#include "figures.h"

#include <stdint.h>

/* harvester_metrics: sums over the instances. */
enum {
    METRIC_QUEUE_DROPPED,
    METRIC_RECONNECT_COUNT,
    METRIC_PLANNED_RECONNECT_COUNT,
    METRIC_SUBSTREAM_TIMEOUT_DETECTED, /* 0, 1 or null */
    METRIC_DEDUP_HITS_TOTAL,
    METRIC_LATE_EVENT_DROPPED,
    METRIC_TRADE_GAP_IDS_TOTAL,
    METRIC_BOOK_SEQ_GAP_TOTAL,
    METRIC_PARSE_ERRORS,
    METRIC_DEADLETTER_ROWS,
    METRIC_WRITE_ERRORS_TOTAL,
    METRIC_COUNT,
};
extern const char *const METRIC_NAMES[METRIC_COUNT];

/* summary_counts: FIELD_NULL_I64 where nobody said it. */
struct summary_counts {
    /* Of the signal service: over its sinks, and its own counter. */
    int64_t dropped, dedup, write_errors, deduplicated;
    int64_t metrics[METRIC_COUNT];
};

void summary_counts_compute(const struct figures *figures, struct summary_counts *out_counts);

/* summary_counts_json: members "dropped", "dedup", "write_errors", "deduplicated" of an open object; summary_counts_metrics_json: member
 * "harvester_metrics"; summary_counts_table: the section of both in the Markdown. */
void summary_counts_json(struct json *json, const struct summary_counts *counts);
void summary_counts_metrics_json(struct json *json, const struct summary_counts *counts);
void summary_counts_table(struct buffer *out, const struct summary_counts *counts);
