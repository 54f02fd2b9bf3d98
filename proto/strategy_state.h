/* strategy_state: one boundary of StrategyMode (algorithms.md §7). */
#pragma once

#include "proto/kind.h"

/* strategy_state_row: one per boundary, c a multiple of strategy_mode.step_ms. */
struct strategy_state_row {
    int64_t ts_ms;
    int64_t source;
    int8_t mode; /* enum strategy_mode */
    double trades_per_min;
    double quotes_per_sec;
    double spread_bps;
    double volatility_bps;
    double volume_usd;
    int8_t schedule_active;
    int8_t market_active;
    int8_t market_unknown;
    int32_t history_size;
    int64_t last_transition_ms;
};
extern const struct message strategy_state_message;
