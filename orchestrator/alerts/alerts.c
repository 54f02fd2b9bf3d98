#include "alerts.h"

#include "alert_history.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANARY_MEANING "steps of this canary gate that are in force"

/* The table of operations.md §10. Where the figures come from: alert_figures.c. */
static const struct alert_rule RULES[] = {
    {"total_zero_2min", ALERT_CRITICAL, "signal_silent_in_a_row", ALERT_AT_LEAST, 2, 0, false,
     "two whole event minutes with books and without any signal row"},
    {"low_consistency_high", ALERT_WARNING, "low_consistency_least", ALERT_ABOVE, 0.8, 0, false,
     "share of rows with low_consistency in each of the last three event minutes"},
    {"strong_ratio_collapse", ALERT_WARNING, "strong_ratio_deviation", ALERT_ABOVE, 3, 0, false,
     "distance of the strong ratio of five minutes from that of the hour before, in robust sigma"},
    {"timeseries_export_failure", ALERT_WARNING, "export_failed_in_a_row", ALERT_AT_LEAST, 3, 0, false,
     "exports in a row that failed"},
    {"data_dropped", ALERT_CRITICAL, "dropped_rows", ALERT_ABOVE, 0, 0, true,
     "rows dropped before a sink or a consumer had them, messages dropped, or keys in conflict"},
    {"rotation_stalled", ALERT_CRITICAL, "rotation_age_s", ALERT_AT_LEAST, ALERT_ROTATION_STALLED_S, 0, true,
     "seconds with signal rows and without a finished JSON lines file"},
    {"latency_p99_high", ALERT_WARNING, "latency_ms_p99", ALERT_ABOVE, 120, 600, false,
     "receive latency, 99th percentile of ten minutes, ms"},
    {"latency_p99_critical", ALERT_CRITICAL, "latency_ms_p99", ALERT_ABOVE, 300, 300, false,
     "receive latency, 99th percentile of ten minutes, ms"},
    {"ws_reconnects_high", ALERT_WARNING, "reconnects_hour", ALERT_ABOVE, 10, 0, false,
     "unplanned reconnections within the last hour"},
    {"cvd_floor_hit_high", ALERT_WARNING, "cvd_floor_hit_rate", ALERT_ABOVE, 0.60, 900, false,
     "share of CVD values whose scale was the floor"},
    {"empty_bucket_high", ALERT_WARNING, "empty_minute_share", ALERT_ABOVE, 0.005, 0, false,
     "share of the last hour's event minutes without a trade"},
    {"recv_rate_low", ALERT_WARNING, "recv_rate_tps", ALERT_BELOW, 0.1, 600, false, "trades per second"},
    {"write_errors", ALERT_CRITICAL, "write_errors_rise", ALERT_ABOVE, 0, 0, false,
     "failed writes since the last evaluation"},
    {"deadletter_nonempty", ALERT_WARNING, "deadletter_rows", ALERT_ABOVE, 0, 0, false,
     "rows that were put aside as bad"},
    {"clock_drift", ALERT_WARNING, "clock_offset_ms", ALERT_BEYOND, 200, 0, false,
     "the venue's time less this machine's, ms"},
    {"resource_limit", ALERT_WARNING, "resource_share", ALERT_ABOVE, 0.9, 0, false,
     "memory or open files as a share of their limit"},
    {"disk_pressure", ALERT_WARNING, "disk_free_gb", ALERT_BELOW, 5, 0, false, "free space, GB"},
    {"disk_pressure", ALERT_WARNING, "ready_files", ALERT_ABOVE, 5000, 0, false, "finished JSON lines files"},
    {"disk_pressure", ALERT_WARNING, "largest_file_mb", ALERT_ABOVE, 200, 0, false,
     "the largest JSON lines file, MB"},
    {"process_degraded", ALERT_CRITICAL, "process_degraded", ALERT_ABOVE, 0, 0, false,
     "a process that lacks what it needs, or is not started any more"},
    {"process_unhealthy", ALERT_WARNING, "process_unhealthy", ALERT_ABOVE, 0, 60, false,
     "a process that lives and is not healthy"},
    {"canary_auc", ALERT_CRITICAL, "canary_auc", ALERT_ABOVE, 0, 0, false, CANARY_MEANING},
    {"canary_ece", ALERT_CRITICAL, "canary_ece", ALERT_ABOVE, 0, 0, false, CANARY_MEANING},
    {"canary_platt", ALERT_CRITICAL, "canary_platt", ALERT_ABOVE, 0, 0, false, CANARY_MEANING},
    {"canary_brier", ALERT_CRITICAL, "canary_brier", ALERT_ABOVE, 0, 0, false, CANARY_MEANING},
    {"canary_merge", ALERT_CRITICAL, "canary_merge", ALERT_ABOVE, 0, 0, false, CANARY_MEANING},
    {"canary_match", ALERT_CRITICAL, "canary_match", ALERT_ABOVE, 0, 0, false, CANARY_MEANING},
    {"canary_direction", ALERT_CRITICAL, "canary_direction", ALERT_ABOVE, 0, 0, false, CANARY_MEANING},
};

