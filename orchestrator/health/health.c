#include "health.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* condition: one figure of a process's heartbeat and what is asked of it. */
enum demand {
    DEMAND_GROWTH,        /* rises within the window */
    DEMAND_GROWTH_IF_ANY, /* the same, of a figure that not every run has */
    DEMAND_STEADY,        /* does not rise between two checks */
    DEMAND_ZERO,
    DEMAND_ZERO_LIVE, /* while the feed is open, and not in a recorded run: there time stands still between two rows */
};

enum { PROGRESS_MS_MAX = 5000, BEHIND_MS_MAX = 180000 };

struct condition {
    const char *process;
    const char *counter; /* or the sum of several: "a+b" */
    enum demand demand;
    int64_t window_ms; /* growth; 0: the configured window and count of signal */
    module_set needs;  /* these modules in the run, or there is nothing to judge */
};

static const struct condition CONDITIONS[] = {
    {"harvest", "received_trades", DEMAND_GROWTH, 60000, 0},
    {"harvest", "received_books", DEMAND_GROWTH, 60000, 0},
    {"harvest", "queue_dropped", DEMAND_STEADY, 0, 0},
    {"harvest", "stage_retention_dropped", DEMAND_STEADY, 0, 0},
    {"harvest", "symbols_without_trades", DEMAND_ZERO_LIVE, 0, 0},
    {"harvest", "symbols_without_books", DEMAND_ZERO_LIVE, 0, 0},
    {"harvest", "substream_timeout_detected", DEMAND_STEADY, 0, 0},
    {"harvest", "capture_bytes", DEMAND_GROWTH, 60000, 0},
    {"archive", "rows_prices+rows_orderbook", DEMAND_GROWTH, 90000, 0},
    {"archive", "rows_ofi+rows_cvd+rows_fusion+rows_features", DEMAND_GROWTH, 90000, 1u << MODULE_FEATURES},
    {"archive", "write_errors_total", DEMAND_STEADY, 0, 0},
    {"archive", "deadletter_rows", DEMAND_STEADY, 0, 0},
    {"features", "rows", DEMAND_GROWTH, 60000, 0},
    {"signal", "processed", DEMAND_GROWTH, 0, 0},
    {"signal", "dropped", DEMAND_ZERO, 0, 0},
    {"signal", "jsonl_rotations", DEMAND_GROWTH_IF_ANY, 120000, 0},
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

/* sample_before: the newest that is at least so old; NULL: none is yet. */
static const struct health_sample *sample_before(const struct health *health, int64_t now_ms, int64_t age_ms)
{
    for (size_t i = 0; i < health->sample_count; i++) {
        const struct health_sample *sample =
            &health->samples[(health->newest + HEALTH_SAMPLES - i) % HEALTH_SAMPLES];
        if (now_ms - sample->at_ms >= age_ms)
            return sample;
    }
    return NULL;
}

/* was_fed: in the first quarter of the window. Where samples are too far apart to tell, it was. */
static bool was_fed(const struct health *health, const struct health_view *view,
                    const struct health_sample *begin, int64_t window_ms)
{
    static const struct health_sample NOTHING = {0};
    const struct health_sample *quarter = sample_before(health, view->now_ms, window_ms - window_ms / 4);
    if (view->input_rows < 0 || !quarter || quarter == begin)
        return true;
    begin = begin ? begin : &NOTHING;
    bool has_input = view->lag_rows > 0 || quarter->input_rows != begin->input_rows;
    return has_input && quarter->market_rows != begin->market_rows;
}

static void judge_growth(struct health *health, const struct health_view *view,
                         const struct condition *condition, size_t figure, int64_t value)
{
    int64_t asked_ms = condition->window_ms ? condition->window_ms : view->growth_window_ms;
    int64_t window_ms = (int64_t)((double)asked_ms / view->time_scale);
    int64_t least = condition->window_ms ? 1 : view->growth_count;
    if (view->recorded || !view->feeding)
        return; /* that it was reported is enough */
    const struct health_sample *begin = sample_before(health, view->now_ms, window_ms);
    if (!begin && view->now_ms - view->feeding_ms < window_ms)
        return; /* the window is not over yet */
    if (value - (begin ? begin->figures[figure] : 0) < least && was_fed(health, view, begin, window_ms))
        fail(health, "no_growth", condition->counter);
}

static void judge_condition(struct health *health, const struct health_view *view,
                            const struct condition *condition, size_t figure, int64_t value)
{
    switch (condition->demand) {
    case DEMAND_GROWTH:
    case DEMAND_GROWTH_IF_ANY: judge_growth(health, view, condition, figure, value); break;
    case DEMAND_STEADY:
        if (health->sample_count && value > health->samples[health->newest].figures[figure])
            fail(health, "rises", condition->counter);
        break;
    case DEMAND_ZERO:
    case DEMAND_ZERO_LIVE:
        if (value != 0 && (condition->demand == DEMAND_ZERO || (view->feeding && !view->recorded)))
            fail(health, "not_zero", condition->counter);
        break;
    }
}

/* figure_of: a counter, or the sum of several; false when one of them was not reported. */
static bool figure_of(const struct telemetry *telemetry, const char *names, int64_t *out_value)
{
    int64_t sum = 0, value;
    for (const char *at = names; *at;) {
        char name[HEALTH_NAME_BYTES];
        size_t length = strcspn(at, "+");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (!telemetry_counter(telemetry, name, &value))
            return false;
        sum += value;
        at += length + (at[length] == '+');
    }
    *out_value = sum;
    return true;
}

/* judge_figures: all conditions of this process; fills the sample. */
/* over_lives: a counter that has fallen belongs to a new life, which begins it anew: what it was before still counts. */
static int64_t over_lives(struct health *health, size_t figure, int64_t value)
{
    if (value < health->heard[figure])
        health->earlier_lives[figure] += health->heard[figure];
    health->heard[figure] = value;
    return health->earlier_lives[figure] + value;
}

static void judge_figures(struct health *health, const struct health_view *view, struct health_sample *sample)
{
    size_t figure = 0;
    for (size_t i = 0; i < sizeof CONDITIONS / sizeof *CONDITIONS; i++) {
        if (strcmp(CONDITIONS[i].process, view->process) != 0 || (CONDITIONS[i].needs & ~view->modules))
            continue;
        int64_t value = 0;
        assert(figure < HEALTH_FIGURES);
        bool zero = CONDITIONS[i].demand == DEMAND_ZERO || CONDITIONS[i].demand == DEMAND_ZERO_LIVE;
        if (figure_of(view->telemetry, CONDITIONS[i].counter, &value))
            judge_condition(health, view, &CONDITIONS[i], figure,
                            zero ? value : over_lives(health, figure, value));
        else if (CONDITIONS[i].demand != DEMAND_GROWTH_IF_ANY)
            fail(health, "not_reported", CONDITIONS[i].counter);
        sample->figures[figure] = health->earlier_lives[figure] + health->heard[figure];
        figure++;
    }
}

/* judge_progress: a heartbeat alone is no life: either there is nothing to do, or it gets done. */
static void judge_progress(struct health *health, const struct health_view *view)
{
    const struct heartbeat_row *beat = &view->telemetry->beat;
    bool waiting = beat->queue_len != FIELD_NULL_I64 && beat->queue_len > 0;
    if (!view->telemetry->seen || !waiting || beat->progress != health->progress) {
        health->progress = beat->progress;
        health->progress_ms = view->now_ms;
    }
    if (view->telemetry->seen && waiting && view->now_ms - health->progress_ms > PROGRESS_MS_MAX)
        fail(health, "no_progress", "");
}

/* judge_lateness: the two conditions that are no counter: the broker's cursor, the age of the newest summary. */
static void judge_lateness(struct health *health, const struct health_view *view)
{
    int64_t event_ms = view->telemetry->beat.event_ts_ms;
    double age_s;
    if (strcmp(view->process, "broker") == 0 && view->lag_rows > 0 && event_ms != FIELD_NULL_I64 &&
        view->newest_event_ms - event_ms > BEHIND_MS_MAX)
        fail(health, "behind", "event_time");
    if (strcmp(view->process, "report") != 0 || view->recorded || !view->feeding ||
        view->now_ms - view->feeding_ms <= view->summary_age_max_ms ||
        view->now_ms - view->ready_ms <= view->summary_age_max_ms)
        return;
    if (!telemetry_gauge(view->telemetry, "summary_age_s", &age_s) ||
        !(age_s * 1000.0 <= (double)view->summary_age_max_ms))
        fail(health, "late", "summary");
}

/* judge_heartbeat: what it said last holds until it says otherwise: one that lacks its disk is late more often than others. */
static void judge_heartbeat(struct health *health, const struct health_view *view)
{
    const struct telemetry *telemetry = view->telemetry;
    if (!telemetry->seen || view->now_ms - telemetry->received_ms > view->heartbeat_timeout_ms)
        fail(health, "no_heartbeat", "");
    if (telemetry->seen && strcmp(telemetry->beat.state, "degraded") == 0)
        fail(health, "degraded", "");
}

static void judge_process(struct health *health, const struct health_view *view)
{
    if (!view->up)
        fail(health, "not_ready", "");
    else if (view->paused)
        fail(health, "paused", "");
    else if (!view->beats)
        return; /* that it lives is all that is known */
    else
        judge_heartbeat(health, view);
    judge_progress(health, view);
    judge_lateness(health, view);
    if (view->rss_mb >= view->max_rss_mb)
        fail(health, "rss_mb", "");
    if (view->open_files >= view->max_open_files)
        fail(health, "open_files", "");
}

void health_judge(struct health *health, const struct health_view *view, int64_t wall_ms, bool tick)
{
    struct health_sample sample = {
        .at_ms = view->now_ms, .input_rows = view->input_rows, .market_rows = view->market_rows};
    health->failed[0] = 0;
    judge_process(health, view);
    bool heard = view->up && view->telemetry->seen && !view->idle;
    if (heard)
        judge_figures(health, view, &sample);
    health->status = view->gave_up || strstr(health->failed, "degraded") ? HEALTH_DEGRADED
                     : *health->failed                                   ? HEALTH_UNHEALTHY
                                                                         : HEALTH_HEALTHY;
    health->was_degraded = health->was_degraded || health->status == HEALTH_DEGRADED;
    if (!tick)
        return;
    health->checks += !view->excused;
    health->healthy_checks += !view->excused && health->status == HEALTH_HEALTHY;
    health->last_wall_ms = wall_ms;
    if (heard) {
        health->newest = (health->newest + 1) % HEALTH_SAMPLES;
        health->samples[health->newest] = sample;
        health->sample_count += health->sample_count < HEALTH_SAMPLES;
    }
}
