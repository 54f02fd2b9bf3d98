/* metric_name: what a figure of a heartbeat is called in /metrics. Pure.
 *
 * A rule instead of a list, so that a new figure is there without being named twice: `orderflow_` before it, base units
 * (…_ms → …_seconds, …_mb → …_bytes), `_total` behind counters. "name/stream" is a figure about one stream: its label. */
#pragma once

#include <stdbool.h>

enum { METRIC_NAME_BYTES = 160, METRIC_STREAM_BYTES = 96 };

struct metric_name {
    char name[METRIC_NAME_BYTES];
    char stream[METRIC_STREAM_BYTES]; /* "": about none */
    double factor;                    /* to the base unit */
    bool counter;                     /* else a gauge */
};

/* metric_name_of: `counter`: the heartbeat has it among its counters; a few of those also fall. */
void metric_name_of(const char *figure, bool counter, struct metric_name *out_name);

/* metric_help: one sentence. */
const char *metric_help(const char *name);
