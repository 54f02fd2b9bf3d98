/* synthetic_say: the venue's words for what happened, per market (data.md §1.2, §1.3). */
#include "synthetic_internal.h"

#include <string.h>

enum { NETWORK_MS = 2, VENUE_MS = 1, QUEUE_LEVELS = 1000 };

/* append_units: an integer as decimal text with a fixed number of decimals. */
static void append_units(struct buffer *out, int64_t units, int decimals)
{
    char digits[32];
    int at = sizeof digits;
    for (int i = 0; units > 0 || i <= decimals; i++) {
        if (i == decimals && decimals > 0)
            digits[--at] = '.';
        digits[--at] = (char)('0' + units % 10);
        units /= 10;
    }
    buffer_append(out, digits + at, sizeof digits - (size_t)at);
}

/* Spot always writes eight decimals. */
static void append_scaled(struct buffer *out, enum market_kind market, int64_t units, int decimals)
{
    append_units(out, units, decimals);
    if (market != MARKET_SPOT)
        return;
    if (decimals == 0)
        buffer_append_byte(out, '.');
    for (int i = decimals; i < 8; i++)
        buffer_append_byte(out, '0');
}

static void append_price(const struct synthetic *synthetic, const struct symbol_market *market, int64_t ticks,
                         struct buffer *out)
{
    buffer_append_byte(out, '"');
    append_scaled(out, synthetic->market, ticks * market->scale.tick_units, market->scale.price_decimals);
    buffer_append_byte(out, '"');
}

static void append_quantity(const struct synthetic *synthetic, const struct symbol_market *market,
                            int64_t lots, struct buffer *out)
{
    buffer_append_byte(out, '"');
    append_scaled(out, synthetic->market, lots * market->lot_units, market->scale.quantity_decimals);
    buffer_append_byte(out, '"');
}

static void append_pair(const struct synthetic *synthetic, const struct symbol_market *market, int64_t ticks,
                        int64_t lots, bool comma, struct buffer *out)
{
    buffer_append_text(out, comma ? ",[" : "[");
    append_price(synthetic, market, ticks, out);
    buffer_append_byte(out, ',');
    append_quantity(synthetic, market, lots, out);
    buffer_append_byte(out, ']');
}

/* begin, finish: the envelope around one message. */
static size_t begin(struct synthetic *synthetic, const struct symbol_market *market, const char *stream)
{
    struct buffer *out = &synthetic->text;
    buffer_clear(out);
    buffer_format(out, "{\"stream\":\"%s@%s\",\"data\":", market->lower, stream);
    return out->length;
}

static void finish(struct synthetic *synthetic, uint16_t index, enum stream_kind kind, size_t data_offset,
                   int64_t venue_ns, struct say_target target)
{
    struct buffer *out = &synthetic->text;
    buffer_append_text(out, "}}");
    struct synthetic_message message = {.recv_ns = venue_ns + NETWORK_MS * 1000000LL,
                                        .symbol = index,
                                        .kind = kind,
                                        .text = (const char *)out->data,
                                        .bytes = out->length,
                                        .data_offset = data_offset,
                                        .data_bytes = out->length - data_offset - 1};
    target.say(target.context, &message, false);
}

static void append_pair_symbol(const struct synthetic *synthetic, const struct symbol_market *market,
                               struct buffer *out)
{
    if (synthetic->market == MARKET_COINM)
        buffer_format(out, ",\"ps\":\"%.*s\"", (int)strcspn(market->name, "_"), market->name);
}

static int64_t event_ms(const struct symbol_market *market)
{
    return market->event_ns / 1000000;
}

/* ---- aggTrade ---- */

/* append_trade: the fields that stream and REST share. */
static void append_trade(const struct synthetic *synthetic, const struct symbol_market *market,
                         const struct agg_trade *trade, struct buffer *out)
{
    buffer_format(out, "\"a\":%lld,\"p\":", (long long)trade->id);
    append_price(synthetic, market, trade->price_ticks, out);
    buffer_append_text(out, ",\"q\":");
    append_quantity(synthetic, market, trade->quantity_lots, out);
    buffer_format(out, ",\"f\":%lld,\"l\":%lld,\"T\":%lld,\"m\":%s%s", (long long)trade->first_trade_id,
                  (long long)trade->last_trade_id, (long long)trade->time_ms,
                  trade->buyer_is_maker ? "true" : "false",
                  synthetic->market == MARKET_SPOT ? ",\"M\":true" : "");
}

