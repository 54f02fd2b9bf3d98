/* give: the report to its file, and to who asked. */
#pragma once

#include "input.h"

enum { EXIT_FINE = 0, EXIT_REFUSED = 1, EXIT_WRONG_USE = 2, EXIT_NOT_GOOD = 3 };

/* give_report: returns the exit code. */
int give_report(const struct validate_options *options, const struct validate_input *input,
                const struct quality *quality);
