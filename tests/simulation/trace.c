#include "tests/simulation/trace.h"

#include "base/crash_point.h"
#include "base/log.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/fiber.h"
#include "tests/simulation/hearing.h"
#include "tests/simulation/process.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINES_KEPT = 60, LINE_BYTES = 600 };

static struct {
    FILE *out;
    bool aloud, write_errors_expected;
    uint64_t digest;
    char complaint[2048];
    char lines[LINES_KEPT][LINE_BYTES];
    size_t count;
} trace;

void trace_begin(FILE *out, bool aloud)
{
    memset(&trace, 0, sizeof trace);
    trace.out = out;
    trace.aloud = aloud;
}

static void add(const char *who, const char *event, const char *format, va_list arguments)
{
    char *line = trace.lines[trace.count++ % LINES_KEPT];
    int length = snprintf(line, LINE_BYTES, "%12.6f %-9s %s ", (double)fiber_now_ns() / 1e9, who, event);
    vsnprintf(line + length, (size_t)(LINE_BYTES - length), format, arguments);
    for (const char *at = line; *at; at++)
        trace.digest = (trace.digest ^ (uint8_t)*at) * 1099511628211U;
    if (trace.aloud)
        fprintf(trace.out, "%s\n", line);
}

void trace_event(const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add("-", event, format, arguments);
    va_end(arguments);
}

void trace_complain(const char *format, ...)
{
    va_list arguments;
    if (*trace.complaint)
        return;
    va_start(arguments, format);
    vsnprintf(trace.complaint, sizeof trace.complaint, format, arguments);
    va_end(arguments);
    trace_event("BROKEN", "%s", trace.complaint);
}

const char *trace_complaint(void)
{
    return *trace.complaint ? trace.complaint : NULL;
}

void trace_expect_write_errors(void)
{
    trace.write_errors_expected = true;
}

bool trace_write_errors_expected(void)
{
    return trace.write_errors_expected;
}

uint64_t trace_digest(void)
{
    return trace.digest;
}

void trace_print_tail(void)
{
    size_t first = trace.count > LINES_KEPT ? trace.count - LINES_KEPT : 0;
    for (size_t i = first; i < trace.count; i++)
        fprintf(trace.out, "    %s\n", trace.lines[i % LINES_KEPT]);
}

/* --- base/log.h --- */

void log_configure(const char *process, const char *run_id, enum log_level least)
{
    (void)process;
    (void)run_id;
    (void)least;
}

void log_redirect(int file_descriptor)
{
    (void)file_descriptor;
}

/* is_explained: a disk that is full makes a daemon say much; but never that data are lost or wrong. */
static bool is_explained(const char *event)
{
    static const char *const NEVER[] = {"row_differs",  "fork",           "rows_lost",    "data_dropped",
                                        "row_rejected", "frame_rejected", "state_refused"};
    for (size_t i = 0; i < sizeof NEVER / sizeof NEVER[0]; i++)
        if (strcmp(event, NEVER[i]) == 0)
            return false;
    return trace.write_errors_expected;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    static const char *const LEVELS[] = {"", "", "WARNING ", "ERROR "};
    const struct process *process = fiber_process();
    char text[LINE_BYTES], name[64];
    va_list arguments, again;
    if (level == LOG_DEBUG)
        return;
    va_start(arguments, format);
    va_copy(again, arguments);
    vsnprintf(text, sizeof text, format, again);
    va_end(again);
    snprintf(name, sizeof name, "%s%s", LEVELS[level], event);
    add(process ? process->name : "-", name, format, arguments);
    va_end(arguments);
    if (level == LOG_ERROR && !is_explained(event))
        trace_complain("%s says: %s %s", process ? process->name : "the simulation", event, text);
}

/* --- base/crash_point.h --- */

void crash_point(const char *name)
{
    if (strcmp(name, "after_leave") == 0)
        hearing_judge();
    fault_point(name);
}
