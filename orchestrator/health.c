#include "health.h"

#include <stdio.h>
#include <string.h>

/* condition: one figure of a process's heartbeat and what is asked of it. */
enum demand {
    DEMAND_GROWTH, /* rises within the window */
    DEMAND_STEADY, /* does not rise between two checks */
    DEMAND_ZERO,
};

struct condition {
    const char *process;
    const char *counter;
    enum demand demand;
    int64_t window_ms; /* growth; 0: the configured window and count of signal */
};

static const struct condition CONDITIONS[] = {
    {"harvest", "received_trades", DEMAND_GROWTH, 60000},
    {"harvest", "received_books", DEMAND_GROWTH, 60000},
    {"harvest", "queue_dropped", DEMAND_STEADY, 0},
    {"harvest", "stage_retention_dropped", DEMAND_STEADY, 0},
    {"archive", "files_written", DEMAND_GROWTH, 90000},
    {"archive", "write_errors_total", DEMAND_STEADY, 0},
    {"archive", "deadletter_rows", DEMAND_STEADY, 0},
    {"features", "rows", DEMAND_GROWTH, 60000},
    {"signal", "processed", DEMAND_GROWTH, 0},
    {"signal", "dropped", DEMAND_ZERO, 0},
};

const char *health_status_name(enum health_status status)
{
    static const char *const NAMES[] = {"unknown", "healthy", "unhealthy", "degraded"};
    return NAMES[status];
}

static void fail(struct health *health, const char *what, const char *detail)
{
    size_t length = strlen(health->failed);
    snprintf(health->failed + length, sizeof health->failed - length, "%s%s%s%s", length ? "," : "", what,
             *detail ? ":" : "", detail);
}

/* oldest_within: the figure at the beginning of the window; false when no sample is that old yet. */
static bool oldest_within(const struct health *health, size_t figure, int64_t now_ms, int64_t window_ms,
                          int64_t *out_value)
{
    for (size_t i = 0; i < health->sample_count; i++) {
        const struct health_sample *sample =
            &health->samples[(health->newest + HEALTH_SAMPLES - i) % HEALTH_SAMPLES];
        if (now_ms - sample->at_ms >= window_ms) {
            *out_value = sample->figures[figure];
            return true;
        }
    }
    return false;
}

static void judge_growth(struct health *health, const struct health_view *view,
                         const struct condition *condition, size_t figure, int64_t value)
{
    int64_t asked_ms = condition->window_ms ? condition->window_ms : view->growth_window_ms;
    int64_t window_ms = (int64_t)((double)asked_ms / view->time_scale);
    int64_t least = condition->window_ms ? 1 : view->growth_count, before = 0;
    if (view->recorded || !view->feeding)
        return; /* that it was reported is enough */
    if (!oldest_within(health, figure, view->now_ms, window_ms, &before)) {
        if (view->now_ms - view->feeding_ms < window_ms)
            return; /* the window is not over yet */
        before = 0;
    }
    if (value - before < least)
        fail(health, "no_growth", condition->counter);
}

static void judge_condition(struct health *health, const struct health_view *view,
                            const struct condition *condition, size_t figure, int64_t value)
{
    switch (condition->demand) {
    case DEMAND_GROWTH: judge_growth(health, view, condition, figure, value); break;
    case DEMAND_STEADY:
        if (health->sample_count && value > health->samples[health->newest].figures[figure])
            fail(health, "rises", condition->counter);
        break;
    case DEMAND_ZERO:
        if (value != 0)
            fail(health, "not_zero", condition->counter);
        break;
    }
}

/* judge_figures: all conditions of this process; fills the sample. */
static void judge_figures(struct health *health, const struct health_view *view, struct health_sample *sample)
{
    size_t figure = 0;
    for (size_t i = 0; i < sizeof CONDITIONS / sizeof *CONDITIONS; i++) {
        if (strcmp(CONDITIONS[i].process, view->process) != 0)
            continue;
        int64_t value = 0;
        if (telemetry_counter(view->telemetry, CONDITIONS[i].counter, &value))
            judge_condition(health, view, &CONDITIONS[i], figure, value);
        else
            fail(health, "not_reported", CONDITIONS[i].counter);
        sample->figures[figure++] = value;
    }
}

static void judge_process(struct health *health, const struct health_view *view)
{
    if (!view->up)
        fail(health, "not_ready", "");
    else if (view->paused)
        fail(health, "paused", "");
    else if (!view->beats)
        return; /* that it lives is all that is known */
    else if (!view->telemetry->seen ||
             view->now_ms - view->telemetry->received_ms > view->heartbeat_timeout_ms)
        fail(health, "no_heartbeat", "");
    if (view->rss_mb >= view->max_rss_mb)
        fail(health, "rss_mb", "");
    if (view->open_files >= view->max_open_files)
        fail(health, "open_files", "");
}

void health_judge(struct health *health, const struct health_view *view, int64_t wall_ms, bool tick)
{
    struct health_sample sample = {.at_ms = view->now_ms};
    health->failed[0] = 0;
    judge_process(health, view);
    bool heard = view->up && view->telemetry->seen && !view->idle;
    if (heard)
        judge_figures(health, view, &sample);
    health->status = view->gave_up ? HEALTH_DEGRADED : *health->failed ? HEALTH_UNHEALTHY : HEALTH_HEALTHY;
    if (!tick)
        return;
    health->checks++;
    health->healthy_checks += health->status == HEALTH_HEALTHY;
    health->last_wall_ms = wall_ms;
    if (heard) {
        health->newest = (health->newest + 1) % HEALTH_SAMPLES;
        health->samples[health->newest] = sample;
        health->sample_count += health->sample_count < HEALTH_SAMPLES;
    }
}

enum health_alert health_watch_step(struct health_watch *watch, bool unhealthy, int64_t now_ms)
{
    bool told = watch->told;
    if (!unhealthy) {
        *watch = (struct health_watch){0};
        return told ? HEALTH_ALERT_CLOSE : HEALTH_ALERT_NONE;
    }
    watch->since_ms = watch->since_ms ? watch->since_ms : now_ms;
    watch->told = told || now_ms - watch->since_ms >= HEALTH_ALERT_MS;
    return watch->told && !told ? HEALTH_ALERT_OPEN : HEALTH_ALERT_NONE;
}
