/* log: one line per event on stderr: `<ISO time> <LEVEL> <process> <event> run_id=… key=value …` (operations §18).
 *
 * Libraries return statuses; stages log. An event that repeats is written at most LOG_EVENTS_PER_SECOND times a
 * second, the rest is counted and told as `suppressed=`. The supervisor points stderr at a file. */
#pragma once

#include "base/status.h"

enum { LOG_EVENTS_PER_SECOND = 10 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* log_configure: names the process and the run; call once at start (borrowed nothing; texts are copied). */
void log_configure(const char *process, const char *run_id, enum log_level least);
void log_redirect(int file_descriptor); /* default 2 */

/* log_event: `event` is a constant word; `format` gives "key=value key=value". */
void log_event(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

/* log_history: the same without the limit: for a history that must be whole, and that nobody outside can make long. */
void log_history(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
