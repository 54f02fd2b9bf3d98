/* platt: a probability from a score (algorithms.md §10.4): p = 1/(1 + exp(A·s + B)).
 *
 * J. Platt, "Probabilistic outputs for support vector machines", 1999, with the targets and the safeguarded Newton steps of
 * H. Lin, C. Lin, R. Weng (Machine Learning 68, 2007). Whoever fits keeps the rows it scores out of the rows it fits on
 * (label_in_window). Labels are 1 or 0. */
#pragma once

#include "proto/kind.h"

#include <stddef.h>
#include <stdint.h>

enum { PLATT_ROWS_MIN = 200, PLATT_CLASS_MIN = 30, PLATT_ITERATIONS_MAX = 100 };

/* platt: a and b mean something in state CALIBRATION_ACTIVE; else they are 0. */
struct platt {
    double a;
    double b;
    int state; /* CALIBRATION_ACTIVE, CALIBRATION_INSUFFICIENT or CALIBRATION_NOT_CONVERGED */
};

/* platt_train: CALIBRATION_INSUFFICIENT below PLATT_ROWS_MIN rows or PLATT_CLASS_MIN of a class, and for scores that are
 * all alike. platt_fit: without those limits. */
struct platt platt_train(const double *scores, const uint8_t *labels, size_t n);
struct platt platt_fit(const double *scores, const uint8_t *labels, size_t n);

/* platt_probability: never NaN for finite arguments. */
double platt_probability(double a, double b, double score);
