#include "minutes.h"

#include "base/clock.h"
#include "market/statistics.h"

#include <math.h>
#include <string.h>

enum { MINUTE_MS = 60000, BITS = 64 };

/* ---- counting ---- */

struct minute_figures *minutes_at(struct minutes *minutes, int64_t minute)
{
    size_t at = minutes->count;
    while (at > 0 && minutes->items[at - 1].minute > minute)
        at--;
    if (at > 0 && minutes->items[at - 1].minute == minute)
        return &minutes->items[at - 1];
    if (minutes->count == MINUTES_KEPT) {
        if (at == 0)
            return NULL;
        memmove(minutes->items, minutes->items + 1, (MINUTES_KEPT - 1) * sizeof *minutes->items);
        minutes->count--;
        at--;
    }
    memmove(&minutes->items[at + 1], &minutes->items[at], (minutes->count - at) * sizeof *minutes->items);
    minutes->items[at] = (struct minute_figures){.minute = minute};
    minutes->count++;
    return &minutes->items[at];
}

struct reason_figures *minutes_reason(struct minutes *minutes, const char *name, size_t length)
{
    length = length < MINUTES_REASON_BYTES ? length : MINUTES_REASON_BYTES - 1;
    for (size_t i = 0; i < minutes->reason_count; i++)
        if (strncmp(minutes->reasons[i].name, name, length) == 0 && !minutes->reasons[i].name[length])
            return &minutes->reasons[i];
    if (minutes->reason_count == MINUTES_REASONS_MAX)
        return &minutes->reasons[MINUTES_REASONS_MAX - 1];
    struct reason_figures *reason = &minutes->reasons[minutes->reason_count++];
    *reason = (struct reason_figures){.rows = 0};
    if (minutes->reason_count == MINUTES_REASONS_MAX)
        memcpy(reason->name, MINUTES_REASON_OTHER, sizeof MINUTES_REASON_OTHER);
    else
        memcpy(reason->name, name, length);
    return reason;
}

void minutes_book(struct minutes *minutes, int64_t ts_ms)
{
    struct minute_figures *minute = minutes_at(minutes, floor_div(ts_ms, MINUTE_MS));
    if (!minute)
        return;
    minute->books++;
    minute->dirty = true;
}

/* count_reasons: each reason of a row once; returns whether low consistency is one of them. */
static bool count_reasons(struct minutes *minutes, const char *list)
{
    uint64_t seen = 0;
    bool low = false;
    while (*list) {
        size_t length = strcspn(list, ",");
        if (length) {
            struct reason_figures *reason = minutes_reason(minutes, list, length);
            uint64_t bit = 1ULL << (reason - minutes->reasons);
            reason->rows += !(seen & bit);
            reason->dirty = true;
            seen |= bit;
            low = low || strcmp(reason->name, MINUTES_REASON_CONSISTENT) == 0;
        }
        list += length + (list[length] == ',');
    }
    return low;
}

void minutes_signal(struct minutes *minutes, const struct signal_row *row)
{
    bool low = count_reasons(minutes, row->guard_reason);
    struct minute_figures *minute = minutes_at(minutes, floor_div(row->ts_ms, MINUTE_MS));
    if (!minute)
        return;
    bool strong = row->signal_type == SIGNAL_STRONG_BUY || row->signal_type == SIGNAL_STRONG_SELL;
    minute->signals++;
    minute->confirmed += row->confirm == 1;
    minute->strong += row->confirm == 1 && strong;
    minute->low_consistency += low;
    minute->dirty = true;
}

/* ---- what they say ---- */

/* found: the figures of a minute; one that is not there had nothing. */
static struct minute_figures found(const struct minutes *minutes, int64_t minute)
{
    for (size_t i = minutes->count; i > 0 && minutes->items[i - 1].minute >= minute; i--)
        if (minutes->items[i - 1].minute == minute)
            return minutes->items[i - 1];
    return (struct minute_figures){.minute = minute};
}

/* newest_complete: the minute before the newest one with rows of that sort; *out_first the oldest one kept that can be
 * whole. False: there is none between them. */
static bool newest_complete(const struct minutes *minutes, bool signals, int64_t *out_newest,
                            int64_t *out_first)
{
    size_t newest = minutes->count;
    while (newest > 0 && !(signals ? minutes->items[newest - 1].signals : minutes->items[newest - 1].books))
        newest--;
    if (!newest)
        return false;
    *out_newest = minutes->items[newest - 1].minute - 1;
    *out_first = minutes->items[0].minute + 1; /* the first one had begun before the run */
    return *out_newest >= *out_first;
}

