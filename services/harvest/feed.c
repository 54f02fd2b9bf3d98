/* Records in: counted, parsed, given to their symbol. */
#include "feed.h"

#include "base/memory.h"
#include "feed_symbol.h"
#include "proto/control.h"
#include "state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A state begins with this and ends with the book of the last symbol. */
static const uint64_t STATE_MAGIC = 0x3144454546464f38; /* raise its digit when the layout changes */

enum { WATERMARK_MS_MAX = 10000, DEDUP_LRU_MAX = 1 << 24 };

static const char *const COUNTER_NAMES[FEED_COUNTER_COUNT] = {
    [FEED_MESSAGES] = "received_messages",
    [FEED_REST_ANSWERS] = "received_rest_answers",
    [FEED_CONTROLS] = "received_controls",
    [FEED_OTHER_RECORDS] = "other_records",
    [FEED_UNKNOWN_RECORDS] = "unknown_records",
    [FEED_PARSED] = "parsed_messages",
    [FEED_PARSE_ERRORS] = "parse_errors",
    [FEED_MALFORMED_JSON] = "malformed_json",
    [FEED_MALFORMED_ENVELOPE] = "malformed_envelope",
    [FEED_MALFORMED_FIELD] = "malformed_field",
    [FEED_MALFORMED_NUMBER] = "malformed_number",
    [FEED_MALFORMED_SIZE] = "malformed_size",
    [FEED_FILTERED_UNKNOWN_STREAM] = "filtered_unknown_stream",
    [FEED_FILTERED_OTHER_STREAM] = "filtered_other_stream",
    [FEED_FILTERED_OTHER_SYMBOL] = "filtered_other_symbol",
    [FEED_FILTERED_UNUSED_TRADES] = "filtered_unused_trades",
    [FEED_FILTERED_UNUSED_BOOKS] = "filtered_unused_books",
    [FEED_FILTERED_NOTICE] = "filtered_notice",
    [FEED_FILTERED_AFTER_END] = "filtered_after_end",
    [FEED_MOVED] = "fed_elsewhere",
    [FEED_ARRIVED] = "arrived",
    [FEED_ARRIVED_LOST] = "arrived_lost",
    [FEED_MOVES_UNMET] = "moves_unmet",
    [FEED_REST_MALFORMED] = "rest_malformed",
    [FEED_REST_ERRORS] = "rest_errors",
    [FEED_CONTROL_MALFORMED] = "control_malformed",
    [FEED_UNKNOWN_VALUES] = "unknown_values",
    [FEED_RECEIVED_TRADES] = "received_trades",
    [FEED_RECEIVED_BOOKS] = "received_books",
    [FEED_RECEIVED_TICKERS] = "received_tickers",
    [FEED_BACKFILLED_TRADES] = "backfilled_trades",
    [FEED_BACKFILLS] = "backfills",
    [FEED_BACKFILLS_GIVEN_UP] = "backfills_given_up",
    [FEED_EMITTED_TRADES] = "emitted_trades",
    [FEED_EMITTED_BOOKS] = "emitted_books",
    [FEED_EMITTED_AUDITS] = "emitted_audits",
    [FEED_EMITTED_EVENTS] = "emitted_events",
    [FEED_DEDUP_HITS] = "dedup_hits_total",
    [FEED_LATE_EVENTS] = "late_event_dropped",
    [FEED_TRADE_GAP_IDS] = "trade_gap_ids_total",
    [FEED_EARLY_RELEASES] = "early_releases",
    [FEED_NON_MARKET_TRADES] = "non_market_trades",
    [FEED_INVALID_TIME_TRADES] = "invalid_time_trades",
    [FEED_INVALID_QTY] = "invalid_qty",
    [FEED_INVALID_TIME_BOOKS] = "invalid_time_books",
    [FEED_SILENCES] = "silences",
    [FEED_BOOK_SEQ_GAP] = "book_seq_gap_total",
    [FEED_BOOK_RESYNC] = "book_resync_total",
    [FEED_BOOK_BACKWARD] = "book_backward",
    [FEED_BOOK_TIME_BACKWARD] = "book_time_backward",
    [FEED_BOOK_CROSSED] = "book_crossed",
    [FEED_BOOK_EMPTY] = "book_empty",
    [FEED_BOOK_DUPLICATE_PRICE] = "book_duplicate_price",
    [FEED_BOOK_UNTIMELY] = "book_untimely",
    [FEED_DIFFS_APPLIED] = "diffs_applied",
    [FEED_DIFFS_BEFORE_SNAPSHOT] = "diffs_before_snapshot",
    [FEED_DIFFS_DROPPED] = "diffs_dropped",
    [FEED_SYNCHRONISATIONS] = "synchronisations",
    [FEED_SNAPSHOTS_REFUSED] = "snapshots_refused",
    [FEED_SNAPSHOTS_UNUSED] = "snapshots_unused",
    [FEED_BOOK_LEVELS_DROPPED] = "book_levels_dropped",
    [FEED_UNKNOWN_DELETES] = "book_unknown_deletes",
    [FEED_AUDIT_AGREE] = "audit_agree",
    [FEED_AUDIT_DISAGREE] = "audit_disagree",
    [FEED_AUDIT_AGREE_FROM_BUFFER] = "audit_agree_from_buffer",
    [FEED_AUDIT_DISAGREE_FROM_BUFFER] = "audit_disagree_from_buffer",
    [FEED_AUDIT_UNCOUNTED] = "audit_uncounted",
    [FEED_TICKERS_BACKWARD] = "tickers_backward",
    [FEED_RECONNECTS] = "reconnect_count",
    [FEED_PLANNED_RECONNECTS] = "planned_reconnect_count",
};

