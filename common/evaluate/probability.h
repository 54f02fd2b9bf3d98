/* probability: how good probabilities are (algorithms.md §10.2, §10.3). Labels are 1 or 0, probabilities 0…1. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PROBABILITY_ROWS_MIN = 200, PROBABILITY_BINS = 10 };

/* expected_calibration_error: over ten bins [0,0.1], (0.1,0.2], …, (0.9,1], the distance of mean probability and share of
 * ones, weighted by rows (M. Pakdaman Naeini, G. Cooper, M. Hauskrecht, AAAI 2015). NaN (UNKNOWN) below PROBABILITY_ROWS_MIN
 * rows; the _of_any form only without rows. */
double expected_calibration_error(const double *probabilities, const uint8_t *labels, size_t n);
double expected_calibration_error_of_any(const double *probabilities, const uint8_t *labels, size_t n);

/* brier: the mean squared error (G. Brier, Mon. Weather Rev. 78, 1950), that of always saying the share of ones of the
 * training window, and by how many percent the first is better. All NaN below PROBABILITY_ROWS_MIN rows; improvement_pct
 * also when the baseline is 0 or the training share is NaN. */
struct brier {
    double value;
    double baseline;
    double improvement_pct;
};

struct brier brier_measure(const double *probabilities, const uint8_t *labels, size_t n,
                           double training_share);
struct brier brier_of_any(const double *probabilities, const uint8_t *labels, size_t n,
                          double training_share);
