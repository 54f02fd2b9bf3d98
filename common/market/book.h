/* book: a full-depth order book in exact integers.
 *
 * Prices and quantities are scaled integers (base/decimal.h); their exponents are the caller's affair. Each
 * side is one sorted array with its best level LAST:
 *
 *     bids   [ 200.0 | … | 61659.0 | 61659.7 ]      asks   [ 99999 | … | 61659.9 | 61659.8 ]
 *              worst                    best                 worst                   best
 *
 * Most changes happen near the best price, so an insertion or removal moves few bytes. Quantities are absolute; 0
 * removes the level; removing a level that is not there is normal (data.md §1.4.6) and counted. A side never holds
 * more than its level limit: there the worst level goes, counted in `levels_dropped`. */
#pragma once

#include "base/buffer.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* BOOK_SIDE_LEVELS_MAX: levels one side may hold (1 MiB). */
enum { BOOK_SIDE_LEVELS_MAX = 65536 };

struct book_level {
    int64_t price_units;
    int64_t qty_units;
};

struct book_side {
    struct book_level *levels; /* worst first */
    size_t count;
    size_t capacity;
    bool is_bid;
};

struct book {
    struct book_side bids;
    struct book_side asks;
    size_t side_levels_max;
    struct book_level *spare; /* where a side is merged with a large diff */
    size_t spare_capacity;
    int64_t levels_dropped;  /* levels given up at the limit */
    int64_t unknown_deletes; /* removals of levels that were not there */
};

/* book_init: an empty book; `side_levels_max` 1…BOOK_SIDE_LEVELS_MAX, 0 means the maximum. Allocates nothing
 * yet. */
void book_init(struct book *book, size_t side_levels_max);
void book_finish(struct book *book); /* safe to call twice */

/* book_clear: no levels; counters and memory stay. */
void book_clear(struct book *book);

/* BOOK_MERGE_LEVELS: a diff with more levels than this on a side is sorted and merged in one pass: the time
 * for a hostile one grows with its length, not with its length times the book's depth. */
enum { BOOK_MERGE_LEVELS = 1024 };

/* book_apply: sets or removes levels, in any order (a price given twice: the later counts). Prices must be > 0 and
 * quantities >= 0; the caller has checked that. */
void book_apply(struct book *book, const struct book_level *bids, size_t bid_count,
                const struct book_level *asks, size_t ask_count);

/* book_replace: the content becomes exactly these levels (a snapshot replaces, it never merges). */
void book_replace(struct book *book, const struct book_level *bids, size_t bid_count,
                  const struct book_level *asks, size_t ask_count);

/* book_best: the best level of a side, NULL when the side is empty; valid until the next change. */
const struct book_level *book_best(const struct book_side *side);

/* book_top: copies up to `limit` best levels, best first; returns how many there were. */
size_t book_top(const struct book_side *side, size_t limit, struct book_level *out_levels);

/* book_shape: whether a snapshot of it may be fed (algorithms.md §2.2). */
enum book_shape { BOOK_PROPER, BOOK_EMPTY, BOOK_CROSSED };
enum book_shape book_shape(const struct book *book);

/* book_save, book_load: everything, bit-exact. Loading STATUS_MALFORMED bytes leaves an empty book. */
void book_save(const struct book *book, struct buffer *out);
enum status book_load(struct book *book, struct reader *in) MUST_USE;