/* Where each reason of the parser is counted. */
static const enum feed_counter REASON_COUNTERS[VENUE_REASON_COUNT] = {
    [VENUE_BAD_JSON] = FEED_MALFORMED_JSON,
    [VENUE_BAD_ENVELOPE] = FEED_MALFORMED_ENVELOPE,
    [VENUE_BAD_FIELD] = FEED_MALFORMED_FIELD,
    [VENUE_BAD_NUMBER] = FEED_MALFORMED_NUMBER,
    [VENUE_TOO_LARGE] = FEED_MALFORMED_SIZE,
    [VENUE_UNKNOWN_STREAM] = FEED_FILTERED_UNKNOWN_STREAM,
    [VENUE_OTHER_STREAM] = FEED_FILTERED_OTHER_STREAM,
    [VENUE_OTHER_SYMBOL] = FEED_FILTERED_OTHER_SYMBOL,
    [VENUE_UNUSED_TRADES] = FEED_FILTERED_UNUSED_TRADES,
    [VENUE_UNUSED_BOOKS] = FEED_FILTERED_UNUSED_BOOKS,
    [VENUE_NOTICE] = FEED_FILTERED_NOTICE,
    [VENUE_REST_ERROR] = FEED_REST_ERRORS,
};

const char *feed_counter_name(enum feed_counter counter)
{
    return (unsigned)counter < FEED_COUNTER_COUNT ? COUNTER_NAMES[counter] : "unknown";
}

void feed_config_defaults(struct feed_config *config)
{
    *config = (struct feed_config){
        .market = VENUE_USDM,
        .book_source = BOOK_SOURCE_DIFF,
        .levels = BOOK_LEVELS_DEFAULT,
        .watermark_ms = 50,
        .dedup_lru = 8192,
        .max_clock_skew_ms = 60000,
        .grid_ms = 100,
        .step_ms = 10000,
        .trade_idle_s = 150,
        .book_idle_s = 180,
        .backfill = true,
    };
}

static enum status config_check(const struct feed_config *config, struct error *error)
{
    if (config->symbol_count == 0 || config->symbol_count > VENUE_SYMBOLS_MAX)
        return error_set(error, STATUS_INVALID, "feed: %zu symbols, it takes 1 to %d", config->symbol_count,
                         VENUE_SYMBOLS_MAX);
    for (size_t i = 0; i < config->symbol_count; i++)
        if (!config->symbols[i][0] || strlen(config->symbols[i]) >= SYMBOL_BYTES)
            return error_set(error, STATUS_INVALID, "feed: symbol %zu is empty or longer than %d bytes",
                             i + 1, SYMBOL_BYTES - 1);
    if (config->levels < 1 || config->levels > BOOK_LEVELS_MAX)
        return error_set(error, STATUS_INVALID, "feed: %d book levels, it takes 1 to %d", config->levels,
                         BOOK_LEVELS_MAX);
    if (config->watermark_ms < 0 || config->watermark_ms > WATERMARK_MS_MAX || config->grid_ms < 1 ||
        config->step_ms < 1 || config->dedup_lru < 1 || config->dedup_lru > DEDUP_LRU_MAX ||
        config->max_clock_skew_ms < 0 || config->trade_idle_s < 1 || config->book_idle_s < 1)
        return error_set(
            error, STATUS_INVALID,
            "feed: watermark_ms, dedup_lru, max_clock_skew_ms, grid_ms, step_ms or an idle limit is "
            "outside its range");
    return STATUS_OK;
}

