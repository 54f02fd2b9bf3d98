/* One symbol's items in the order of algorithms.md §1: reconnect event, C moves, releases, gap events, the row. */
#include "feed_symbol.h"

#include "base/clock.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/quote_audit.h"
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void count(struct feed_symbol *symbol, enum feed_counter counter)
{
    symbol->state.counters[counter]++;
}

static void emit(struct feed_symbol *symbol, const struct message *message, const void *row)
{
    symbol->feed->emit(symbol->feed->context, symbol->index, message, row);
}

static const struct venue_instrument *instrument_of(const struct feed_symbol *symbol)
{
    return venue_instrument(symbol->feed->venue, symbol->index);
}

/* --- events ----------------------------------------------------------------------------------------------------- */

enum { ORDINAL_TRADE_GAP, ORDINAL_BOOK_GAP, ORDINAL_RECONNECT };

static void emit_event(struct feed_symbol *symbol, int ordinal_slot, int64_t ts_ms, const char *meta_json)
{
    static const int8_t CHANNELS[FEED_ORDINALS] = {CHANNEL_TRADE, CHANNEL_BOOK, CHANNEL_SOCKET};
    struct feed_ordinal *ordinal = &symbol->state.ordinals[ordinal_slot];
    if (ordinal->ts_ms != ts_ms)
        *ordinal = (struct feed_ordinal){.ts_ms = ts_ms};
    ordinal->count++;
    struct event_row row;
    message_clear(&event_message, &row);
    row.ts_ms = row.detected_ts_ms = ts_ms;
    row.source = ++symbol->state.sequence;
    row.event_type = ordinal_slot == ORDINAL_RECONNECT ? EVENT_RECONNECT : EVENT_GAP;
    row.channel = CHANNELS[ordinal_slot];
    row.direction = DIRECTION_NEUTRAL;
    snprintf(row.meta_json, sizeof row.meta_json, "%s", meta_json);
    row.ordinal = (int32_t)ordinal->count;
    count(symbol, FEED_EMITTED_EVENTS);
    emit(symbol, &event_message, &row);
}

/* emit_gap: canonical meta of data.md §3.4; missing < 0 means null. */
static void emit_gap(struct feed_symbol *symbol, int ordinal_slot, int64_t ts_ms, const char *gap_kind, int64_t from,
                     int64_t to, int64_t missing)
{
    char number[24] = "null", meta[160];
    if (missing >= 0)
        snprintf(number, sizeof number, "%" PRId64, missing);
    snprintf(meta, sizeof meta, "{\"from\":%" PRId64 ",\"gap_kind\":\"%s\",\"missing\":%s,\"to\":%" PRId64 "}", from,
             gap_kind, number, to);
    emit_event(symbol, ordinal_slot, ts_ms, meta);
}

/* emit_silence: when the item ends a pause longer than the limit. */
static void emit_silence(struct feed_symbol *symbol, int ordinal_slot, int64_t from_ms, int64_t ts_ms, int64_t idle_s)
{
    if (from_ms == FIELD_NULL_I64 || ts_ms - from_ms <= idle_s * 1000)
        return;
    count(symbol, FEED_SILENCES);
    emit_gap(symbol, ordinal_slot, ts_ms, "silence", from_ms, ts_ms, -1);
}

static void emit_reopened(struct feed_symbol *symbol, int64_t ts_ms)
{
    int64_t waiting = symbol->state.reopened_count;
    symbol->state.reopened_count = 0;
    for (int64_t i = 0; i < waiting; i++)
        emit_event(symbol, ORDINAL_RECONNECT, ts_ms, symbol->state.reopened[i]);
    if (waiting)
        memset(symbol->state.reopened, 0, sizeof symbol->state.reopened);
}

static void note_reopened(struct feed_symbol *symbol, const struct venue_message *message)
{
    struct feed_symbol_state *state = &symbol->state;
    if (state->reopened_count == FEED_REOPENED_MAX)
        state->reopened_count--;
    char *text = state->reopened[state->reopened_count++];
    memset(text, 0, META_BYTES);
    memcpy(text, message->text, message->text_bytes < META_BYTES ? message->text_bytes : META_BYTES - 1);
    /* Between the sockets bookTickers may have been missed. */
    audit_restart(&symbol->audit);
}

