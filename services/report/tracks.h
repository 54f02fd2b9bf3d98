/* tracks: which signal rows came within EVENT_WINDOW_MS behind an event of their symbol (algorithms.md §10.8),
 * without keeping the rows of the whole run.
 *
 * Rows come from the sinks, events from the streams, each at its own pace. A row waits in its symbol's track, packed
 * into about three bytes, until the streams have been read TRACKS_MARGIN_MS beyond its time; then it is settled: counted under
 * the types that it follows, and forgotten. An event that comes still later, behind a settled row, makes those counts wrong;
 * tracks_hold notices it, and the sink is to be read anew, with that event known. So what is kept is bounded by the
 * margin and by how far the streams lag behind the sinks, and the counts are those of all rows and all events known.
 * Pure: no clock, no file. */
#pragma once

#include "base/buffer.h"
#include "base/map.h"
#include "event_times.h"

enum {
    TRACKS_MARGIN_MS = 600000,
    TRACKS_SETTLE_BYTES =
        16 * 1024, /* so much more in a track, and it is looked through while rows are being read */
};

/* event_knowledge: the events as of now; borrowed for the call. */
struct event_knowledge {
    const struct event_times *times; /* one a symbol */
    size_t count;
    bool is_complete; /* nothing will follow: every row can be settled at once */
};

struct track_share {
    int64_t rows, confirmed;
};

struct track {
    char symbol[SYMBOL_BYTES];
    struct buffer packed; /* (ts_ms, confirm) of the waiting rows, in the order read */
    int64_t last_ts_ms;   /* of the newest in it; 0: none */
    size_t settle_bytes;  /* the length at which it is looked through next */
    int64_t settled_ms;   /* greatest time of a settled row; INT64_MIN: none yet */
    struct track_share settled[EVENT_TYPE_COUNT];
    size_t events[EVENT_TYPE_COUNT]; /* not after settled_ms, when that row was settled */
};

struct tracks {
    struct map index;
    struct track *items;
    size_t count, capacity;
};

void tracks_init(struct tracks *tracks); /* allocates nothing */
void tracks_finish(struct tracks *tracks);

void tracks_add(struct tracks *tracks, const struct event_knowledge *knowledge, const char *symbol,
                int64_t ts_ms, bool confirm);

/* tracks_hold: false: an event has become known behind a row that is settled. */
bool tracks_hold(const struct tracks *tracks, const struct event_knowledge *knowledge);

void tracks_settle(struct tracks *tracks, const struct event_knowledge *knowledge);

/* tracks_count: per type the rows that follow an event, settled or waiting. */
void tracks_count(const struct tracks *tracks, const struct event_knowledge *knowledge,
                  struct track_share out_shares[EVENT_TYPE_COUNT]);

size_t tracks_bytes(const struct tracks *tracks); /* of waiting rows */
