/* feed: all of harvest's reckoning as one pure engine: capture records in, rows out.
 *
 *     record ─▶ venue (parse) ─▶ hold until synchronised ─▶ ordering ─▶ trade rows, gap and reconnect events
 *                                                       └▶ sync, book ─▶ book rows ─▶ audit ─▶ quote_audit rows
 *
 * The engine decides from records only: never from a clock, a file or a socket. The same records give the
 * same rows, and a state saved behind any record continues to the same rows. Counters are part of the state.
 *
 * Watermarks (design.md §3, proto/trade.h, proto/book.h): a trade row's watermark_ms is the W whose rows
 * precede it; the last trade an arrival releases carries the new W in watermark_after_ms; a book row carries
 * the W behind its own arrival. A move of C that published nothing shows in the next row. */
#pragma once

#include "base/buffer.h"
#include "journal/capture.h"
#include "proto/kind.h"
#include "venue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed_config {
    enum venue_market market;
    const char *const *symbols; /* upper case, borrowed during feed_create */
    size_t symbol_count;
    const int16_t *
        owners; /* by symbol: the capture it begins in, FEED_ELSEWHERE: in none of ours; NULL: all in the one there is;
                              borrowed during feed_create */
    bool raw_trades; /* trade_stream resolved: false aggTrade, true raw trade */
    enum book_source book_source;
    bool use_nq;        /* qty_field */
    bool crossed_books; /* ofi.mode legacy knows no rejects: a crossed book is published (§2.2) */
    int32_t levels;     /* published book levels, 5…BOOK_LEVELS_MAX */
    int64_t watermark_ms;
    int64_t dedup_lru;
    int64_t max_clock_skew_ms; /* 0: off */
    int64_t grid_ms;           /* features.grid_ms */
    int64_t step_ms;           /* strategy_mode.step_ms */
    int64_t trade_idle_s;
    int64_t book_idle_s;
    bool backfill;          /* aggTrade: behind a re-opening wait until REST has given what was missed */
    size_t side_levels_max; /* 0: BOOK_SIDE_LEVELS_MAX */
};

/* FEED_PAGE_TRADES: trades of one REST answer. FEED_PAGE_TRIES_MAX: answers in a row that bring nothing before what
 * was missed is given up. */
enum { FEED_PAGE_TRADES = 1000, FEED_PAGE_TRIES_MAX = 5 };

/* FEED_ELSEWHERE: no capture of ours. */
enum { FEED_ELSEWHERE = -1 };

/* feed_config_defaults: those of algorithms.md §1, without symbols. */
void feed_config_defaults(struct feed_config *config);

/* feed_counter: one ledger. Every message ends in exactly one of: parsed, malformed_*, filtered_*; every parsed one belongs
 * to its symbol, or is fed_elsewhere (another instance fed it), or has arrived for a symbol that is expected; every
 * trade in one of: emitted, duplicate, late, invalid time, price or quantity, held, waiting; every diff in one of: applied,
 * backward, before the snapshot, held, dropped. feed_imbalance() checks that. */