/* --- trades ----------------------------------------------------------------------------------------------------- */

static bool is_timely(const struct feed_symbol *symbol, int64_t recv_ms, int64_t transaction_ms)
{
    int64_t skew_ms = symbol->feed->config.max_clock_skew_ms;
    int64_t apart_ms = recv_ms - transaction_ms;
    return skew_ms == 0 || (apart_ms <= skew_ms && apart_ms >= -skew_ms);
}

static void emit_trade(struct feed_symbol *symbol, const struct ordering_release *release)
{
    const struct venue_trade *trade = release->trade;
    const struct venue_instrument *scale = instrument_of(symbol);
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
    count(symbol, FEED_EMITTED_TRADES);
    emit(symbol, &trade_message, &row);
}

static void release_trade(void *context, const struct ordering_release *release)
{
    struct feed_symbol *symbol = context;
    const struct venue_trade *trade = release->trade;
    int64_t ts_ms = trade->transaction_ms;
    if (release->gap_before > 0)
        emit_gap(symbol, ORDINAL_TRADE_GAP, ts_ms, "trade_id", release->previous_id, trade->id, release->gap_before);
    if (trade->is_market) {
        emit_silence(symbol, ORDINAL_TRADE_GAP, symbol->state.last_trade_ms, ts_ms, symbol->feed->config.trade_idle_s);
        symbol->state.last_trade_ms = ts_ms;
        rate_add(&symbol->rate, ts_ms);
    } else {
        count(symbol, FEED_NON_MARKET_TRADES);
    }
    emit_trade(symbol, release);
}

static void process_trade(struct feed_symbol *symbol, const struct venue_message *message)
{
    if (!is_timely(symbol, message->recv_ms, message->transaction_ms)) {
        count(symbol, FEED_INVALID_TIME_TRADES);
        return;
    }
    emit_reopened(symbol, message->transaction_ms);
    ordering_trade(&symbol->ordering, &message->trade);
}

/* --- books ------------------------------------------------------------------------------------------------------ */

static void fill_side(struct decimal *prices, struct decimal *quantities, const struct book_level *levels,
                      size_t level_count, const struct venue_instrument *scale)
{
    for (size_t i = 0; i < level_count; i++) {
        prices[i] = (struct decimal){levels[i].price_units, scale->price_exponent};
        quantities[i] = (struct decimal){levels[i].qty_units, scale->qty_exponent};
    }
}

/* emit_book: the top of the local book as it stands, which is proper. */
static void emit_book(struct feed_symbol *symbol, const struct venue_message *message, enum book_source source)
{
    const struct venue_instrument *scale = instrument_of(symbol);
    const struct book *book = &symbol->sync.book;
    struct book_level bids[BOOK_LEVELS_MAX], asks[BOOK_LEVELS_MAX];
    size_t levels = (size_t)symbol->feed->config.levels;
    size_t bid_count = book_top(&book->bids, levels, bids);
    size_t ask_count = book_top(&book->asks, levels, asks);
    struct book_row row = symbol->feed->blank_book;
    row.ts_ms = message->transaction_ms;
    row.event_ts_ms = message->event_ms;
    row.recv_ts_ms = message->recv_ms;
    row.latency_ms = message->recv_ms - message->event_ms;
    row.first_id = message->depth.first_id;
    row.last_id = message->depth.last_id;
    row.prev_last_id = message->depth.prev_last_id;
    row.source = (int8_t)source;
    row.book_reset = symbol->state.reset_pending != 0;
    row.levels = (int32_t)(bid_count < ask_count ? bid_count : ask_count);
    fill_side(row.bid_price, row.bid_qty, bids, bid_count, scale);
    fill_side(row.ask_price, row.ask_qty, asks, ask_count, scale);
    row.best_bid = row.bid_price[0];
    row.best_ask = row.ask_price[0];
    double bid = decimal_double(row.best_bid), ask = decimal_double(row.best_ask);
    row.mid = (bid + ask) / 2;
    row.spread_bps = (ask - bid) / row.mid * 1e4;
    row.watermark_ms = symbol->ordering.watermark_ms;
    symbol->state.reset_pending = 0;
    symbol->state.accepted_book_ms = row.ts_ms;
    symbol->state.sequence++;
    count(symbol, FEED_EMITTED_BOOKS);
    emit(symbol, &book_message, &row);
}

