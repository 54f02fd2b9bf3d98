/* measure: how a bench times one thing: several passes over the same work, of which the best and the median are told. The
 * best is what the code costs; the median beside it says how quiet the machine was. */
#pragma once

#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { MEASURE_PASSES = 7 };

struct measured {
    double best_ns; /* per item */
    double median_ns;
};

/* measure_pass: does the work once and returns how many items it was. */
typedef size_t measure_pass(void *context);

static inline int measure_order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static inline struct measured measure(measure_pass *pass, void *context)
{
    struct clock clock = clock_system();
    double took[MEASURE_PASSES];
    for (int i = 0; i < MEASURE_PASSES; i++) {
        int64_t begin_ns = clock_monotonic_ns(&clock);
        size_t items = pass(context);
        took[i] = (double)(clock_monotonic_ns(&clock) - begin_ns) / (double)(items ? items : 1);
    }
    qsort(took, MEASURE_PASSES, sizeof took[0], measure_order);
    return (struct measured){took[0], took[MEASURE_PASSES / 2]};
}
