/* own_status: runtime/status/orchestrator.json, once a second, in the shape of a daemon's: what only the orchestrator knows,
 * for whoever reads status files (report's /metrics). */
#pragma once

#include "orchestrator/run.h"

enum { OWN_STATUS_MS = 1000 };

void own_status_step(struct run *run);
