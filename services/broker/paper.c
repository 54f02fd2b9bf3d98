#include "paper.h"

#include "base/hash.h"
#include "market/state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STATE_TAG = 0x52505042, SAMPLE_RANGE = 10000 };

struct paper_config paper_config_default(void)
{
    return (struct paper_config){.sample_rate = 0.2, .slippage_bps = 1.0, .fee_bps = 2.0, .order_qty = 0.001};
}

enum status paper_config_check(const struct paper_config *config, struct error *error)
{
    if (!(config->sample_rate >= 0 && config->sample_rate <= 1))
        return error_set(error, STATUS_INVALID, "broker.sample_rate: must be 0 to 1");
    if (!(config->slippage_bps >= 0 && config->slippage_bps <= 1e4))
        return error_set(error, STATUS_INVALID, "broker.slippage_bps: must be 0 to 10000");
    if (!(config->fee_bps >= 0 && config->fee_bps <= 1e4))
        return error_set(error, STATUS_INVALID, "broker.fee_bps: must be 0 to 10000");
    if (!(config->order_qty > 0 && config->order_qty < 1e12))
        return error_set(error, STATUS_INVALID, "broker.order_qty: must be positive");
    return STATUS_OK;
}

void paper_broker_init(struct paper_broker *broker, const struct paper_config *config)
{
    *broker = (struct paper_broker){.config = *config};
}

int paper_sample(const char *symbol, int64_t ts_ms)
{
    char key[SYMBOL_BYTES + 24];
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash;
    int length = snprintf(key, sizeof key, "%s|%" PRId64, symbol, ts_ms);
    sha256_init(&hash);
    sha256_update(&hash, key, (size_t)length);
    sha256_finish(&hash, digest);
    uint64_t u = 0;
    for (size_t i = 0; i < 8; i++)
        u = u << 8 | digest[i];
    return (int)(u % SAMPLE_RANGE);
}

static bool is_strong(const struct signal_row *signal)
{
    return signal->signal_type == SIGNAL_STRONG_BUY || signal->signal_type == SIGNAL_STRONG_SELL;
}

static bool is_buy(const struct signal_row *signal)
{
    return signal->signal_type == SIGNAL_STRONG_BUY || signal->signal_type == SIGNAL_BUY;
}

static bool is_sell(const struct signal_row *signal)
{
    return signal->signal_type == SIGNAL_STRONG_SELL || signal->signal_type == SIGNAL_SELL;
}

/* Whether the signal becomes an order. */
static bool takes(struct paper_broker *broker, const struct signal_row *signal)
{
    if (signal->confirm != 1 || !(is_buy(signal) || is_sell(signal)) || !event_time_valid(signal->ts_ms))
        return false;
    broker->counters.signals++;
    if (signal->ts_ms <= broker->last_order_ts_ms) {
        broker->counters.repeated++;
        return false;
    }
    if (is_strong(signal) ||
        paper_sample(signal->symbol, signal->ts_ms) < SAMPLE_RANGE * broker->config.sample_rate)
        return true;
    broker->counters.not_sampled++;
    return false;
}

static bool is_price(double price)
{
    return isfinite(price) && price > 0 && price < 1e30;
}

/* The order as rejected; `execute` fills it. */
static void write_order(const struct paper_broker *broker, const struct signal_row *signal,
                        struct order_row *order)
{
    *order = (struct order_row){
        .side = is_buy(signal) ? ORDER_BUY : ORDER_SELL,
        .strength = is_strong(signal) ? ORDER_STRONG : ORDER_NORMAL,
        .signal_type = signal->signal_type,
        .signal_score = signal->score,
        .signal_ts_ms = signal->ts_ms,
        .order_ts_ms = signal->ts_ms,
        .status = ORDER_REJECTED,
        .reject_reason = "no_book_price",
        .filled_price = FIELD_NULL_F64,
        .mid = FIELD_NULL_F64,
        .notional = FIELD_NULL_F64,
        .slippage_bps = broker->config.slippage_bps,
        .fee_bps = broker->config.fee_bps,
        .fee = FIELD_NULL_F64,
        .seq = signal->seq,
        .source = signal->source,
    };
    snprintf(order->order_id, sizeof order->order_id, "MOCK-%s-%" PRId64, signal->symbol, signal->ts_ms);
    memcpy(order->run_id, signal->run_id, sizeof order->run_id);
    memcpy(order->symbol, signal->symbol, sizeof order->symbol);
    if (is_price(signal->best_bid) && is_price(signal->best_ask))
        order->mid = (signal->best_bid + signal->best_ask) / 2;
}

