/* recording: captures of one market, in memory, in the order they were received.
 *
 * Formats, plain or gzip: text lines as two known collectors write them (data/README of the recordings: `hft`
 * and `cryptofeed`), and our own raw capture (.ofr, data.md §2). Several captures are merged by receive time,
 * ties in argument order. A line that cannot be read is skipped, counted and logged with its place; a file
 * without any message is an error, and so are two markets at once. */
#pragma once

#include "catalogue.h"
#include "full_book.h"
#include "span.h"
#include "tape.h"

#include "base/buffer.h"
#include "base/status.h"

/* RECORDING_BYTES_MAX: decompressed bytes and tables of all captures together. */
#define RECORDING_BYTES_MAX (2ULL << 30)

struct recorded_trade {
    int64_t id;         /* a */
    uint64_t available; /* tape number that brings it (or, from a REST answer, the next larger id) */
    struct span data;   /* the event's object */
};

/* recorded_symbol: what the tape says about one symbol, for REST answers. */
struct recorded_symbol {
    uint64_t *snapshots; /* tape numbers */
    size_t snapshot_count, snapshot_capacity;
    uint64_t *diffs; /* of its first full diff stream */
    size_t diff_count, diff_capacity;
    uint16_t diff_stream;
    struct recorded_trade *trades; /* ascending ids */
    size_t trade_count, trade_capacity;

    /* The book, as far as it has been asked for. */
    struct full_book book;
    size_t book_snapshot; /* index of the snapshot it began with */
    size_t book_diffs;    /* diffs looked at */
    bool book_valid;
};

struct recording {
    struct tape tape;
    struct catalogue catalogue;
    enum market_kind market;
    struct recorded_symbol *symbols; /* as catalogue.symbols; after recording_index */
    struct span exchange_info;       /* a recorded answer; empty: none */
    uint64_t skipped;                /* lines and records not understood */
    uint64_t other;             /* well-formed, but nothing to serve: connects, acknowledgements, errors */
    struct backfill *backfills; /* REST aggTrades answers */
    size_t backfill_count, backfill_capacity;
};

void recording_init(struct recording *recording);
void recording_finish(struct recording *recording);

/* recording_load: reads and merges the captures. `symbols` (may be empty) are the only ones kept. */
enum status recording_load(struct recording *recording, const char *const *paths, size_t path_count,
                           const char *const *symbols, size_t symbol_count, struct error *error) MUST_USE;

/* recording_shift: adds to receive times and to E and T of every message and snapshot (simulator.start). Once,
 * before recording_index. */
void recording_shift(struct recording *recording, int64_t shift_ms);

/* recording_index: builds the tables; call when the tape is final. */
void recording_index(struct recording *recording);

/* recording_depth: the book of the symbol when the tape stands at `position`. STATUS_NOT_FOUND: no snapshot so
 * far. */
enum status recording_depth(struct recording *recording, uint16_t symbol, uint64_t position, size_t limit,
                            struct buffer *out) MUST_USE;

/* recording_agg_trades: at most `limit` aggregate trades as the REST interface gives them, from `from_id` on,
 * or the newest when from_id < 0. */
void recording_agg_trades(const struct recording *recording, uint16_t symbol, int64_t from_id, size_t limit,
                          uint64_t position, struct buffer *out);
