#include "evaluate/merge.h"

#include "base/clock.h"
#include "market/statistics.h"

#include <math.h>

enum { SECOND_MS = 1000 };

const char *const MERGE_SIGNAL_NAMES[] = {"ofi", "cvd", "fusion", NULL};

int64_t merge_seconds(int64_t first_ms, int64_t last_ms)
{
    int64_t seconds = floor_div(last_ms, SECOND_MS) - floor_div(first_ms + SECOND_MS - 1, SECOND_MS) + 1;
    return seconds > 0 ? seconds : 0;
}

int64_t merge_distance_ms(const struct merge_row *row, enum merge_signal signal)
{
    switch (signal) {
    case MERGE_OFI: return row->age_ofi_ms;
    case MERGE_CVD: return row->age_cvd_ms;
    default: return row->age_ofi_ms > row->age_cvd_ms ? row->age_ofi_ms : row->age_cvd_ms;
    }
}

struct merge merge_measure(const struct merge_row *rows, size_t count, enum merge_signal signal,
                           int64_t tol_ms, int64_t first_ms, int64_t last_ms, double *scratch)
{
    struct merge merge = {.n_total = merge_seconds(first_ms, last_ms)};
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].ts_ms % SECOND_MS != 0 || rows[i].ts_ms < first_ms || rows[i].ts_ms > last_ms)
            continue;
        int64_t distance_ms = merge_distance_ms(&rows[i], signal);
        merge.n_matched += distance_ms <= tol_ms;
        scratch[n++] = (double)distance_ms;
    }
    statistics_sort(scratch, n);
    merge.n_rows = (int64_t)n;
    merge.match_rate = merge.n_total ? (double)merge.n_matched / (double)merge.n_total : NAN;
    merge.p50 = statistics_quantile_sorted(scratch, n, 0.5);
    merge.p90 = statistics_quantile_sorted(scratch, n, 0.9);
    merge.p99 = statistics_quantile_sorted(scratch, n, 0.99);
    return merge;
}
