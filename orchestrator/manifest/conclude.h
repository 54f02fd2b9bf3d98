/* conclude: from the last exit to the verdict: final status, manifests, gates, exit code, and the lines that
 * tell people where everything is. */
#pragma once

#include "orchestrator/run.h"

/* conclude_begin: the manifest with state "running", before the first process. */
enum status conclude_begin(const struct run *run, struct error *error) MUST_USE;

/* conclude_give: writes the file that tells report what only the orchestrator knows: the faults, and, once
 * the first final summaries are there, the gates that can be judged before the processes are stopped. */
void conclude_give(struct run *run, bool with_gates);

/* conclude: after the last exit; returns the exit code (operations.md §20). */
int conclude(struct run *run);