/* publish_book: publishes the book's top unless its time or shape forbids (rules 2 and 14, §2.2). */
static void publish_book(struct feed_symbol *symbol, const struct venue_message *message, enum book_source source)
{
    int64_t accepted_ms = symbol->state.accepted_book_ms;
    if (accepted_ms != FIELD_NULL_I64 && message->transaction_ms < accepted_ms) {
        count(symbol, FEED_BOOK_TIME_BACKWARD);
        return;
    }
    switch (book_shape(&symbol->sync.book)) {
    case BOOK_EMPTY:
        count(symbol, FEED_BOOK_EMPTY);
        return;
    case BOOK_CROSSED:
        count(symbol, FEED_BOOK_CROSSED);
        return;
    case BOOK_PROPER:
        emit_book(symbol, message, source);
    }
}

static void emit_audit(void *context, const struct audit_quote *book, const struct audit_quote *ticker, bool agrees)
{
    struct feed_symbol *symbol = context;
    const struct venue_instrument *scale = instrument_of(symbol);
    int32_t price = scale->price_exponent, qty = scale->qty_exponent;
    struct quote_audit_row row;
    message_clear(&quote_audit_message, &row);
    row.ts_ms = book->transaction_ms;
    row.last_id = book->update_id;
    row.ticker_id = ticker->update_id;
    row.agrees = agrees;
    if (book->bid_qty_units) {
        row.book_bid_price = (struct decimal){book->bid_price_units, price};
        row.book_bid_qty = (struct decimal){book->bid_qty_units, qty};
    }
    if (book->ask_qty_units) {
        row.book_ask_price = (struct decimal){book->ask_price_units, price};
        row.book_ask_qty = (struct decimal){book->ask_qty_units, qty};
    }
    row.ticker_bid_price = (struct decimal){ticker->bid_price_units, price};
    row.ticker_bid_qty = (struct decimal){ticker->bid_qty_units, qty};
    row.ticker_ask_price = (struct decimal){ticker->ask_price_units, price};
    row.ticker_ask_qty = (struct decimal){ticker->ask_qty_units, qty};
    symbol->state.sequence++;
    count(symbol, FEED_EMITTED_AUDITS);
    emit(symbol, &quote_audit_message, &row);
}

static void audit_book(struct feed_symbol *symbol, const struct venue_message *message)
{
    const struct book_level *bid = book_best(&symbol->sync.book.bids);
    const struct book_level *ask = book_best(&symbol->sync.book.asks);
    struct audit_quote state = {
        .update_id = message->depth.last_id,
        .transaction_ms = message->transaction_ms,
        .from_buffer = message->from_buffer,
    };
    if (bid) {
        state.bid_price_units = bid->price_units;
        state.bid_qty_units = bid->qty_units;
    }
    if (ask) {
        state.ask_price_units = ask->price_units;
        state.ask_qty_units = ask->qty_units;
    }
    audit_state(&symbol->audit, &state);
}

/* book_moves_time: rule 1, C and what it releases. Returns the previous book message's T, for the silence test. */
static int64_t book_moves_time(struct feed_symbol *symbol, const struct venue_message *message, bool *out_timely)
{
    *out_timely = is_timely(symbol, message->recv_ms, message->transaction_ms);
    if (!*out_timely) {
        count(symbol, FEED_INVALID_TIME_BOOKS);
        return FIELD_NULL_I64;
    }
    emit_reopened(symbol, message->transaction_ms);
    int64_t previous_ms = symbol->state.last_book_ms;
    symbol->state.last_book_ms = message->transaction_ms;
    ordering_book(&symbol->ordering, message->transaction_ms);
    return previous_ms;
}

