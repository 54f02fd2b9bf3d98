#include "market/statistics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double statistics_mean(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / (double)count : NAN;
}

static double squared_deviations(const double *values, size_t count, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return sum;
}

double statistics_sigma(const double *values, size_t count, double mean)
{
    return count > 1 ? sqrt(squared_deviations(values, count, mean) / (double)(count - 1)) : NAN;
}

double statistics_sigma_population(const double *values, size_t count, double mean)
{
    return count ? sqrt(squared_deviations(values, count, mean) / (double)count) : NAN;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

void statistics_sort(double *values, size_t count)
{
    if (count > 1)
        qsort(values, count, sizeof *values, compare_doubles);
}

double statistics_median_sorted(const double *sorted, size_t count)
{
    if (count == 0)
        return NAN;
    size_t upper = count / 2;
    return count % 2 ? sorted[upper] : (sorted[upper - 1] + sorted[upper]) / 2;
}

double statistics_quantile_sorted(const double *sorted, size_t count, double q)
{
    if (count == 0)
        return NAN;
    double position = (double)(count - 1) * q;
    size_t below = (size_t)floor(position);
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (position - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* deviations: |x - centre| of a sorted sample as two ascending runs, one to the left of the centre and one to the
 * right, neither ever written down. */
struct deviations {
    const double *sorted;
    double centre;
    size_t left; /* elements left of the split; the rest lies to the right */
    size_t right;
};

static double left_deviation(const struct deviations *runs, size_t i)
{
    return fabs(runs->sorted[runs->left - 1 - i] - runs->centre);
}

static double right_deviation(const struct deviations *runs, size_t i)
{
    return fabs(runs->sorted[runs->left + i] - runs->centre);
}

/* The k-th smallest (from 0) of two ascending runs: search how many of the first k come from the left one. */
static double deviation_at(const struct deviations *runs, size_t k)
{
    size_t low = k > runs->right ? k - runs->right : 0;
    size_t high = k < runs->left ? k : runs->left;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (left_deviation(runs, middle) < right_deviation(runs, k - middle - 1))
            low = middle + 1;
        else
            high = middle;
    }
    double from_left = low < runs->left ? left_deviation(runs, low) : INFINITY;
    double from_right = k - low < runs->right ? right_deviation(runs, k - low) : INFINITY;
    return from_left < from_right ? from_left : from_right;
}

double statistics_mad_sorted(const double *sorted, size_t count)
{
    if (count == 0)
        return NAN;
    struct deviations runs = {.sorted = sorted, .centre = statistics_median_sorted(sorted, count)};
    /* Half of the sample is not above its median, so the split is where the upper half begins. */
    runs.left = (count + 1) / 2;
    runs.right = count - runs.left;
    size_t upper = count / 2;
    if (count % 2)
        return deviation_at(&runs, upper);
    return (deviation_at(&runs, upper - 1) + deviation_at(&runs, upper)) / 2;
}

/* Bit i of the sum weighs 2^(i - EXACT_SUM_SCALE). */
enum { EXACT_SUM_SCALE = 192, EXACT_SUM_CARRY_EVERY = 1 << 30 };

static void carry(struct exact_sum *sum)
{
    for (size_t i = 0; i + 1 < EXACT_SUM_LIMBS; i++) {
        int64_t low = sum->limbs[i] & 0xffffffff;
        sum->limbs[i + 1] += (sum->limbs[i] - low) / ((int64_t)1 << 32);
        sum->limbs[i] = low;
    }
    sum->since_carry = 0;
}

static void accumulate(struct exact_sum *sum, double value, int64_t sign)
{
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    int biased = (int)(word >> 52 & 0x7ff);
    uint64_t mantissa = word & (((uint64_t)1 << 52) - 1);
    if (biased == 0 && mantissa == 0)
        return;
    /* value = mantissa · 2^(lowest - EXACT_SUM_SCALE) */
    int lowest = (biased ? biased : 1) - 1075 + EXACT_SUM_SCALE;
    mantissa |= biased ? (uint64_t)1 << 52 : 0;
    if (lowest < 0) {
        mantissa = lowest > -64 ? mantissa >> -lowest : 0;
        lowest = 0;
    }
    size_t limb = (size_t)lowest / 32;
    assert(isfinite(value) && limb + 3 < EXACT_SUM_LIMBS);
    if (word >> 63)
        sign = -sign;
    unsigned __int128 bits = (unsigned __int128)mantissa << (lowest % 32);
    for (; bits; bits >>= 32)
        sum->limbs[limb++] += sign * (int64_t)(uint32_t)bits;
    if (++sum->since_carry == EXACT_SUM_CARRY_EVERY)
        carry(sum);
}

void exact_sum_add(struct exact_sum *sum, double value)
{
    accumulate(sum, value, 1);
}

void exact_sum_subtract(struct exact_sum *sum, double value)
{
    accumulate(sum, value, -1);
}

double exact_sum_value(struct exact_sum *sum)
{
    carry(sum);
    size_t top = EXACT_SUM_LIMBS;
    while (top > 0 && sum->limbs[top - 1] == 0)
        top--;
    if (top == 0)
        return 0;
    /* Three limbs hold at least 65 significant bits; whatever lies below them only breaks ties. */
    unsigned __int128 bits = 0;
    size_t bottom = top > 3 ? top - 3 : 0;
    for (size_t i = top; i > bottom; i--)
        bits = bits << 32 | (uint64_t)sum->limbs[i - 1];
    for (size_t i = 0; i < bottom; i++)
        bits |= sum->limbs[i] != 0;
    return ldexp((double)bits, (int)(32 * bottom) - EXACT_SUM_SCALE);
}
