/* console: what a person sees on standard output: one line per thing that happened, with the seconds since
 * the start of the orchestrator. A reader that has gone away is no reason to stop. */
#pragma once

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct console {
    struct clock clock;
    int64_t start_ms;
};

void console_init(struct console *console, const struct clock *clock);
/* console_say: one line; lines of two threads do not mix. */
void console_say(const struct console *console, const char *format, ...) PRINTF_LIKE(2, 3);

/* console_say_log_end: the last line of a log, after its writer's name; nothing when there is none. */
void console_say_log_end(const struct console *console, const char *name, const char *log_path);

/* count_text: "1,234,567". */
enum { COUNT_TEXT_BYTES = 32 };
const char *count_text(int64_t value, char out_text[COUNT_TEXT_BYTES]);
