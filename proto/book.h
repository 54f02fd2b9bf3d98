/* book: the top of an accepted book state; its data set is kind=orderbook.
 *
 * watermark_ms: grid rows and boundaries with g up to it precede this row (algorithms.md §1 rule 6a). */
#pragma once

#include "proto/kind.h"

/* book_row: orderbook row_id is SYM|orderbook|<last_id>. A missing level is null. */
struct book_row {
    int64_t ts_ms;
    int64_t event_ts_ms;
    int64_t recv_ts_ms;
    int64_t latency_ms;
    int64_t first_id;
    int64_t last_id;
    int64_t prev_last_id;
    int8_t source; /* enum book_source */
    int8_t book_reset;
    int32_t levels;
    struct decimal best_bid;
    struct decimal best_ask;
    double mid;
    double spread_bps;
    struct decimal bid_price[BOOK_LEVELS_MAX];
    struct decimal bid_qty[BOOK_LEVELS_MAX];
    struct decimal ask_price[BOOK_LEVELS_MAX];
    struct decimal ask_qty[BOOK_LEVELS_MAX];
    int64_t watermark_ms;
};
extern const struct message book_message;
