#include "alert_history.h"

#include <math.h>

/* back: the sample `steps` evaluations ago; NULL: there is none. */
static const struct alert_sample *back(const struct alert_history *history, size_t steps)
{
    if (steps >= history->count)
        return NULL;
    return &history->samples[(history->newest + ALERT_HISTORY_SAMPLES - steps) % ALERT_HISTORY_SAMPLES];
}

static void put(struct alert_history *history, const struct alert_sample *sample)
{
    history->newest = (history->newest + 1) % ALERT_HISTORY_SAMPLES;
    history->samples[history->newest] = *sample;
    history->count += history->count < ALERT_HISTORY_SAMPLES;
}

/* rise: -1: one of them is not known. */
static int64_t rise(int64_t before, int64_t now)
{
    if (before < 0 || now < 0)
        return -1;
    return now >= before ? now - before : now;
}

void alert_history_begin(struct alert_history *history, int64_t at_ms)
{
    *history = (struct alert_history){.count = 0};
    put(history, &(struct alert_sample){.at_ms = at_ms});
}

void alert_history_add(struct alert_history *history, const struct alert_sample *sample)
{
    const struct alert_sample *before = back(history, 0);
    if (before && rise(before->rotations, sample->rotations) > 0)
        history->rotation_age_ms = 0;
    else if (before && rise(before->signals, sample->signals) > 0)
        history->rotation_age_ms += sample->at_ms - before->at_ms;
    put(history, sample);
}

double alert_history_write_errors(const struct alert_history *history)
{
    const struct alert_sample *now = back(history, 0), *before = back(history, 1);
    int64_t risen = now && before ? rise(before->write_errors, now->write_errors) : -1;
    return risen < 0 ? NAN : (double)risen;
}

double alert_history_reconnects_hour(const struct alert_history *history)
{
    const struct alert_sample *now = back(history, 0), *newer = now;
    int64_t sum = 0;
    bool known = false;
    for (size_t steps = 1; newer; steps++) {
        const struct alert_sample *older = back(history, steps);
        if (!older || now->at_ms - older->at_ms > ALERT_HISTORY_HOUR_MS)
            break;
        int64_t risen = rise(older->reconnects, newer->reconnects);
        known = known || risen >= 0;
        sum += risen > 0 ? risen : 0;
        newer = older;
    }
    return known ? (double)sum : NAN;
}

double alert_history_rotation_age_s(const struct alert_history *history, double time_scale)
{
    const struct alert_sample *now = back(history, 0);
    const double fastest = (double)ALERT_ROTATION_STALLED_S / ALERT_ROTATION_WALL_S;
    if (!now || now->rotations < 0 || history->count < 2)
        return NAN;
    return (double)history->rotation_age_ms / 1000.0 * fmin(1, fastest / time_scale);
}

bool alert_history_signals_moved(const struct alert_history *history)
{
    const struct alert_sample *now = back(history, 0), *before = back(history, 1);
    return now && before && rise(before->signals, now->signals) > 0;
}
