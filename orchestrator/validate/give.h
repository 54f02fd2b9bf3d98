/* give: the report to its file, and to who asked. */
#pragma once

#include "base/exits.h"
#include "input.h"

/* give_report: returns the exit code. */
int give_report(const struct validate_options *options, const struct validate_input *input,
                const struct quality *quality);
