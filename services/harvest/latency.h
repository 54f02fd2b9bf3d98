/* latency: quantiles of the receive latency of the last ten minutes, for the heartbeat (operations.md §9).
 *
 * Counts per millisecond and minute of receive time; latencies beyond ±LATENCY_LIMIT_MS count at that limit. Negative
 * ones (a clock that is behind the venue's) are kept as they are. Not part of the state: after a restart it fills anew.
 *
 * There is one for each of up to a thousand symbols, and most of their bins stay empty: the bins lie in pages, and a page is there when
 * something has been counted on it, until its minute is forgotten:
 *
 *     minutes[0] ── pages[…, 39, 40, …] ──▶ counts[128]      one minute
 *     all        ── pages[…, 39, 40, …] ──▶ counts[128]      the sum of the minutes */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    LATENCY_WINDOW_MINUTES = 10,
    LATENCY_LIMIT_MS = 5000,
    LATENCY_BINS = 2 * LATENCY_LIMIT_MS + 1,
    LATENCY_PAGE_BINS = 128,
    LATENCY_PAGES = (LATENCY_BINS + LATENCY_PAGE_BINS - 1) / LATENCY_PAGE_BINS,
};

struct latency_counts {
    uint32_t *pages[LATENCY_PAGES]; /* LATENCY_PAGE_BINS each; NULL: nothing was counted there */
};

struct latency {
    struct latency_minute {
        int64_t minute; /* since 1970; INT64_MIN: none */
        struct latency_counts counts;
    } minutes[LATENCY_WINDOW_MINUTES];
    struct latency_counts all; /* of all minutes together */
    int64_t total;
    int64_t newest_minute;
};

void latency_init(struct latency *latency);
void latency_finish(struct latency *latency);
void latency_add(struct latency *latency, int64_t recv_ms, int64_t latency_ms);

/* latency_quantile: q in 0…1, interpolated as all quantiles here; NaN when there is nothing in the window. */
double latency_quantile(const struct latency *latency, double q);