enum feed_counter {
    FEED_MESSAGES, /* records of kind 1 */
    FEED_REST_ANSWERS,
    FEED_CONTROLS,
    FEED_OTHER_RECORDS, /* connections, metadata, moves */
    FEED_UNKNOWN_RECORDS,
    FEED_PARSED,
    FEED_PARSE_ERRORS, /* Σ malformed of messages */
    FEED_MALFORMED_JSON,
    FEED_MALFORMED_ENVELOPE,
    FEED_MALFORMED_FIELD,
    FEED_MALFORMED_NUMBER,
    FEED_MALFORMED_SIZE,
    FEED_FILTERED_UNKNOWN_STREAM,
    FEED_FILTERED_OTHER_STREAM,
    FEED_FILTERED_OTHER_SYMBOL,
    FEED_FILTERED_UNUSED_TRADES,
    FEED_FILTERED_UNUSED_BOOKS,
    FEED_FILTERED_NOTICE,
    FEED_FILTERED_AFTER_END,
    FEED_MOVED,        /* of a symbol that another instance fed at that place */
    FEED_ARRIVED,      /* of symbols that are expected: not known yet who feeds them */
    FEED_ARRIVED_LOST, /* of these: more than may be kept, and nobody has fed them */
    FEED_MOVES_UNMET,  /* symbols that left although not all had been met: their records say so */
    FEED_REST_MALFORMED,
    FEED_REST_ERRORS,
    FEED_CONTROL_MALFORMED,
    FEED_UNKNOWN_VALUES,
    FEED_RECEIVED_TRADES,
    FEED_RECEIVED_BOOKS,
    FEED_RECEIVED_TICKERS,
    FEED_BACKFILLED_TRADES,  /* those of REST answers that were still missing */
    FEED_BACKFILLS,          /* re-openings behind which REST was asked for what was missed */
    FEED_BACKFILLS_GIVEN_UP, /* of these: not all of it could be had */
    FEED_EMITTED_TRADES,
    FEED_EMITTED_BOOKS,
    FEED_EMITTED_AUDITS,
    FEED_EMITTED_EVENTS,
    FEED_DEDUP_HITS,
    FEED_LATE_EVENTS,
    FEED_TRADE_GAP_IDS,
    FEED_EARLY_RELEASES,
    FEED_NON_MARKET_TRADES,
    FEED_INVALID_TIME_TRADES,
    FEED_INVALID_QTY,
    FEED_INVALID_TIME_BOOKS,
    FEED_SILENCES,
    FEED_BOOK_SEQ_GAP,
    FEED_BOOK_RESYNC,
    FEED_BOOK_BACKWARD,
    FEED_BOOK_TIME_BACKWARD,
    FEED_BOOK_CROSSED,
    FEED_BOOK_EMPTY,
    FEED_BOOK_DUPLICATE_PRICE,
    FEED_BOOK_UNTIMELY, /* diffs that moved the book, and whose time rule 1 forbids to publish */
    FEED_DIFFS_APPLIED,
    FEED_DIFFS_BEFORE_SNAPSHOT,
    FEED_DIFFS_DROPPED, /* at HOLD_DIFFS_MAX, or left over at the end */
    FEED_SYNCHRONISATIONS,
    FEED_SNAPSHOTS_REFUSED,
    FEED_SNAPSHOTS_UNUSED,
    FEED_BOOK_LEVELS_DROPPED,
    FEED_UNKNOWN_DELETES,
    FEED_AUDIT_AGREE,
    FEED_AUDIT_DISAGREE,
    FEED_AUDIT_AGREE_FROM_BUFFER,    /* part of agree: diffs that were applied at a synchronisation */
    FEED_AUDIT_DISAGREE_FROM_BUFFER, /* part of disagree */
    FEED_AUDIT_UNCOUNTED,
    FEED_TICKERS_BACKWARD,
    FEED_RECONNECTS, /* re-openings behind which something may be missing; of a symbol: of the sockets that carry it */
    FEED_PLANNED_RECONNECTS,
    FEED_COUNTER_COUNT,
};

/* feed_counter_name: as operations.md §9 spells it where it does ("dedup_hits_total"). */
const char *feed_counter_name(enum feed_counter counter);

struct feed;

/* feed_emit: one row of a symbol's stream; `row` is the struct of `message`. Rows of a symbol come numbered
 * from 1 without holes (feed_sequence); the engine has put its own number into `source` of event and control
 * rows. */
typedef void feed_emit(void *context, size_t symbol, const struct message *message, const void *row);

/* feed_create: NULL with a sentence when the configuration cannot be. */
struct feed *feed_create(const struct feed_config *config, feed_emit *emit, void *context,
                         struct error *error);
void feed_destroy(struct feed *feed);

/* feed_record: processes one record. STATUS_OK also for what is merely counted; STATUS_MALFORMED and
 * STATUS_UNSUPPORTED classify a payload that gave nothing (it has been counted; `error`, may be NULL, says
 * why). */
enum status feed_record(struct feed *feed, const struct capture_record *record, struct error *error);

/* feed_end: the capture is at its end: W = +∞, the audit judges the rest, each symbol gets its end_of_stream
 * row. Called by a replay; a record that closes the last connection with "1000 end of recording" does the
 * same. */
void feed_end(struct feed *feed);
bool feed_ended(const struct feed *feed);

/* feed_wants_snapshot: ticket (≥ 1) of the REST depth snapshot a symbol waits for, 0: none. Ask once per
 * ticket. */
int64_t feed_wants_snapshot(const struct feed *feed, size_t symbol);

/* feed_wants_reconnect: five snapshots did not fit: its book socket should be re-opened (data.md §1.4.4). */
bool feed_wants_reconnect(const struct feed *feed, size_t symbol);

/* feed_wants_trades: ids to be fetched through REST aggTrades: missing before the smallest waiting trade, or
 * since a socket was re-opened (then up to FEED_PAGE_TRADES, as far as is known). False: none. Ask once for
 * each first id and ticket; a new ticket for the same ids means: again, after a pause. */
bool feed_wants_trades(const struct feed *feed, size_t symbol, int64_t *out_first_id, int64_t *out_last_id,
                       int64_t *out_ticket);

/* --- a symbol that moves (feed_moves.c) --- */

