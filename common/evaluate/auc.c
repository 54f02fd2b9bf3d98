#include "evaluate/auc.h"

#include "evaluate/interval.h"
#include "market/statistics.h"

#include <math.h>

/* The sum of the midranks of the ones, both classes ascending. Every term is a multiple of a half, so the sum is exact. */
static double rank_sum(const double *ones, size_t n1, const double *zeros, size_t n0)
{
    double sum = 0;
    size_t i = 0, j = 0;
    while (i < n1) {
        size_t same_ones = 1, same_zeros = 0;
        while (i + same_ones < n1 && ones[i + same_ones] == ones[i])
            same_ones++;
        while (j < n0 && zeros[j] < ones[i])
            j++;
        while (j + same_zeros < n0 && zeros[j + same_zeros] == ones[i])
            same_zeros++;
        double midrank = (double)(i + j) + ((double)(same_ones + same_zeros) + 1) / 2;
        sum += midrank * (double)same_ones;
        i += same_ones;
        j += same_zeros;
    }
    return sum;
}

double auc_value(const double *scores, const uint8_t *labels, size_t n, double *scratch)
{
    size_t n1 = 0, n0 = 0;
    for (size_t i = 0; i < n; i++) {
        if (labels[i])
            scratch[n1++] = scores[i];
        else
            scratch[n - ++n0] = scores[i];
    }
    if (n1 == 0 || n0 == 0)
        return NAN;
    statistics_sort(scratch, n1);
    statistics_sort(scratch + n1, n0);
    double ones = (double)n1, zeros = (double)n0;
    return (rank_sum(scratch, n1, scratch + n1, n0) - ones * (ones + 1) / 2) / (ones * zeros);
}

void auc_interval(double value, double m1, double m0, double *out_low, double *out_high)
{
    double square = value * value;
    double q1 = value / (2 - value), q2 = 2 * square / (1 + value);
    double variance = (value * (1 - value) + (m1 - 1) * (q1 - square) + (m0 - 1) * (q2 - square)) / (m1 * m0);
    double half = INTERVAL_Z95 * sqrt(fmax(0, variance));
    *out_low = fmax(0, value - half);
    *out_high = fmin(1, value + half);
}

/* Effective counts are never above the real ones. */
static double effective(int64_t count, int64_t n, int64_t n_eff)
{
    return fmin((double)count, (double)count * (double)n_eff / (double)n);
}

struct auc auc_measure(const double *scores, const uint8_t *labels, size_t n, int64_t n_eff, double *scratch)
{
    struct auc auc = {.value = NAN, .lo95 = NAN, .hi95 = NAN, .n = (int64_t)n, .n_eff = n_eff};
    for (size_t i = 0; i < n; i++)
        auc.ones += labels[i] != 0;
    int64_t zeros = auc.n - auc.ones;
    if (n < AUC_ROWS_MIN || auc.ones < AUC_CLASS_MIN || zeros < AUC_CLASS_MIN || n_eff < AUC_OUTCOMES_MIN)
        return auc;
    auc.value = auc_value(scores, labels, n, scratch);
    auc_interval(auc.value, effective(auc.ones, auc.n, n_eff), effective(zeros, auc.n, n_eff), &auc.lo95,
                 &auc.hi95);
    return auc;
}
