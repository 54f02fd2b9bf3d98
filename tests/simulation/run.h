/* run: one whole run of the system inside the simulation, in the current folder. */
#pragma once

#include "tests/simulation/fault.h"
#include "tests/simulation/venue.h"

struct run_figures {
    int64_t points[PROCESS_COUNT]; /* passed */
    int64_t kills, restarts, messages, switches, moves, harvest_moves, moves_to_deaf;
    int64_t length_ns; /* until all streams had ended */
    bool
        harvest_disturbed; /* it did not hear all the venue said: to be compared with a replay of its own capture */
};

/* run_market: the venue plays the market (used up), the plan's faults happen, `random` chooses everything else.
 * run_replay: the captures below `folder` instead of a venue. Broken invariants are complaints (trace.h). */
void run_market(struct venue_market *market, struct fault_plan *plan, struct random *random,
                struct run_figures *out_figures);
void run_replay(const char *folder, struct random *random, struct run_figures *out_figures);
