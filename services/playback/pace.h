/* pace: when what is next may be played: as fast as it is taken, or at a multiple of the time in which it happened. */
#pragma once

#include "base/clock.h"

#include <stdbool.h>

struct pace {
    double speed; /* run.replay_speed; 0: nothing waits */
    bool begun;
    int64_t first_ts_ms, begun_ms; /* event time and monotonic, of the first row of this life */
};

/* pace_due_ms: by the monotonic clock; not later than now_ms: at once. */
int64_t pace_due_ms(struct pace *pace, int64_t ts_ms, int64_t now_ms);
