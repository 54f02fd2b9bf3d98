/* trade: one released trade of the venue; its data set is kind=prices.
 *
 * watermark_ms: grid rows and boundaries with g up to it precede this row; watermark_after_ms: those with g up to
 * it are due right behind this row (algorithms.md §1 rules 6, 6a, 12). Both only on the wire. */
#pragma once

#include "proto/kind.h"

/* trade_row: prices row_id is SYM|prices|<agg_trade_id>. */
struct trade_row {
    int64_t ts_ms;
    int64_t event_ts_ms;
    int64_t recv_ts_ms;
    struct decimal price;
    struct decimal qty;
    int64_t agg_trade_id;
    int64_t first_trade_id;
    int64_t last_trade_id;
    int8_t is_buyer_maker;
    int8_t is_market;
    int64_t latency_ms;
    double recv_rate_tps;
    int64_t gap_before;
    int8_t backfilled;
    int64_t watermark_ms;
    int64_t watermark_after_ms;
    double contract_size;
};
extern const struct message trade_message;
