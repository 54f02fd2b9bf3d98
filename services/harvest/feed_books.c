/* One book message: C moves and releases, then gap and silence events, then the row, then the audit. */
#include "feed_symbol.h"

#include "proto/quote_audit.h"

static void fill_side(struct decimal *prices, struct decimal *quantities, const struct book_level *levels,
                      size_t level_count, const struct venue_instrument *scale)
{
    for (size_t i = 0; i < level_count; i++) {
        prices[i] = (struct decimal){levels[i].price_units, scale->price_exponent};
        quantities[i] = (struct decimal){levels[i].qty_units, scale->qty_exponent};
    }
}

/* emit_book: the top of the local book as it stands; both sides have one. */
static void emit_book(struct feed_symbol *symbol, const struct venue_message *message,
                      enum book_source source)
{
    const struct venue_instrument *scale = feed_symbol_scale(symbol);
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
    feed_symbol_counts(symbol, FEED_EMITTED_BOOKS);
    feed_symbol_emits(symbol, &book_message, &row);
}

/* publish_book: publishes the book's top unless its time or shape forbids (rules 2 and 14, §2.2). */
static void publish_book(struct feed_symbol *symbol, const struct venue_message *message,
                         enum book_source source)
{
    int64_t accepted_ms = symbol->state.accepted_book_ms;
    if (accepted_ms != FIELD_NULL_I64 && message->transaction_ms < accepted_ms) {
        feed_symbol_counts(symbol, FEED_BOOK_TIME_BACKWARD);
        return;
    }
    enum book_shape shape = book_shape(&symbol->sync.book);
    if (shape == BOOK_EMPTY)
        feed_symbol_counts(symbol, FEED_BOOK_EMPTY);
    else if (shape == BOOK_CROSSED && !symbol->feed->config.crossed_books)
        feed_symbol_counts(symbol, FEED_BOOK_CROSSED);
    else
        emit_book(symbol, message, source);
}

void feed_symbol_audited(void *context, const struct audit_quote *book, const struct audit_quote *ticker,
                         bool agrees)
{
    struct feed_symbol *symbol = context;
    const struct venue_instrument *scale = feed_symbol_scale(symbol);
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
    feed_symbol_counts(symbol, FEED_EMITTED_AUDITS);
    feed_symbol_emits(symbol, &quote_audit_message, &row);
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
static int64_t book_moves_time(struct feed_symbol *symbol, const struct venue_message *message,
                               bool *out_timely)
{
    *out_timely = feed_symbol_is_timely(symbol, message);
    if (!*out_timely) {
        feed_symbol_counts(symbol, FEED_INVALID_TIME_BOOKS);
        return FIELD_NULL_I64;
    }
    feed_symbol_tell_reopened(symbol, message->transaction_ms);
    int64_t previous_ms = symbol->state.last_book_ms;
    symbol->state.last_book_ms = message->transaction_ms;
    ordering_book(&symbol->ordering, message->transaction_ms);
    return previous_ms;
}

/* is_first_of_connection: of this symbol's depth messages that are judged by the one before. */
static bool is_first_of_connection(struct feed_symbol *symbol, const struct venue_message *message)
{
    if (message->connection <= symbol->state.depth_connection)
        return false;
    symbol->state.depth_connection = message->connection;
    return true;
}

/* emit_sequence_gap: what came between two connections was missed by us, not skipped by the venue: told, but not
 * counted as a break of its sequence (algorithms.md §1 rule 2, data.md §1.4.5). */
static void emit_sequence_gap(struct feed_symbol *symbol, const struct venue_message *message,
                              int64_t last_id, bool is_first)
{
    bool is_spot = symbol->feed->config.market == VENUE_SPOT;
    if (!is_first)
        feed_symbol_counts(symbol, FEED_BOOK_SEQ_GAP);
    feed_symbol_gap(symbol, FEED_ORDINAL_BOOK_GAP, message->transaction_ms, "book_seq", last_id,
                    is_spot ? message->depth.first_id : message->depth.prev_last_id, -1);
}

/* feed_symbol_keep: `from_buffer` tells the audit which diffs had come before the snapshot that made them
 * count. */
void feed_symbol_keep(struct feed_symbol *symbol, struct hold *hold, const struct venue_message *message)
{
    struct venue_message kept = *message;
    kept.from_buffer = !symbol->sync.has_snapshot;
    message = &kept;
    if (hold_push(hold, message) != STATUS_OK) {
        feed_symbol_counts(symbol, FEED_DIFFS_DROPPED);
        return;
    }
    if (hold->diff_count > HOLD_DIFFS_MAX) {
        hold_drop_oldest_diff(hold);
        feed_symbol_counts(symbol, FEED_DIFFS_DROPPED);
    }
}

/* apply_diff: one diff of a live book. `previous_ms`: for the silence test, FIELD_NULL_I64 where it was made
 * before. */
static void apply_diff(struct feed_symbol *symbol, const struct venue_message *message, int64_t previous_ms)
{
    bool is_first = is_first_of_connection(symbol, message);
    int64_t last_id = sync_last_id(&symbol->sync);
    enum sync_verdict verdict = sync_apply(&symbol->sync, message);
    if (verdict == SYNC_BROKEN) {
        feed_symbol_counts(symbol, FEED_BOOK_RESYNC);
        emit_sequence_gap(symbol, message, last_id, is_first);
    }
    feed_symbol_silence(symbol, FEED_ORDINAL_BOOK_GAP, previous_ms, message->transaction_ms,
                        symbol->feed->config.book_idle_s);
    switch (verdict) {
    case SYNC_BROKEN: feed_symbol_keep(symbol, &symbol->kept, message); return;
    case SYNC_BEFORE_SNAPSHOT: feed_symbol_counts(symbol, FEED_DIFFS_BEFORE_SNAPSHOT); return;
    case SYNC_BACKWARD: feed_symbol_counts(symbol, FEED_BOOK_BACKWARD); return;
    case SYNC_APPLIED: break;
    }
    if (feed_symbol_is_timely(symbol, message))
        publish_book(symbol, message, BOOK_SOURCE_DIFF);
    else
        feed_symbol_counts(symbol, FEED_BOOK_UNTIMELY);
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
            apply_diff(symbol, &message, FIELD_NULL_I64);
        else
            feed_symbol_keep(symbol, &symbol->kept, &message);
    }
    hold_finish(&walked);
}

