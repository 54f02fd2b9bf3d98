/* market_rows: rows as harvest would send them, for the tests of the engines, and comparison as N9 asks for. */
#pragma once

#include "proto/book.h"
#include "proto/frame.h"
#include "proto/trade.h"
#include "tests/support/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define EPOCH_MS INT64_C(1700000000000)

/* agrees: abs(x-y) ≤ 1e-9·max(1, abs(x), abs(y)) (algorithms.md N9). */
static inline int agrees(double x, double y)
{
    double size = fmax(1, fmax(fabs(x), fabs(y)));
    return fabs(x - y) <= 1e-9 * size;
}

#define assert_agrees(x, y)                                              \
    do {                                                                 \
        double got_ = (x), wanted_ = (y);                                \
        if (!agrees(got_, wanted_))                                      \
            fail_msg("%s is %.17g, should be %.17g", #x, got_, wanted_); \
    } while (0)

#define assert_no_value(x)                                     \
    do {                                                       \
        double got_ = (x);                                     \
        if (!isnan(got_))                                      \
            fail_msg("%s is %.17g, should be null", #x, got_); \
    } while (0)

static inline struct decimal decimal_of(double value)
{
    return (struct decimal){.units = llround(value * 1e8), .exponent = 8};
}

struct level {
    double price;
    double quantity;
};

/* set_sides: writes the levels and what harvest derives from the best of them. */
static inline void set_sides(struct book_row *book, const struct level *bids, size_t bid_count,
                             const struct level *asks, size_t ask_count)
{
    for (size_t i = 0; i < BOOK_LEVELS_MAX; i++) {
        book->bid_price[i] = i < bid_count ? decimal_of(bids[i].price) : decimal_null();
        book->bid_qty[i] = i < bid_count ? decimal_of(bids[i].quantity) : decimal_null();
        book->ask_price[i] = i < ask_count ? decimal_of(asks[i].price) : decimal_null();
        book->ask_qty[i] = i < ask_count ? decimal_of(asks[i].quantity) : decimal_null();
    }
    book->best_bid = book->bid_price[0];
    book->best_ask = book->ask_price[0];
    book->levels = (int32_t)(bid_count < ask_count ? bid_count : ask_count);
    if (bid_count == 0 || ask_count == 0)
        return;
    book->mid = (bids[0].price + asks[0].price) / 2;
    book->spread_bps = (asks[0].price - bids[0].price) / book->mid * 1e4;
}

static inline struct book_row book_of(int64_t ts_ms, const struct level *bids, size_t bid_count,
                                      const struct level *asks, size_t ask_count)
{
    struct book_row book;
    message_clear(&book_message, &book);
    book.ts_ms = book.event_ts_ms = book.recv_ts_ms = ts_ms;
    book.first_id = book.last_id = ts_ms;
    book.watermark_ms = ts_ms - 50;
    set_sides(&book, bids, bid_count, asks, ask_count);
    return book;
}

/* simple_book: one level a side. */
static inline struct book_row simple_book(int64_t ts_ms, double bid, double bid_quantity, double ask,
                                          double ask_quantity)
{
    struct level bids[] = {{bid, bid_quantity}}, asks[] = {{ask, ask_quantity}};
    return book_of(ts_ms, bids, 1, asks, 1);
}

static inline struct trade_row trade_of(int64_t ts_ms, int64_t id, double price, double quantity, int is_sell)
{
    struct trade_row trade;
    message_clear(&trade_message, &trade);
    trade.ts_ms = trade.event_ts_ms = trade.recv_ts_ms = ts_ms;
    trade.agg_trade_id = trade.first_trade_id = trade.last_trade_id = id;
    trade.price = decimal_of(price);
    trade.qty = decimal_of(quantity);
    trade.is_buyer_maker = (int8_t)is_sell;
    trade.is_market = 1;
    trade.watermark_ms = ts_ms - 50;
    trade.watermark_after_ms = ts_ms - 50;
    return trade;
}
