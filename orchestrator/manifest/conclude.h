/* conclude: from the last exit to the verdict: final status, manifests, gates, exit code, and the lines that
 * tell people where everything is. */
#pragma once

#include "orchestrator/run.h"

/* conclude_begin: the manifest with state "running", before the first process. */
enum status conclude_begin(const struct run *run, struct error *error) MUST_USE;

/* What takes as long as the run's files are large is done in a thread of its own; its end wakes the loop (RUN_ERRAND_EVENT). */

/* conclude_judged: whether the gates that can be judged before the processes are stopped have been; the first call begins it.
 * conclude_judged_finish: waits for it, if it was begun, and forgets it. */
bool conclude_judged(struct run *run);
void conclude_judged_finish(struct run *run);

/* conclude_give: writes the file that tells report what only the orchestrator knows: the faults, and, once they have been judged,
 * the gates. */
void conclude_give(struct run *run);

/* conclude_start: after the last exit. conclude_done: everything has been written and judged; until then only what looks may be
 * done with the run. conclude_finish: says how it was; returns the exit code (operations.md §20). */
struct concluding *conclude_start(struct run *run);
bool conclude_done(struct concluding *concluding);
int conclude_finish(struct run *run, struct concluding *concluding);
