/* versions: member `versions` of the manifest: what the run was made with. Libraries that the orchestrator has loaded itself are
 * asked; the others are told by who loads them, in a gauge of its heartbeat; null: nobody of this run has. */
#pragma once

#include "orchestrator/run.h"

void versions_write(const struct run *run, struct json *json);