static void say_trade(struct synthetic *synthetic, uint16_t index, const struct agg_trade *trade,
                      struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    size_t data = begin(synthetic, market, "aggTrade");
    buffer_format(&synthetic->text, "{\"e\":\"aggTrade\",\"E\":%lld,\"s\":\"%s\",",
                  (long long)trade->time_ms + VENUE_MS, market->name);
    append_trade(synthetic, market, trade, &synthetic->text);
    finish(synthetic, index, STREAM_AGG_TRADE, data, market->event_ns, target);
}

void say_trades(struct synthetic *synthetic, uint16_t index, const struct fill *fills, size_t count,
                bool buyer_is_maker, struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    for (size_t i = 0; i < count; i++) {
        struct agg_trade trade = {.id = ++market->agg_trade_id,
                                  .first_trade_id = market->trade_id + 1,
                                  .last_trade_id = market->trade_id + fills[i].orders,
                                  .price_ticks = fills[i].price_ticks,
                                  .quantity_lots = fills[i].quantity_lots,
                                  .time_ms = event_ms(market),
                                  .buyer_is_maker = buyer_is_maker};
        market->trade_id = trade.last_trade_id;
        market->trades[trade.id % SYNTHETIC_TRADES_KEPT] = trade;
        say_trade(synthetic, index, &trade, target);
    }
}

void synthetic_agg_trades(const struct synthetic *synthetic, uint16_t symbol, int64_t from_id, size_t limit,
                          struct buffer *out)
{
    const struct symbol_market *market = &synthetic->markets[symbol];
    int64_t newest = market->agg_trade_id;
    int64_t oldest = newest > SYNTHETIC_TRADES_KEPT ? newest - SYNTHETIC_TRADES_KEPT + 1 : 1;
    int64_t first = from_id >= 0 ? from_id : newest - (int64_t)limit + 1;
    first = first < oldest ? oldest : first;
    buffer_append_byte(out, '[');
    for (int64_t id = first; id <= newest && id - first < (int64_t)limit; id++) {
        buffer_append_text(out, id > first ? ",{" : "{");
        append_trade(synthetic, market, &market->trades[id % SYNTHETIC_TRADES_KEPT], out);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

/* ---- bookTicker ---- */

static struct best_quote best_quote_of(const struct order_book *book)
{
    const struct price_level *bid = order_book_best(book, SIDE_BID), *ask = order_book_best(book, SIDE_ASK);
    return (struct best_quote){bid->price_ticks, bid->quantity_lots, ask->price_ticks, ask->quantity_lots};
}

void say_ticker(struct synthetic *synthetic, uint16_t index, struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    struct best_quote quote = best_quote_of(&market->book);
    if (memcmp(&quote, &market->said, sizeof quote) == 0)
        return;
    market->said = quote;
    struct buffer *out = &synthetic->text;
    size_t data = begin(synthetic, market, "bookTicker");
    buffer_format(out, "{%s\"u\":%lld,\"s\":\"%s\"",
                  synthetic->market == MARKET_SPOT ? "" : "\"e\":\"bookTicker\",",
                  (long long)market->update_id, market->name);
    append_pair_symbol(synthetic, market, out);
    buffer_append_text(out, ",\"b\":");
    append_price(synthetic, market, quote.bid_ticks, out);
    buffer_append_text(out, ",\"B\":");
    append_quantity(synthetic, market, quote.bid_lots, out);
    buffer_append_text(out, ",\"a\":");
    append_price(synthetic, market, quote.ask_ticks, out);
    buffer_append_text(out, ",\"A\":");
    append_quantity(synthetic, market, quote.ask_lots, out);
    if (synthetic->market != MARKET_SPOT)
        buffer_format(out, ",\"T\":%lld,\"E\":%lld", (long long)event_ms(market),
                      (long long)event_ms(market) + VENUE_MS);
    finish(synthetic, index, STREAM_BOOK_TICKER, data, market->event_ns, target);
}

/* ---- depth ---- */

static void append_changes(struct synthetic *synthetic, const struct symbol_market *market,
                           const struct level_change *changes, size_t count, enum book_side_name side)
{
    bool comma = false;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].side != side)
            continue;
        append_pair(synthetic, market, changes[i].price_ticks,
                    order_book_quantity(&market->book, side, changes[i].price_ticks), comma,
                    &synthetic->text);
        comma = true;
    }
}

