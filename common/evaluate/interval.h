/* interval: 95 % intervals of shares and the quantile they use (algorithms.md §10.1, §10.8). */
#pragma once

#include <stdint.h>

/* INTERVAL_Z95: of the normal distribution, two-sided. */
#define INTERVAL_Z95 1.959963984540054

/* wilson_interval: both ends of the 95 % interval of k of n (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927); NaN when n
 * is 0. */
void wilson_interval(int64_t k, int64_t n, double *out_low, double *out_high);