static double silent_in_a_row(const struct minutes *minutes)
{
    int64_t newest, first, silent = 0;
    if (!newest_complete(minutes, false, &newest, &first))
        return NAN;
    for (; silent < 2 && newest - silent >= first; silent++) {
        struct minute_figures minute = found(minutes, newest - silent);
        if (minute.signals || !minute.books)
            break;
    }
    return (double)silent;
}

static double low_share(const struct minutes *minutes, int64_t minute)
{
    struct minute_figures figures = found(minutes, minute);
    return figures.signals ? (double)figures.low_consistency / (double)figures.signals : NAN;
}

/* low_least: NaN as soon as one of the minutes has no value: "for three minutes" was not seen. */
static double low_least(const struct minutes *minutes, int64_t newest, int64_t first)
{
    double least = INFINITY;
    for (int64_t i = 0; i < MINUTES_CONSISTENCY; i++) {
        double share = newest - i >= first ? low_share(minutes, newest - i) : NAN;
        if (isnan(share))
            return NAN;
        least = fmin(least, share);
    }
    return least;
}

static double strong_ratio(const struct minutes *minutes, int64_t newest, int64_t count)
{
    int64_t strong = 0, confirmed = 0;
    for (int64_t i = 0; i < count; i++) {
        struct minute_figures minute = found(minutes, newest - i);
        strong += minute.strong;
        confirmed += minute.confirmed;
    }
    return confirmed ? (double)strong / (double)confirmed : NAN;
}

/* deviation: of the ratio now from the median of the one-minute ratios before, in robust σ. */
static double deviation(const struct minutes *minutes, double now, int64_t newest, int64_t first)
{
    double before[MINUTES_LONG];
    size_t count = 0;
    for (int64_t minute = newest - MINUTES_SHORT; minute > newest - MINUTES_SHORT - MINUTES_LONG; minute--) {
        double ratio = minute >= first ? strong_ratio(minutes, minute, 1) : NAN;
        if (!isnan(ratio))
            before[count++] = ratio;
    }
    if (isnan(now) || count < MINUTES_LONG_LEAST)
        return NAN;
    statistics_sort(before, count);
    double sigma = MAD_TO_SIGMA * statistics_mad_sorted(before, count);
    return fabs(now - statistics_median_sorted(before, count)) / fmax(sigma, MINUTES_SIGMA_FLOOR);
}

void minutes_view(const struct minutes *minutes, struct minutes_view *out_view)
{
    int64_t newest, first;
    *out_view = (struct minutes_view){NAN, NAN, NAN, NAN, NAN, NAN};
    out_view->silent_in_a_row = silent_in_a_row(minutes);
    if (!newest_complete(minutes, true, &newest, &first))
        return;
    out_view->signals_last = (double)found(minutes, newest).signals;
    out_view->low_consistency_share = low_share(minutes, newest);
    out_view->low_consistency_least = low_least(minutes, newest, first);
    out_view->strong_ratio_last = strong_ratio(minutes, newest, MINUTES_SHORT);
    out_view->strong_ratio_deviation = deviation(minutes, out_view->strong_ratio_last, newest, first);
}

/* ---- minutes without trades ---- */

void trade_minutes_add(struct trade_minutes *trades, int64_t ts_ms)
{
    int64_t minute = floor_div(ts_ms, MINUTE_MS);
    uint64_t bits = (uint64_t)trades->bits;
    if (minute > trades->newest) {
        int64_t step = minute - trades->newest;
        bits = step < BITS ? bits << step : 0;
        trades->newest = minute;
    }
    if (trades->newest - minute < BITS)
        bits |= 1ULL << (trades->newest - minute);
    trades->bits = (int64_t)bits;
}

static bool has_trades(const struct trade_minutes *trades, int64_t minute)
{
    int64_t back = trades->newest - minute;
    return back >= 0 && back < BITS && ((uint64_t)trades->bits >> back & 1);
}

double trade_minutes_empty_share(const struct trade_minutes *trades, int64_t first_ts_ms,
                                 int64_t newest_ts_ms)
{
    int64_t first = floor_div(first_ts_ms, MINUTE_MS), last = floor_div(newest_ts_ms, MINUTE_MS) - 1;
    int64_t empty = 0, counted = 0;
    for (int64_t minute = last; minute > last - MINUTES_HOUR && minute > first; minute--) {
        empty += !has_trades(trades, minute);
        counted++;
    }
    return counted ? (double)empty / MINUTES_HOUR : NAN;
}
