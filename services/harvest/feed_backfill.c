/* What was missed while no socket was open comes first (data.md §1.5, docs/decisions/0014).
 *
 *     re-opened ─▶ catches up: every message of the symbol is held behind ─▶ the hole is closed ─▶ they follow
 *                      │                                                         ▲
 *                      └─ REST aggTrades from the last id + 1, page by page ─────┘
 *
 * The hole is closed when the trades reach the first one held, or REST has no more, or it has brought nothing
 * FEED_PAGE_TRIES_MAX times, or the hold is full. So when the answer arrives changes nothing, as at the first
 * synchronisation. Trades that REST does not have are a gap like any other. */
#include "feed_symbol.h"

/* first_held: the smallest id among the trades held behind; false: none. */
static bool first_held(const struct feed_symbol *symbol, int64_t *out_id)
{
    struct venue_message message;
    size_t offset = 0;
    bool found = false;
    while (hold_next(&symbol->behind, &offset, &message)) {
        if (message.kind != VENUE_TRADE || (found && message.trade.id >= *out_id))
            continue;
        *out_id = message.trade.id;
        found = true;
    }
    return found;
}

bool feed_symbol_missed(const struct feed_symbol *symbol, int64_t *out_first_id, int64_t *out_last_id)
{
    int64_t held_id;
    if (!symbol->state.catches_up || !ordering_next(&symbol->ordering, out_first_id))
        return false;
    *out_last_id = first_held(symbol, &held_id) ? held_id - 1 : *out_first_id + FEED_PAGE_TRADES - 1;
    return true;
}

void feed_symbol_catch_up(struct feed_symbol *symbol)
{
    const struct feed_config *config = &symbol->feed->config;
    int64_t next_id;
    bool no_book_yet = symbol->sync.state == SYNC_FIRST && config->book_source == BOOK_SOURCE_DIFF;
    if (config->raw_trades || !config->backfill || !ordering_next(&symbol->ordering, &next_id) ||
        no_book_yet || symbol->feed->state.has_ended)
        return;
    symbol->state.catches_up = 1;
    symbol->state.page_tries = 0;
    symbol->state.page_ticket++;
    feed_symbol_counts(symbol, FEED_BACKFILLS);
}

/* go_on: what is held behind follows; another re-opening in it makes the rest wait again. */
static void go_on(struct feed_symbol *symbol)
{
    struct hold walked;
    struct venue_message message;
    size_t offset = 0;
    hold_init(&walked);
    hold_swap(&walked, &symbol->behind);
    symbol->state.catches_up = 0;
    symbol->state.page_tries = 0;
    while (hold_next(&walked, &offset, &message))
        feed_symbol_deliver(symbol, &message);
    hold_finish(&walked);
}

static void give_up(struct feed_symbol *symbol)
{
    feed_symbol_counts(symbol, FEED_BACKFILLS_GIVEN_UP);
    go_on(symbol);
}

void feed_symbol_keep_behind(struct feed_symbol *symbol, const struct venue_message *message)
{
    int64_t next_id = -1;
    ordering_next(&symbol->ordering, &next_id);
    bool fits = hold_push(&symbol->behind, message) == STATUS_OK;
    if (!fits || symbol->behind.diff_count > HOLD_DIFFS_MAX)
        give_up(symbol);
    else if (message->kind == VENUE_TRADE && message->trade.id <= next_id)
        go_on(symbol); /* nothing was missed */
    if (!fits)
        feed_symbol_deliver(symbol, message);
}

void feed_symbol_let_go(struct feed_symbol *symbol)
{
    if (symbol->state.catches_up)
        give_up(symbol);
}

/* insert: those of an answer that lie before what is held; the others come again through the socket. */
static void insert(struct feed_symbol *symbol, const struct venue_message *answer, int64_t recv_ms)
{
    int64_t held_id = INT64_MAX;
    first_held(symbol, &held_id);
    for (size_t i = 0; i < answer->trade_count; i++) {
        struct venue_trade trade = answer->trades[i];
        trade.recv_ms = recv_ms;
        if (trade.id >= held_id)
            continue;
        if (feed_symbol_is_ahead(trade.transaction_ms, recv_ms)) {
            feed_symbol_counts(symbol, FEED_BACKFILLED_TRADES);
            feed_symbol_counts(symbol, FEED_INVALID_TIME_TRADES);
            continue;
        }
        symbol->state.counters[FEED_BACKFILLED_TRADES] += ordering_backfill(&symbol->ordering, &trade);
    }
}

/* is_closed: the trades reach what is held, or the venue has told all it has. */
static bool is_closed(const struct feed_symbol *symbol, const struct venue_message *answer, bool is_good,
                      int64_t next_id)
{
    int64_t held_id;
    if (first_held(symbol, &held_id))
        return next_id >= held_id;
    return is_good && (int64_t)(answer->trade_count + answer->refused_trades) < answer->page.limit;
}

void feed_symbol_backfill(struct feed_symbol *symbol, const struct venue_message *answer, bool is_good,
                          int64_t recv_ms)
{
    int64_t before_id = -1, next_id = -1;
    ordering_next(&symbol->ordering, &before_id);
    bool holds_back = symbol->sync.state == SYNC_FIRST &&
                      symbol->feed->config.book_source == BOOK_SOURCE_DIFF && !symbol->state.trades_free;
    if (holds_back)
        return; /* no trade was let go yet, so nobody can have asked: not our answer */
    bool is_awaited = symbol->state.catches_up && answer->page.from_id == before_id;
    if (is_good)
        insert(symbol, answer, recv_ms);
    if (!is_awaited)
        return;
    ordering_next(&symbol->ordering, &next_id);
    symbol->state.page_ticket++;
    symbol->state.page_tries = next_id > before_id ? 0 : symbol->state.page_tries + 1;
    if (is_closed(symbol, answer, is_good, next_id))
        go_on(symbol);
    else if (symbol->state.page_tries == FEED_PAGE_TRIES_MAX)
        give_up(symbol);
}
