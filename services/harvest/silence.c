#include "silence.h"

#include "base/memory.h"
#include "proto/book.h"
#include "proto/trade.h"

#include <stdlib.h>
#include <string.h>

enum { TRADES, BOOKS };

void silence_init(struct silence *silence, size_t symbol_count)
{
    *silence = (struct silence){.symbol_count = symbol_count};
    silence->is_elsewhere = memory_allocate(symbol_count * sizeof *silence->is_elsewhere);
    silence->newest_ms = memory_allocate(symbol_count * sizeof *silence->newest_ms);
    silence->heard_ms = memory_allocate(symbol_count * sizeof *silence->heard_ms);
    memset(silence->newest_ms, 0, symbol_count * sizeof *silence->newest_ms);
    memset(silence->heard_ms, 0, symbol_count * sizeof *silence->heard_ms);
}

void silence_finish(struct silence *silence)
{
    free(silence->newest_ms);
    free(silence->heard_ms);
    free(silence->is_elsewhere);
    silence->is_elsewhere = NULL;
    silence->newest_ms = silence->heard_ms = NULL;
}

void silence_elsewhere(struct silence *silence, size_t symbol, bool is_elsewhere)
{
    if (silence->is_elsewhere[symbol] && !is_elsewhere) /* heard of from now on */
        silence->newest_ms[symbol][TRADES] = silence->newest_ms[symbol][BOOKS] = silence->spoken_ms;
    silence->is_elsewhere[symbol] = is_elsewhere;
}

/* pass: rows come out of the order of their receipt: a trade waits for its watermark, a symbol that is held until its book is whole comes out at
 * once and late. Only what is newer takes time. That the clock was set back shows in rows of the same symbol and kind, which keep their order. */
static void pass(struct silence *silence, int64_t heard_ms, int64_t recv_ts_ms)
{
    int64_t step_ms = recv_ts_ms - silence->last_ms;
    bool is_set_back = step_ms < -SILENCE_MS && recv_ts_ms < heard_ms - SILENCE_MS;
    if (step_ms > 0 && step_ms <= SILENCE_MS)
        silence->spoken_ms += step_ms;
    if (step_ms > 0 || is_set_back)
        silence->last_ms = recv_ts_ms;
}

static void note(struct silence *silence, size_t symbol, int kind, int64_t recv_ts_ms)
{
    pass(silence, silence->heard_ms[symbol][kind], recv_ts_ms);
    silence->newest_ms[symbol][kind] = silence->spoken_ms;
    silence->heard_ms[symbol][kind] = recv_ts_ms;
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