enum { RULE_COUNT = sizeof RULES / sizeof *RULES };

_Static_assert(RULE_COUNT <= 64, "a bit of alerts.raised for every rule");

const struct alert_rule *alert_rules(size_t *out_count)
{
    *out_count = RULE_COUNT;
    return RULES;
}

/* --- figures --- */

void alert_figures_finish(struct alert_figures *figures)
{
    free(figures->items);
    *figures = (struct alert_figures){0};
}

void alert_figure_add(struct alert_figures *figures, const char *name, const char *subject, double value)
{
    alert_figure_add_told(figures, name, subject, value, NULL);
}

void alert_figure_add_told(struct alert_figures *figures, const char *name, const char *subject, double value,
                           const char *detail)
{
    figures->items =
        memory_grow(figures->items, &figures->capacity, figures->count + 1, sizeof *figures->items);
    struct alert_figure *figure = &figures->items[figures->count++];
    *figure = (struct alert_figure){.name = name, .value = value, .detail = detail};
    snprintf(figure->subject, sizeof figure->subject, "%s", subject);
}

/* --- evaluation --- */

void alerts_finish(struct alerts *alerts)
{
    free(alerts->items);
    free(alerts->watches);
    *alerts = (struct alerts){0};
}

static bool holds(const struct alert_rule *rule, double value)
{
    switch (rule->operator) {
    case ALERT_ABOVE: return value > rule->threshold;
    case ALERT_AT_LEAST: return value >= rule->threshold;
    case ALERT_BELOW: return value < rule->threshold;
    case ALERT_BEYOND: return fabs(value) > rule->threshold;
    }
    return false;
}

static struct alert_watch *watch_of(struct alerts *alerts, size_t rule, const char *subject)
{
    for (size_t i = 0; i < alerts->watch_count; i++)
        if (alerts->watches[i].rule == rule && strcmp(alerts->watches[i].subject, subject) == 0)
            return &alerts->watches[i];
    alerts->watches = memory_grow(alerts->watches, &alerts->watch_capacity, alerts->watch_count + 1,
                                  sizeof *alerts->watches);
    struct alert_watch *watch = &alerts->watches[alerts->watch_count++];
    *watch = (struct alert_watch){.rule = rule, .alert = -1};
    snprintf(watch->subject, sizeof watch->subject, "%s", subject);
    return watch;
}

static void message_make(struct alert *alert, const char *detail)
{
    static const char *const WORDS[] = {"above", "at least", "below", "beyond"};
    const struct alert_rule *rule = &RULES[alert->rule];
    char value[F64_TEXT_BYTES], threshold[F64_TEXT_BYTES], period[32] = "";
    f64_text(alert->value, value);
    f64_text(rule->threshold, threshold);
    if (rule->for_s)
        snprintf(period, sizeof period, " for %lld s", (long long)rule->for_s);
    bool more = detail && *detail;
    snprintf(alert->message, sizeof alert->message, "%s%s%.60s is %s, %s %s%s: %s%s%s%s", alert->subject,
             *alert->subject ? ": " : "", rule->figure, value, WORDS[rule->operator], threshold, period,
             rule->meaning, more ? " (" : "", more ? detail : "", more ? ")" : "");
}

struct evaluation {
    struct alerts *alerts;
    const struct alert_moment *moment;
    alert_changed *changed;
    void *context;
};

/* make_room: the oldest that is over is given up; what is open stays, however many that are. */
static void make_room(struct alerts *alerts)
{
    size_t oldest = 0;
    while (oldest < alerts->count && !alerts->items[oldest].recovered_ms)
        oldest++;
    if (alerts->count < ALERTS_KEPT || oldest == alerts->count)
        return;
    alerts->count--;
    memmove(&alerts->items[oldest], &alerts->items[oldest + 1],
            (alerts->count - oldest) * sizeof *alerts->items);
    for (size_t i = 0; i < alerts->watch_count; i++) {
        struct alert_watch *watch = &alerts->watches[i];
        if (watch->alert == (int64_t)oldest)
            watch->alert = -1;
        else if (watch->alert > (int64_t)oldest)
            watch->alert--;
    }
}

