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
    double active_display, all;
    double ece, brier, brier_baseline, brier_improvement_pct; /* of the primary horizon; NaN for the others */
    double platt_train, platt_test;                           /* rows; likewise */
    double top_k;
    struct merge merge; /* the same for every horizon, as is all below */
    double floor_rate, winsor_rate;
    int64_t flips_24h;
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

void measure_minute(const struct series *series, const struct series_settings *settings, size_t horizon,
                    int64_t end_ms, struct measure_scratch *scratch, struct measures *out);
