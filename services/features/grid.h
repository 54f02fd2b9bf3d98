/* grid: which grid times of one symbol are due, and the market part of their rows (algorithms.md §4). */
#pragma once

#include "base/buffer.h"
#include "history.h"
#include "proto/feature.h"
#include "strategy_mode.h"

#include <stdbool.h>
#include <stdint.h>

/* grid_config: the keys features.*, and the look-back that StrategyMode asks for. */
struct grid_config {
    int64_t grid_ms;    /* divides 1000 */
    int64_t max_age_ms; /* older inputs count as absent */
    int64_t lookback_ms;
};

enum status grid_config_check(const struct grid_config *config, struct error *error) MUST_USE;

/* grid_book, grid_trade: an accepted snapshot or trade with what its engine made of it; NaN = null. Members are 64
 * bits wide, flags are 0 or 1. */
struct grid_book {
    int64_t ts_ms;
    double best_bid;
    double best_ask;
    double mid;
    double spread_bps;
    double z_ofi;
    double ofi_z_raw;
    double ofi_value;
    double ema_ofi;
    double warmup; /* also when priming */
};

struct grid_trade {
    int64_t ts_ms;
    double price;
    double z_cvd;
    double z_raw;
    double cvd;
    double floor_used; /* NaN = null */
    double warmup;
    double frozen;
};

#define NO_GRID_TIME INT64_MAX

struct grid {
    struct grid_config config;
    struct history history;
    struct timeline books;  /* struct grid_book: those that can be the last one fed with T ≤ t */
    struct timeline trades; /* struct grid_trade, likewise */
    int64_t next_ms;        /* the first grid time not yet passed */
    int64_t first_row_ms;   /* 0 = no row yet */
    int64_t last_row_ms;
    int64_t rows;
    int64_t late_for_grid;
};

void grid_init(struct grid *grid, const struct grid_config *config); /* allocates nothing */
void grid_finish(struct grid *grid);

/* grid_feed_book, grid_feed_trade: an accepted item; one with T not after the last emitted row is counted late. */
void grid_feed_book(struct grid *grid, const struct grid_book *book);
void grid_feed_trade(struct grid *grid, const struct grid_trade *trade, double value_usd);

/* grid_next: the next grid time ≤ until_ms that has a row; NO_GRID_TIME when there is none. Times without one are
 * passed for good. */
int64_t grid_next(struct grid *grid, int64_t until_ms);

/* grid_quality: what is wrong with a row's inputs, each independent of the others and of warm-up. */
struct grid_quality {
    bool stale_ofi;
    bool stale_cvd;
    bool cvd_frozen;
};

/* grid_row: the row of the time grid_next gave, and that time is passed. Writes all fields; source, regime and
 * fusion's (fusion_score, consistency, score_z) are zeros for the caller to fill, div_type is null, warmup is that of
 * the two inputs, reason_codes is empty. */
void grid_row(struct grid *grid, int64_t grid_time_ms, struct feature_row *out_row,
              struct grid_quality *out_quality);

/* grid_complete: adds what needs the fusion update of the row: its warm-up, and then the quality codes. */
void grid_complete(const struct grid_quality *quality, bool fusion_warmup, bool lag_exceeded,
                   struct feature_row *row);

/* grid_tps: trades fed so far with T in (t_ms - 60000, t_ms], divided by 60. */
double grid_tps(const struct grid *grid, int64_t t_ms);

/* grid_strategy_inputs: StrategyMode's five figures at a boundary; `young` is the caller's. */
void grid_strategy_inputs(struct grid *grid, int64_t boundary_ms, struct strategy_inputs *out_inputs);

/* grid_trim: lets go of what no time after t_ms can need. */
void grid_trim(struct grid *grid, int64_t t_ms);

/* grid_rows_skipped: (last g - first g)/grid_ms + 1 - rows. */
int64_t grid_rows_skipped(const struct grid *grid);

/* grid_window_overflowed: items that left a window early because it held TIMELINE_LIMIT of them. */
int64_t grid_window_overflowed(const struct grid *grid);

/* grid_save, grid_load: a load that fails (in->failed) leaves it as after grid_init. */
void grid_save(const struct grid *grid, struct buffer *out);
void grid_load(struct grid *grid, struct reader *in);
