/* feature: one row of the grid (algorithms.md §4); its data set is kind=features. */
#pragma once

#include "proto/kind.h"

/* feature_row: row_id is SYM|features|<ts_ms>. */
struct feature_row {
    int64_t ts_ms;
    int64_t source;
    double price;
    double mid;
    double best_bid;
    double best_ask;
    double spread_bps;
    double z_ofi;
    double ofi_z_raw;
    double ofi_value;
    double ema_ofi;
    double z_cvd;
    double z_raw;
    double cvd;
    int8_t floor_used;
    double fusion_score;
    double consistency;
    double dispersion;
    double score_z;
    int32_t sign_agree;
    int8_t div_type; /* enum event_type */
    int8_t regime; /* enum regime */
    double tps;
    double trade_rate;
    double quote_rate;
    double volume_usd;
    double realized_vol_bps;
    double return_1s;
    int64_t age_ofi_ms;
    int64_t age_cvd_ms;
    int64_t lag_ms;
    double lag_sec;
    int8_t warmup;
    char reason_codes[REASONS_BYTES];
};
extern const struct message feature_message;
