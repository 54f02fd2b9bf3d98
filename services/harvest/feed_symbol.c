/* One symbol: what is held back and when it is let go; its life, counters and state. The order inside an item
 * is algorithms.md §1: reconnect event, C moves, releases, gap events, the row (feed_trades.c, feed_books.c).
 * */
#include "feed_symbol.h"

#include "proto/control.h"
#include "state.h"

#include <inttypes.h>
#include <string.h>

/* --- holding back
 * ----------------------------------------------------------------------------------------------- */

static void process(struct feed_symbol *symbol, const struct venue_message *message)
{
    switch ((enum venue_kind)message->kind) {
    case VENUE_TRADE: feed_symbol_trade(symbol, message); break;
    case VENUE_DIFF: feed_symbol_diff(symbol, message); break;
    case VENUE_PARTIAL: feed_symbol_partial(symbol, message); break;
    case VENUE_TICKER: audit_ticker(&symbol->audit, &message->ticker); break;
    case VENUE_REOPENED:
        feed_symbol_note_reopened(symbol, message);
        feed_symbol_catch_up(symbol);
        break;
    default: break;
    }
}

void feed_symbol_deliver(struct feed_symbol *symbol, const struct venue_message *message)
{
    if (symbol->state.catches_up)
        feed_symbol_keep_behind(symbol, message);
    else
        process(symbol, message);
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
        feed_symbol_deliver(symbol, &message);
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
            feed_symbol_keep(symbol, &symbol->held, &message);
        else
            feed_symbol_deliver(symbol, &message);
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
    case SYNC_OLDER: return false;
    case SYNC_BRIDGES: synchronise_first(symbol); return true;
    case SYNC_BEYOND: snapshot_refused(symbol); return true;
    }
    return true;
}

static void hold_message(struct feed_symbol *symbol, const struct venue_message *message)
{
    if (message->kind != VENUE_DIFF) {
        if (hold_push(&symbol->held, message) != STATUS_OK) {
            free_trades(symbol);
            feed_symbol_deliver(symbol, message);
        }
        return;
    }
    feed_symbol_keep(symbol, &symbol->held, message);
    if (symbol->sync.has_snapshot)
        judge_first(symbol, &message->depth);
}

/* holds_back: rule 11. */
static bool holds_back(const struct feed_symbol *symbol)
{
    return symbol->sync.state == SYNC_FIRST && symbol->feed->config.book_source == BOOK_SOURCE_DIFF;
}

void feed_symbol_message(struct feed_symbol *symbol, const struct venue_message *message)
{
    bool is_book = message->kind == VENUE_DIFF || message->kind == VENUE_PARTIAL;
    symbol->state.counters[FEED_UNKNOWN_VALUES] += message->unknown_values;
    if (message->kind == VENUE_TRADE)
        feed_symbol_counts(symbol, FEED_RECEIVED_TRADES);
    else if (message->kind == VENUE_TICKER)
        feed_symbol_counts(symbol, FEED_RECEIVED_TICKERS);
    else if (is_book)
        feed_symbol_counts(symbol, FEED_RECEIVED_BOOKS);
    if (holds_back(symbol) && (message->kind == VENUE_DIFF || !symbol->state.trades_free))
        hold_message(symbol, message);
    else
        feed_symbol_deliver(symbol, message);
}

