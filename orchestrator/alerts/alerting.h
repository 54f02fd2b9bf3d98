/* alerting: the run's alerts: evaluated every health.alert_interval_s from go on, told, kept, and acted upon (operations.md §10). */
#pragma once

#include "alert_history.h"
#include "alerts.h"
#include "orchestrator/run.h"

struct alerting {
    struct alerts alerts;
    struct alert_history history;
    int64_t due_ms; /* monotonic; 0: not begun */
    char path[PATH_BYTES];
};

/* alerting_open: a run that is gone on with has what its orchestrator had written. */
enum status alerting_open(struct run *run, struct error *error) MUST_USE;
void alerting_close(struct run *run);

void alerting_step(struct run *run);
int64_t alerting_due_ms(const struct run *run);

/* alerting_tags: array of the rules that were raised, each once: the run's tags. */
void alerting_tags(const struct run *run, struct json *json);

/* alerting_now_ms: monotonic time as the rules count it: times run.time_scale, which is the same as dividing their periods. */
int64_t alerting_now_ms(const struct run *run);

/* alert_figures_gather: what is known now (alert_figures.c). */
void alert_figures_gather(struct run *run, const struct alert_history *history,
                          struct alert_figures *out_figures);

/* alert_sample_take: the counters whose rise is looked at. */
void alert_sample_take(const struct run *run, struct alert_sample *out_sample);
