/* merge: how far apart in time the inputs of the rows are, second by second (algorithms.md §10.7).
 *
 * Every whole second from a symbol's first to its last accepted event is one that should have a row; those that have one
 * give a distance: the age of the OFI input, of the CVD input, or the larger of both. Ages look backwards only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum merge_signal { MERGE_OFI, MERGE_CVD, MERGE_FUSION, MERGE_SIGNALS };
extern const char *const MERGE_SIGNAL_NAMES[]; /* NULL-terminated */

/* merge_row: a feature row on a whole second. */
struct merge_row {
    int64_t ts_ms;
    int64_t age_ofi_ms;
    int64_t age_cvd_ms;
};

/* merge: seconds between the ends, rows among them, and those within the tolerance. Quantiles (ms) are over all rows, also
 * beyond the tolerance; NaN (UNKNOWN) without rows, match_rate without seconds. */
struct merge {
    int64_t n_total;
    int64_t n_rows;
    int64_t n_matched;
    double match_rate;
    double p50;
    double p90;
    double p99;
};

/* merge_seconds: whole seconds in [first_ms, last_ms]. */
int64_t merge_seconds(int64_t first_ms, int64_t last_ms);

int64_t merge_distance_ms(const struct merge_row *row, enum merge_signal signal);

/* merge_measure: over [first_ms, last_ms], event times of the first and last accepted event. Rows off the whole second or
 * outside are left out. scratch holds `count` doubles. */
struct merge merge_measure(const struct merge_row *rows, size_t count, enum merge_signal signal,
                           int64_t tol_ms, int64_t first_ms, int64_t last_ms, double *scratch);
