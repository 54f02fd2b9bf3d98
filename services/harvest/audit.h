/* audit: the local book against the venue's own bookTicker (data.md §1.2a).
 *
 * After a diff with final id u the best prices and quantities must equal the last bookTicker whose id is ≤ u;
 * compared by id, not by arrival. A state is judged once a bookTicker with a larger id has arrived (then none
 * can lie between), the rest at the end. A diff without an earlier bookTicker is not counted.
 *
 *     tickers   5   9  12   ·        a state at u = 10 is judged by 9 when 12 arrives
 *     states      7  10      15      15 waits */
#pragma once

#include "base/buffer.h"
#include "venue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* AUDIT_TICKERS_MAX, AUDIT_STATES_MAX: kept per symbol; above it the oldest goes (counted as uncounted states). */
enum { AUDIT_TICKERS_MAX = 16384, AUDIT_STATES_MAX = 16384 };

/* audit_quote: the top of a book; quantity 0 where a side is empty. */
struct audit_quote {
    int64_t update_id;
    int64_t transaction_ms; /* of the diff; 0 in tickers */
    int64_t bid_price_units, bid_qty_units;
    int64_t ask_price_units, ask_qty_units;
    int64_t from_buffer; /* the diff was applied at a synchronisation */
};

typedef void audit_visit(void *context, const struct audit_quote *book, const struct audit_quote *ticker,
                         bool agrees);

struct audit_queue {
    struct audit_quote *quotes; /* ascending ids from `first` */
    size_t first;
    size_t count;
    size_t capacity;
};

struct audit {
    audit_visit *visit;
    void *context;
    struct audit_queue tickers;
    struct audit_queue states;
    int64_t newest_ticker_id; /* -1: none */
    int64_t agreed;
    int64_t disagreed;
    int64_t agreed_from_buffer;    /* part of agreed */
    int64_t disagreed_from_buffer; /* part of disagreed */
    int64_t uncounted;             /* states no bookTicker could judge */
    int64_t tickers_backward;      /* bookTickers not newer than the one before */
};

void audit_init(struct audit *audit, audit_visit *visit, void *context);
void audit_finish(struct audit *audit);

/* audit_ticker: a bookTicker arrives. */
void audit_ticker(struct audit *audit, const struct venue_ticker *ticker);

/* audit_state: a diff was applied; ids rise. */
void audit_state(struct audit *audit, const struct audit_quote *state);

/* audit_restart: bookTickers may have been missed: what waits is not judged, comparison starts anew. */
void audit_restart(struct audit *audit);

/* audit_end: no later bookTicker will come: judges the rest. */
void audit_end(struct audit *audit);

void audit_save(const struct audit *audit, struct buffer *out);
enum status audit_load(struct audit *audit, struct reader *in) MUST_USE;
