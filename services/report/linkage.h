/* linkage: how often signals are confirmed after an event (algorithms.md §10.8).
 *
 * For each event type: the signal rows with an event of that type of the same symbol in [t - 30000, t],
 * the share of them that was confirmed, and its Wilson 95 % interval (E. B. Wilson, J. Am. Stat. Assoc.
 * 22, 1927); beside it the share among all rows. Pure. */
#pragma once

#include "proto/kind.h"
#include "tally.h"

enum { LINKAGE_WINDOW_MS = 30000, EVENT_TYPE_COUNT = EVENT_RECONNECT + 1 };

/* event_times: when events of one symbol happened, per type, rising. */
struct event_times {
    char symbol[SYMBOL_BYTES];
    int64_t *ts_ms[EVENT_TYPE_COUNT];
    size_t count[EVENT_TYPE_COUNT];
    size_t capacity[EVENT_TYPE_COUNT];
};

void event_times_init(struct event_times *times, const char *symbol);
void event_times_finish(struct event_times *times);
void event_times_add(struct event_times *times, int event_type, int64_t ts_ms); /* in rising order of ts_ms */

struct linkage_share {
    int64_t event_count; /* of the whole run, linked to rows or not */
    int64_t n;           /* signal rows */
    int64_t confirmed;
    double p;          /* NaN when n is 0 */
    double lo95, hi95; /* likewise; not used for the baseline */
};

struct linkage {
    struct linkage_share baseline;
    struct linkage_share types[EVENT_TYPE_COUNT];
};

void linkage_compute(const struct tally *tally, const struct event_times *times, size_t times_count,
                     struct linkage *out_linkage);