void feed_symbol_snapshot(struct feed_symbol *symbol, const struct venue_message *snapshot)
{
    if (!sync_take_snapshot(&symbol->sync, snapshot))
        return;
    if (symbol->sync.state == SYNC_INVALID) {
        feed_symbol_resynchronise(symbol);
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

static void emit_control(struct feed_symbol *symbol, struct control_row *row)
{
    row->ts_ms = symbol->ordering.has_time ? symbol->ordering.newest_ms : 0;
    row->source = ++symbol->state.sequence;
    feed_symbol_emits(symbol, &control_message, row);
}

void feed_symbol_control(struct feed_symbol *symbol, const struct venue_control *control, const char *json,
                         size_t bytes)
{
    struct control_row row;
    message_clear(&control_message, &row);
    row.action = CONTROL_INPUT;
    row.decision = (int8_t)control->decision;
    row.value = control->value;
    memcpy(row.value_json, json, bytes < META_BYTES ? bytes : META_BYTES - 1);
    emit_control(symbol, &row);
}

void feed_symbol_end(struct feed_symbol *symbol)
{
    if (symbol->state.owner == FEED_ELSEWHERE || symbol->state.has_ended)
        return;
    symbol->state.has_ended = 1;
    if (symbol->sync.state == SYNC_FIRST && !symbol->state.trades_free)
        free_trades(symbol);
    feed_symbol_let_go(symbol);
    symbol->state.counters[FEED_DIFFS_DROPPED] +=
        (int64_t)(symbol->held.diff_count + symbol->kept.diff_count);
    hold_clear(&symbol->held);
    hold_clear(&symbol->kept);
    ordering_end(&symbol->ordering);
    if (symbol->ordering.has_time) /* a re-opening behind which nothing came is told all the same */
        feed_symbol_tell_reopened(symbol, symbol->ordering.newest_ms);
    audit_end(&symbol->audit);
    struct control_row end;
    message_clear(&control_message, &end);
    end.action = CONTROL_END_OF_STREAM;
    emit_control(symbol, &end);
}

/* --- life
 * ------------------------------------------------------------------------------------------------------- */

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
    ordering_init(&symbol->ordering, &ordering, feed_symbol_release, symbol);
    sync_init(&symbol->sync, config->market == VENUE_SPOT, config->side_levels_max);
    audit_init(&symbol->audit, feed_symbol_audited, symbol);
    rate_init(&symbol->rate);
    hold_init(&symbol->held);
    hold_init(&symbol->kept);
    hold_init(&symbol->behind);
    struct feed_symbol_state *state = &symbol->state;
    state->last_trade_ms = state->last_book_ms = state->accepted_book_ms = state->partial_id = FIELD_NULL_I64;
    state->depth_connection = -1;
    feed_symbol_begin(symbol, 0);
}

void feed_symbol_finish(struct feed_symbol *symbol)
{
    ordering_finish(&symbol->ordering);
    sync_finish(&symbol->sync);
    audit_finish(&symbol->audit);
    rate_finish(&symbol->rate);
    hold_finish(&symbol->held);
    hold_finish(&symbol->kept);
    hold_finish(&symbol->behind);
    hold_finish(&symbol->arrivals);
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
    case FEED_ARRIVED: return feed_symbol_arrived(symbol);
    default: return symbol->state.counters[counter];
    }
}

static int64_t held_of_kind(const struct hold *hold, enum venue_kind kind)
{
    struct venue_message message;
    size_t offset = 0;
    int64_t count = 0;
    while (hold_next(hold, &offset, &message))
        count += message.kind == (int32_t)kind;
    return count;
}

int64_t feed_symbol_held_trades(const struct feed_symbol *symbol)
{
    return held_of_kind(&symbol->held, VENUE_TRADE) + held_of_kind(&symbol->behind, VENUE_TRADE);
}

int64_t feed_symbol_held_books(const struct feed_symbol *symbol)
{
    return (int64_t)(symbol->held.diff_count + symbol->kept.diff_count + symbol->behind.diff_count) +
           held_of_kind(&symbol->held, VENUE_PARTIAL) + held_of_kind(&symbol->behind, VENUE_PARTIAL);
}

static enum status imbalance(const struct feed_symbol *symbol, const char *what, int64_t in, int64_t out,
                             struct error *error)
{
    if (in == out)
        return STATUS_OK;
    return error_set(error, STATUS_CONFLICT, "feed ledger of symbol %zu: %" PRId64 " %s in, %" PRId64 " out",
                     symbol->index, in, what, out);
}

static enum status trades_imbalance(const struct feed_symbol *symbol, struct error *error)
{
    const int64_t *counters = symbol->state.counters;
    int64_t in = counters[FEED_RECEIVED_TRADES] + counters[FEED_BACKFILLED_TRADES];
    int64_t out = counters[FEED_EMITTED_TRADES] + symbol->ordering.duplicates + symbol->ordering.late +
                  counters[FEED_INVALID_TIME_TRADES] + counters[FEED_INVALID_QTY] +
                  feed_symbol_held_trades(symbol) + (int64_t)symbol->ordering.waiting_count;
    return imbalance(symbol, "trades", in, out, error);
}

