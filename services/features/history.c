#include "history.h"

#include "base/clock.h"
#include "base/memory.h"
#include "market/state.h"

#include <math.h>
#include <stdlib.h>

enum {
    MINUTE_MS = 60000,
    SECOND_MS = 1000,
    VOLATILITY_SECONDS = 60,
    /* The oldest mid: of the whole second at or before t, 60 s earlier; return_1s reaches less far. */
    MID_REACH_MS = MINUTE_MS + SECOND_MS,
};

struct history_trade {
    int64_t ts_ms;
    double value_usd;
};

struct history_book {
    int64_t ts_ms;
    double mid;
    double spread_bps;
};

void history_init(struct history *history, int64_t lookback_ms)
{
    *history = (struct history){.keep_ms = lookback_ms > MID_REACH_MS ? lookback_ms : MID_REACH_MS};
    timeline_init(&history->trades, sizeof(struct history_trade) / sizeof(uint64_t));
    timeline_init(&history->books, sizeof(struct history_book) / sizeof(uint64_t));
}

void history_finish(struct history *history)
{
    timeline_finish(&history->trades);
    timeline_finish(&history->books);
}

static void forget_minute(struct history *history)
{
    history->minute_ms = 0;
    history->minute_begin = 0;
    history->minute_end = 0;
    history->minute_volume = (struct exact_sum){0};
    history->volatility_second_ms = 0;
}

void history_clear(struct history *history)
{
    timeline_clear(&history->trades);
    timeline_clear(&history->books);
    forget_minute(history);
}

static double value_at(const struct history *history, size_t index)
{
    return ((const struct history_trade *)timeline_at(&history->trades, index))->value_usd;
}

/* Takes the `count` oldest trades away, the minute's window with them. */
static void drop_trades(struct history *history, size_t count)
{
    for (; history->minute_begin < count && history->minute_begin < history->minute_end;
         history->minute_begin++)
        exact_sum_subtract(&history->minute_volume, value_at(history, history->minute_begin));
    timeline_drop(&history->trades, count);
    history->minute_begin -= history->minute_begin < count ? history->minute_begin : count;
    history->minute_end -= history->minute_end < count ? history->minute_end : count;
}

void history_feed_trade(struct history *history, int64_t ts_ms, double value_usd)
{
    struct history_trade trade = {.ts_ms = ts_ms, .value_usd = value_usd};
    if (history->trades.count == TIMELINE_LIMIT) {
        drop_trades(history, 1);
        history->trades.overflowed++;
    }
    timeline_insert(&history->trades, &trade);
    if (ts_ms > history->minute_ms)
        return;
    /* A late one: it lies in front of the window's end, perhaps in front of its begin. */
    history->minute_end++;
    if (ts_ms <= history->minute_ms - MINUTE_MS)
        history->minute_begin++;
    else
        exact_sum_add(&history->minute_volume, value_usd);
}

void history_feed_book(struct history *history, int64_t ts_ms, double mid, double spread_bps)
{
    /* However late it is: it may be the newest before a time that is still asked for. */
    struct history_book book = {.ts_ms = ts_ms, .mid = mid, .spread_bps = spread_bps};
    timeline_insert(&history->books, &book);
    if (ts_ms <= history->volatility_second_ms)
        history->volatility_second_ms = 0;
}

static void move_minute(struct history *history, int64_t t_ms)
{
    const struct timeline *trades = &history->trades;
    if (t_ms <= history->minute_ms)
        return;
    while (history->minute_end < trades->count && timeline_ts_ms(trades, history->minute_end) <= t_ms)
        exact_sum_add(&history->minute_volume, value_at(history, history->minute_end++));
    while (history->minute_begin < history->minute_end &&
           timeline_ts_ms(trades, history->minute_begin) <= t_ms - MINUTE_MS)
        exact_sum_subtract(&history->minute_volume, value_at(history, history->minute_begin++));
    history->minute_ms = t_ms;
}

void history_minute(struct history *history, int64_t t_ms, int64_t *out_trades, double *out_volume_usd)
{
    move_minute(history, t_ms);
    *out_trades = (int64_t)(history->minute_end - history->minute_begin);
    *out_volume_usd = exact_sum_value(&history->minute_volume);
}

