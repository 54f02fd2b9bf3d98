#include "base/log.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE_BYTES = 2048, LOG_EVENT_SLOTS = 64 };

/* One process has one log: the only global state outside main, guarded by its mutex. */
static struct {
    pthread_mutex_t mutex;
    char process[64];
    char run_id[80];
    enum log_level least;
    int file_descriptor;
    struct {
        const char *event;
        int64_t second;
        int written;
        long suppressed;
    } slots[LOG_EVENT_SLOTS];
} state = {
    .mutex = PTHREAD_MUTEX_INITIALIZER, .process = "orderflow", .least = LOG_INFO, .file_descriptor = 2};

void log_configure(const char *process, const char *run_id, enum log_level least)
{
    pthread_mutex_lock(&state.mutex);
    snprintf(state.process, sizeof state.process, "%s", process);
    snprintf(state.run_id, sizeof state.run_id, "%s", run_id ? run_id : "");
    state.least = least;
    pthread_mutex_unlock(&state.mutex);
}

void log_redirect(int file_descriptor)
{
    pthread_mutex_lock(&state.mutex);
    state.file_descriptor = file_descriptor;
    pthread_mutex_unlock(&state.mutex);
}

/* admit: false when this event had its share of the second; *out_suppressed tells what was held back before. */
static bool admit(const char *event, int64_t second, long *out_suppressed)
{
    size_t slot = 0;
    while (slot + 1 < LOG_EVENT_SLOTS && state.slots[slot].event &&
           strcmp(state.slots[slot].event, event) != 0)
        slot++;
    if (!state.slots[slot].event || strcmp(state.slots[slot].event, event) != 0) {
        state.slots[slot].event = event;
        state.slots[slot].second = 0;
    }
    if (state.slots[slot].second != second) {
        state.slots[slot].second = second;
        state.slots[slot].written = 0;
    }
    if (state.slots[slot].written >= LOG_EVENTS_PER_SECOND) {
        state.slots[slot].suppressed++;
        return false;
    }
    state.slots[slot].written++;
    *out_suppressed = state.slots[slot].suppressed;
    state.slots[slot].suppressed = 0;
    return true;
}

static void write_line(enum log_level level, const char *event, int64_t now_ms, long suppressed,
                       const char *format, va_list arguments) PRINTF_LIKE(5, 0);

static void write_line(enum log_level level, const char *event, int64_t now_ms, long suppressed,
                       const char *format, va_list arguments)
{
    static const char *const LEVELS[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    char time_text[TIME_TEXT_BYTES], line[LOG_LINE_BYTES];
    time_iso_ms(now_ms, time_text);
    int length = snprintf(line, sizeof line, "%s %s %s %s run_id=%s ", time_text, LEVELS[level],
                          state.process, event, state.run_id);
    length += vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
    if (length > (int)sizeof line - 40)
        length = (int)sizeof line - 40;
    if (suppressed)
        length += snprintf(line + length, sizeof line - (size_t)length, " suppressed=%ld", suppressed);
    for (int i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' '; /* one line per event, and no terminal is steered by what the venue sent */
    line[length++] = '\n';
    if (write(state.file_descriptor, line, (size_t)length) < 0) {
        /* Nowhere left to complain. */
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (level < state.least)
        return;
    struct clock clock = clock_system();
    int64_t now_ms = clock_wall_ms(&clock);
    pthread_mutex_lock(&state.mutex);
    long suppressed = 0;
    if (admit(event, now_ms / 1000, &suppressed)) {
        va_list arguments;
        va_start(arguments, format);
        write_line(level, event, now_ms, suppressed, format, arguments);
        va_end(arguments);
    }
    pthread_mutex_unlock(&state.mutex);
}

void log_history(enum log_level level, const char *event, const char *format, ...)
{
    if (level < state.least)
        return;
    struct clock clock = clock_system();
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&state.mutex);
    write_line(level, event, clock_wall_ms(&clock), 0, format, arguments);
    pthread_mutex_unlock(&state.mutex);
    va_end(arguments);
}
