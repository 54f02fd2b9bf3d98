/* linkage: how often signals are confirmed after an event (algorithms.md §10.8).
 *
 * For each event type: the signal rows with an event of that type of the same symbol in [t - 30000, t],
 * the share of them that was confirmed, and its Wilson 95 % interval (E. B. Wilson, J. Am. Stat. Assoc.
 * 22, 1927); beside it the share among all rows. Pure. */
#pragma once

#include "tally.h"
#include "tracks.h"

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

void linkage_compute(const struct tally *tally, const struct tracks *tracks,
                     const struct event_knowledge *knowledge, struct linkage *out_linkage);
