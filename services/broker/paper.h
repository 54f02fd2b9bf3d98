/* paper: the broker that only writes down what it would have done, for one symbol (algorithms.md §12, data.md §5.5). */
#pragma once

#include "base/buffer.h"
#include "proto/order.h"
#include "proto/signal.h"

#include <stdbool.h>
#include <stdint.h>

/* paper_config: the keys broker.* */
struct paper_config {
    double sample_rate; /* share of the normal signals that become orders, 0…1 */
    double slippage_bps;
    double fee_bps;
    double order_qty; /* base */
};

struct paper_config paper_config_default(void);

/* paper_config_check: STATUS_INVALID with a sentence that names the key. */
enum status paper_config_check(const struct paper_config *config, struct error *error) MUST_USE;

struct paper_counters {
    int64_t signals; /* confirmed ones seen */
    int64_t orders;
    int64_t rejected;    /* orders that found no book price */
    int64_t not_sampled; /* normal signals that were passed over */
    int64_t repeated;    /* signals not newer than the last one with an order */
};

struct paper_broker {
    struct paper_config config;
    int64_t last_order_ts_ms; /* 0 = none */
    double qty;               /* signed position, base */
    double cash;              /* after fees, from 0, USD */
    double fees;              /* USD */
    struct paper_counters counters;
};

/* paper_orders: what one signal led to. */
struct paper_orders {
    bool has_order;
    bool has_fill; /* then fill and position are written as well */
    struct order_row order;
    struct fill_row fill;
    struct position_row position;
};

void paper_broker_init(struct paper_broker *broker, const struct paper_config *config);

/* paper_broker_feed: one signal row, in order. True when *out holds an order; it is then complete. */
bool paper_broker_feed(struct paper_broker *broker, const struct signal_row *signal,
                       struct paper_orders *out);

/* paper_sample: u mod 10000 of a signal, u being the first 8 bytes, big-endian, of SHA-256 of "<SYMBOL>|<ts_ms>". The
 * run is not hashed, so a replay samples the same signals. */
int paper_sample(const char *symbol, int64_t ts_ms);

/* paper_broker_save, paper_broker_load: the state. STATUS_MALFORMED leaves the broker as after init. */
void paper_broker_save(const struct paper_broker *broker, struct buffer *out);
enum status paper_broker_load(struct paper_broker *broker, struct reader *in) MUST_USE;
