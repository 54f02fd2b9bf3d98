/* history: the accepted trades and snapshots of one symbol's last minutes, by event time, and what the grid and
 * StrategyMode compute over them (algorithms.md §4).
 *
 * Every figure is "as of t": accepted so far, with T ≤ t (§1 rule 13). Items later than t may already be in, and late
 * ones may still come. Figures are asked for ascending t. Counts and sums are recomputed or exact, never drifting. */
#pragma once

#include "base/buffer.h"
#include "market/statistics.h"
#include "market/timeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history {
    struct timeline trades; /* struct history_trade */
    struct timeline books;  /* struct history_book */
    int64_t keep_ms;        /* how far behind t an item can still count */
    /* The minute (minute_ms - 60000, minute_ms] of trades: indices and the exact sum of their values. */
    int64_t minute_ms;
    size_t minute_begin;
    size_t minute_end;
    struct exact_sum minute_volume;
    /* realized_vol_bps of one whole second, until a late snapshot changes its past; 0 = none. */
    int64_t volatility_second_ms;
    double volatility_bps;
};

/* history_init: `lookback_ms` is the longest look-back asked for beside the minute. Allocates nothing. */
void history_init(struct history *history, int64_t lookback_ms);
void history_finish(struct history *history);
void history_clear(struct history *history);

/* history_feed_trade: value_usd is not negative. history_feed_book: mid is positive. */
void history_feed_trade(struct history *history, int64_t ts_ms, double value_usd);
void history_feed_book(struct history *history, int64_t ts_ms, double mid, double spread_bps);

/* history_minute: count and value of the trades with T in (t_ms - 60000, t_ms]. */
void history_minute(struct history *history, int64_t t_ms, int64_t *out_trades, double *out_volume_usd);

/* history_over: the same over (t_ms - window_ms, t_ms], any window within the look-back. */
void history_over(const struct history *history, int64_t t_ms, int64_t window_ms, int64_t *out_trades,
                  double *out_volume_usd);

/* history_trades, history_quotes: items with T in (t_ms - window_ms, t_ms]; history_median_spread_bps: of the snapshots
 * among them, NaN if none. */
int64_t history_trades(const struct history *history, int64_t t_ms, int64_t window_ms);
int64_t history_quotes(const struct history *history, int64_t t_ms, int64_t window_ms);
double history_median_spread_bps(const struct history *history, int64_t t_ms, int64_t window_ms);

/* history_mid: of the last snapshot with T ≤ t_ms, NaN if none. */
double history_mid(const struct history *history, int64_t t_ms);

/* history_first_since: the first snapshot accepted so far with T ≥ t_ms; false if none. */
bool history_first_since(const struct history *history, int64_t t_ms, int64_t *out_ts_ms, double *out_mid);

/* history_volatility_bps: 1e4·sqrt(Σ ln²(m_j/m_{j-1})) over the 60 s before the whole second at or before t_ms; NaN if
 * one of the 61 mids is missing. */
double history_volatility_bps(struct history *history, int64_t t_ms);

/* history_trim: lets go of what no later t can need. */
void history_trim(struct history *history, int64_t t_ms);

/* history_save, history_load: a load that fails (in->failed) leaves it empty. */
void history_save(const struct history *history, struct buffer *out);
void history_load(struct history *history, struct reader *in);
