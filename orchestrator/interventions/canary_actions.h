/* canary_actions: what the canary's gates have decided becomes incidents and control inputs, in the order it was decided, symbol by symbol.
 *
 *      decision n ──▶ incident (once: it names its cause) ──▶ control input canary-<SYMBOL>-<n> (harvest records an id once)
 *                 ──▶ committed ──▶ <run>'s file says that n has been carried out
 *
 * An orchestrator that dies in between is followed by one that begins with n again; each of the steps finds what had been done. */
#pragma once

#include <stdint.h>

struct run;

void canary_actions_open(struct run *run);
void canary_actions_step(struct run *run);
int64_t canary_actions_due_ms(const struct run *run);

/* canary_actions_settle: the feed is closed: incidents are opened and closed, nothing is sent. */
void canary_actions_settle(struct run *run);

/* canary_actions_write: how far they have come. */
void canary_actions_write(struct run *run);
