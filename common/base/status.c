#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const STATUS_NAMES[STATUS_COUNT] = {
    "ok",        "again",  "end",   "malformed", "unsupported", "invalid",
    "not_found", "exists", "limit", "conflict",  "io",          "closed",
};

const char *status_name(enum status status)
{
    return (unsigned)status < STATUS_COUNT ? STATUS_NAMES[status] : "unknown";
}

#undef error_set /* the analyzer has its own */
enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}
