#include "trace.h"

#include "services/harvest/venue.h"

#include <inttypes.h>
#include <string.h>

void trace_begin(struct trace *trace, const struct chain *chain, size_t symbol, int64_t ts_ms)
{
    memset(trace, 0, sizeof *trace);
    trace->chain = chain;
    trace->parser = chain_parser(chain);
    trace->symbol = symbol;
    trace->ts_ms = ts_ms;
    trace->nearest_before_ms = trace->nearest_after_ms = FIELD_NULL_I64;
}

void trace_finish(struct trace *trace)
{
    venue_destroy(trace->parser);
    trace->parser = NULL;
}

/* trace_record: the newest snapshot of the symbol. One that comes while the book is live is of no use to it; the next
 * synchronisation needs a newer one anyway. */
void trace_record(struct trace *trace, const struct capture_record *record)
{
    struct venue_message message;
    enum venue_reason reason;
    if (record->kind != CAPTURE_REST ||
        venue_parse_rest(trace->parser, record->payload, record->payload_bytes, &message, &reason, NULL) !=
            STATUS_OK)
        return;
    if (message.kind != VENUE_SNAPSHOT || message.symbol != (int32_t)trace->symbol)
        return;
    trace->snapshot_record = record->seq;
    trace->snapshot_id = message.depth.last_id;
}

/* --- rows --- */

/* note_synchronisation: the book has begun anew from the newest snapshot. */
static void note_synchronisation(struct trace *trace)
{
    int64_t synchronisations = chain_synchronisations(trace->chain, trace->symbol);
    if (synchronisations == trace->synchronisations)
        return;
    trace->synchronisations = synchronisations;
    trace->book_snapshot_record = trace->snapshot_record;
    trace->book_snapshot_id = trace->snapshot_id;
}

/* settle: what features has accepted since the last row is what harvest said last. Of interest is only what the grid row may see:
 * T ≤ g. */
static void settle(struct trace *trace)
{
    int64_t books = chain_books_taken(trace->chain, trace->symbol);
    int64_t trades = chain_trades_taken(trace->chain, trace->symbol);
    if (books != trace->books_taken && trace->next_book.row.ts_ms <= trace->ts_ms)
        trace->book = trace->next_book;
    if (trades != trace->trades_taken && trace->next_trade.row.ts_ms <= trace->ts_ms)
        trace->trade = trace->next_trade;
    trace->books_taken = books;
    trace->trades_taken = trades;
}

static void take_harvest(struct trace *trace, const struct chain_row *told)
{
    const struct trace_place place = {told->sequence, told->record};
    note_synchronisation(trace);
    trace->last_harvest = (struct trace_due){place, told->message};
    if (told->message->kind == ROW_BOOK) {
        trace->next_book = (struct trace_book){.place = place,
                                               .snapshot_record = trace->book_snapshot_record,
                                               .snapshot_id = trace->book_snapshot_id,
                                               .synchronisation = trace->synchronisations};
        memcpy(&trace->next_book.row, told->row, sizeof trace->next_book.row);
    } else if (told->message->kind == ROW_TRADE) {
        trace->next_trade = (struct trace_trade){.place = place};
        memcpy(&trace->next_trade.row, told->row, sizeof trace->next_trade.row);
    }
}

/* take_grid_row: features have accepted all that this row can see. */
static void take_fusion(struct trace *trace, const struct chain_row *told)
{
    const struct fusion_row *row = told->row;
    if (row->ts_ms != trace->ts_ms)
        return;
    trace->due = trace->last_harvest;
    trace->fusion = *row;
    trace->fusion_place = (struct trace_place){told->sequence, told->record};
}

static void take_features(struct trace *trace, const struct chain_row *told)
{
    const struct trace_place place = {told->sequence, told->record};
    switch (told->message->kind) {
    case ROW_OFI:
        if (trace->book.place.sequence == told->source) {
            trace->book.ofi_place = place;
            memcpy(&trace->book.ofi, told->row, sizeof trace->book.ofi);
        }
        break;
    case ROW_CVD:
        if (trace->trade.place.sequence == told->source) {
            trace->trade.cvd_place = place;
            memcpy(&trace->trade.cvd, told->row, sizeof trace->trade.cvd);
        }
        break;
    case ROW_FUSION: take_fusion(trace, told); break;
    case ROW_FEATURE:
        if (((const struct feature_row *)told->row)->ts_ms == trace->ts_ms) {
            trace->feature_place = place;
            memcpy(&trace->feature, told->row, sizeof trace->feature);
        }
        break;
    default: break;
    }
}

