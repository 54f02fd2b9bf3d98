/* venue: the market and the wire between it and each harvest: it stands in for net/websocket_client and net/rest_client.
 *
 * The market is services/simulator's synthetic one. It moves as its subscribers read, each its own symbols (URL, SUBSCRIBE), stands in
 * front of a symbol's first snapshot until that has been fetched, and stands still in front of what nobody hears. A connection hears what
 * no other has read before it opened; what was on the wire when it broke is lost. A rough market also repeats, withholds and garbles messages (the same ones whenever it is read). */
#pragma once

#include "services/simulator/synthetic.h"
#include "tests/simulation/process.h"

#include <stdbool.h>
#include <stdint.h>

/* venue_market: what a market is; a number names it for ever. */
struct venue_market {
    uint64_t number;
    int64_t start_ms, length_ms;
    bool rough;
    struct synthetic *synthetic; /* at its beginning */
};

void venue_market_open(struct venue_market *market, uint64_t number);
void venue_market_close(struct venue_market *market);

/* venue_begin: this market's first message is the next one (the market is used up; NULL: there is none, as in a replay). */
void venue_begin(struct venue_market *market);
int64_t venue_begin_ns(void);
/* venue_wall_ns: the clock of an instance of harvest: the time of the newest message that it has read. */
int64_t venue_wall_ns(const struct process *process);
/* venue_bury: the connections of a process that is gone. */
void venue_bury(const struct process *process);
/* venue_deaf_since_ns: when an instance of harvest lost the last connection that heard a symbol; INT64_MAX: one hears it; 0: none ever did. */
int64_t venue_deaf_since_ns(const struct process *process, size_t symbol);
int64_t venue_messages(void);
