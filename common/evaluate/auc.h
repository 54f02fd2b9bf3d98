/* auc: how well a score tells rises from falls (algorithms.md §10.1).
 *
 * The share of (rise, fall) pairs in which the rise has the larger score, equal scores counting half: Mann and Whitney's
 * statistic over midranks (Ann. Math. Stat. 18, 1947); its interval after J. Hanley and B. McNeil (Radiology 143, 1982) with
 * effective counts, because labels of neighbouring rows overlap. Labels are 1 (rise) or 0; "unknown" is NaN. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { AUC_ROWS_MIN = 200, AUC_CLASS_MIN = 30, AUC_OUTCOMES_MIN = 20 };

/* auc: value, lo95 and hi95 are NaN (UNKNOWN) below AUC_ROWS_MIN rows, AUC_CLASS_MIN of a class or AUC_OUTCOMES_MIN
 * outcomes. */
struct auc {
    double value;
    double lo95;
    double hi95;
    int64_t n;
    int64_t ones;
    int64_t n_eff;
};

/* auc_measure: of n rows; n_eff from label_outcomes; scratch holds n doubles. */
struct auc auc_measure(const double *scores, const uint8_t *labels, size_t n, int64_t n_eff, double *scratch);

/* auc_value: the same without the least counts; NaN when a class is empty. */
double auc_value(const double *scores, const uint8_t *labels, size_t n, double *scratch);

/* auc_interval: of a value with effective counts m1 of rises and m0 of falls, both positive. */
void auc_interval(double value, double m1, double m0, double *out_low, double *out_high);
