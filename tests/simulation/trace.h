/* trace: what happened, in order: every start, kill, fault and log line of a daemon, under the simulation's clock.
 *
 * It stands in for base/log and base/crash_point: the daemons' log lines come here. Two runs of one seed have the same trace;
 * its digest is how a test sees that. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* trace_begin: an empty trace, told to `out`; with `aloud` every line as it comes. */
void trace_begin(FILE *out, bool aloud);
void trace_event(const char *event, const char *format, ...) PRINTF_LIKE(2, 3);

/* trace_complain: the first broken invariant, kept. trace_complaint: NULL: none. */
void trace_complain(const char *format, ...) PRINTF_LIKE(1, 2);
const char *trace_complaint(void);

/* trace_expect_write_errors: errors that a full disk explains are none of ours. */
void trace_expect_write_errors(void);
bool trace_write_errors_expected(void);

uint64_t trace_digest(void);
void trace_print_tail(void); /* the newest lines */
