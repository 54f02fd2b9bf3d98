/* cvd: cumulative volume delta after one accepted trade (algorithms.md §3). */
#pragma once

#include "proto/kind.h"

/* cvd_row: row_id is SYM|cvd|<agg_trade_id>. */
struct cvd_row {
    int64_t ts_ms;
    int64_t source;
    int64_t agg_trade_id;
    double cvd;
    double delta;
    double ema_cvd;
    double z_raw;
    double z_cvd;
    double scale;
    double sigma_floor;
    int8_t floor_used;
    double ewma_fast;
    double ewma_slow;
    double ewma_mix;
    double boost;
    double tps;
    int8_t regime; /* enum regime */
    int8_t warmup;
    int8_t frozen;
    int8_t std_zero;
    int8_t side_source; /* enum side_source */
};
extern const struct message cvd_message;