/* is_first_of_connection: of this symbol's depth messages. */
static bool is_first_of_connection(struct feed_symbol *symbol, const struct venue_message *message)
{
    if (message->connection <= symbol->state.depth_connection)
        return false;
    symbol->state.depth_connection = message->connection;
    return true;
}

static void emit_sequence_gap(struct feed_symbol *symbol, const struct venue_message *message, int64_t last_id)
{
    bool is_spot = symbol->feed->config.market == VENUE_SPOT;
    count(symbol, FEED_BOOK_SEQ_GAP);
    emit_gap(symbol, ORDINAL_BOOK_GAP, message->transaction_ms, "book_seq", last_id,
             is_spot ? message->depth.first_id : message->depth.prev_last_id, -1);
}

/* keep_diff: `from_buffer` tells the audit which diffs had come before the snapshot that made them count. */
static void keep_diff(struct feed_symbol *symbol, struct hold *hold, const struct venue_message *message)
{
    struct venue_message kept = *message;
    kept.from_buffer = !symbol->sync.has_snapshot;
    message = &kept;
    if (hold_push(hold, message) != STATUS_OK) {
        count(symbol, FEED_DIFFS_DROPPED);
        return;
    }
    if (hold->diff_count > HOLD_DIFFS_MAX) {
        hold_drop_oldest_diff(hold);
        count(symbol, FEED_DIFFS_DROPPED);
    }
}

/* apply_diff: one diff of a live book. `previous_ms`: for the silence test, FIELD_NULL_I64 where it was made before. */
static void apply_diff(struct feed_symbol *symbol, const struct venue_message *message, int64_t previous_ms,
                       bool is_first)
{
    int64_t last_id = sync_last_id(&symbol->sync);
    enum sync_verdict verdict = sync_apply(&symbol->sync, message);
    if (verdict == SYNC_BROKEN) {
        count(symbol, FEED_BOOK_RESYNC);
        if (!is_first)
            emit_sequence_gap(symbol, message, last_id);
    }
    emit_silence(symbol, ORDINAL_BOOK_GAP, previous_ms, message->transaction_ms, symbol->feed->config.book_idle_s);
    switch (verdict) {
    case SYNC_BROKEN:
        keep_diff(symbol, &symbol->kept, message);
        return;
    case SYNC_BEFORE_SNAPSHOT:
        count(symbol, FEED_DIFFS_BEFORE_SNAPSHOT);
        return;
    case SYNC_BACKWARD:
        count(symbol, FEED_BOOK_BACKWARD);
        return;
    case SYNC_APPLIED:
        break;
    }
    if (is_timely(symbol, message->recv_ms, message->transaction_ms))
        publish_book(symbol, message, BOOK_SOURCE_DIFF);
    audit_book(symbol, message);
}

/* first_news: the first kept diff that is not older than the snapshot; false when there is none. */
static bool first_news(const struct feed_symbol *symbol, struct venue_message *out_message)
{
    size_t offset = 0;
    while (hold_next(&symbol->kept, &offset, out_message))
        if (sync_fit(&symbol->sync, &out_message->depth) != SYNC_OLDER)
            return true;
    return false;
}

static void apply_kept(struct feed_symbol *symbol)
{
    struct hold walked;
    struct venue_message message;
    size_t offset = 0;
    hold_init(&walked);
    hold_swap(&walked, &symbol->kept);
    while (hold_next(&walked, &offset, &message)) {
        if (symbol->sync.state == SYNC_LIVE)
            apply_diff(symbol, &message, FIELD_NULL_I64, false);
        else
            keep_diff(symbol, &symbol->kept, &message);
    }
    hold_finish(&walked);
}

