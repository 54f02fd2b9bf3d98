/* order: the paper broker's order, its fill and the position after it (algorithms.md §12, data.md §5.5). */
#pragma once

#include "proto/kind.h"

/* order_row: order and fill in one line of mock_orders.jsonl. */
struct order_row {
    char order_id[96];
    char run_id[RUN_ID_BYTES];
    char symbol[SYMBOL_BYTES];
    int8_t side; /* enum order_side */
    int8_t strength; /* enum order_strength */
    int8_t signal_type; /* enum signal_type */
    double signal_score;
    int64_t signal_ts_ms;
    int64_t order_ts_ms;
    int8_t status; /* enum order_status */
    char reject_reason[64];
    double filled_qty;
    double filled_price;
    double mid;
    double notional;
    double slippage_bps;
    double fee_bps;
    double fee;
    int64_t seq;
    int64_t source;
};
extern const struct message order_message;

/* fill_row: follows the order row that it fills. */
struct fill_row {
    int64_t ts_ms;
    int64_t source;
    char order_id[96];
    int8_t side; /* enum order_side */
    double qty;
    double price;
    double fee;
};
extern const struct message fill_message;

/* position_row: the symbol's position after a fill. */
struct position_row {
    int64_t ts_ms;
    int64_t source;
    double qty;
    double cash;
    double fees;
    int64_t orders;
};
extern const struct message position_message;
