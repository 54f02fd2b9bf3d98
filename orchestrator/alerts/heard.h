/* heard: what the heartbeats of a service say, over all its instances. What no instance has reported is not known. */
#pragma once

#include "orchestrator/run.h"

/* heard_counter: the sum; false: no instance has reported it. A NULL service: every process. */
bool heard_counter(const struct run *run, const char *service, const char *name, int64_t *out_sum);

/* heard_gauge: the largest of the instances' values, NaN: not known. heard_gauge_sum: their sum. */
double heard_gauge(const struct run *run, const char *service, const char *name);
double heard_gauge_sum(const struct run *run, const char *service, const char *name);

/* heard_about: counters (or gauges) whose name begins with `prefix`, e.g. "signal_gating/": `each` gets the rest of the
 * name. Of the instances the last one counts. */
typedef void heard_each(void *context, const char *about, double value);
void heard_about(const struct run *run, const char *service, bool gauges, const char *prefix,
                 heard_each *each, void *context);

/* heard_event_ms: the newest event time of any harvest, INT64_MIN: none has been seen. */
int64_t heard_event_ms(const struct run *run);

/* heard_write_errors: failed writes of every process, each counted once. heard_dropped: what must be 0: rows dropped, keys
 * in conflict, messages that could not be kept. False: nobody has reported any of it. */
bool heard_write_errors(const struct run *run, int64_t *out_sum);
bool heard_dropped(const struct run *run, int64_t *out_sum);