struct feed *feed_create(const struct feed_config *config, feed_emit *emit, void *context,
                         struct error *error)
{
    if (config_check(config, error) != STATUS_OK)
        return NULL;
    struct venue_config venue = {
        .market = config->market,
        .symbols = config->symbols,
        .symbol_count = config->symbol_count,
        .raw_trades = config->raw_trades,
        .partial_books = config->book_source == BOOK_SOURCE_PARTIAL,
        .use_nq = config->use_nq,
    };
    struct feed *feed = memory_allocate(sizeof *feed);
    feed->config = *config;
    feed->config.symbols = NULL;
    feed->config.owners = NULL;
    feed->emit = emit;
    feed->context = context;
    feed->venue = venue_create(&venue);
    message_clear(&trade_message, &feed->blank_trade);
    message_clear(&book_message, &feed->blank_book);
    feed->symbols = memory_allocate(config->symbol_count * sizeof *feed->symbols);
    for (size_t i = 0; i < config->symbol_count; i++)
        feed_symbol_init(&feed->symbols[i], feed, i);
    for (size_t i = 0; config->owners && i < config->symbol_count; i++)
        feed->symbols[i].state.owner = config->owners[i];
    return feed;
}

void feed_destroy(struct feed *feed)
{
    if (!feed)
        return;
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        feed_symbol_finish(&feed->symbols[i]);
    venue_destroy(feed->venue);
    free(feed->symbols);
    free(feed);
}

static void count(struct feed *feed, enum feed_counter counter)
{
    feed->state.counters[counter]++;
}

/* --- records
 * ---------------------------------------------------------------------------------------------------- */

static void count_reason(struct feed *feed, enum venue_reason reason)
{
    count(feed, REASON_COUNTERS[reason]);
    if (reason < VENUE_MALFORMED_END)
        count(feed, FEED_PARSE_ERRORS);
}

/* unuse_other: what was parsed last was the first of a symbol, but not for whom the symbol is fed. */
static void unuse_other(struct feed *feed, const struct capture_record *record)
{
    int symbol = venue_first_used(feed->venue);
    if (symbol >= 0 && feed->symbols[symbol].state.owner != record->source)
        venue_unuse(feed->venue);
}

static enum status take_message(struct feed *feed, const struct capture_record *record, struct error *error)
{
    struct venue_message message;
    enum venue_reason reason;
    struct feed_connection *connection = feed_connection_of(feed, record);
    count(feed, FEED_MESSAGES);
    if (connection)
        connection->last_ns = record->recv_ns;
    if (feed->state.has_ended) {
        count(feed, FEED_FILTERED_AFTER_END);
        return error_set(error, STATUS_UNSUPPORTED, "a message behind the end of the stream");
    }
    enum status status =
        venue_parse_text(feed->venue, record->payload, record->payload_bytes, &message, &reason, error);
    unuse_other(feed, record);
    if (status != STATUS_OK) {
        count_reason(feed, reason);
        /* An answer to a request of ours is what was to come; one that refuses is told by the receiver. */
        return reason == VENUE_NOTICE ? STATUS_OK : status;
    }
    count(feed, FEED_PARSED);
    message.recv_ms = record->recv_ns / 1000000;
    message.connection = connection ? connection->number : 0;
    if (message.kind == VENUE_TRADE)
        message.trade.recv_ms = message.recv_ms;
    feed_symbol_arrives(&feed->symbols[message.symbol], record->source, &message, record);
    return STATUS_OK;
}

/* hold_others: what a venue says of instruments is for the symbols that are fed from this capture. */
static void hold_others(struct feed *feed, const struct capture_record *record)
{
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        venue_hold(feed->venue, i, feed->symbols[i].state.owner != record->source);
}

static enum status take_rest(struct feed *feed, const struct capture_record *record, struct error *error)
{
    struct venue_message message;
    enum venue_reason reason;
    count(feed, FEED_REST_ANSWERS);
    hold_others(feed, record);
    enum status status =
        venue_parse_rest(feed->venue, record->payload, record->payload_bytes, &message, &reason, error);
    unuse_other(feed, record);
    if (status != STATUS_OK)
        count(feed, reason == VENUE_REST_ERROR ? FEED_REST_ERRORS : FEED_REST_MALFORMED);
    else
        feed->state.counters[FEED_REST_MALFORMED] += (int64_t)message.refused_trades;
    if (message.symbol < 0 || feed->state.has_ended)
        return status;
    message.recv_ms = record->recv_ns / 1000000;
    feed_symbol_answered(&feed->symbols[message.symbol], record, &message, status == STATUS_OK);
    return status;
}

