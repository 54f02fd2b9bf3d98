/* arguments: the command line of the program. */
#pragma once

#include "orchestrator/validate/input.h"

#include <stdio.h>

/* arguments_usage: prints how it is called; returns `code`. */
int arguments_usage(FILE *out, int code);

/* arguments_parse: false, and a sentence on stderr, when it is not understood. */
bool arguments_parse(struct validate_options *options, bool *out_live, int argc, char **argv);
