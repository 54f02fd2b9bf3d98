/* order_book: a limit order book of single orders, first come first served at each price (synthetic market).
 *
 * Prices are in ticks, quantities in lots. Every order is of its own; a market order executes against them
 * from the best price on. Levels that changed are remembered until the next depth update asks for them. Pure;
 * limits are ORDERS_MAX and whoever adds checks order_book_full first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORDERS_MAX = 20000 };

enum book_side_name { SIDE_BID, SIDE_ASK };

struct price_level {
    int64_t price_ticks;
    int64_t quantity_lots;
    uint32_t oldest, newest; /* its orders; indices into the pool */
    uint32_t orders;
};

/* price_ladder: levels with the best one last, so that what happens near the touch moves little memory. */
struct price_ladder {
    struct price_level *levels;
    size_t count, capacity;
};

struct level_change {
    enum book_side_name side;
    int64_t price_ticks;
};

struct order_book {
    struct price_ladder sides[2];
    struct order *orders; /* pool; the first `order_count` of `live` are in the book */
    uint32_t *live;
    uint32_t order_count, pool_used;
    uint32_t *free_orders;
    uint32_t free_count;
    struct level_change *changes; /* since order_book_clear_changes, with repetitions */
    size_t change_count, change_capacity;
    uint64_t change_total; /* ever */
};

/* fill: what a market order took from one level. */
struct fill {
    int64_t price_ticks;
    int64_t quantity_lots;
    uint32_t orders; /* resting orders hit, each one trade */
};

void order_book_init(struct order_book *book);
void order_book_finish(struct order_book *book);

bool order_book_full(const struct order_book *book);

/* order_book_best: NULL when the side is empty. order_book_level: the i-th best. */
const struct price_level *order_book_best(const struct order_book *book, enum book_side_name side);
const struct price_level *order_book_level(const struct order_book *book, enum book_side_name side,
                                           size_t index);
int64_t order_book_quantity(const struct order_book *book, enum book_side_name side, int64_t price_ticks);

/* order_book_add: a resting order; its price must not reach the other side's best. */
void order_book_add(struct order_book *book, enum book_side_name side, int64_t price_ticks,
                    int64_t quantity_lots);

/* order_book_cancel: the order at this place of `live` leaves. */
void order_book_cancel(struct order_book *book, uint32_t live_index);
/* order_book_order: where an order of `live` rests. */
void order_book_order(const struct order_book *book, uint32_t live_index, enum book_side_name *out_side,
                      int64_t *out_price_ticks);

/* order_book_execute: a market order against `side` (SIDE_ASK: a buy). Writes one fill per level into
 * `out_fills`, at most `fills_max`, and returns how many; what the book or fills_max does not hold is not
 * executed. */
size_t order_book_execute(struct order_book *book, enum book_side_name side, int64_t quantity_lots,
                          struct fill *out_fills, size_t fills_max);

/* order_book_take_changes: the changed levels, each once, bids from the best down, then asks from the best up;
 * valid until the book changes. Clears the list. */
const struct level_change *order_book_take_changes(struct order_book *book, size_t *out_count);
