/* health: whether one process is healthy, from its heartbeats (operations.md §6.3). Pure.
 *
 * Conditions on growth need samples: health_sample keeps one per tick, for the longest window. In recorded
 * runs, and before the feed is open, growth is replaced by existence: the figure has to be there.
 *
 * Growth is asked only of who was fed: in the first quarter of the condition's window the market moved, and so did its input unless
 * rows wait there, so that the rest of the window was there for the answer. A quiet market makes harvest unhealthy, which owes trades and books, and nobody else. */
#pragma once

#include "orchestrator/plan/module.h"
#include "telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health_status { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_DEGRADED };

enum { HEALTH_SAMPLES = 128, HEALTH_FIGURES = 8, HEALTH_NAME_BYTES = 64, HEALTH_FAILED_BYTES = 512 };

struct health {
    enum health_status status;
    bool was_degraded;                /* at any look since whoever evaluates alerts has put it back */
    char failed[HEALTH_FAILED_BYTES]; /* conditions that do not hold, comma separated */
    int64_t checks, healthy_checks;
    int64_t last_wall_ms;
    int64_t progress, progress_ms; /* its counter, and when it moved last or had no need to */
    struct health_sample {
        int64_t at_ms;
        int64_t input_rows, market_rows;
        int64_t figures[HEALTH_FIGURES]; /* of the process's conditions, in their order */
    } samples[HEALTH_SAMPLES];           /* a ring, newest at `newest` */
    size_t newest, sample_count;
    int64_t heard[HEALTH_FIGURES];         /* newest value of each figure that is asked to grow or to stay */
    int64_t earlier_lives[HEALTH_FIGURES]; /* what it was when a restart made it begin anew */
};

/* health_view: everything a judgement needs. */
struct health_view {
    const char *process;
    const struct telemetry *telemetry;
    int64_t now_ms;
    bool up;    /* announced and not given up */
    bool beats; /* has heartbeats at all */
    bool gave_up;
    bool paused;
    bool idle;    /* no symbol is its: nothing can be asked of its figures */
    bool feeding; /* go has been said, and the input has not ended */
    bool recorded;
    bool excused;        /* within what an injected fault may take: sampled, but not counted */
    int64_t input_rows;  /* that it has read from its producers; -1: its input is the market itself */
    int64_t market_rows; /* trades and books that the venue has sent, all instances */
    int64_t feeding_ms;  /* since when */
    int64_t ready_ms;    /* when this generation got ready: it owes its first summary only so much later */
    int64_t heartbeat_timeout_ms;
    int64_t growth_window_ms; /* signal */
    double time_scale;        /* divides the windows */
    int64_t growth_count;
    double max_rss_mb; /* limits */
    int64_t max_open_files;
    double rss_mb; /* newest */
    int64_t open_files;
    int64_t lag_rows;        /* that wait before it */
    int64_t newest_event_ms; /* event time of whoever is ahead */
    int64_t summary_age_max_ms;
    module_set modules; /* of the run */
};

/* health_judge: status and failed conditions as of now. A `tick` takes a sample and, unless
 * the view is excused, is counted. */
void health_judge(struct health *health, const struct health_view *view, int64_t wall_ms, bool tick);

const char *health_status_name(enum health_status status);
