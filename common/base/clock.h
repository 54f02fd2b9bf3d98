/* clock: the only way to ask what time it is.
 *
 * Event time never comes from here (design.md promise 1): it is a field of the data. Wall and monotonic time
 * serve heartbeats, receive times, retries, latency figures and log lines. A test injects a manual clock. */
#pragma once

#include <stdint.h>

struct clock {
    int64_t (*wall_ns)(void *context);      /* since 1970-01-01 UTC */
    int64_t (*monotonic_ns)(void *context); /* since some fixed point; never goes back */
    void *context;
};

/* clock_system: the machine's own clock. */
struct clock clock_system(void);

/* clock_manual: time that stands still until it is moved. */
struct clock_manual {
    int64_t wall_ns;
    int64_t monotonic_ns;
};
struct clock clock_from_manual(struct clock_manual *manual);
void clock_manual_advance(struct clock_manual *manual, int64_t nanoseconds);

static inline int64_t clock_wall_ns(const struct clock *clock)
{
    return clock->wall_ns(clock->context);
}

static inline int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ns(clock->context) / 1000000;
}

static inline int64_t clock_monotonic_ns(const struct clock *clock)
{
    return clock->monotonic_ns(clock->context);
}

static inline int64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ns(clock->context) / 1000000;
}

enum { TIME_TEXT_BYTES = 32 };

/* time_iso_ms: "2024-08-08T23:54:15.030Z" of epoch milliseconds. */
void time_iso_ms(int64_t epoch_ms, char out_text[TIME_TEXT_BYTES]);
/* time_date: "2024-08-08" of epoch milliseconds. */
void time_date(int64_t epoch_ms, char out_text[TIME_TEXT_BYTES]);
/* time_stamp: strftime of epoch milliseconds in UTC, e.g. "%Y%m%d_%H%M". */
void time_stamp(int64_t epoch_ms, const char *format, char out_text[TIME_TEXT_BYTES]);
/* floor_div, floor_multiple: rounding towards minus infinity, for grids and minutes. */
static inline int64_t floor_div(int64_t value, int64_t divisor)
{
    int64_t quotient = value / divisor;
    return quotient - ((value % divisor) < 0);
}

static inline int64_t floor_multiple(int64_t value, int64_t step)
{
    return floor_div(value, step) * step;
}
