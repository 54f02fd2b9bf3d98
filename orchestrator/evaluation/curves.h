/* curves: how a score separates rises from falls, and how good probabilities are, as points to be drawn. Labels are 1 (rise) or 0. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { CURVE_POINTS = 20, RELIABILITY_BINS = 10 };

struct curve_point {
    double x, y; /* NaN: there are no such rows */
};

/* bin: mean_p, mean_y NaN when it is empty. */
struct reliability_bin {
    int64_t n;
    double mean_p, mean_y;
};

/* curve_roc: the share of rises found at false alarm rates of 1/20, 2/20, … 1, between the corners of the curve on straight lines; rows of equal
 * score are one corner. curve_precision: the share of rises among the rows that have to be taken, highest scores first and equal ones
 * together, to find 1/20, 2/20, … of the rises. */
void curve_roc(const double *scores, const uint8_t *labels, size_t n, struct curve_point out[CURVE_POINTS]);
void curve_precision(const double *scores, const uint8_t *labels, size_t n,
                     struct curve_point out[CURVE_POINTS]);

/* curve_reliability: the bins of the expected calibration error (algorithms.md §10.2). */
void curve_reliability(const double *probabilities, const uint8_t *labels, size_t n,
                       struct reliability_bin out[RELIABILITY_BINS]);
