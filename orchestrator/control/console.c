#include "console.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE_BYTES_MAX = 1024 }; /* of a longer line the end is said */

void console_init(struct console *console, const struct clock *clock)
{
    *console = (struct console){.clock = *clock, .start_ms = clock_monotonic_ms(clock)};
}

void console_say(const struct console *console, const char *format, ...)
{
    double seconds = (double)(clock_monotonic_ms(&console->clock) - console->start_ms) / 1000.0;
    va_list arguments;
    flockfile(stdout); /* what concludes the run is a thread of its own */
    printf("[%8.3f s] ", seconds);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    funlockfile(stdout);
}

void console_say_log_end(const struct console *console, const char *name, const char *log_path)
{
    char text[LOG_LINE_BYTES_MAX + 1];
    int file = open(log_path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    off_t end = lseek(file, 0, SEEK_END);
    off_t from = end > LOG_LINE_BYTES_MAX ? end - LOG_LINE_BYTES_MAX : 0;
    ssize_t bytes = pread(file, text, LOG_LINE_BYTES_MAX, from);
    close(file);
    while (bytes > 0 && text[bytes - 1] == '\n')
        bytes--;
    if (bytes <= 0)
        return;
    text[bytes] = 0;
    const char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    size_t length = strlen(name);
    bool named = strncmp(line, name, length) == 0 && strncmp(line + length, ": ", 2) == 0;
    console_say(console, "%s: %s", name, named ? line + length + 2 : line);
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
