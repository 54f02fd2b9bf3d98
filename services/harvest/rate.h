/* rate: how many accepted trades lie in the minute before a time (data.md §3.3, recv_rate_tps).
 *
 * Counts per millisecond, kept for RATE_KEEP_MS behind the newest: a trade that is late by up to ten seconds
 * (the largest watermark) is still counted exactly. */
#pragma once

#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>

enum { RATE_WINDOW_MS = 60000, RATE_KEEP_MS = 70000 };

struct rate_slot {
    int64_t time_ms;
    int64_t count;
};

struct rate {
    struct rate_slot *slots; /* ascending times from `first`; at most RATE_KEEP_MS of them */
    size_t first;
    size_t used;
    size_t capacity;
    int64_t total; /* Σ count of all slots */
    size_t cursor; /* slots before it, `older` trades together, were outside at the last question */
    int64_t older;
};

void rate_init(struct rate *rate);
void rate_finish(struct rate *rate);
void rate_add(struct rate *rate, int64_t time_ms);

/* rate_since: trades with T > time_ms - RATE_WINDOW_MS. */
int64_t rate_since(struct rate *rate, int64_t time_ms);

void rate_save(const struct rate *rate, struct buffer *out);
enum status rate_load(struct rate *rate, struct reader *in) MUST_USE;
