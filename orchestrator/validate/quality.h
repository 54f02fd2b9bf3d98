/* quality: the data quality checks of data.md §4.3 and of the ten-minute pre-check (operations.md §16), each one figure with
 * its threshold and verdict. A figure that cannot be had is UNKNOWN; a check that means nothing for a run says
 * NOT_APPLICABLE, either says why; what is only reported has no threshold.
 *
 *   quality_rows.c   completeness, rotation, deduplication, gaps, schema, rows and minutes
 *   quality_values.c latency, clock, signals, consistency, conservation, direction
 *   report.c         the JSON, the table */
#pragma once

#include "base/buffer.h"
#include "data_files.h"
#include "store/query_session.h"

#include <stdbool.h>
#include <stdint.h>

enum { CHECKS_MAX = 24, CHECK_WHY_BYTES = 160, LATENCY_ROWS_LEAST = 1000, MINUTE_MS = 60000 };

struct quality_check {
    const char *id;
    double measured; /* NaN: not known */
    const char *op;  /* NULL: only reported */
    double threshold;
    int64_t n;                     /* what it was measured on */
    const char *not_apply;         /* why the check means nothing here; NULL: it does */
    char unknown[CHECK_WHY_BYTES]; /* why its figure cannot be had; "": it can */
    struct buffer detail;          /* members of a JSON object, without its braces */
};

/* quality_input: what is being looked at. */
struct quality_input {
    const char *run_id; /* NULL: whatever lies there */
    const char *data_root;
    bool range_known;
    const char *range_source; /* manifest, option, data */
    int64_t from_ms, to_ms;   /* both inclusive */
    const char *const *symbols;
    size_t symbol_count;
    int levels;              /* of the book */
    const char *fingerprint; /* of the run; NULL: any, the same in every file is not asked for */
    const char *event_clock; /* wall, scaled, recorded; NULL: as if wall */
    bool sizes_without_tail; /* a synthetic market that nothing is clipped of, by its making */
    double dedup_hits, received_trades, reconnects; /* heartbeats; NaN: not known */
    data_file_wanted *wanted;                       /* NULL: all files of the run */
    const void *wanted_context;
};

struct quality {
    const struct quality_input *input;
    struct data_files files;
    struct query_session *session;
    bool view_made[SET_COUNT];
    struct quality_check checks[CHECKS_MAX];
    size_t check_count;
    struct buffer rows, minutes, coverage; /* JSON objects for the report */
    struct buffer problems;                /* sentences of what could not be read */
};

/* quality_open: finds the files and makes the views. What cannot be read is a problem, not an error. */
enum status quality_open(const struct quality_input *input, struct quality *out_quality,
                         struct error *error) MUST_USE;
void quality_close(struct quality *quality);

void quality_judge(struct quality *quality);          /* data.md §4.3 */
void quality_judge_precheck(struct quality *quality); /* operations.md §16 */

const char *
check_verdict(const struct quality_check *check); /* PASS, FAIL, UNKNOWN, REPORTED, NOT_APPLICABLE */
/* check_reason: why it does not apply or is not known; NULL: it is judged. */
const char *check_reason(const struct quality_check *check);
const char *quality_overall(const struct quality *quality);

/* --- for the parts --- */

/* quality_add: a check with its figure; the detail is filled by the caller afterwards. */
struct quality_check *quality_add(struct quality *quality, const char *id, double measured, const char *op,
                                  double threshold, int64_t n);

/* quality_unknown: when its figure is not known: why. No data at all, no file of a kind it needs (`first`, `second`; SET_COUNT:
 * any will do), files that cannot be read; else `otherwise`. */
void quality_unknown(const struct quality *quality, struct quality_check *check, enum data_set first,
                     enum data_set second, const char *otherwise);

/* quality_source_unknown: the same of what only the heartbeats of a run tell. */
void quality_source_unknown(const struct quality *quality, struct quality_check *check);

/* quality_number, quality_detail: a member more in a check's detail. */
void quality_number(struct quality_check *check, const char *key, double value);

/* quality_query: one row of numbers (at most `count`) of a query over the views; NaN for what is null or when a view it
 * needs (`first`, `second`; SET_COUNT: none) is not there or the query fails. */
void quality_query(struct quality *quality, enum data_set first, enum data_set second, const char *sql,
                   double *out_numbers, size_t count);

/* quality_each: all rows. False when the view is not there or the query failed. */
bool quality_each(struct quality *quality, enum data_set set, const char *sql, query_row *take,
                  void *context);

void quality_rows_judge(struct quality *quality);
void quality_values_judge(struct quality *quality);
void quality_latency_judge(struct quality *quality, bool clock_only);
void quality_direction_judge(struct quality *quality);
void quality_files_judge(struct quality *quality); /* prices and cvd in every minute, schema */
void quality_gaps_judge(struct quality *quality, bool report_only);
void quality_describe(struct quality *quality); /* rows, minutes, coverage */

/* quality_range: whole minutes of the range: the first inclusive, the last exclusive; false when there is none. */
bool quality_range(const struct quality *quality, int64_t *out_first_ms, int64_t *out_end_ms);

/* report.c */
void quality_json(const struct quality *quality, const char *kind, bool final, struct buffer *out);
void quality_print(const struct quality *quality);
