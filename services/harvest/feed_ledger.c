/* What the feed's counters must add up to: every message, trade and diff in one column. */
#include "base/text.h"
#include "feed.h"
#include "feed_symbol.h"

#include <inttypes.h>

int64_t feed_held_trades(const struct feed *feed, size_t symbol)
{
    return feed_symbol_held_trades(&feed->symbols[symbol]);
}

int64_t feed_held_books(const struct feed *feed, size_t symbol)
{
    return feed_symbol_held_books(&feed->symbols[symbol]);
}

enum status feed_imbalance(const struct feed *feed, struct error *error)
{
    const int64_t *counters = feed->state.counters;
    int64_t out = counters[FEED_PARSED] + counters[FEED_PARSE_ERRORS];
    for (int i = FEED_FILTERED_UNKNOWN_STREAM; i <= FEED_FILTERED_AFTER_END; i++)
        out += counters[i];
    int64_t parsed = feed_count(feed, FEED_ALL, FEED_RECEIVED_TRADES) +
                     feed_count(feed, FEED_ALL, FEED_RECEIVED_BOOKS) +
                     feed_count(feed, FEED_ALL, FEED_RECEIVED_TICKERS) + counters[FEED_MOVED] +
                     feed_count(feed, FEED_ALL, FEED_ARRIVED) + counters[FEED_ARRIVED_LOST];
    if (counters[FEED_MESSAGES] != out || counters[FEED_PARSED] != parsed)
        return error_set(error, STATUS_CONFLICT,
                         "feed ledger: %" PRId64 " %s in, %" PRId64 " accounted for; %" PRId64
                         " parsed, %" PRId64 " of a known kind",
                         counters[FEED_MESSAGES], plural(counters[FEED_MESSAGES], "message", "messages"), out,
                         counters[FEED_PARSED], parsed);
    for (size_t i = 0; i < feed->config.symbol_count; i++) {
        enum status status = feed_symbol_imbalance(&feed->symbols[i], error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

bool feed_books_are_whole(const struct feed *feed)
{
    return feed->config.book_source == BOOK_SOURCE_PARTIAL;
}