/* feed_has: whether what comes of a symbol is fed here. feed_expects: a record has said that it is expected here. */
bool feed_has(const struct feed *feed, size_t symbol);
bool feed_expects(const struct feed *feed, size_t symbol);
/* feed_expected_version: of the newest move by which it is, 0: by none. feed_has_too_much: more has arrived of it than is kept: the capture is to
 * say that it begins anew. */
int64_t feed_expected_version(const struct feed *feed, size_t symbol);
bool feed_has_too_much(const struct feed *feed, size_t symbol);

/* feed_heard: the first ids that have come of an expected symbol since it was last known to be listened to without a break, in records
 * behind that of feed_hear_from, "trade=ID book=ID ticker=ID", without those of which nothing has come. feed_hear_from: what came before
 * was heard by a life that is over. */
void feed_hear_from(struct feed *feed, uint64_t record);
enum { FEED_HEARD_BYTES = 128 };
void feed_heard(const struct feed *feed, size_t symbol, char out_heard[FEED_HEARD_BYTES]);

/* feed_may_leave: whether the symbol may go at all. feed_is_owed: an answer of the venue, or what fills a hole: whoever has the symbol asks for
 * it, and waits for it, so it is better had before. feed_overlaps: whether of every stream of which its next owner has `heard` what came
 * first has been fed here. STATUS_AGAIN: not yet; the sentence says what is waited for. feed_all_heard: that names every stream. */
enum status feed_may_leave(const struct feed *feed, size_t symbol, struct error *error) MUST_USE;
bool feed_is_owed(const struct feed *feed, size_t symbol);
enum status feed_overlaps(const struct feed *feed, size_t symbol, const char *heard,
                          struct error *error) MUST_USE;
bool feed_all_heard(const struct feed *feed, const char *heard);

/* feed_forget: a symbol that has gone: nothing of it is known any more. */
void feed_forget(struct feed *feed, size_t symbol);

/* feed_settle: an expected symbol whose state has come (feed_load_symbol) goes on with what has arrived for it; any other time nothing. */
void feed_settle(struct feed *feed, size_t symbol);

/* feed_sequence: number of the newest row of a symbol (0: none yet). */
int64_t feed_sequence(const struct feed *feed, size_t symbol);

/* feed_event_ms: C of a symbol, FIELD_NULL_I64 before its first item. */
int64_t feed_event_ms(const struct feed *feed, size_t symbol);

/* feed_position: seq of the newest record processed, 0: none. */
uint64_t feed_position(const struct feed *feed);

/* feed_book: the local book of a symbol, NULL while it may not be believed. feed_instrument: its exponents. */
const struct book *feed_book(const struct feed *feed, size_t symbol);
const struct venue_instrument *feed_instrument(const struct feed *feed, size_t symbol);

/* feed_count: a counter over all symbols, FEED_ALL, or of one. What belongs to no symbol counts under
 * FEED_ALL only. FEED_RECONNECTS of all is no sum: it counts sockets. */
#define FEED_ALL SIZE_MAX
int64_t feed_count(const struct feed *feed, size_t symbol, enum feed_counter counter);

/* feed_held, feed_waiting: messages held back, and trades waiting behind a hole. feed_held_trades, feed_held_books: those
 * of the held that are trades, diffs. */
int64_t feed_held(const struct feed *feed, size_t symbol);
int64_t feed_held_trades(const struct feed *feed, size_t symbol);
int64_t feed_held_books(const struct feed *feed, size_t symbol);
int64_t feed_waiting(const struct feed *feed, size_t symbol);

/* feed_books_are_whole: every book message is one (partial depth); otherwise they are diffs. */
bool feed_books_are_whole(const struct feed *feed);

/* feed_imbalance: STATUS_OK when the ledger balances; STATUS_CONFLICT with the sums that differ. Where symbols were
 * handed over it is the feeds together that balance. */
enum status feed_imbalance(const struct feed *feed, struct error *error) MUST_USE;

/* feed_save, feed_load: the whole state, bit-exact. The loading feed must have the same configuration; bytes
 * that cannot be such a state give STATUS_MALFORMED and leave a feed that may only be destroyed. */
void feed_save(const struct feed *feed, struct buffer *out);
enum status feed_load(struct feed *feed, struct reader *in, struct error *error) MUST_USE;

/* feed_save_symbol, feed_load_symbol: what goes with one symbol, also to another instance. feed_save_rest, feed_load_rest: all else,
 * and what has arrived for expected symbols; the symbols are loaded first. */
void feed_save_symbol(const struct feed *feed, size_t symbol, struct buffer *out);
enum status feed_load_symbol(struct feed *feed, size_t symbol, struct reader *in) MUST_USE;
void feed_save_rest(const struct feed *feed, struct buffer *out);
enum status feed_load_rest(struct feed *feed, struct reader *in, struct error *error) MUST_USE;