/* True when the side to trade against has a price. */
static bool execute(const struct paper_config *config, const struct signal_row *signal,
                    struct order_row *order)
{
    bool buy = order->side == ORDER_BUY;
    double best = buy ? signal->best_ask : signal->best_bid;
    if (!is_price(best))
        return false;
    double slippage = config->slippage_bps / 1e4;
    order->status = ORDER_FILLED;
    order->reject_reason[0] = 0;
    order->filled_qty = config->order_qty;
    order->filled_price = best * (buy ? 1 + slippage : 1 - slippage);
    order->notional = order->filled_price * order->filled_qty;
    order->fee = order->notional * config->fee_bps / 1e4;
    return true;
}

static void book_fill(struct paper_broker *broker, const struct order_row *order, struct fill_row *fill,
                      struct position_row *position)
{
    double sign = order->side == ORDER_BUY ? 1 : -1;
    broker->qty += sign * order->filled_qty;
    broker->cash -= sign * order->notional + order->fee;
    broker->fees += order->fee;
    *fill = (struct fill_row){
        .ts_ms = order->order_ts_ms,
        .source = order->source,
        .side = order->side,
        .qty = order->filled_qty,
        .price = order->filled_price,
        .fee = order->fee,
    };
    memcpy(fill->order_id, order->order_id, sizeof fill->order_id);
    *position = (struct position_row){
        .ts_ms = order->order_ts_ms,
        .source = order->source,
        .qty = broker->qty + 0.0,
        .cash = broker->cash + 0.0,
        .fees = broker->fees,
        .orders = broker->counters.orders,
    };
}

bool paper_broker_feed(struct paper_broker *broker, const struct signal_row *signal, struct paper_orders *out)
{
    if (!takes(broker, signal))
        return false;
    *out = (struct paper_orders){.has_order = true};
    broker->last_order_ts_ms = signal->ts_ms;
    broker->counters.orders++;
    write_order(broker, signal, &out->order);
    out->has_fill = execute(&broker->config, signal, &out->order);
    if (out->has_fill)
        book_fill(broker, &out->order, &out->fill, &out->position);
    else
        broker->counters.rejected++;
    return true;
}

void paper_broker_save(const struct paper_broker *broker, struct buffer *out)
{
    const struct paper_counters *counters = &broker->counters;
    state_begin(out, STATE_TAG);
    buffer_append_i64(out, broker->last_order_ts_ms);
    buffer_append_f64(out, broker->qty);
    buffer_append_f64(out, broker->cash);
    buffer_append_f64(out, broker->fees);
    buffer_append_i64(out, counters->signals);
    buffer_append_i64(out, counters->orders);
    buffer_append_i64(out, counters->rejected);
    buffer_append_i64(out, counters->not_sampled);
    buffer_append_i64(out, counters->repeated);
}

enum status paper_broker_load(struct paper_broker *broker, struct reader *in)
{
    struct paper_config config = broker->config;
    struct paper_counters *counters = &broker->counters;
    state_expect(in, STATE_TAG);
    broker->last_order_ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    broker->qty = state_take_number(in);
    broker->cash = state_take_number(in);
    broker->fees = state_take_number(in);
    counters->signals = state_take_count(in);
    counters->orders = state_take_count(in);
    counters->rejected = state_take_count(in);
    counters->not_sampled = state_take_count(in);
    counters->repeated = state_take_count(in);
    if (!in->failed)
        return STATUS_OK;
    paper_broker_init(broker, &config);
    return STATUS_MALFORMED;
}
