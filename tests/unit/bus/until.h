/* until: waiting for a state with a deadline. */
#pragma once

#include "base/clock.h"
#include "tests/support/check.h"

static inline int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

/* UNTIL: does the step again and again until the condition holds; fails after PATIENCE_MS, which the test defines. */
#define UNTIL(condition, step)                                       \
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !(condition);) { \
        if (now_ms() > until_ms)                                     \
            fail_msg("never: %s", #condition);                       \
        step;                                                        \
    }