/* feed_symbol_resynchronise: while the book is invalid: bridges a snapshot that has come, or refuses it, or
 * goes on waiting. */
void feed_symbol_resynchronise(struct feed_symbol *symbol)
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

void feed_symbol_diff(struct feed_symbol *symbol, const struct venue_message *message)
{
    bool timely;
    int64_t previous_ms = book_moves_time(symbol, message, &timely);
    if (symbol->sync.state == SYNC_LIVE) {
        apply_diff(symbol, message, previous_ms);
        return;
    }
    if (timely)
        feed_symbol_silence(symbol, FEED_ORDINAL_BOOK_GAP, previous_ms, message->transaction_ms,
                            symbol->feed->config.book_idle_s);
    feed_symbol_keep(symbol, &symbol->kept, message);
    feed_symbol_resynchronise(symbol);
}

/* has_equal_prices: fewer levels than were sent: a price came twice. */
static bool has_equal_prices(const struct book_side *side, const struct book_level *levels,
                             uint64_t level_count)
{
    size_t present = 0;
    for (uint64_t i = 0; i < level_count; i++)
        present += levels[i].qty_units > 0;
    return side->count < present;
}

void feed_symbol_partial(struct feed_symbol *symbol, const struct venue_message *message)
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
        emit_sequence_gap(symbol, message, last_id, false);
    feed_symbol_silence(symbol, FEED_ORDINAL_BOOK_GAP, previous_ms, message->transaction_ms,
                        symbol->feed->config.book_idle_s);
    if (is_backward) {
        feed_symbol_counts(symbol, FEED_BOOK_BACKWARD);
        return;
    }
    symbol->state.partial_id = depth->last_id;
    struct book *book = &symbol->sync.book;
    book_replace(book, message->bids, depth->bid_count, message->asks, depth->ask_count);
    if (has_equal_prices(&book->bids, message->bids, depth->bid_count) ||
        has_equal_prices(&book->asks, message->asks, depth->ask_count)) {
        feed_symbol_counts(symbol, FEED_BOOK_DUPLICATE_PRICE);
        return;
    }
    publish_book(symbol, message, BOOK_SOURCE_PARTIAL);
}