/* resynchronise: while the book is invalid: bridges a snapshot that has come, or refuses it, or goes on waiting. */
static void resynchronise(struct feed_symbol *symbol)
{
    struct venue_message message;
    if (!symbol->sync.has_snapshot)
        return;
    if (!first_news(symbol, &message)) {
        symbol->state.counters[FEED_DIFFS_BEFORE_SNAPSHOT] += (int64_t)symbol->kept.diff_count;
        hold_clear(&symbol->kept);
    } else if (sync_fit(&symbol->sync, &message.depth) == SYNC_BEYOND) {
        sync_refuse(&symbol->sync);
    } else {
        sync_start(&symbol->sync);
        symbol->state.reset_pending = 1;
        apply_kept(symbol);
    }
}

static void process_diff(struct feed_symbol *symbol, const struct venue_message *message)
{
    bool is_first = is_first_of_connection(symbol, message);
    bool timely;
    int64_t previous_ms = book_moves_time(symbol, message, &timely);
    if (symbol->sync.state == SYNC_LIVE) {
        apply_diff(symbol, message, previous_ms, is_first);
        return;
    }
    if (timely)
        emit_silence(symbol, ORDINAL_BOOK_GAP, previous_ms, message->transaction_ms, symbol->feed->config.book_idle_s);
    keep_diff(symbol, &symbol->kept, message);
    resynchronise(symbol);
}

/* has_equal_prices: fewer levels than were sent: a price came twice. */
static bool has_equal_prices(const struct book_side *side, const struct book_level *levels, uint64_t level_count)
{
    size_t present = 0;
    for (uint64_t i = 0; i < level_count; i++)
        present += levels[i].qty_units > 0;
    return side->count < present;
}

static void process_partial(struct feed_symbol *symbol, const struct venue_message *message)
{
    const struct venue_depth *depth = &message->depth;
    bool is_first = is_first_of_connection(symbol, message);
    bool timely;
    int64_t previous_ms = book_moves_time(symbol, message, &timely);
    if (!timely)
        return;
    int64_t last_id = symbol->state.partial_id;
    bool is_backward = last_id != FIELD_NULL_I64 && depth->last_id <= last_id;
    if (!is_backward && !is_first && last_id != FIELD_NULL_I64 && depth->prev_last_id != last_id)
        emit_sequence_gap(symbol, message, last_id);
    emit_silence(symbol, ORDINAL_BOOK_GAP, previous_ms, message->transaction_ms, symbol->feed->config.book_idle_s);
    if (is_backward) {
        count(symbol, FEED_BOOK_BACKWARD);
        return;
    }
    symbol->state.partial_id = depth->last_id;
    struct book *book = &symbol->sync.book;
    book_replace(book, message->bids, depth->bid_count, message->asks, depth->ask_count);
    if (has_equal_prices(&book->bids, message->bids, depth->bid_count) ||
        has_equal_prices(&book->asks, message->asks, depth->ask_count)) {
        count(symbol, FEED_BOOK_DUPLICATE_PRICE);
        return;
    }
    publish_book(symbol, message, BOOK_SOURCE_PARTIAL);
}

/* --- holding back ----------------------------------------------------------------------------------------------- */

static void process(struct feed_symbol *symbol, const struct venue_message *message)
{
    switch ((enum venue_kind)message->kind) {
    case VENUE_TRADE:
        process_trade(symbol, message);
        break;
    case VENUE_DIFF:
        process_diff(symbol, message);
        break;
    case VENUE_PARTIAL:
        process_partial(symbol, message);
        break;
    case VENUE_TICKER:
        audit_ticker(&symbol->audit, &message->ticker);
        break;
    case VENUE_REOPENED:
        note_reopened(symbol, message);
        break;
    default:
        break;
    }
}

/* synchronise_first: the snapshot bridges: the held messages in arrival order. */
static void synchronise_first(struct feed_symbol *symbol)
{
    struct hold walked;
    struct venue_message message;
    size_t offset = 0;
    hold_init(&walked);
    hold_swap(&walked, &symbol->held);
    sync_start(&symbol->sync);
    symbol->state.reset_pending = 1;
    while (hold_next(&walked, &offset, &message))
        process(symbol, &message);
    hold_finish(&walked);
}

