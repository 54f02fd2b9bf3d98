/* fits: the calibration of a test window, made again from the stored rows (algorithms.md §10.4): features publishes probabilities but
 * not A and B, and none at all while the calibration is suspended. What a suspended calibration would have said is needed to know when
 * the suspension may be taken back. */
#pragma once

#include "evaluate/platt.h"
#include "series.h"

/* fit: of the rows of [begin - train, begin) with embargo; a and b mean something in state CALIBRATION_ACTIVE. */
struct fit {
    int64_t begin_ms; /* of the test window */
    struct platt platt;
    int64_t n, ones; /* rows it was trained on */
};

/* fit_make: horizon is the index of the primary one. */
struct fit fit_make(const struct series *series, const struct series_settings *settings, size_t horizon,
                    int64_t begin_ms);

/* fits_fill: gives rows from `from_ms` on whose calibration was suspended the probability that it would have given. */
void fits_fill(struct series *series, const struct series_settings *settings, size_t horizon,
               int64_t from_ms);

size_t series_primary(const struct series_settings *settings); /* index of the primary horizon */
