/* synthetic: a market out of a seed (pure: no socket, no clock, no file).
 *
 * Each symbol is a limit order book of its own with three kinds of events, a Poisson process in market time:
 *   - a limit order, at a geometric distance from its side's best price, sometimes inside the spread;
 *   - a cancellation of a random resting order;
 *   - a market order, executed against the book: the trades are these executions and nothing else.
 * A slowly wandering pressure x (first-order autoregressive from event to event, mean 0, σ 1) tilts the sides:
 * with flow_strength f a market order buys with probability (1 + f·tanh 2x)/2; limit orders favour the pressed
 * side and cancellations the other one likewise. The price is not a process of its own: it moves because one
 * side's queues are eaten or withdrawn while the other's fill. That is why order flow imbalance explains price
 * changes here as it does in real markets (Cont, Kukanov, Stoikov: The Price Impact of Order Book Events,
 * 2014).
 *
 * With size_sigma the sizes of orders, resting and executed, are log-normal with the same mean: the tail that sizes have in
 * real markets, so that what is there to bound outliers has some.
 *
 * Said by each symbol: `@aggTrade` per level executed (consecutive ids), `@bookTicker` whenever the best price
 * or quantity changed, `@depth@100ms` at each 100 ms of market time at which something changed (U = pu + 1).
 * Everything is a function of the configuration: same configuration, same bytes. */
#pragma once

#include "catalogue.h"
#include "tape.h"

#include "base/buffer.h"
#include "base/status.h"

enum {
    SYNTHETIC_SYMBOLS_MAX = 1000,
    SYNTHETIC_TRADES_KEPT = 10000, /* per symbol, for REST aggTrades */
};

/* SYNTHETIC_START_MS: 2023-11-14 22:13:20 UTC, where `simulator.start: recorded` puts a market nobody
 * recorded. */
#define SYNTHETIC_START_MS 1700000000000

struct synthetic_config {
    uint64_t seed;
    const char *const *symbols;
    size_t symbol_count;
    enum market_kind market;
    double rate_per_s;    /* messages per second and symbol */
    double flow_strength; /* 0…10; beyond about 1 it only makes the tilt steeper */
    double size_sigma;    /* of the logarithm of order sizes; 0: they are exponential */
    int64_t start_ms;
    int64_t length_ms; /* of market time; 0 = endless */
};

struct synthetic_message {
    int64_t recv_ns;
    uint16_t symbol; /* index into config.symbols */
    enum stream_kind kind;
    const char *text; /* envelope; valid during the call */
    size_t bytes, data_offset, data_bytes;
};

/* synthetic_say: takes one message. `snapshot`: the first REST depth answer of the symbol stands here, text is
 * its body. */
typedef void synthetic_say(void *context, const struct synthetic_message *message, bool snapshot);

struct synthetic;

/* synthetic_create: STATUS_INVALID for a symbol name, rate or strength that cannot be. */
enum status synthetic_create(const struct synthetic_config *config, struct synthetic **out_synthetic,
                             struct error *error) MUST_USE;
void synthetic_destroy(struct synthetic *synthetic);

/* synthetic_step: the next event of the market; says none, one or several messages. STATUS_END: the length is
 * reached. */
enum status synthetic_step(struct synthetic *synthetic, synthetic_say *say, void *context) MUST_USE;

/* synthetic_depth, synthetic_agg_trades: REST answers at the present state. */
void synthetic_depth(const struct synthetic *synthetic, uint16_t symbol, size_t limit, struct buffer *out);
void synthetic_agg_trades(const struct synthetic *synthetic, uint16_t symbol, int64_t from_id, size_t limit,
                          struct buffer *out);

/* synthetic_scale: decimals and tick of a symbol, for exchangeInfo. */
struct synthetic_scale {
    int price_decimals, quantity_decimals;
    int64_t tick_units; /* of 10^-price_decimals */
};
struct synthetic_scale synthetic_scale(const struct synthetic *synthetic, uint16_t symbol);
