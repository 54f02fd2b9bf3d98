#include "console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void console_init(struct console *console, const struct clock *clock)
{
    *console = (struct console){.clock = *clock, .start_ms = clock_monotonic_ms(clock)};
}

void console_say(const struct console *console, const char *format, ...)
{
    double seconds = (double)(clock_monotonic_ms(&console->clock) - console->start_ms) / 1000.0;
    va_list arguments;
    printf("[%8.3f s] ", seconds);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

const char *count_text(int64_t value, char out_text[COUNT_TEXT_BYTES])
{
    char digits[COUNT_TEXT_BYTES];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value), to = 0;
    for (size_t i = 0; i < length; i++) {
        size_t left = length - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-')
            out_text[to++] = ',';
        out_text[to++] = digits[i];
    }
    out_text[to] = 0;
    return out_text;
}
