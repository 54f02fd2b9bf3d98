#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t system_wall(void *context)
{
    (void)context;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic(void *context)
{
    (void)context;
    return read_clock(CLOCK_MONOTONIC);
}

struct clock clock_system(void)
{
    return (struct clock){.wall_ns = system_wall, .monotonic_ns = system_monotonic};
}

static int64_t manual_wall(void *context)
{
    return ((struct clock_manual *)context)->wall_ns;
}

static int64_t manual_monotonic(void *context)
{
    return ((struct clock_manual *)context)->monotonic_ns;
}

struct clock clock_from_manual(struct clock_manual *manual)
{
    return (struct clock){.wall_ns = manual_wall, .monotonic_ns = manual_monotonic, .context = manual};
}

void clock_manual_advance(struct clock_manual *manual, int64_t nanoseconds)
{
    manual->wall_ns += nanoseconds;
    manual->monotonic_ns += nanoseconds;
}

void time_stamp(int64_t epoch_ms, const char *format, char out_text[TIME_TEXT_BYTES])
{
    time_t seconds = (time_t)floor_div(epoch_ms, 1000);
    struct tm parts;
    out_text[0] = 0;
    if (gmtime_r(&seconds, &parts)) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        strftime(out_text, TIME_TEXT_BYTES, format, &parts);
#pragma GCC diagnostic pop
    }
}

void time_date(int64_t epoch_ms, char out_text[TIME_TEXT_BYTES])
{
    time_stamp(epoch_ms, "%Y-%m-%d", out_text);
}

void time_iso_ms(int64_t epoch_ms, char out_text[TIME_TEXT_BYTES])
{
    time_stamp(epoch_ms, "%Y-%m-%dT%H:%M:%S", out_text);
    size_t length = strlen(out_text);
    int millisecond = (int)(epoch_ms % 1000);
    snprintf(out_text + length, TIME_TEXT_BYTES - length, ".%03dZ",
             millisecond < 0 ? millisecond + 1000 : millisecond);
}
