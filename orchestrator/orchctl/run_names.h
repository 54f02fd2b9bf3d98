/* run_names: whose a file is that runs leave, told by its whole name: a run may be called `signal`, or as another one begins. */
#pragma once

#include <stdbool.h>

/* run_names_file: whether a path below runtime/, logs/ or artifacts/, without that folder, names a file of the run, or lies in a
 * folder of it. Summaries carry no run in their names. */
bool run_names_file(const char *path, const char *run_id);
