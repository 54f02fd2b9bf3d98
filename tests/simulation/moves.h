/* moves: the orchestrator's part in hand-overs (orchestrator/plan/scale.c), with its manners: the plan is on the disk before anybody
 * is told of it, one symbol moves at a time, both sides are asked again until the new owner tells of the symbol. */
#pragma once

#include "tests/simulation/fault.h"

#define MOVES_PLAN_PATH "runtime/plan.json"

/* moves_begin: of the plan's run; a run without instances has no moves. */
void moves_begin(const struct fault_plan *plan);

/* moves_step: carries them out, no new one once the streams have `ended`. True: nothing is under way. */
bool moves_step(bool ended);

/* moves_under_way: NULL: none. */
const struct planned_move *moves_under_way(void);

int64_t moves_made(void);
int64_t moves_made_of_harvest(void);

/* moves_owner: PROCESS_… that has a symbol by now; `first` is the first instance of its service. */
int moves_owner(int first, size_t symbol);
