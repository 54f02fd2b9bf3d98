/* given: the file that tells report what only the orchestrator knows of a run: its gates, alerts, faults, exports, and the counts by which it
 * was judged. */
#pragma once

#include "gates.h"
#include "orchestrator/faults/fault.h"
#include "orchestrator/run.h"

/* given_counts_json: of every process that was heard, what the gates are judged by; to report itself heartbeats may have been lost. */
void given_counts_json(const struct run *run, struct json *json);

/* given_write: `gates` NULL: they have not been judged; `counts` NULL: as they stand now; `losses`: one per fault. */
void given_write(const struct run *run, const struct gate_results *gates, const struct buffer *counts,
                 const struct fault_loss *losses);
