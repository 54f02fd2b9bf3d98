/* program: another program of ours, run to its end, for what it prints. */
#pragma once

#include "base/buffer.h"

/* program_run: `words`: its name (looked for beside this program, or in libexec) and arguments, NULL-terminated. What it prints
 * on standard output goes to `out`, its exit code to *out_code (-1: killed). STATUS_IO with a sentence when it cannot be
 * started. */
enum status program_run(const char **words, struct buffer *out, int *out_code, struct error *error) MUST_USE;