/* free_trades: no synchronisation in sight: all but the diffs are processed now and from now on at once. */
static void free_trades(struct feed_symbol *symbol)
{
    struct hold walked;
    struct venue_message message;
    size_t offset = 0;
    symbol->state.trades_free = 1;
    hold_init(&walked);
    hold_swap(&walked, &symbol->held);
    while (hold_next(&walked, &offset, &message)) {
        if (message.kind == VENUE_DIFF)
            keep_diff(symbol, &symbol->held, &message);
        else
            process(symbol, &message);
    }
    hold_finish(&walked);
}

static void snapshot_refused(struct feed_symbol *symbol)
{
    sync_refuse(&symbol->sync);
    if (symbol->sync.state == SYNC_FIRST && sync_gave_up(&symbol->sync) && !symbol->state.trades_free)
        free_trades(symbol);
}

/* judge_first: a diff against the snapshot that waits to be bridged; true when that is settled. */
static bool judge_first(struct feed_symbol *symbol, const struct venue_depth *diff)
{
    switch (sync_fit(&symbol->sync, diff)) {
    case SYNC_OLDER:
        return false;
    case SYNC_BRIDGES:
        synchronise_first(symbol);
        return true;
    case SYNC_BEYOND:
        snapshot_refused(symbol);
        return true;
    }
    return true;
}

static void hold_message(struct feed_symbol *symbol, const struct venue_message *message)
{
    if (message->kind != VENUE_DIFF) {
        if (hold_push(&symbol->held, message) != STATUS_OK) {
            free_trades(symbol);
            process(symbol, message);
        }
        return;
    }
    keep_diff(symbol, &symbol->held, message);
    if (symbol->sync.has_snapshot)
        judge_first(symbol, &message->depth);
}

void feed_symbol_message(struct feed_symbol *symbol, const struct venue_message *message)
{
    bool is_book = message->kind == VENUE_DIFF || message->kind == VENUE_PARTIAL;
    symbol->state.counters[FEED_UNKNOWN_VALUES] += message->unknown_values;
    if (message->kind == VENUE_TRADE)
        count(symbol, FEED_RECEIVED_TRADES);
    else if (message->kind == VENUE_TICKER)
        count(symbol, FEED_RECEIVED_TICKERS);
    else if (is_book)
        count(symbol, FEED_RECEIVED_BOOKS);
    bool holds_back = symbol->sync.state == SYNC_FIRST && message->kind != VENUE_PARTIAL &&
                      symbol->feed->config.book_source == BOOK_SOURCE_DIFF;
    if (holds_back && (message->kind == VENUE_DIFF || !symbol->state.trades_free))
        hold_message(symbol, message);
    else
        process(symbol, message);
}

void feed_symbol_snapshot(struct feed_symbol *symbol, const struct venue_message *snapshot)
{
    if (!sync_take_snapshot(&symbol->sync, snapshot))
        return;
    if (symbol->sync.state == SYNC_INVALID) {
        resynchronise(symbol);
        return;
    }
    struct venue_message message;
    size_t offset = 0;
    while (hold_next(&symbol->held, &offset, &message))
        if (message.kind == VENUE_DIFF && judge_first(symbol, &message.depth))
            return;
}

void feed_symbol_snapshot_failed(struct feed_symbol *symbol)
{
    if (symbol->sync.state != SYNC_LIVE && !symbol->sync.has_snapshot)
        snapshot_refused(symbol);
}

void feed_symbol_backfill(struct feed_symbol *symbol, const struct venue_message *message, int64_t recv_ms)
{
    for (size_t i = 0; i < message->trade_count; i++) {
        struct venue_trade trade = message->trades[i];
        trade.recv_ms = recv_ms;
        symbol->state.counters[FEED_BACKFILLED_TRADES] += ordering_backfill(&symbol->ordering, &trade);
    }
}

