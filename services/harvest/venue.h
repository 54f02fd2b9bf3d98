/* venue: what Binance's WebSocket and REST messages say, as plain structs (data.md §1.2, §1.3).
 *
 * One parser serves one run: one market, a fixed list of symbols. Keys come in any order, unknown keys are passed
 * over, unknown enum values are kept and counted. What kind a message is, is told by the name of its stream
 * alone: a futures partial depth message looks exactly like a diff. Nothing is allocated per message; a payload
 * is at most VENUE_PAYLOAD_BYTES_MAX. Levels and back-filled trades of a message lie in the parser's memory until
 * the next call. */
#pragma once

#include "base/buffer.h"
#include "base/decimal.h"
#include "market/book.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VENUE_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024,
    VENUE_SYMBOLS_MAX = 1000,
};

/* Identifiers are safe integers of JSON; times lie before the year 2100. Anything else is absurd and rejected. */
#define VENUE_ID_MAX      ((int64_t)1 << 53)
#define VENUE_TIME_MS_MAX ((int64_t)4102444800000)

enum venue_market { VENUE_USDM, VENUE_COINM, VENUE_SPOT };

/* venue_market_from_name: "usdm", "coinm", "spot"; -1 when unknown. */
int venue_market_from_name(const char *name);

enum venue_kind {
    VENUE_TRADE,       /* aggTrade or raw trade */
    VENUE_DIFF,        /* change of the book */
    VENUE_PARTIAL,     /* complete top levels */
    VENUE_TICKER,      /* bookTicker */
    VENUE_SNAPSHOT,    /* REST depth */
    VENUE_TRADES,      /* REST aggTrades: `trades`, `trade_count` */
    VENUE_INSTRUMENTS, /* REST exchangeInfo: exponents and contract sizes were taken over */
    VENUE_NOTE,        /* a REST answer without consequence (time) */
    VENUE_REOPENED, /* never parsed: the feed's own mark in a row of held messages; `text` is the event's meta */
    VENUE_RAW,      /* not parsed yet: a held message of a symbol on its way here; `text` is all of it */
    VENUE_RAW_REST, /* the same, of a REST answer */
    VENUE_LEFT, /* never parsed: a symbol on its way here leaves again; `text` is what the capture says of it */
};

/* venue_reason: why a message gave nothing. Up to VENUE_MALFORMED_END malformed, the others are well-formed
 * messages that are not for us. */
enum venue_reason {
    VENUE_FINE,
    VENUE_BAD_JSON,     /* not JSON, or not UTF-8 */
    VENUE_BAD_ENVELOPE, /* no object with `data`, no URL line before a REST body */
    VENUE_BAD_FIELD,    /* a required key is missing, has another type or contradicts the stream's name */
    VENUE_BAD_NUMBER,   /* not a decimal text, too many decimals, absurd */
    VENUE_TOO_LARGE,    /* above VENUE_PAYLOAD_BYTES_MAX */
    VENUE_MALFORMED_END,
    VENUE_UNKNOWN_STREAM = VENUE_MALFORMED_END,
    VENUE_OTHER_STREAM, /* mark prices, candles, tickers: known, not used */
    VENUE_OTHER_SYMBOL,
    VENUE_UNUSED_TRADES, /* raw trades while aggTrade is used, or the reverse */
    VENUE_UNUSED_BOOKS,  /* partial books while diffs are used, or the reverse */
    VENUE_NOTICE,        /* answers to subscriptions */
    VENUE_REST_ERROR,    /* an error body of the venue */
    VENUE_REASON_COUNT,
};

/* venue_reason_name: "bad_json" …, for counters and logs. */
const char *venue_reason_name(enum venue_reason reason);

struct venue_trade {
    int64_t id; /* a, or t of a raw trade */
    int64_t first_id;
    int64_t last_id;
    int64_t transaction_ms; /* T */
    int64_t event_ms;       /* E; T where the venue gives none */
    int64_t recv_ms;
    int64_t price_units;
    int64_t qty_units;
    int8_t is_buyer_maker;
    int8_t is_market;
    int8_t is_backfilled;
    int8_t reserved[5]; /* no padding: states are compared byte for byte */
};

/* venue_trade_is_sound: false for a market trade whose nq is 0: all of it were RPI orders (algorithms.md §3.1 rule 2). */
static inline bool venue_trade_is_sound(const struct venue_trade *trade)
{
    return !trade->is_market || trade->qty_units > 0;
}

struct venue_depth {
    int64_t first_id;     /* U */
    int64_t last_id;      /* u, or lastUpdateId */
    int64_t prev_last_id; /* pu; FIELD_NULL_I64 on spot */
    uint64_t bid_count;
    uint64_t ask_count;
};

struct venue_ticker {
    int64_t update_id; /* u */
    int64_t bid_price_units, bid_qty_units;
    int64_t ask_price_units, ask_qty_units;
};

/* venue_page: which trades a REST answer was asked for; FIELD_NULL_I64 where the URL does not say. */
struct venue_page {
    int64_t from_id;
    int64_t limit;
};

