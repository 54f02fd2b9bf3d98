/* market: the one clock of a venue, and where on the tape the market stands (pure: time is handed in).
 *
 *      … said │ position: the next entry to be said …
 *
 * Time starts with the first subscription. At N× an entry is said when its receive time has come; at `max`
 * (speed 0) when somebody reads on. The market stops in front of a recorded REST snapshot that somebody needs
 * until it has been fetched, at any speed; its clock stands still meanwhile. */
#pragma once

#include "venue.h"

#include <stdbool.h>
#include <stdint.h>

#define MARKET_NEVER INT64_MAX

struct market {
    struct venue *venue;
    double speed; /* 0: max */
    /* wanted: whether the market has to stop for a snapshot of this symbol. */
    bool (*wanted)(void *context, uint16_t symbol);
    void *context;

    uint64_t position;
    bool started;
    bool held;                            /* stands in front of a snapshot */
    uint64_t beyond_snapshot;             /* number behind the newest snapshot passed; 0: none */
    int64_t base_market_ns, base_mono_ns; /* N×: market time at a moment of monotonic time */
    bool follows_wall;                    /* market time is wall time … */
    int64_t wall_to_mono_ns;              /* … which is so far behind monotonic time */
};

void market_init(struct market *market, struct venue *venue, double speed,
                 bool (*wanted)(void *context, uint16_t symbol), void *context);

/* market_follow_wall: of a market that begins now at speed 1: what happened at a time is said at that time of day. What was due while
 * nobody listened, or while it was held, is said at once; without this it would be late for ever. `mono_ns` and `wall_ns` are the
 * same moment. Called before it starts. */
void market_follow_wall(struct market *market, int64_t mono_ns, int64_t wall_ns);

/* market_start: the first subscription is there; harmless later. */
void market_start(struct market *market, int64_t now_ns);

/* market_resume: the market had got to `number` when its venue died, `away_ns` of wall time ago by the clock that
 * showed `base_market_ns` then. Nothing before `number` is said again; at N× the clock has run on meanwhile. A
 * market that was held in front of a snapshot (`held`) stands there still. */
void market_resume(struct market *market, uint64_t number, bool held, int64_t base_market_ns, int64_t away_ns,
                   int64_t now_ns);

/* market_run: says what is due by now, but nothing from number `limit` on. At max everything is due. Returns
 * whether the position moved. */
bool market_run(struct market *market, int64_t now_ns, uint64_t limit);

/* market_due_ns: the monotonic time at which market_run has something to do; MARKET_NEVER at max, when held,
 * ended, or not started. */
int64_t market_due_ns(struct market *market);

/* market_snapshot: the snapshot the market stands in front of, NULL when it stands elsewhere. */
const struct tape_entry *market_snapshot(struct market *market);

/* market_fetched: the snapshot at `position` has been fetched; the market goes on. */
void market_fetched(struct market *market, int64_t now_ns);

bool market_ended(struct market *market);

/* market_time_ns: what the venue's own clock shows. */
int64_t market_time_ns(struct market *market, int64_t now_ns);
