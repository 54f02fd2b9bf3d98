#include "evaluate/slice.h"

#include "base/clock.h"

enum { SESSION_MS = 8 * 3600 * 1000, SESSIONS = 3 };

const char *const SLICE_NAMES[] = {"tokyo", "london", "ny", "active", "quiet", NULL};

enum slice slice_session(int64_t t_ms)
{
    int64_t session = floor_div(t_ms, SESSION_MS);
    return (enum slice)(session - floor_div(session, SESSIONS) * SESSIONS);
}

bool slice_has(enum slice slice, int64_t t_ms, int regime)
{
    if (slice == SLICE_ACTIVE)
        return regime == REGIME_ACTIVE;
    if (slice == SLICE_QUIET)
        return regime == REGIME_QUIET;
    return slice == slice_session(t_ms);
}
