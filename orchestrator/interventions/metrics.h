/* metrics: what an incident did: a few figures of the running system before, and again later (metrics_before_after). */
#pragma once

#include "orchestrator/canary/incidents.h"
#include "orchestrator/run.h"

/* metrics_before: the figures as the newest heartbeats tell them; NaN: not measured. */
void metrics_before(const struct run *run, struct incident *incident);

/* metrics_after: measures those of one incident in the file once more. */
enum status metrics_after(const struct run *run, const char *path, const char *id,
                          struct error *error) MUST_USE;

/* metrics_event_ms: the newest event time harvest has told of; INT64_MIN: none. */
int64_t metrics_event_ms(const struct run *run);
