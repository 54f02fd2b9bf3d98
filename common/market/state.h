/* state: reading an engine's saved state without believing it.
 *
 * Engines save with buffer_append_…; these readers are buffer.h's with a range: a value outside it sets
 * reader.failed, so one check at the end of a load covers everything. Numbers are held below STATE_NUMBER_MAX, so
 * that no sum or square of what was loaded can become infinite. */
#pragma once

#include "base/buffer.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define STATE_NUMBER_MAX 1e60

/* state_begin, state_expect: four bytes that name the engine and its layout, so that one engine's state is never
 * taken for another's. */
static inline void state_begin(struct buffer *out, uint32_t tag)
{
    buffer_append_u32(out, tag);
}

static inline void state_expect(struct reader *in, uint32_t tag)
{
    if (reader_u32(in) != tag)
        in->failed = true;
}

/* state_take_number: a finite double; state_take_optional: finite or NaN ("no value"). */
static inline double state_take_optional(struct reader *in)
{
    double value = reader_f64(in);
    if (fabs(value) > STATE_NUMBER_MAX)
        in->failed = true;
    return in->failed ? 0 : value;
}

static inline double state_take_number(struct reader *in)
{
    double value = state_take_optional(in);
    if (isnan(value))
        in->failed = true;
    return in->failed ? 0 : value;
}

/* state_take_between: an integer in [low, high]; `low` after a failure, so that it may be used as an index. */
static inline int64_t state_take_between(struct reader *in, int64_t low, int64_t high)
{
    int64_t value = reader_i64(in);
    if (value < low || value > high)
        in->failed = true;
    return in->failed ? low : value;
}

static inline bool state_take_flag(struct reader *in)
{
    return state_take_between(in, 0, 1) == 1;
}

/* state_take_count: a counter, never negative. */
static inline int64_t state_take_count(struct reader *in)
{
    return state_take_between(in, 0, INT64_MAX / 2);
}

/* Event times that rows may carry: 1970-01-01 (exclusive) to the end of year 9999. Arithmetic on times inside this
 * range cannot overflow. */
#define EVENT_TIME_MAX_MS INT64_C(253402300799999)

static inline bool event_time_valid(int64_t ts_ms)
{
    return ts_ms > 0 && ts_ms <= EVENT_TIME_MAX_MS;
}