void say_depth(struct synthetic *synthetic, uint16_t index, int64_t boundary_ns, struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    struct buffer *out = &synthetic->text;
    size_t count;
    const struct level_change *changes = order_book_take_changes(&market->book, &count);
    size_t data = begin(synthetic, market, "depth@100ms");
    buffer_format(out, "{\"e\":\"depthUpdate\",\"E\":%lld,", (long long)boundary_ns / 1000000);
    if (synthetic->market != MARKET_SPOT)
        buffer_format(out, "\"T\":%lld,", (long long)event_ms(market));
    buffer_format(out, "\"s\":\"%s\"", market->name);
    append_pair_symbol(synthetic, market, out);
    buffer_format(out, ",\"U\":%lld,\"u\":%lld", (long long)market->depth_update_id + 1,
                  (long long)market->update_id);
    if (synthetic->market != MARKET_SPOT)
        buffer_format(out, ",\"pu\":%lld", (long long)market->depth_update_id);
    buffer_append_text(out, ",\"b\":[");
    append_changes(synthetic, market, changes, count, SIDE_BID);
    buffer_append_text(out, "],\"a\":[");
    append_changes(synthetic, market, changes, count, SIDE_ASK);
    buffer_append_byte(out, ']');
    market->depth_update_id = market->update_id;
    finish(synthetic, index, STREAM_DEPTH_DIFF, data, boundary_ns, target);
}

static void append_side(const struct synthetic *synthetic, const struct symbol_market *market,
                        enum book_side_name side, size_t limit, struct buffer *out)
{
    const struct price_level *level;
    for (size_t i = 0; i < limit && (level = order_book_level(&market->book, side, i)); i++)
        append_pair(synthetic, market, level->price_ticks, level->quantity_lots, i > 0, out);
}

void synthetic_depth(const struct synthetic *synthetic, uint16_t symbol, size_t limit, struct buffer *out)
{
    const struct symbol_market *market = &synthetic->markets[symbol];
    buffer_format(out, "{\"lastUpdateId\":%lld", (long long)market->update_id);
    if (synthetic->market != MARKET_SPOT)
        buffer_format(out, ",\"E\":%lld,\"T\":%lld", (long long)event_ms(market) + VENUE_MS,
                      (long long)event_ms(market));
    if (synthetic->market == MARKET_COINM)
        buffer_format(out, ",\"symbol\":\"%s\",\"pair\":\"%.*s\"", market->name,
                      (int)strcspn(market->name, "_"), market->name);
    buffer_append_text(out, ",\"bids\":[");
    append_side(synthetic, market, SIDE_BID, limit, out);
    buffer_append_text(out, "],\"asks\":[");
    append_side(synthetic, market, SIDE_ASK, limit, out);
    buffer_append_text(out, "]}");
}

void say_snapshot(struct synthetic *synthetic, uint16_t index, int64_t boundary_ns, struct say_target target)
{
    buffer_clear(&synthetic->text);
    synthetic_depth(synthetic, index, QUEUE_LEVELS, &synthetic->text);
    struct synthetic_message message = {.recv_ns = boundary_ns + NETWORK_MS * 1000000LL,
                                        .symbol = index,
                                        .kind = STREAM_DEPTH_DIFF,
                                        .text = (const char *)synthetic->text.data,
                                        .bytes = synthetic->text.length,
                                        .data_bytes = synthetic->text.length};
    target.say(target.context, &message, true);
}