static enum status take_control(struct feed *feed, const struct capture_record *record, struct error *error)
{
    struct venue_control control;
    count(feed, FEED_CONTROLS);
    if (feed->state.has_ended)
        return STATUS_OK;
    enum status status =
        record->payload_bytes < META_BYTES
            ? venue_parse_control(feed->venue, record->payload, record->payload_bytes, &control, error)
            : error_set(error, STATUS_MALFORMED, "control input: longer than %d bytes", META_BYTES - 1);
    if (status == STATUS_OK && control.symbol >= 0 &&
        feed->symbols[control.symbol].state.owner != record->source)
        status = error_set(error, STATUS_UNSUPPORTED, "control input: it names a symbol that is not ours");
    if (status != STATUS_OK) {
        count(feed, FEED_CONTROL_MALFORMED);
        return status;
    }
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        if ((control.symbol < 0 || control.symbol == (int)i) &&
            feed->symbols[i].state.owner == record->source && !feed->symbols[i].state.has_ended)
            feed_symbol_control(&feed->symbols[i], &control, record->payload, record->payload_bytes);
    return STATUS_OK;
}

static enum status take_move(struct feed *feed, const struct capture_record *record, struct error *error)
{
    struct venue_move move;
    count(feed, FEED_OTHER_RECORDS);
    enum status status = venue_parse_move(feed->venue, record->payload, record->payload_bytes, &move, error);
    if (status == STATUS_OK)
        feed_symbol_move(&feed->symbols[move.symbol], record, &move);
    return status;
}

enum status feed_record(struct feed *feed, const struct capture_record *record, struct error *error)
{
    feed->state.position = record->seq;
    switch ((enum capture_kind)record->kind) {
    case CAPTURE_MESSAGE: return take_message(feed, record, error);
    case CAPTURE_REST: return take_rest(feed, record, error);
    case CAPTURE_CONTROL: return take_control(feed, record, error);
    case CAPTURE_OPENED:
        count(feed, FEED_OTHER_RECORDS);
        feed_connection_opened(feed, record);
        return STATUS_OK;
    case CAPTURE_CLOSED:
        count(feed, FEED_OTHER_RECORDS);
        feed_connection_closed(feed, record);
        return STATUS_OK;
    case CAPTURE_METADATA: count(feed, FEED_OTHER_RECORDS); return STATUS_OK;
    case CAPTURE_MOVE: return take_move(feed, record, error);
    }
    count(feed, FEED_UNKNOWN_RECORDS);
    return error_set(error, STATUS_UNSUPPORTED, "capture record %" PRIu64 ": kind %d has no meaning",
                     record->seq, record->kind);
}

void feed_end(struct feed *feed)
{
    if (feed->state.has_ended)
        return;
    feed->state.has_ended = 1;
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        feed_symbol_end(&feed->symbols[i]);
}

/* --- questions
 * -------------------------------------------------------------------------------------------------- */

bool feed_ended(const struct feed *feed)
{
    return feed->state.has_ended != 0;
}

static bool keeps_book(const struct feed *feed, size_t symbol)
{
    return feed_has(feed, symbol) && feed->config.book_source == BOOK_SOURCE_DIFF && !feed->state.has_ended;
}

int64_t feed_wants_snapshot(const struct feed *feed, size_t symbol)
{
    return keeps_book(feed, symbol) ? sync_wants(&feed->symbols[symbol].sync) : 0;
}

bool feed_wants_reconnect(const struct feed *feed, size_t symbol)
{
    const struct sync *sync = &feed->symbols[symbol].sync;
    return keeps_book(feed, symbol) && sync->state != SYNC_LIVE && !sync->has_snapshot && sync_gave_up(sync);
}

bool feed_wants_trades(const struct feed *feed, size_t symbol, int64_t *out_first_id, int64_t *out_last_id,
                       int64_t *out_ticket)
{
    if (feed->config.raw_trades || feed->state.has_ended || !feed_has(feed, symbol))
        return false;
    *out_ticket = feed->symbols[symbol].state.page_ticket;
    return feed_symbol_missed(&feed->symbols[symbol], out_first_id, out_last_id) ||
           ordering_hole(&feed->symbols[symbol].ordering, out_first_id, out_last_id);
}

