/* synthetic_internal: between the synthetic market's flow (synthetic.c) and its words (synthetic_say.c). */
#pragma once

#include "order_book.h"
#include "synthetic.h"

#include "base/random.h"

enum { FILLS_MAX = 16, SYMBOL_TEXT_BYTES = 32 };

struct agg_trade {
    int64_t id, first_trade_id, last_trade_id;
    int64_t price_ticks, quantity_lots;
    int64_t time_ms;
    bool buyer_is_maker;
};

struct best_quote {
    int64_t bid_ticks, bid_lots, ask_ticks, ask_lots;
};

struct symbol_market {
    char name[SYMBOL_TEXT_BYTES], lower[SYMBOL_TEXT_BYTES];
    struct random random;
    struct order_book book;
    struct synthetic_scale scale;
    int64_t lot_units; /* of 10^-quantity_decimals */
    double pressure;
    int64_t event_ns, next_event_ns, next_depth_ns;
    int64_t update_id, depth_update_id; /* newest, and newest said in a depth update */
    struct best_quote said;             /* in the last book ticker */
    bool snapshot_said;
    int64_t agg_trade_id, trade_id; /* newest */
    struct agg_trade *trades;       /* ring by id */
};

struct synthetic {
    struct symbol_market *markets;
    size_t market_count;
    enum market_kind market;
    double event_rate_per_s;
    double flow_strength, size_sigma;
    int64_t start_ns, end_ns; /* end INT64_MAX: endless */
    struct buffer text;
};

/* say_…: put the message into synthetic->text and hand it over. */
struct say_target {
    synthetic_say *say;
    void *context;
};

void say_trades(struct synthetic *synthetic, uint16_t index, const struct fill *fills, size_t count,
                bool buyer_is_maker, struct say_target target);
void say_ticker(struct synthetic *synthetic, uint16_t index, struct say_target target);
void say_depth(struct synthetic *synthetic, uint16_t index, int64_t boundary_ns, struct say_target target);
void say_snapshot(struct synthetic *synthetic, uint16_t index, int64_t boundary_ns, struct say_target target);
