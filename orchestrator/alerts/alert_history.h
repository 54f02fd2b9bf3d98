/* alert_history: what rose between evaluations of the alerts. Pure.
 *
 * Counters of one life begin anew with a restart: one that is less than before has risen by what it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ALERT_HISTORY_SAMPLES = 128, ALERT_HISTORY_HOUR_MS = 3600000 };
enum { ALERT_ROTATION_STALLED_S = 180, ALERT_ROTATION_WALL_S = 10 };

/* alert_sample: counters at one evaluation; -1: not known. */
struct alert_sample {
    int64_t at_ms; /* monotonic */
    int64_t reconnects, write_errors, signals, rotations;
};

struct alert_history {
    struct alert_sample samples[ALERT_HISTORY_SAMPLES]; /* a ring, newest at `newest` */
    size_t newest, count;
    int64_t rotation_age_ms;
};

/* alert_history_begin: everything was 0 at this time. Without it the first sample is only what later ones are compared
 * with. */
void alert_history_begin(struct alert_history *history, int64_t at_ms);
void alert_history_add(struct alert_history *history, const struct alert_sample *sample);

/* Of the newest sample; NaN: not known. The age of the rotation grows only while signal rows come.
 * alert_history_rotation_age_s: at `time_scale`, but never faster than that the threshold of 180 s takes ALERT_ROTATION_WALL_S of wall
 * time: a machine that is busy for a moment has not stalled, however fast the market runs. */
double alert_history_write_errors(const struct alert_history *history);
double alert_history_reconnects_hour(const struct alert_history *history);
double alert_history_rotation_age_s(const struct alert_history *history, double time_scale);
bool alert_history_signals_moved(const struct alert_history *history);
