#include "evaluate/top_k.h"

#include "market/statistics.h"

#include <math.h>
#include <stdbool.h>

size_t top_k_count(size_t n)
{
    size_t k = (size_t)ceil(0.05 * (double)n);
    return k > 1 ? k : 1;
}

static int sign_of(double value)
{
    return (value > 0) - (value < 0);
}

double top_k_hit_rate_5p_of_any(const double *scores, const double *returns, size_t n, double *scratch)
{
    if (n == 0)
        return NAN;
    size_t k = top_k_count(n), equals = k, hits = 0;
    for (size_t i = 0; i < n; i++)
        scratch[i] = fabs(scores[i]);
    statistics_sort(scratch, n);
    double least = scratch[n - k]; /* of the chosen */
    for (size_t i = n; scratch[i - 1] > least; i--)
        equals--;
    for (size_t i = 0; i < n; i++) {
        double size = fabs(scores[i]);
        bool chosen = size > least || (size == least && equals > 0);
        equals -= chosen && size == least;
        hits += chosen && sign_of(scores[i]) == sign_of(returns[i]);
    }
    return (double)hits / (double)k;
}

double top_k_hit_rate_5p(const double *scores, const double *returns, size_t n, double *scratch)
{
    return n < TOP_K_ROWS_MIN ? NAN : top_k_hit_rate_5p_of_any(scores, returns, n, scratch);
}
