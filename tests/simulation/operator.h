/* operator: what the orchestrator does for a run: starts the daemons, says go, restarts what dies, and when every stream has
 * ended drains and stops them, in its order. It knows the daemons only through their heartbeats and the commands it sends.
 *
 * It also watches that the run lives: an exit nobody asked for, or an end that does not come, is a broken invariant. */
#pragma once

#include "tests/simulation/fault.h"

#include <stdbool.h>
#include <stdint.h>

#define OPERATOR_RUN_ID "simulation"

/* operator_start: as a fiber of its own; fibers_run returns when it has done. */
void operator_start(void);
int64_t operator_ended_ns(void); /* when all streams had ended; 0: never */

/* operator_view: what the newest heartbeat of a living process says of hand-overs; NULL: there is none of this life. */
struct operator_view {
    int64_t plan_version, acquired_version, connections_open;
    bool published[FAULT_SYMBOLS]; /* its own streams */
};
const struct operator_view *operator_view(int process);

/* operator_say: a command to a process that has been heard of; it may be lost. */
void operator_say(int process, const char *verb, const char *arguments);
