/* series: the rows of one symbol that are evaluated, from its Parquet data sets, with a label per horizon (algorithms.md §9). */
#pragma once

#include "config/config.h"
#include "evaluate/label.h"
#include "evaluate/merge.h"
#include "evaluate/rates.h"
#include "orchestrator/validate/quality.h"

enum { SERIES_HORIZONS_MAX = 7 };

/* series_settings: eval.* as the run had it. */
struct series_settings {
    int64_t horizons_ms[SERIES_HORIZONS_MAX];
    size_t horizon_count;
    int64_t primary_ms, tol_ms, step_ms, merge_tol_ms;
    int64_t gate_window_ms, display_window_ms, train_ms, test_ms;
    double winsor_limit; /* of the symbol */
};

/* series: rows ascending in time; arrays of one length each. */
struct series {
    const char *symbol;
    size_t count, capacity; /* evaluation rows */
    int64_t *t_ms;
    double *mids, *scores, *probabilities; /* NaN: none */
    uint8_t *regimes;
    bool *suspended; /* rows whose calibration was suspended when they were made */
    uint8_t *labels[SERIES_HORIZONS_MAX];
    double *returns[SERIES_HORIZONS_MAX];
    struct merge_row *merges; /* rows on whole seconds */
    uint8_t *directions,
        *states; /* of the same rows: enum cvd_direction, enum calibration_state; SERIES_UNKNOWN: no fusion row */
    size_t merge_count, merge_capacity;
    struct rates *rates; /* by minute from rates_first */
    int64_t rates_first;
    size_t rates_count;
    int64_t first_ms, last_ms; /* accepted events; first > last: none */
};

enum { SERIES_UNKNOWN = 255 };

void series_settings_take(const struct config *config, const char *symbol, struct series_settings *out);

/* series_load: rows from `from_ms` on (a whole minute; INT64_MIN: all). false: the data sets could not be read; the reason is among quality's problems. No rows are no failure. */
bool series_load(struct quality *quality, const struct series_settings *settings, const char *symbol,
                 int64_t from_ms, struct series *out_series);
/* series_look_back_ms: how far before the end of a minute rows are read to measure it. */
int64_t series_look_back_ms(const struct series_settings *settings);
size_t series_at(const struct series *series,
                 int64_t at_ms); /* index of the first evaluation row there or behind */
void series_finish(struct series *series);
