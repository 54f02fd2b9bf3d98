#include "audit.h"

#include "base/memory.h"
#include "state.h"

#include <stdlib.h>
#include <string.h>

void audit_init(struct audit *audit, audit_visit *visit, void *context)
{
    *audit = (struct audit){.visit = visit, .context = context, .newest_ticker_id = -1};
}

void audit_finish(struct audit *audit)
{
    free(audit->tickers.quotes);
    free(audit->states.quotes);
    audit_init(audit, audit->visit, audit->context);
}

static struct audit_quote *queue_at(const struct audit_queue *queue, size_t index)
{
    return &queue->quotes[queue->first + index];
}

static void queue_pop(struct audit_queue *queue)
{
    queue->first++;
    queue->count--;
}

static void queue_push(struct audit_queue *queue, const struct audit_quote *quote)
{
    if (queue->first + queue->count == queue->capacity && queue->first >= queue->count && queue->first > 0) {
        memmove(queue->quotes, queue->quotes + queue->first, queue->count * sizeof *queue->quotes);
        queue->first = 0;
    }
    queue->quotes =
        memory_grow(queue->quotes, &queue->capacity, queue->first + queue->count + 1, sizeof *queue->quotes);
    *queue_at(queue, queue->count++) = *quote;
}

static bool quotes_agree(const struct audit_quote *left, const struct audit_quote *right)
{
    return left->bid_price_units == right->bid_price_units && left->bid_qty_units == right->bid_qty_units &&
           left->ask_price_units == right->ask_price_units && left->ask_qty_units == right->ask_qty_units;
}

/* judge_oldest: by the last ticker not above it; older tickers can judge no later state and go. */
static void judge_oldest(struct audit *audit)
{
    struct audit_quote state = *queue_at(&audit->states, 0);
    queue_pop(&audit->states);
    struct audit_queue *tickers = &audit->tickers;
    while (tickers->count > 1 && queue_at(tickers, 1)->update_id <= state.update_id)
        queue_pop(tickers);
    if (tickers->count == 0 || queue_at(tickers, 0)->update_id > state.update_id) {
        audit->uncounted++;
        return;
    }
    bool agrees = quotes_agree(&state, queue_at(tickers, 0));
    audit->agreed += agrees;
    audit->disagreed += !agrees;
    audit->agreed_from_buffer += agrees && state.from_buffer;
    audit->disagreed_from_buffer += !agrees && state.from_buffer;
    audit->visit(audit->context, &state, queue_at(tickers, 0), agrees);
}

static void judge_ripe(struct audit *audit)
{
    while (audit->states.count && queue_at(&audit->states, 0)->update_id < audit->newest_ticker_id)
        judge_oldest(audit);
}

void audit_ticker(struct audit *audit, const struct venue_ticker *ticker)
{
    if (ticker->update_id <= audit->newest_ticker_id) {
        audit->tickers_backward++;
        return;
    }
    struct audit_quote quote = {
        .update_id = ticker->update_id,
        .bid_price_units = ticker->bid_price_units,
        .bid_qty_units = ticker->bid_qty_units,
        .ask_price_units = ticker->ask_price_units,
        .ask_qty_units = ticker->ask_qty_units,
    };
    if (audit->tickers.count == AUDIT_TICKERS_MAX)
        queue_pop(&audit->tickers);
    queue_push(&audit->tickers, &quote);
    audit->newest_ticker_id = ticker->update_id;
    judge_ripe(audit);
}

void audit_state(struct audit *audit, const struct audit_quote *state)
{
    if (audit->states.count == AUDIT_STATES_MAX) {
        queue_pop(&audit->states);
        audit->uncounted++;
    }
    queue_push(&audit->states, state);
    judge_ripe(audit);
}

void audit_restart(struct audit *audit)
{
    audit->uncounted += (int64_t)audit->states.count;
    audit->states.first = audit->states.count = 0;
    audit->tickers.first = audit->tickers.count = 0;
    audit->newest_ticker_id = -1;
}

void audit_end(struct audit *audit)
{
    while (audit->states.count)
        judge_oldest(audit);
}

static void queue_save(const struct audit_queue *queue, struct buffer *out)
{
    buffer_append_u64(out, queue->count);
    if (queue->count)
        buffer_append(out, queue_at(queue, 0), queue->count * sizeof *queue->quotes);
}

static void queue_load(struct audit_queue *queue, size_t limit, struct reader *in)
{
    size_t count = reader_count(in, sizeof *queue->quotes);
    if (count > limit) {
        in->failed = true;
        count = 0;
    }
    queue->quotes = memory_grow(queue->quotes, &queue->capacity, count, sizeof *queue->quotes);
    reader_take(in, queue->quotes, count * sizeof *queue->quotes);
    queue->first = 0;
    queue->count = in->failed ? 0 : count;
}

void audit_save(const struct audit *audit, struct buffer *out)
{
    buffer_append_i64(out, audit->newest_ticker_id);
    buffer_append_i64(out, audit->agreed);
    buffer_append_i64(out, audit->disagreed);
    buffer_append_i64(out, audit->agreed_from_buffer);
    buffer_append_i64(out, audit->disagreed_from_buffer);
    buffer_append_i64(out, audit->uncounted);
    buffer_append_i64(out, audit->tickers_backward);
    queue_save(&audit->tickers, out);
    queue_save(&audit->states, out);
}

enum status audit_load(struct audit *audit, struct reader *in)
{
    audit->newest_ticker_id = state_id(in);
    audit->agreed = state_count(in);
    audit->disagreed = state_count(in);
    audit->agreed_from_buffer = state_count(in);
    audit->disagreed_from_buffer = state_count(in);
    audit->uncounted = state_count(in);
    audit->tickers_backward = state_count(in);
    queue_load(&audit->tickers, AUDIT_TICKERS_MAX, in);
    queue_load(&audit->states, AUDIT_STATES_MAX, in);
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}
