/* trace: what led to one signal: watches the rows of a chain until those of one grid time are complete.
 *
 *     capture record ─▶ trade or diff ─▶ its row of harvest ─▶ cvd or ofi row ┐
 *     capture record ─▶ the row of harvest that made the grid row due ────────┴▶ fusion, feature ─▶ signal ─▶ order, fill
 *
 * Book and trade of a grid row are "the last in the order fed with T ≤ g" (algorithms.md §1 rule 12). They are found by watching
 * what features accepts, and must have the ages that the feature row itself says. */
#pragma once

#include "chain.h"
#include "proto/book.h"
#include "proto/cvd.h"
#include "proto/feature.h"
#include "proto/fusion.h"
#include "proto/ofi.h"
#include "proto/order.h"
#include "proto/signal.h"
#include "proto/trade.h"

#include <stdbool.h>

/* trace_place: where a row stands: its sequence in its stream, and the record that brought it out. 0: there is no such row. */
struct trace_place {
    int64_t sequence;
    uint64_t record;
};

struct trace_book {
    struct trace_place place;
    struct book_row row;
    struct trace_place ofi_place; /* none for a priming book */
    struct ofi_row ofi;
    uint64_t snapshot_record; /* the REST answer the local book descends from; 0: partial books have none */
    int64_t snapshot_id;      /* its lastUpdateId */
    int64_t synchronisation;  /* which one of the run, from 1 */
};

struct trace_trade {
    struct trace_place place;
    struct trade_row row;
    struct trace_place cvd_place;
    struct cvd_row cvd;
};

/* trace_due: the row of harvest at whose processing the grid row was emitted. */
struct trace_due {
    struct trace_place place;
    const struct message *message;
};

struct trace {
    const struct chain *chain;
    struct venue *parser;
    size_t symbol;
    int64_t ts_ms; /* the grid time looked for */

    struct trace_book book, next_book; /* next: of harvest, not yet known to have been accepted */
    struct trace_trade trade, next_trade;
    int64_t books_taken, trades_taken;
    uint64_t snapshot_record;
    int64_t snapshot_id;
    int64_t synchronisations;
    uint64_t book_snapshot_record; /* of the present synchronisation */
    int64_t book_snapshot_id;
    struct trace_due last_harvest;

    struct trace_due due;
    struct trace_place fusion_place, feature_place, signal_place, order_place, fill_place, position_place;
    struct fusion_row fusion;
    struct feature_row feature;
    struct signal_row signal;
    struct signal_gate gates[SIGNAL_GATES];
    struct signal_thresholds thresholds;
    struct order_row order;
    struct fill_row fill;
    struct position_row position;

    int64_t nearest_before_ms, nearest_after_ms; /* signals of the symbol; FIELD_NULL_I64: none */
};

/* trace_begin: `chain` must outlive the trace. trace_finish: releases what it holds. */
void trace_begin(struct trace *trace, const struct chain *chain, size_t symbol, int64_t ts_ms);
void trace_finish(struct trace *trace);

/* trace_record: a record that chain_record will be given next. */
void trace_record(struct trace *trace, const struct capture_record *record);

/* trace_row: a chain_visit for rows of the chain; `context` is the trace. */
void trace_row(void *context, const struct chain_row *row);

/* trace_is_over: the signal has come, or one behind its time. trace_is_found: it has come. */
bool trace_is_over(const struct trace *trace);
bool trace_is_found(const struct trace *trace);

/* trace_check: that book and trade are of the ages the feature row says. STATUS_CONFLICT: a bug of this program. */
enum status trace_check(const struct trace *trace, struct error *error) MUST_USE;

/* trace_carries: whether a record is the message that brought the trade, or the book. By id and receive time, which the row
 * carries, so that of a repeated message the one that counted is named. */
bool trace_carries_trade(const struct trace *trace, const struct capture_record *record);
bool trace_carries_book(const struct trace *trace, const struct capture_record *record);
