/* checklist: the gates of a run that goes on, as far as heartbeats tell: what only files tell is UNKNOWN until the end. Of what
 * both tell, orders and rows and peaks, it has the heartbeats' word. */
#pragma once

#include "orchestrator/run.h"

/* checklist_json: {"set", "gates": [as in the manifest]}; an empty object when the status file could not be written. */
void checklist_json(struct run *run, struct json *json);