static void take_signal(struct trace *trace, const struct chain_row *told)
{
    const struct signal_decision *decision = chain_decision(trace->chain, trace->symbol);
    const struct signal_row *row = told->row;
    if (told->message->kind != ROW_SIGNAL)
        return;
    if (row->ts_ms < trace->ts_ms)
        trace->nearest_before_ms = row->ts_ms;
    else if (row->ts_ms > trace->ts_ms && trace->nearest_after_ms == FIELD_NULL_I64)
        trace->nearest_after_ms = row->ts_ms;
    if (row->ts_ms != trace->ts_ms)
        return;
    trace->signal = *row;
    trace->signal_place = (struct trace_place){told->sequence, told->record};
    trace->thresholds = decision->config.thresholds[row->regime];
    signal_decision_gates(decision, &trace->feature, row->regime, row->score, trace->gates);
}

static void take_broker(struct trace *trace, const struct chain_row *told)
{
    const struct trace_place place = {told->sequence, told->record};
    int kind = told->message->kind;
    if (!trace_is_found(trace))
        return;
    if (kind == ROW_ORDER && ((const struct order_row *)told->row)->signal_ts_ms == trace->ts_ms) {
        trace->order_place = place;
        memcpy(&trace->order, told->row, sizeof trace->order);
    } else if (kind == ROW_FILL && ((const struct fill_row *)told->row)->ts_ms == trace->ts_ms) {
        trace->fill_place = place;
        memcpy(&trace->fill, told->row, sizeof trace->fill);
    } else if (kind == ROW_POSITION && ((const struct position_row *)told->row)->ts_ms == trace->ts_ms) {
        trace->position_place = place;
        memcpy(&trace->position, told->row, sizeof trace->position);
    }
}

void trace_row(void *context, const struct chain_row *told)
{
    struct trace *trace = context;
    /* Behind the signal only what it led to is of interest. */
    bool is_over = trace_is_over(trace);
    if (told->symbol != trace->symbol || (is_over && told->service != CHAIN_BROKER))
        return;
    if (!is_over)
        settle(trace);
    switch (told->service) {
    case CHAIN_HARVEST: take_harvest(trace, told); break;
    case CHAIN_FEATURES: take_features(trace, told); break;
    case CHAIN_SIGNAL: take_signal(trace, told); break;
    default: take_broker(trace, told); break;
    }
}

/* --- questions --- */

bool trace_is_found(const struct trace *trace)
{
    return trace->signal_place.sequence != 0;
}

bool trace_is_over(const struct trace *trace)
{
    return trace_is_found(trace) || trace->nearest_after_ms != FIELD_NULL_I64;
}

enum status trace_check(const struct trace *trace, struct error *error)
{
    const struct feature_row *feature = &trace->feature;
    int64_t book_age_ms = trace->ts_ms - trace->book.row.ts_ms,
            trade_age_ms = trace->ts_ms - trace->trade.row.ts_ms;
    if (trace->feature_place.sequence && trace->book.place.sequence && trace->trade.place.sequence &&
        book_age_ms == feature->age_ofi_ms && trade_age_ms == feature->age_cvd_ms)
        return STATUS_OK;
    return error_set(error, STATUS_CONFLICT,
                     "the feature row says ages of %" PRId64 " and %" PRId64
                     " ms, the book and trade found are %" PRId64 " and %" PRId64 " ms old",
                     feature->age_ofi_ms, feature->age_cvd_ms, book_age_ms, trade_age_ms);
}

static bool parse(const struct trace *trace, const struct capture_record *record, int64_t recv_ms,
                  struct venue_message *out_message)
{
    enum venue_reason reason;
    enum status status = STATUS_UNSUPPORTED;
    if (record->recv_ns / 1000000 != recv_ms)
        return false;
    if (record->kind == CAPTURE_MESSAGE)
        status = venue_parse_text(trace->parser, record->payload, record->payload_bytes, out_message, &reason,
                                  NULL);
    else if (record->kind == CAPTURE_REST)
        status = venue_parse_rest(trace->parser, record->payload, record->payload_bytes, out_message, &reason,
                                  NULL);
    return status == STATUS_OK && out_message->symbol == (int32_t)trace->symbol;
}

static bool is_trade(const struct trade_row *row, const struct venue_trade *trade)
{
    return trade->id == row->agg_trade_id && trade->transaction_ms == row->ts_ms;
}

bool trace_carries_trade(const struct trace *trace, const struct capture_record *record)
{
    const struct trade_row *row = &trace->trade.row;
    struct venue_message message;
    if (!trace->trade.place.sequence || !parse(trace, record, row->recv_ts_ms, &message))
        return false;
    if (message.kind == VENUE_TRADE)
        return row->backfilled != 1 && is_trade(row, &message.trade);
    for (size_t i = 0; message.kind == VENUE_TRADES && i < message.trade_count; i++)
        if (is_trade(row, &message.trades[i]))
            return true;
    return false;
}

bool trace_carries_book(const struct trace *trace, const struct capture_record *record)
{
    const struct book_row *row = &trace->book.row;
    struct venue_message message;
    return trace->book.place.sequence && parse(trace, record, row->recv_ts_ms, &message) &&
           (message.kind == VENUE_DIFF || message.kind == VENUE_PARTIAL) &&
           message.depth.last_id == row->last_id;
}
