/* top_k: whether the strongest scores point the right way (algorithms.md §10.5). */
#pragma once

#include <stddef.h>

enum { TOP_K_ROWS_MIN = 200 };

/* top_k_count: k = max(1, ceil(0.05·n)). */
size_t top_k_count(size_t n);

/* top_k_hit_rate_5p: among the k rows with the largest |score| the share whose score has the sign of the return. Rows are
 * in order of (t, symbol), so of equal scores the earlier ones are taken. NaN (UNKNOWN) below TOP_K_ROWS_MIN rows; the
 * _of_any form only without rows. scratch holds n doubles. */
double top_k_hit_rate_5p(const double *scores, const double *returns, size_t n, double *scratch);
double top_k_hit_rate_5p_of_any(const double *scores, const double *returns, size_t n, double *scratch);
