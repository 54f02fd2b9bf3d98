/* log_line: a line of a log as JSON: `{"at", "level", "process", "event", "fields": {…}}`, or `{"text"}` when it is none of our
 * making (`<ISO time> <LEVEL> <process> <event> key=value key="words"`). */
#pragma once

#include "base/buffer.h"

#include <stddef.h>

/* log_line_json: without its end of line; one JSON object and an end of line are appended. */
void log_line_json(const char *line, size_t length, struct buffer *out);
