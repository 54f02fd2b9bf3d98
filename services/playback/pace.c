#include "pace.h"

#include <math.h>

/* A gap of the recording longer than this, as it would be waited for, is waited for no longer than this. */
static const double WAIT_MS_MAX = 1e12;

int64_t pace_due_ms(struct pace *pace, int64_t ts_ms, int64_t now_ms)
{
    if (pace->speed <= 0)
        return now_ms;
    if (!pace->begun)
        *pace = (struct pace){.speed = pace->speed, .begun = true, .first_ts_ms = ts_ms, .begun_ms = now_ms};
    double after_ms = (double)(ts_ms - pace->first_ts_ms) / pace->speed;
    return pace->begun_ms + (int64_t)fmin(ceil(after_ms), WAIT_MS_MAX);
}
