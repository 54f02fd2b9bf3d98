/* live_manifest: the run manifest of a run that goes on, as it stands at this moment; the file is of the start until the end. */
#pragma once

#include "orchestrator/control/control.h"

enum status perform_manifest(void *context, const struct control_values *values, struct json *result,
                             struct error *error) MUST_USE;
