/* One trade: rule 1, ordering, and the row when its turn has come. */
#include "feed_symbol.h"

/* AHEAD_MS_MAX, APART_MS_MAX: beyond these a time is absurd whatever the clock skew allowed: one such T would
 * move C for good. Recorded times may be any time in the past, and a market at N times its pace may run ahead
 * of the clock. */
#define AHEAD_MS_MAX ((int64_t)366 * 86400 * 1000)
#define APART_MS_MAX ((int64_t)86400 * 1000)

/* feed_symbol_is_ahead: such a T would move C for good. */
bool feed_symbol_is_ahead(int64_t transaction_ms, int64_t recv_ms)
{
    return recv_ms - transaction_ms < -AHEAD_MS_MAX;
}

/* feed_symbol_is_timely: rule 1, and a T that is neither far ahead of the receipt nor far from its own E. */
bool feed_symbol_is_timely(const struct feed_symbol *symbol, const struct venue_message *message)
{
    int64_t skew_ms = symbol->feed->config.max_clock_skew_ms;
    int64_t age_ms = message->recv_ms - message->transaction_ms;
    int64_t apart_ms = message->event_ms - message->transaction_ms;
    if (feed_symbol_is_ahead(message->transaction_ms, message->recv_ms) || apart_ms < -APART_MS_MAX ||
        apart_ms > APART_MS_MAX)
        return false;
    return skew_ms == 0 || (age_ms <= skew_ms && age_ms >= -skew_ms);
}

static void emit_trade(struct feed_symbol *symbol, const struct ordering_release *release)
{
    const struct venue_trade *trade = release->trade;
    const struct venue_instrument *scale = feed_symbol_scale(symbol);
    struct trade_row row = symbol->feed->blank_trade;
    row.ts_ms = trade->transaction_ms;
    row.event_ts_ms = trade->event_ms;
    row.recv_ts_ms = trade->recv_ms;
    row.price = (struct decimal){trade->price_units, scale->price_exponent};
    row.qty = (struct decimal){trade->qty_units, scale->qty_exponent};
    row.agg_trade_id = trade->id;
    row.first_trade_id = trade->first_id;
    row.last_trade_id = trade->last_id;
    row.is_buyer_maker = trade->is_buyer_maker;
    row.is_market = trade->is_market;
    row.latency_ms = trade->recv_ms - trade->event_ms;
    row.recv_rate_tps = (double)rate_since(&symbol->rate, trade->transaction_ms) / 60.0;
    row.gap_before = release->gap_before;
    row.backfilled = trade->is_backfilled;
    row.watermark_ms = release->watermark_ms;
    row.watermark_after_ms = release->watermark_after_ms;
    row.contract_size = scale->contract_size;
    symbol->state.sequence++;
    feed_symbol_counts(symbol, FEED_EMITTED_TRADES);
    feed_symbol_emits(symbol, &trade_message, &row);
}

void feed_symbol_release(void *context, const struct ordering_release *release)
{
    struct feed_symbol *symbol = context;
    const struct venue_trade *trade = release->trade;
    int64_t ts_ms = trade->transaction_ms;
    if (release->gap_before > 0)
        feed_symbol_gap(symbol, FEED_ORDINAL_TRADE_GAP, ts_ms, "trade_id", release->previous_id, trade->id,
                        release->gap_before);
    if (!venue_trade_is_sound(trade)) { /* it was here, so its id is no hole; nothing else is left of it */
        feed_symbol_counts(symbol, FEED_INVALID_QTY);
        return;
    }
    if (trade->is_market) {
        feed_symbol_silence(symbol, FEED_ORDINAL_TRADE_GAP, symbol->state.last_trade_ms, ts_ms,
                            symbol->feed->config.trade_idle_s);
        symbol->state.last_trade_ms = ts_ms;
        rate_add(&symbol->rate, ts_ms);
    } else {
        feed_symbol_counts(symbol, FEED_NON_MARKET_TRADES);
    }
    emit_trade(symbol, release);
}

void feed_symbol_trade(struct feed_symbol *symbol, const struct venue_message *message)
{
    if (!feed_symbol_is_timely(symbol, message)) {
        feed_symbol_counts(symbol, FEED_INVALID_TIME_TRADES);
        return;
    }
    feed_symbol_tell_reopened(symbol, message->transaction_ms);
    ordering_trade(&symbol->ordering, &message->trade);
}