static void open_alert(const struct evaluation *evaluation, struct alert_watch *watch,
                       const struct alert_figure *figure)
{
    struct alerts *alerts = evaluation->alerts;
    struct alert alert = {.rule = watch->rule,
                          .value = figure->value,
                          .triggered_ms = evaluation->moment->wall_ms,
                          .triggered_event_ms = evaluation->moment->event_ms,
                          .recovered_event_ms = INT64_MIN};
    memcpy(alert.subject, watch->subject, sizeof alert.subject);
    message_make(&alert, figure->detail);
    watch->open = true;
    watch->clear = 0;
    alerts->triggered++;
    alerts->raised |= UINT64_C(1) << watch->rule;
    make_room(alerts);
    alerts->items = memory_grow(alerts->items, &alerts->capacity, alerts->count + 1, sizeof *alerts->items);
    watch->alert = (int64_t)alerts->count;
    alerts->items[alerts->count++] = alert;
    evaluation->changed(evaluation->context, &alert, true);
}

static void close_alert(const struct evaluation *evaluation, struct alert_watch *watch)
{
    struct alerts *alerts = evaluation->alerts;
    struct alert unkept = {.rule = watch->rule,
                           .recovered_event_ms = INT64_MIN}; /* a file of another build may say so */
    struct alert *alert = watch->alert >= 0 ? &alerts->items[watch->alert] : &unkept;
    memcpy(unkept.subject, watch->subject, sizeof unkept.subject);
    alert->recovered_ms = evaluation->moment->wall_ms;
    alert->recovered_event_ms = evaluation->moment->event_ms;
    watch->open = false;
    watch->since_ms = 0;
    alerts->recovered++;
    evaluation->changed(evaluation->context, alert, false);
}

static void judge(const struct evaluation *evaluation, struct alert_watch *watch,
                  const struct alert_figure *figure)
{
    const struct alert_rule *rule = &RULES[watch->rule];
    int64_t now_ms = evaluation->moment->now_ms;
    bool bad = holds(rule, figure->value);
    if (isnan(figure->value)) {
        watch->since_ms = watch->open ? watch->since_ms : 0;
    } else if (!bad) {
        watch->since_ms = 0;
        if (watch->open && ++watch->clear >= ALERT_CLEAR_EVALUATIONS)
            close_alert(evaluation, watch);
    } else {
        watch->clear = 0;
        watch->since_ms = watch->since_ms ? watch->since_ms : now_ms;
        if (!watch->open && now_ms - watch->since_ms >= rule->for_s * 1000)
            open_alert(evaluation, watch, figure);
    }
}

/* forget_periods: of figures that were not there this time. */
static void forget_periods(struct alerts *alerts, const struct alert_figures *figures)
{
    for (size_t i = 0; i < alerts->watch_count; i++) {
        struct alert_watch *watch = &alerts->watches[i];
        bool there = watch->open || !watch->since_ms;
        for (size_t k = 0; !there && k < figures->count; k++)
            there = strcmp(figures->items[k].name, RULES[watch->rule].figure) == 0 &&
                    strcmp(figures->items[k].subject, watch->subject) == 0;
        if (!there)
            watch->since_ms = 0;
    }
}

void alerts_evaluate(struct alerts *alerts, const struct alert_figures *figures,
                     const struct alert_moment *moment, alert_changed *changed, void *context)
{
    const struct evaluation evaluation = {alerts, moment, changed, context};
    alerts->evaluations++;
    forget_periods(alerts, figures);
    for (size_t rule = 0; rule < RULE_COUNT; rule++)
        for (size_t i = 0; i < figures->count; i++)
            if (strcmp(figures->items[i].name, RULES[rule].figure) == 0)
                judge(&evaluation, watch_of(alerts, rule, figures->items[i].subject), &figures->items[i]);
}

bool alerts_raised(const struct alerts *alerts, size_t rule)
{
    return alerts->raised & UINT64_C(1) << rule;
}

int64_t alerts_active(const struct alerts *alerts)
{
    int64_t active = 0;
    for (size_t i = 0; i < alerts->watch_count; i++)
        active += alerts->watches[i].open;
    return active;
}
