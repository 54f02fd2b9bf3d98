#include "evaluate/interval.h"

#include <math.h>

void wilson_interval(int64_t k, int64_t n, double *out_low, double *out_high)
{
    *out_low = *out_high = NAN;
    if (n <= 0)
        return;
    double count = (double)n, hits = (double)k, square = INTERVAL_Z95 * INTERVAL_Z95;
    double scale = 1 + square / count;
    double centre = (hits / count + square / (2 * count)) / scale;
    double variance = hits * (count - hits) / (count * count * count) + square / (4 * count * count);
    double half = INTERVAL_Z95 * sqrt(variance) / scale;
    /* At k = 0 and k = n the ends are 0 and 1 but for rounding. */
    *out_low = fmax(0, centre - half);
    *out_high = fmin(1, centre + half);
}
