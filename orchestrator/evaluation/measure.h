/* measure: the canary's figures of one minute, of the rows before its end (data.md §7, algorithms.md §10). Values that need a label use
 * rows whose label had matured by then. NaN: not measured. */
#pragma once

#include "evaluate/auc.h"
#include "evaluate/slice.h"
#include "series.h"

/* measures: of one minute, symbol and horizon. Windows end at end_ms: gate window for the AUCs, display window for the rest, five
 * minutes for the merge, ten for the rates. */
struct measures {
    int64_t end_ms;
    int64_t n, n_eff; /* labelled rows of the gate window */
    double tie_share; /* of rows that have both prices; NaN: there are none */
    int64_t unlabeled;
    struct auc slices[SLICE_COUNT];
    double slice_ece
        [SLICE_COUNT]; /* of the gate window's calibrated rows, primary horizon; NaN for the others */
    double active_display, all;
    double ece, brier, brier_baseline, brier_improvement_pct; /* of the primary horizon; NaN for the others */
    double platt_train, platt_test;                           /* rows; likewise */
    double top_k;
    struct merge merge; /* the same for every horizon, as is all below */
    double floor_rate, winsor_rate;
    uint8_t direction, state; /* of the newest row; SERIES_UNKNOWN */
};

/* measure_scratch: room for one window; sized by the series. */
struct measure_scratch {
    double *scores, *returns, *probabilities, *work;
    uint8_t *labels;
    int64_t *t_ms;
};
void measure_scratch_make(const struct series *series, struct measure_scratch *out);
void measure_scratch_finish(struct measure_scratch *scratch);

/* tolerance: how far apart inputs may be and still match: changed at most once within a merge's window. */
struct tolerance {
    int64_t before_ms, now_ms; /* of seconds before `since_ms`, and from then on */
    int64_t since_ms;
};

/* measure_merge: of seconds in [end - five minutes, end) between the first and last accepted event. */
struct merge measure_merge(const struct series *series, enum merge_signal signal,
                           const struct tolerance *tolerance, int64_t end_ms,
                           struct measure_scratch *scratch);

/* measure_second: index of the first row on a whole second at or behind a time. */
size_t measure_second(const struct series *series, int64_t at_ms);

void measure_minute(const struct series *series, const struct series_settings *settings, size_t horizon,
                    const struct tolerance *tolerance, int64_t end_ms, struct measure_scratch *scratch,
                    struct measures *out);

/* gathered: labelled rows of a window, in the scratch. */
struct asking {
    const struct series *series;
    size_t horizon;
    int64_t from_ms, to_ms; /* rows from <= t < to */
    int slice;              /* enum slice, ANY_SLICE */
    bool calibrated;        /* only rows with a probability */
};

enum { ANY_SLICE = -1 };

struct gathered {
    size_t n, ones;
    int64_t ties, unlabeled;
};

struct gathered measure_gather(const struct asking *asking, struct measure_scratch *out);

/* measure_matured: rows of a window that ends at end_ms whose label reads nothing behind it. */
struct asking measure_matured(const struct series *series, const struct series_settings *settings,
                              size_t horizon, int64_t end_ms, int64_t window_ms);
