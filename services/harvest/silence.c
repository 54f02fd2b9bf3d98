#include "silence.h"

#include "base/memory.h"
#include "proto/book.h"
#include "proto/trade.h"

#include <stdlib.h>

enum { TRADES, BOOKS };

void silence_init(struct silence *silence, size_t symbol_count)
{
    *silence = (struct silence){.symbol_count = symbol_count};
    silence->is_elsewhere = memory_allocate(symbol_count * sizeof *silence->is_elsewhere);
    silence->newest_ms = memory_allocate(symbol_count * sizeof *silence->newest_ms);
    for (size_t i = 0; i < symbol_count; i++)
        silence->newest_ms[i][TRADES] = silence->newest_ms[i][BOOKS] = 0;
}

void silence_finish(struct silence *silence)
{
    free(silence->newest_ms);
    free(silence->is_elsewhere);
    silence->is_elsewhere = NULL;
    silence->newest_ms = NULL;
}

void silence_elsewhere(struct silence *silence, size_t symbol, bool is_elsewhere)
{
    if (silence->is_elsewhere[symbol] && !is_elsewhere) /* heard of from now on */
        silence->newest_ms[symbol][TRADES] = silence->newest_ms[symbol][BOOKS] = silence->spoken_ms;
    silence->is_elsewhere[symbol] = is_elsewhere;
}

/* pass: rows of trades and books come a little out of the order of their receipt: only what is newer takes time. */
static void pass(struct silence *silence, int64_t recv_ts_ms)
{
    int64_t step_ms = recv_ts_ms - silence->last_ms;
    bool jumps = step_ms > SILENCE_JUMP_MS || step_ms < -SILENCE_JUMP_MS; /* the first row of all does, too */
    if (step_ms > 0 && !jumps)
        silence->spoken_ms += step_ms;
    if (step_ms > 0 || jumps)
        silence->last_ms = recv_ts_ms;
}

static void note(struct silence *silence, size_t symbol, int kind, int64_t recv_ts_ms)
{
    pass(silence, recv_ts_ms);
    silence->newest_ms[symbol][kind] = silence->spoken_ms;
}

void silence_add(struct silence *silence, size_t symbol, const struct message *message, const void *row)
{
    if (message == &trade_message && !((const struct trade_row *)row)->backfilled)
        note(silence, symbol, TRADES, ((const struct trade_row *)row)->recv_ts_ms);
    else if (message == &book_message)
        note(silence, symbol, BOOKS, ((const struct book_row *)row)->recv_ts_ms);
}

static int64_t silent(const struct silence *silence, int kind)
{
    int64_t count = 0;
    for (size_t i = 0; i < silence->symbol_count; i++)
        count += !silence->is_elsewhere[i] && silence->spoken_ms - silence->newest_ms[i][kind] > SILENCE_MS;
    return count;
}

int64_t silence_trades(const struct silence *silence)
{
    return silent(silence, TRADES);
}

int64_t silence_books(const struct silence *silence)
{
    return silent(silence, BOOKS);
}
