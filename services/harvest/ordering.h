/* ordering: trades in the order of their ids, and the watermark (algorithms.md §1 rules 3, 4, 6, 6a, 7, 8,
 * 10, 12).
 *
 * C is the newest event time of the symbol over trades and books, W = C - watermark_ms. A trade whose id
 * follows the last one is released at once; behind a hole the smallest id waits until its T ≤ W, or until a
 * grid row or boundary that is due needs a trade behind it.
 *
 *     arrival ─▶ buffer by id ─▶ consecutive? release ─▶ C moves ─▶ T ≤ W? release ─▶ due rows' trades: release
 *
 * Each release tells which grid rows precede it (`watermark_ms`) and the last one of an arrival which follow it
 * (`watermark_after_ms`). Nothing here reads a clock. */
#pragma once

#include "base/buffer.h"
#include "venue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ORDERING_BUFFER_MAX: trades waiting behind a hole; above it the smallest id is released early. */
enum { ORDERING_BUFFER_MAX = 65536 };

struct ordering_config {
    int64_t watermark_ms;
    int64_t dedup_lru; /* remembered ids */
    int64_t grid_ms;
    int64_t step_ms; /* of StrategyMode's boundaries */
};

/* ordering_release: a trade whose turn has come. `gap_before` ids are missing before it, between
 * `previous_id` and it. */
struct ordering_release {
    const struct venue_trade *trade;
    int64_t previous_id; /* FIELD_NULL_I64: the first */
    int64_t gap_before;
    int64_t watermark_ms;
    int64_t watermark_after_ms;
};
typedef void ordering_visit(void *context, const struct ordering_release *release);

struct ordering_run { /* consecutive ids already released */
    int64_t first;
    int64_t count;
};

struct ordering {
    struct ordering_config config;
    ordering_visit *visit;
    void *context;
    bool has_time;        /* C is known */
    int64_t newest_ms;    /* C */
    int64_t watermark_ms; /* W; valid with has_time */
    bool has_id;
    int64_t last_id;
    struct venue_trade *waiting; /* ascending ids from `waiting_first` */
    size_t waiting_first;
    size_t waiting_count;
    size_t waiting_capacity;
    struct ordering_run *runs; /* remembered ids, ascending from `run_first` */
    size_t run_first;
    size_t run_count;
    size_t run_capacity;
    int64_t remembered; /* ids in all runs */
    bool has_pending;   /* a release that waits for what its arrival makes of W */
    struct venue_trade pending;
    struct ordering_release pending_release;
    int64_t duplicates;     /* dedup_hits_total */
    int64_t late;           /* late_event_dropped */
    int64_t missing_ids;    /* trade_gap_ids_total */
    int64_t early_releases; /* at ORDERING_BUFFER_MAX */
};

void ordering_init(struct ordering *ordering, const struct ordering_config *config, ordering_visit *visit,
                   void *context);
void ordering_finish(struct ordering *ordering);

/* ordering_trade: a trade arrives. */
void ordering_trade(struct ordering *ordering, const struct venue_trade *trade);

/* ordering_backfill: as ordering_trade, but ids already passed or waiting are ignored without being counted
 * (false). */
bool ordering_backfill(struct ordering *ordering, const struct venue_trade *trade);

/* ordering_book: a book message with this T arrives; releases what it makes due. W behind it is in
 * watermark_ms. */
void ordering_book(struct ordering *ordering, int64_t transaction_ms);

/* ordering_end: W = +∞: releases everything. */
void ordering_end(struct ordering *ordering);

/* ordering_hole: the ids missing before the smallest waiting trade; false when there are none. */
bool ordering_hole(const struct ordering *ordering, int64_t *out_first_id, int64_t *out_last_id);

/* ordering_knows: whether a trade of this id has come, as far as ids are remembered. */
bool ordering_knows(const struct ordering *ordering, int64_t id);

/* ordering_next: the first id that has not arrived, counted from what was released, else from the smallest waiting
 * trade; false: no trade is known yet. */
bool ordering_next(const struct ordering *ordering, int64_t *out_id);

void ordering_save(const struct ordering *ordering, struct buffer *out);
enum status ordering_load(struct ordering *ordering, struct reader *in) MUST_USE;
