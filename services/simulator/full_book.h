/* full_book: an order book that keeps the venue's own decimal text.
 *
 * It answers depth requests in the middle of a recording: snapshot, then every diff, quantities absolute, "0"
 * removes (data.md §1.4). Texts are borrowed and must outlive the book. */
#pragma once

#include "catalogue.h"
#include "span.h"

#include "base/buffer.h"
#include "base/status.h"

struct full_book {
    struct book_side {
        struct book_level *levels; /* best first */
        size_t count, capacity;
    } bids, asks;
    int64_t last_update_id;
    struct span event_time,
        transaction_time; /* E and T of the newest change; empty when the venue gave none */
    uint64_t unreadable_levels;
};

void full_book_init(struct full_book *book);
void full_book_finish(struct full_book *book);

/* full_book_load: becomes this REST answer ({"lastUpdateId":…,"bids":[…],"asks":[…]}). */
enum status full_book_load(struct full_book *book, struct span body) MUST_USE;

/* full_book_apply: a depth update's data object. STATUS_EXISTS when it is older than the book, which stays as
 * it is. */
enum status full_book_apply(struct full_book *book, struct span data) MUST_USE;

/* full_book_answer: the REST answer at this state, `limit` levels a side, as the market writes it. */
void full_book_answer(const struct full_book *book, enum market_kind market, const char *symbol, size_t limit,
                      struct buffer *out);
