/* conclude: from the last exit to the verdict: final status, manifests, gates, exit code, and the lines that
 * tell people where everything is. */
#pragma once

#include "orchestrator/run.h"

/* conclude_begin: the manifest with state "running", before the first process. */
enum status conclude_begin(const struct run *run, struct error *error) MUST_USE;

/* conclude_say: what is being done between the last row and the verdict, to people and log. */
void conclude_say(const struct run *run, const char *step);

/* What takes as long as the run's files are large is done in a thread of its own; its end wakes the loop (RUN_ERRAND_EVENT). A file may
 * also never answer (a pipe in its place, a dead network file system): conclude_limit_ms is how long that is waited for:
 * run.conclude_timeout_s, divided by run.time_scale but not below CONCLUDE_LEAST_MS, and as long again as the run was fed, since nobody
 * reads its rows more slowly than they came. */
enum { CONCLUDE_LEAST_MS = 300000 };
int64_t conclude_limit_ms(const struct run *run);

/* conclude_judged: whether the gates that can be judged before the processes are stopped have been, or are waited for no longer (told; then
 * there are none); the first call begins it. conclude_judged_due_ms: when that would be. conclude_judged_finish: forgets what has been judged. */
bool conclude_judged(struct run *run);
int64_t conclude_judged_due_ms(const struct run *run);
void conclude_judged_finish(struct run *run);

/* conclude_give: writes the file that tells report what only the orchestrator knows: the faults, and, once they have been judged,
 * the gates. */
void conclude_give(struct run *run);

/* conclude_start: after the last exit. conclude_done: everything has been written and judged, or is waited for no longer; until then only
 * what looks may be done with the run. conclude_finish: says how it was; returns the exit code (operations.md §20). When it was waited
 * for in vain run->unconcluded is set: the thread goes on with the run's memory, which nobody may free then. */
struct concluding *conclude_start(struct run *run);
bool conclude_done(struct run *run, struct concluding *concluding);
int conclude_finish(struct run *run, struct concluding *concluding);