void feed_symbol_control(struct feed_symbol *symbol, int8_t action, const char *json, size_t bytes)
{
    struct control_row row;
    message_clear(&control_message, &row);
    row.ts_ms = symbol->ordering.has_time ? symbol->ordering.newest_ms : 0;
    row.source = ++symbol->state.sequence;
    row.action = action;
    memcpy(row.value_json, json, bytes < META_BYTES ? bytes : META_BYTES - 1);
    emit(symbol, &control_message, &row);
}

void feed_symbol_end(struct feed_symbol *symbol)
{
    if (symbol->sync.state == SYNC_FIRST && !symbol->state.trades_free)
        free_trades(symbol);
    symbol->state.counters[FEED_DIFFS_DROPPED] += (int64_t)(symbol->held.diff_count + symbol->kept.diff_count);
    hold_clear(&symbol->held);
    hold_clear(&symbol->kept);
    ordering_end(&symbol->ordering);
    audit_end(&symbol->audit);
    feed_symbol_control(symbol, CONTROL_END_OF_STREAM, "", 0);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

void feed_symbol_init(struct feed_symbol *symbol, struct feed *feed, size_t index)
{
    const struct feed_config *config = &feed->config;
    struct ordering_config ordering = {
        .watermark_ms = config->watermark_ms,
        .dedup_lru = config->dedup_lru,
        .grid_ms = config->grid_ms,
        .step_ms = config->step_ms,
    };
    memset(symbol, 0, sizeof *symbol);
    symbol->feed = feed;
    symbol->index = index;
    ordering_init(&symbol->ordering, &ordering, release_trade, symbol);
    sync_init(&symbol->sync, config->market == VENUE_SPOT, config->side_levels_max);
    audit_init(&symbol->audit, emit_audit, symbol);
    rate_init(&symbol->rate);
    hold_init(&symbol->held);
    hold_init(&symbol->kept);
    struct feed_symbol_state *state = &symbol->state;
    state->last_trade_ms = state->last_book_ms = state->accepted_book_ms = state->partial_id = FIELD_NULL_I64;
    state->depth_connection = -1;
}

void feed_symbol_finish(struct feed_symbol *symbol)
{
    ordering_finish(&symbol->ordering);
    sync_finish(&symbol->sync);
    audit_finish(&symbol->audit);
    rate_finish(&symbol->rate);
    hold_finish(&symbol->held);
    hold_finish(&symbol->kept);
}

int64_t feed_symbol_count(const struct feed_symbol *symbol, enum feed_counter counter)
{
    const struct sync *sync = &symbol->sync;
    const struct audit *audit = &symbol->audit;
    switch (counter) {
    case FEED_DEDUP_HITS: return symbol->ordering.duplicates;
    case FEED_LATE_EVENTS: return symbol->ordering.late;
    case FEED_TRADE_GAP_IDS: return symbol->ordering.missing_ids;
    case FEED_EARLY_RELEASES: return symbol->ordering.early_releases;
    case FEED_DIFFS_APPLIED: return sync->diffs_applied;
    case FEED_SYNCHRONISATIONS: return sync->synchronisations;
    case FEED_SNAPSHOTS_REFUSED: return sync->snapshots_refused;
    case FEED_SNAPSHOTS_UNUSED: return sync->snapshots_unused;
    case FEED_BOOK_LEVELS_DROPPED: return sync->book.levels_dropped;
    case FEED_UNKNOWN_DELETES: return sync->book.unknown_deletes;
    case FEED_AUDIT_AGREE: return audit->agreed;
    case FEED_AUDIT_DISAGREE: return audit->disagreed;
    case FEED_AUDIT_AGREE_FROM_BUFFER: return audit->agreed_from_buffer;
    case FEED_AUDIT_DISAGREE_FROM_BUFFER: return audit->disagreed_from_buffer;
    case FEED_AUDIT_UNCOUNTED: return audit->uncounted;
    case FEED_TICKERS_BACKWARD: return audit->tickers_backward;
    default: return symbol->state.counters[counter];
    }
}

static int64_t held_trades(const struct feed_symbol *symbol)
{
    struct venue_message message;
    size_t offset = 0;
    int64_t trades = 0;
    while (hold_next(&symbol->held, &offset, &message))
        trades += message.kind == VENUE_TRADE;
    return trades;
}

enum status feed_symbol_imbalance(const struct feed_symbol *symbol, struct error *error)
{
    const int64_t *counters = symbol->state.counters;
    int64_t trades_in = counters[FEED_RECEIVED_TRADES] + counters[FEED_BACKFILLED_TRADES];
    int64_t trades_out = counters[FEED_EMITTED_TRADES] + symbol->ordering.duplicates + symbol->ordering.late +
                         counters[FEED_INVALID_TIME_TRADES] + held_trades(symbol) +
                         (int64_t)symbol->ordering.waiting_count;
    if (trades_in != trades_out)
        return error_set(error, STATUS_CONFLICT, "feed ledger of symbol %zu: %" PRId64 " trades in, %" PRId64 " out",
                         symbol->index, trades_in, trades_out);
    if (symbol->feed->config.book_source != BOOK_SOURCE_DIFF)
        return STATUS_OK;
    int64_t diffs_in = counters[FEED_RECEIVED_BOOKS];
    int64_t diffs_out = symbol->sync.diffs_applied + counters[FEED_BOOK_BACKWARD] +
                        counters[FEED_DIFFS_BEFORE_SNAPSHOT] + counters[FEED_DIFFS_DROPPED] +
                        (int64_t)(symbol->held.diff_count + symbol->kept.diff_count);
    if (diffs_in != diffs_out)
        return error_set(error, STATUS_CONFLICT, "feed ledger of symbol %zu: %" PRId64 " diffs in, %" PRId64 " out",
                         symbol->index, diffs_in, diffs_out);
    return STATUS_OK;
}

void feed_symbol_save(const struct feed_symbol *symbol, struct buffer *out)
{
    buffer_append(out, &symbol->state, sizeof symbol->state);
    ordering_save(&symbol->ordering, out);
    sync_save(&symbol->sync, out);
    audit_save(&symbol->audit, out);
    rate_save(&symbol->rate, out);
    hold_save(&symbol->held, out);
    hold_save(&symbol->kept, out);
}

static bool is_time_or_null(int64_t value)
{
    return value == FIELD_NULL_I64 || state_is_time(value);
}

static bool state_is_sound(const struct feed_symbol_state *state)
{
    bool sound = state_is_count(state->sequence) && state->reopened_count >= 0 &&
                 state->reopened_count <= FEED_REOPENED_MAX && is_time_or_null(state->last_trade_ms) &&
                 is_time_or_null(state->last_book_ms) && is_time_or_null(state->accepted_book_ms);
    for (size_t i = 0; i < FEED_COUNTER_COUNT; i++)
        sound = sound && state_is_count(state->counters[i]);
    for (size_t i = 0; i < FEED_ORDINALS; i++)
        sound = sound && state->ordinals[i].count >= 0 && state->ordinals[i].count < INT32_MAX;
    for (size_t i = 0; i < FEED_REOPENED_MAX; i++)
        sound = sound && memchr(state->reopened[i], 0, META_BYTES);
    return sound;
}

enum status feed_symbol_load(struct feed_symbol *symbol, struct reader *in)
{
    reader_take(in, &symbol->state, sizeof symbol->state);
    if (!state_is_sound(&symbol->state))
        in->failed = true;
    if (in->failed || ordering_load(&symbol->ordering, in) != STATUS_OK ||
        sync_load(&symbol->sync, in) != STATUS_OK || audit_load(&symbol->audit, in) != STATUS_OK ||
        rate_load(&symbol->rate, in) != STATUS_OK ||
        hold_load(&symbol->held, (int32_t)symbol->index, in) != STATUS_OK ||
        hold_load(&symbol->kept, (int32_t)symbol->index, in) != STATUS_OK)
        return STATUS_MALFORMED;
    return STATUS_OK;
}