int64_t feed_sequence(const struct feed *feed, size_t symbol)
{
    return feed->symbols[symbol].state.sequence;
}

int64_t feed_event_ms(const struct feed *feed, size_t symbol)
{
    const struct ordering *ordering = &feed->symbols[symbol].ordering;
    return ordering->has_time ? ordering->newest_ms : FIELD_NULL_I64;
}

uint64_t feed_position(const struct feed *feed)
{
    return feed->state.position;
}

const struct book *feed_book(const struct feed *feed, size_t symbol)
{
    const struct sync *sync = &feed->symbols[symbol].sync;
    bool is_partial = feed->config.book_source == BOOK_SOURCE_PARTIAL;
    return sync->state == SYNC_LIVE || is_partial ? &sync->book : NULL;
}

const struct venue_instrument *feed_instrument(const struct feed *feed, size_t symbol)
{
    return venue_instrument(feed->venue, symbol);
}

/* adds_up: a socket carries many symbols: one re-opening is counted by each of them. */
static bool adds_up(enum feed_counter counter)
{
    return counter != FEED_RECONNECTS;
}

int64_t feed_count(const struct feed *feed, size_t symbol, enum feed_counter counter)
{
    if (symbol != FEED_ALL)
        return feed_symbol_count(&feed->symbols[symbol], counter);
    int64_t sum = feed->state.counters[counter];
    for (size_t i = 0; adds_up(counter) && i < feed->config.symbol_count; i++)
        sum += feed_symbol_count(&feed->symbols[i], counter);
    return sum;
}

int64_t feed_held(const struct feed *feed, size_t symbol)
{
    const struct feed_symbol *held = &feed->symbols[symbol];
    return (int64_t)(held->held.count + held->kept.count + held->behind.count);
}

int64_t feed_waiting(const struct feed *feed, size_t symbol)
{
    return (int64_t)feed->symbols[symbol].ordering.waiting_count;
}

/* --- state
 * ------------------------------------------------------------------------------------------------------ */

void feed_save_symbol(const struct feed *feed, size_t symbol, struct buffer *out)
{
    venue_save_symbol(feed->venue, symbol, out);
    feed_symbol_save(&feed->symbols[symbol], out);
}

void feed_save_rest(const struct feed *feed, struct buffer *out)
{
    buffer_append_u64(out, STATE_MAGIC);
    buffer_append_u64(out, feed->config.symbol_count);
    buffer_append(out, &feed->state, sizeof feed->state);
    venue_save(feed->venue, out);
    feed_expected_save(feed, out);
}

void feed_save(const struct feed *feed, struct buffer *out)
{
    feed_save_rest(feed, out);
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        feed_save_symbol(feed, i, out);
}

static bool state_is_sound(const struct feed_state *state)
{
    bool sound = state_is_count(state->openings);
    for (size_t i = 0; i < FEED_COUNTER_COUNT; i++)
        sound = sound && state_is_count(state->counters[i]);
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        const struct feed_connection *connection = &state->connections[i];
        sound =
            sound && memchr(connection->reason, 0, FEED_REASON_BYTES) && state_is_count(connection->number);
    }
    return sound;
}

enum status feed_load_symbol(struct feed *feed, size_t symbol, struct reader *in)
{
    enum status status = venue_load_symbol(feed->venue, symbol, in);
    return status == STATUS_OK ? feed_symbol_load(&feed->symbols[symbol], in) : status;
}

enum status feed_load_rest(struct feed *feed, struct reader *in, struct error *error)
{
    if (reader_u64(in) != STATE_MAGIC || reader_u64(in) != feed->config.symbol_count)
        return error_set(error, STATUS_MALFORMED, "feed state: made by another version or for other symbols");
    reader_take(in, &feed->state, sizeof feed->state);
    if (in->failed || !state_is_sound(&feed->state) || venue_load(feed->venue, in) != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "feed state: damaged before the first symbol");
    if (feed_expected_load(feed, in) != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "feed state: damaged at what is expected");
    return STATUS_OK;
}

enum status feed_load(struct feed *feed, struct reader *in, struct error *error)
{
    enum status status = feed_load_rest(feed, in, error);
    for (size_t i = 0; status == STATUS_OK && i < feed->config.symbol_count; i++)
        if (feed_load_symbol(feed, i, in) != STATUS_OK)
            status = error_set(error, STATUS_MALFORMED, "feed state: damaged at symbol %zu", i + 1);
    return status;
}
