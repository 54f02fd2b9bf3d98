#include "metrics.h"

#include "orchestrator/plan/resolve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* counter: summed over a module's instances; NaN when nobody tells it. */
static double counter(const struct run *run, enum module_id module, const char *name)
{
    int64_t value;
    return run_counter(run, module, name, &value) ? (double)value : NAN;
}

/* gauge: the largest that an instance tells. */
static double gauge(const struct run *run, enum module_id module, const char *name)
{
    double largest = NAN, value;
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].module_index == module &&
            telemetry_gauge(&run->processes[i].telemetry, name, &value) && !(value <= largest))
            largest = value;
    return largest;
}

static double confirmed_share(const struct run *run)
{
    double rows = counter(run, MODULE_SIGNAL, "processed");
    return rows > 0 ? counter(run, MODULE_SIGNAL, "confirmed") / rows : NAN;
}

static double healthy_share(const struct run *run)
{
    double healthy = 0, all = 0;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        if (process->retired)
            continue;
        all++;
        healthy += process->health.status == HEALTH_HEALTHY;
    }
    return all > 0 ? healthy / all : NAN;
}

static double latency_p99(const struct run *run)
{
    return gauge(run, MODULE_HARVEST, "latency_ms_p99");
}

static double receive_rate(const struct run *run)
{
    return gauge(run, MODULE_HARVEST, "recv_rate_tps");
}

static double queue_dropped(const struct run *run)
{
    return counter(run, MODULE_HARVEST, "queue_dropped");
}

static double reconnects(const struct run *run)
{
    return counter(run, MODULE_HARVEST, "reconnect_count");
}

/* no_latency: what harvest then tells of it is how far its counting goes, not how long anything took. */
static const char *no_latency(const struct run *run)
{
    const char *clock = resolve_event_clock(run->config);
    return strcmp(clock, "wall") == 0 ? NULL
           : strcmp(clock, "scaled") == 0
               ? "event time runs at another speed than the time of day: there is no latency between them"
               : "event time is recorded, not the time of day: there is no latency between them";
}

/* figure: `excuse`: why it means nothing in this run, NULL: it does; no function: it always does. */
static const struct figure {
    const char *name;
    double (*measure)(const struct run *run);
    const char *(*excuse)(const struct run *run);
} FIGURES[] = {
    {"confirmed_share", confirmed_share, NULL},  {"healthy_share", healthy_share, NULL},
    {"latency_ms_p99", latency_p99, no_latency}, {"recv_rate_tps", receive_rate, NULL},
    {"queue_dropped", queue_dropped, NULL},      {"reconnect_count", reconnects, NULL},
};

/* measured: NaN, and the reason, when it means nothing here. */
static double measured(const struct run *run, const struct figure *figure, struct incident_metric *metric)
{
    const char *excuse = figure->excuse ? figure->excuse(run) : NULL;
    snprintf(metric->reason, sizeof metric->reason, "%s", excuse ? excuse : "");
    return excuse ? NAN : figure->measure(run);
}

enum { FIGURE_COUNT = sizeof FIGURES / sizeof *FIGURES };

void metrics_before(const struct run *run, struct incident *incident)
{
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        struct incident_metric *metric = &incident->metrics[i];
        snprintf(metric->name, sizeof metric->name, "%s", FIGURES[i].name);
        metric->before = measured(run, &FIGURES[i], metric);
        metric->after = NAN;
    }
    incident->metric_count = FIGURE_COUNT;
}

static void measure_again(struct incident *incident, const void *context)
{
    for (size_t i = 0; i < incident->metric_count; i++)
        for (size_t j = 0; j < FIGURE_COUNT; j++)
            if (strcmp(incident->metrics[i].name, FIGURES[j].name) == 0)
                incident->metrics[i].after = measured(context, &FIGURES[j], &incident->metrics[i]);
}

enum status metrics_after(const struct run *run, const char *path, const char *id, struct error *error)
{
    return incidents_change(path, id, measure_again, run, error);
}

int64_t metrics_event_ms(const struct run *run)
{
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        int64_t event_ms = process->telemetry.beat.event_ts_ms;
        if (process->module->takes_feed && process->telemetry.seen && event_ms != FIELD_NULL_I64 &&
            event_ms > newest)
            newest = event_ms;
    }
    return newest;
}