void history_over(const struct history *history, int64_t t_ms, int64_t window_ms, int64_t *out_trades,
                  double *out_volume_usd)
{
    struct exact_sum volume = {0};
    size_t begin = timeline_until(&history->trades, t_ms - window_ms);
    size_t end = timeline_until(&history->trades, t_ms);
    for (size_t i = begin; i < end; i++)
        exact_sum_add(&volume, value_at(history, i));
    *out_trades = (int64_t)(end - begin);
    *out_volume_usd = exact_sum_value(&volume);
}

int64_t history_trades(const struct history *history, int64_t t_ms, int64_t window_ms)
{
    return (int64_t)(timeline_until(&history->trades, t_ms) -
                     timeline_until(&history->trades, t_ms - window_ms));
}

int64_t history_quotes(const struct history *history, int64_t t_ms, int64_t window_ms)
{
    return (int64_t)(timeline_until(&history->books, t_ms) -
                     timeline_until(&history->books, t_ms - window_ms));
}

static const struct history_book *book_at(const struct history *history, size_t index)
{
    return timeline_at(&history->books, index);
}

double history_median_spread_bps(const struct history *history, int64_t t_ms, int64_t window_ms)
{
    size_t begin = timeline_until(&history->books, t_ms - window_ms);
    size_t end = timeline_until(&history->books, t_ms);
    double *spreads = memory_allocate((end - begin) * sizeof *spreads);
    for (size_t i = begin; i < end; i++)
        spreads[i - begin] = book_at(history, i)->spread_bps;
    statistics_sort(spreads, end - begin);
    double median = statistics_median_sorted(spreads, end - begin);
    free(spreads);
    return median;
}

double history_mid(const struct history *history, int64_t t_ms)
{
    size_t count = timeline_until(&history->books, t_ms);
    return count ? book_at(history, count - 1)->mid : NAN;
}

bool history_first_since(const struct history *history, int64_t t_ms, int64_t *out_ts_ms, double *out_mid)
{
    size_t index = timeline_until(&history->books, t_ms - 1);
    if (index >= history->books.count)
        return false;
    *out_ts_ms = book_at(history, index)->ts_ms;
    *out_mid = book_at(history, index)->mid;
    return true;
}

static double volatility_bps(const struct history *history, int64_t second_ms)
{
    double sum = 0;
    double before = history_mid(history, second_ms - MINUTE_MS);
    for (int j = 1; j <= VOLATILITY_SECONDS && !isnan(before); j++) {
        double mid = history_mid(history, second_ms - MINUTE_MS + (int64_t)j * SECOND_MS);
        double change = log(mid / before);
        sum += change * change;
        before = mid;
    }
    return isnan(before) ? NAN : 1e4 * sqrt(sum);
}

double history_volatility_bps(struct history *history, int64_t t_ms)
{
    int64_t second_ms = floor_multiple(t_ms, SECOND_MS);
    if (second_ms != history->volatility_second_ms) {
        history->volatility_bps = volatility_bps(history, second_ms);
        history->volatility_second_ms = second_ms;
    }
    return history->volatility_bps;
}

void history_trim(struct history *history, int64_t t_ms)
{
    move_minute(history, t_ms);
    size_t old = 0;
    while (old < history->trades.count && timeline_ts_ms(&history->trades, old) <= t_ms - history->keep_ms)
        old++;
    drop_trades(history, old);
    timeline_keep_last_until(&history->books, t_ms - history->keep_ms);
}

void history_save(const struct history *history, struct buffer *out)
{
    timeline_save(&history->trades, out);
    timeline_save(&history->books, out);
    buffer_append_i64(out, history->minute_ms);
}

static bool items_are_sound(const struct history *history)
{
    for (size_t i = 0; i < history->trades.count; i++)
        if (!(value_at(history, i) >= 0))
            return false;
    for (size_t i = 0; i < history->books.count; i++)
        if (!(book_at(history, i)->mid > 1e-60) || isnan(book_at(history, i)->spread_bps))
            return false;
    return true;
}

/* The window and its exact sum follow from the trades and the time it stood at. */
void history_load(struct history *history, struct reader *in)
{
    timeline_load(&history->trades, in);
    timeline_load(&history->books, in);
    int64_t minute_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    if (!in->failed && !items_are_sound(history))
        in->failed = true;
    forget_minute(history);
    if (in->failed)
        history_clear(history);
    else
        move_minute(history, minute_ms);
}
