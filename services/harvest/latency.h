/* latency: quantiles of the receive latency of the last ten minutes, for the heartbeat (operations.md §9).
 *
 * Counts per millisecond and minute of receive time; latencies beyond ±LATENCY_LIMIT_MS count at that limit. Negative
 * ones (a clock that is behind the venue's) are kept as they are. Not part of the state: after a restart it fills anew. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { LATENCY_WINDOW_MINUTES = 10, LATENCY_LIMIT_MS = 5000, LATENCY_BINS = 2 * LATENCY_LIMIT_MS + 1 };

struct latency {
    struct latency_minute {
        int64_t minute;   /* since 1970; INT64_MIN: none */
        uint32_t *counts; /* LATENCY_BINS */
    } minutes[LATENCY_WINDOW_MINUTES];
    int64_t *counts; /* LATENCY_BINS, of all minutes together */
    int64_t total;
    int64_t newest_minute;
};

void latency_init(struct latency *latency);
void latency_finish(struct latency *latency);
void latency_add(struct latency *latency, int64_t recv_ms, int64_t latency_ms);

/* latency_quantile: q in 0…1, interpolated as all quantiles here; NaN when there is nothing in the window. */
double latency_quantile(const struct latency *latency, double q);
