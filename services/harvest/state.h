/* state: what a number in a loaded state must satisfy before anything is reckoned with it. A state is our own
 * writing, but the file it comes from may be damaged. */
#pragma once

#include "base/buffer.h"
#include "venue.h"

/* STATE_COUNT_MAX: no counter gets there. */
#define STATE_COUNT_MAX ((int64_t)1 << 60)

static inline bool state_is_count(int64_t value)
{
    return value >= 0 && value <= STATE_COUNT_MAX;
}

/* state_is_time: milliseconds of the venue or of any machine's clock. */
static inline bool state_is_time(int64_t value)
{
    return value >= -VENUE_ID_MAX && value <= VENUE_ID_MAX;
}

static inline bool state_is_id(int64_t value)
{
    return value >= -1 && value <= VENUE_ID_MAX;
}

/* state_count, state_time, state_id: read one, and fail the reader when it cannot be one. */
static inline int64_t state_count(struct reader *in)
{
    int64_t value = reader_i64(in);
    in->failed = in->failed || !state_is_count(value);
    return value;
}

static inline int64_t state_time(struct reader *in)
{
    int64_t value = reader_i64(in);
    in->failed = in->failed || !state_is_time(value);
    return value;
}

static inline int64_t state_id(struct reader *in)
{
    int64_t value = reader_i64(in);
    in->failed = in->failed || !state_is_id(value);
    return value;
}

static inline bool state_flag(struct reader *in)
{
    uint8_t flag = 0;
    reader_take(in, &flag, 1);
    in->failed = in->failed || flag > 1;
    return flag == 1;
}

static inline bool state_is_trade(const struct venue_trade *trade)
{
    return state_is_id(trade->id) && trade->id >= 0 && state_is_id(trade->first_id) &&
           state_is_id(trade->last_id) && state_is_time(trade->transaction_ms) &&
           state_is_time(trade->event_ms) && state_is_time(trade->recv_ms) &&
           trade->price_units != DECIMAL_NULL_UNITS && trade->qty_units != DECIMAL_NULL_UNITS &&
           (uint8_t)trade->is_buyer_maker <= 1 && (uint8_t)trade->is_market <= 1 &&
           (uint8_t)trade->is_backfilled <= 1;
}

static inline bool state_is_depth(const struct venue_depth *depth)
{
    return state_is_id(depth->first_id) && state_is_id(depth->last_id) &&
           (state_is_id(depth->prev_last_id) || depth->prev_last_id == FIELD_NULL_I64);
}

static inline bool state_is_level(const struct book_level *level)
{
    return level->price_units > 0 && level->qty_units >= 0;
}
