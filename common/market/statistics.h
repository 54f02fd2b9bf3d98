/* statistics: the sample statistics of algorithms.md §0.2, to the letter.
 *
 * All run in index order from 0 (N1) over finite values. "No value" (an empty sample, one value for σ) is NaN,
 * which is how rows hold null. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct reader;

/* MAD_TO_SIGMA: σ of a normal distribution over its MAD (N6). */
#define MAD_TO_SIGMA 1.4826

/* statistics_clamp: min(high, max(low, value)) (N7). */
static inline double statistics_clamp(double value, double low, double high)
{
    double raised = value > low ? value : low;
    return raised < high ? raised : high;
}

double statistics_mean(const double *values, size_t count);

/* statistics_sigma: sample σ (n-1), two passes (N5). statistics_sigma_population divides by n. */
double statistics_sigma(const double *values, size_t count, double mean);
double statistics_sigma_population(const double *values, size_t count, double mean);

/* statistics_sort: ascending, in place. */
void statistics_sort(double *values, size_t count);

/* Of an ascending sample: median (N3), quantile q in 0…1 (N4), median absolute deviation (N6, unscaled).
 * statistics_mad_sorted selects instead of sorting the deviations: 2·log2(n) steps. */
double statistics_median_sorted(const double *sorted, size_t count);
double statistics_quantile_sorted(const double *sorted, size_t count, double q);
double statistics_mad_sorted(const double *sorted, size_t count);

/* exact_sum: a sum of doubles without rounding, whatever the order and however often values come and go.
 *
 * A fixed-point number of EXACT_SUM_LIMBS · 32 bits whose lowest bit weighs 2^-192; it takes finite values of
 * magnitude below 2^208 and is exact for what is a multiple of 2^-192 (products of two decimals are). A value
 * added and later taken away leaves nothing behind, so a sliding sum cannot drift. */
enum { EXACT_SUM_LIMBS = 16 };

struct exact_sum {
    int64_t limbs[EXACT_SUM_LIMBS]; /* lowest first; each may exceed 32 bits until carried */
    int64_t since_carry;
};

void exact_sum_add(struct exact_sum *sum, double value);
void exact_sum_subtract(struct exact_sum *sum, double value);
/* exact_sum_value: the double nearest to the sum, which must not be negative. */
double exact_sum_value(struct exact_sum *sum);