struct venue_message {
    int32_t kind;   /* enum venue_kind */
    int32_t symbol; /* index into the run's symbols; -1: none */
    int64_t transaction_ms;
    int64_t event_ms;
    int64_t recv_ms;        /* filled in by the feed */
    int64_t connection;     /* number of the opening it came through; filled in by the feed */
    int64_t from_buffer;    /* kept before the snapshot had come; filled in by the feed */
    int64_t unknown_values; /* enum values we have no name for */
    union {
        struct venue_trade trade;
        struct venue_depth depth;
        struct venue_ticker ticker;
        struct venue_page page; /* VENUE_TRADES, also when the answer gave none */
    };
    /* Borrowed. */
    const struct book_level *bids;
    const struct book_level *asks;
    const struct venue_trade *trades;
    size_t trade_count;
    size_t refused_trades; /* items beside them that are no trades */
    const char *text;
    size_t text_bytes;
};

/* venue_instrument: how numbers of a symbol are scaled. `in_use` is set by its first message; from then on an
 * exchangeInfo no longer changes it, since rows of one run must not depend on when that answer came. */
struct venue_instrument {
    int32_t price_exponent;
    int32_t qty_exponent;
    double contract_size; /* COIN-M: USD of one contract; NaN elsewhere */
    int8_t in_use;
    int8_t is_held; /* venue_hold; not saved */
};

struct venue_config {
    enum venue_market market;
    const char *const *symbols; /* upper case, borrowed during venue_create */
    size_t symbol_count;
    bool raw_trades;    /* use `@trade`, not `@aggTrade` */
    bool partial_books; /* use `@depth5|10|20`, not `@depth` */
    bool use_nq;        /* quantity without RPI orders where the message has it */
};

struct venue;

struct venue *venue_create(const struct venue_config *config);
void venue_destroy(struct venue *venue);

/* venue_parse_text: one WebSocket message. STATUS_OK, STATUS_MALFORMED or STATUS_UNSUPPORTED, each of the
 * latter with its reason; `error` (may be NULL) then says what and where. */
enum status venue_parse_text(struct venue *venue, const void *text, size_t bytes,
                             struct venue_message *out_message, enum venue_reason *out_reason,
                             struct error *error) MUST_USE;

/* venue_parse_rest: one REST answer as the capture holds it: URL, newline, body. As above; a failed answer still
 * sets out_message->symbol and out_message->kind when the URL told them, else symbol -1. */
enum status venue_parse_rest(struct venue *venue, const void *payload, size_t bytes,
                             struct venue_message *out_message, enum venue_reason *out_reason,
                             struct error *error) MUST_USE;

/* venue_control: what a control input says. */
struct venue_control {
    int symbol;   /* the index its "symbol" names, -1 when it names none: it is for all */
    int decision; /* enum control_decision */
    double value; /* NaN: none */
};

/* venue_parse_control: a control input, one JSON object: {"decision": name, "value": number, "symbol": name, …}.
 * STATUS_UNSUPPORTED when it names a symbol that is not ours, or a decision that nobody knows; STATUS_INVALID for a value
 * that the decision cannot have. */
enum status venue_parse_control(struct venue *venue, const void *payload, size_t bytes,
                                struct venue_control *out_control, struct error *error) MUST_USE;

/* venue_move: what a capture says of a symbol that moves. */
struct venue_move {
    int symbol;
    enum venue_move_kind { VENUE_MOVE_EXPECT, VENUE_MOVE_LEAVE, VENUE_MOVE_FORGET } kind;
    bool is_unmet;    /* leaves although not all that its next owner should hear had been waited for */
    bool begins_anew; /* is expected still, but more has come than can be kept: nothing of that is */
    int64_t version;
};

/* venue_parse_move: {"move":"expect", "leave" or "forget","symbol":name,"version":number,…}; "unmet":true of one that leaves, "anew":true of
 * one that is expected. STATUS_MALFORMED, or STATUS_UNSUPPORTED when it names a symbol that the run does not have. */
enum status venue_parse_move(struct venue *venue, const void *payload, size_t bytes,
                             struct venue_move *out_move, struct error *error) MUST_USE;

/* venue_symbol: index of an upper-case symbol, -1 when not ours. */
int venue_symbol(const struct venue *venue, const char *symbol, size_t length);

/* venue_stream_symbol: index of the symbol a stream's name begins with ("btcusdt@trade"), -1 when not ours. */
int venue_stream_symbol(const struct venue *venue, const char *name, size_t length);

const struct venue_instrument *venue_instrument(const struct venue *venue, size_t symbol);

/* venue_first_used: the symbol whose first message was parsed last, -1: of none it was the first. venue_unuse: takes that back: the message was
 * not of the capture that the symbol is fed from, and which captures are read with it must change nothing. */
int venue_first_used(const struct venue *venue);
void venue_unuse(struct venue *venue);

/* venue_hold: whether an exchangeInfo leaves a symbol's instrument alone, because it is not for whom the answer is. */
void venue_hold(struct venue *venue, size_t symbol, bool is_held);

/* venue_save_symbol, venue_load_symbol: one instrument. venue_save, venue_load: all of them. */
void venue_save_symbol(const struct venue *venue, size_t symbol, struct buffer *out);
enum status venue_load_symbol(struct venue *venue, size_t symbol, struct reader *in) MUST_USE;
void venue_save(const struct venue *venue, struct buffer *out);
enum status venue_load(struct venue *venue, struct reader *in) MUST_USE;