/* books_published: book rows, and books that were not fit to be one. */
static int64_t books_published(const struct feed_symbol *symbol)
{
    const int64_t *counters = symbol->state.counters;
    return counters[FEED_EMITTED_BOOKS] + counters[FEED_BOOK_TIME_BACKWARD] + counters[FEED_BOOK_EMPTY] +
           counters[FEED_BOOK_CROSSED];
}

static enum status diffs_imbalance(const struct feed_symbol *symbol, struct error *error)
{
    const int64_t *counters = symbol->state.counters;
    int64_t out = symbol->sync.diffs_applied + counters[FEED_BOOK_BACKWARD] +
                  counters[FEED_DIFFS_BEFORE_SNAPSHOT] + counters[FEED_DIFFS_DROPPED] +
                  feed_symbol_held_books(symbol);
    enum status status = imbalance(symbol, "diffs", counters[FEED_RECEIVED_BOOKS], out, error);
    if (status != STATUS_OK)
        return status;
    return imbalance(symbol, "applied diffs", symbol->sync.diffs_applied,
                     books_published(symbol) + counters[FEED_BOOK_UNTIMELY], error);
}

static enum status whole_books_imbalance(const struct feed_symbol *symbol, struct error *error)
{
    const int64_t *counters = symbol->state.counters;
    int64_t out = books_published(symbol) + counters[FEED_BOOK_BACKWARD] +
                  counters[FEED_BOOK_DUPLICATE_PRICE] + counters[FEED_INVALID_TIME_BOOKS] +
                  feed_symbol_held_books(symbol);
    return imbalance(symbol, "books", counters[FEED_RECEIVED_BOOKS], out, error);
}

enum status feed_symbol_imbalance(const struct feed_symbol *symbol, struct error *error)
{
    enum status status = trades_imbalance(symbol, error);
    if (status != STATUS_OK)
        return status;
    return symbol->feed->config.book_source == BOOK_SOURCE_DIFF ? diffs_imbalance(symbol, error)
                                                                : whole_books_imbalance(symbol, error);
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
    hold_save(&symbol->behind, out);
}

static bool is_time_or_null(int64_t value)
{
    return value == FIELD_NULL_I64 || state_is_time(value);
}

static bool state_is_sound(const struct feed_symbol_state *state)
{
    bool sound = state_is_count(state->sequence) && state->reopened_count >= 0 &&
                 state->reopened_count <= FEED_REOPENED_MAX && state_is_count(state->page_ticket) &&
                 state->page_tries >= 0 && state->page_tries < FEED_PAGE_TRIES_MAX &&
                 is_time_or_null(state->last_trade_ms) && is_time_or_null(state->last_book_ms) &&
                 is_time_or_null(state->accepted_book_ms);
    for (size_t i = 0; i < FEED_COUNTER_COUNT; i++)
        sound = sound && state_is_count(state->counters[i]);
    for (size_t i = 0; i < FEED_ORDINALS; i++)
        sound = sound && state->ordinals[i].count >= 0 && state->ordinals[i].count < INT32_MAX;
    for (size_t i = 0; i < FEED_REOPENED_MAX; i++)
        sound = sound && memchr(state->reopened[i], 0, META_BYTES);
    for (size_t i = 0; i < FEED_STREAMS; i++)
        sound = sound && state_is_id(state->fed[i]);
    for (size_t i = 0; i < FEED_SERVICES; i++)
        sound = sound && state_is_count(state->served[i]);
    return sound && feed_source_is_sound(state->owner) && memchr(state->reopened_before, 0, META_BYTES);
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
        hold_load(&symbol->kept, (int32_t)symbol->index, in) != STATUS_OK ||
        hold_load(&symbol->behind, (int32_t)symbol->index, in) != STATUS_OK)
        return STATUS_MALFORMED;
    return STATUS_OK;
}
