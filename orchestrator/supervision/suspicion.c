#include "suspicion.h"

enum { LOOK_AGAIN_MS = 10 };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* waits_now: it would run if it could, and could not for most of the time. One that spins runs, or is told to have waited. */
static bool waits_now(const struct suspicion *suspicion, const struct suspicion_look *look)
{
    int64_t elapsed_ms = look->now_ms - suspicion->since_ms;
    return look->runnable && (look->known_ns - suspicion->known_ns) / 1000000 < elapsed_ms / 2;
}

bool suspicion_step(struct suspicion *suspicion, const struct suspicion_look *look)
{
    int64_t half_ms = look->timeout_ms / 2, full_ms = look->heard_ms + look->timeout_ms;
    if (!suspicion->since_ms || look->waits_for_disk || waits_now(suspicion, look)) {
        *suspicion = (struct suspicion){.since_ms = look->now_ms,
                                        .starved_ns = look->starved_ns,
                                        .known_ns = look->known_ns,
                                        .due_ms = larger(full_ms, look->now_ms + half_ms)};
        return false;
    }
    int64_t starved_ms = (look->starved_ns - suspicion->starved_ns) / 1000000;
    int64_t left_ms = half_ms - (look->now_ms - suspicion->since_ms - starved_ms);
    if (look->now_ms >= full_ms && left_ms <= 0)
        return true;
    suspicion->due_ms = larger(full_ms, look->now_ms + larger(left_ms, LOOK_AGAIN_MS));
    return false;
}

int64_t suspicion_due_ms(const struct suspicion *suspicion, int64_t heard_ms, int64_t timeout_ms)
{
    return suspicion->since_ms ? suspicion->due_ms : heard_ms + timeout_ms / 2;
}
