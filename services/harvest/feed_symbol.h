/* feed_symbol: what feed.c keeps per symbol, and the steps of one item. Private to the feed. */
#pragma once

#include "audit.h"
#include "feed.h"
#include "hold.h"
#include "ordering.h"
#include "rate.h"
#include "sync.h"

#include "proto/book.h"
#include "proto/trade.h"

/* FEED_REOPENED_MAX: reconnect events that may wait for a symbol's next item; more merge into the last. */
enum { FEED_REOPENED_MAX = 4, FEED_ORDINALS = 3, FEED_CONNECTIONS_MAX = 32, FEED_REASON_BYTES = 128 };

/* feed_ordinal: n of an event's row_id: its order among those of equal type, channel and time. */
struct feed_ordinal {
    int64_t ts_ms;
    int64_t count;
};

/* feed_stream: what ids count of a symbol; bookTickers count with the books when it is about connections. */
enum feed_stream { FEED_TRADE, FEED_BOOK, FEED_TICKER, FEED_STREAMS };
enum { FEED_SERVICES = FEED_TICKER }; /* trades, books: each comes through one connection */
/* FEED_ARRIVALS_BYTES_MAX: of an expected symbol; the rest of a hold is for what comes until the capture says so. */
enum { FEED_ARRIVALS_BYTES_MAX = HOLD_BYTES_MAX / 4 * 3 };

struct feed_symbol {
    struct feed *feed;
    size_t index;
    struct ordering ordering;
    struct sync sync;
    struct audit audit;
    struct rate rate;
    struct hold held;   /* all messages until the first synchronisation */
    struct hold kept;   /* diffs while the book is invalid again */
    struct hold behind; /* all messages behind a re-opening, until what was missed has been fetched */
    struct feed_expected {
        int64_t source;                /* the capture it is expected in; FEED_ELSEWHERE: it is not */
        int64_t version;               /* of the newest move by which it is */
        int64_t served[FEED_SERVICES]; /* as in the state */
        struct feed_dropped {          /* what came and could not be kept, by stream */
            int64_t count;
            int64_t newest; /* greatest id; -1: none */
        } dropped[FEED_STREAMS];
    } expected;
    struct hold arrivals;        /* messages of an expected symbol, as they came */
    int64_t heard[FEED_STREAMS]; /* of those of this life the first ids; -1: none. Not saved */
    bool
        departs; /* it is known already that it will leave again: a replay, whose captures' clocks differ. Not saved */
    /* Everything from here to the end is saved as it lies. */
    struct feed_symbol_state {
        int64_t counters[FEED_COUNTER_COUNT];
        int64_t sequence;
        int64_t last_trade_ms;    /* of market trades; FIELD_NULL_I64: none */
        int64_t last_book_ms;     /* of messages that passed rule 1; FIELD_NULL_I64: none */
        int64_t accepted_book_ms; /* of published snapshots; FIELD_NULL_I64: none */
        int64_t partial_id;       /* u of the last partial message; FIELD_NULL_I64: none */
        int64_t depth_connection; /* newest opening a depth message was judged from */
        int64_t trades_free;      /* trades are published without a book */
        int64_t reset_pending;    /* the next published book row is the first after a synchronisation */
        int64_t reopened_count;
        int64_t catches_up;             /* messages go into `behind` */
        int64_t page_ticket;            /* number of the REST page wanted; a new one after each answer */
        int64_t page_tries;             /* answers in a row that brought nothing */
        int64_t owner;                  /* the capture whose messages are fed; FEED_ELSEWHERE: it has left */
        int64_t served[FEED_SERVICES];  /* number of the newest opening that carries it; 0: none */
        int64_t fed[FEED_STREAMS];      /* id of the newest message, of trades the greatest; -1: none */
        int64_t overlaps[FEED_STREAMS]; /* behind a move: what was fed before may still come again */
        int64_t is_fresh;               /* nothing was fed since the move */
        int64_t is_joined;              /* no depth message has come since the move */
        int64_t has_left;               /* it may go on where it is expected */
        int64_t has_ended;              /* its end_of_stream has been told */
        struct feed_ordinal ordinals[FEED_ORDINALS]; /* gap on trade, gap on book, reconnect */
        char reopened[FEED_REOPENED_MAX][META_BYTES];
        char reopened_before
            [META_BYTES]; /* while it is fresh: a re-opening whose hole the last owner may have covered */
    } state;
};

struct feed_connection {
    int64_t conn_id;
    int64_t source;
    int64_t number; /* of its opening; 0: slot unused */
    int64_t is_open;
    int64_t last_ns; /* when it was last heard of */
    char reason[FEED_REASON_BYTES];
};

struct feed {
    struct feed_config config; /* symbols is not kept */
    feed_emit *emit;
    void *context;
    struct venue *venue;
    struct feed_symbol *symbols;
    struct trade_row blank_trade; /* every field cleared: copying is quicker than clearing */
    struct book_row blank_book;
    uint64_t hear_from; /* feed_hear_from */
    /* Saved as it lies. */
    struct feed_state {
        int64_t counters[FEED_COUNTER_COUNT];
        uint64_t position;
        int64_t openings;
        int64_t has_ended;
        struct feed_connection connections[FEED_CONNECTIONS_MAX];
    } state;
};

/* feed_connection_of: the slot of a record's connection, NULL when it is unknown. feed_connection_opened,
 * feed_connection_closed: records of those kinds. (feed_connections.c) */
struct feed_connection *feed_connection_of(struct feed *feed, const struct capture_record *record);
void feed_connection_opened(struct feed *feed, const struct capture_record *record);
void feed_connection_closed(struct feed *feed, const struct capture_record *record);

void feed_symbol_init(struct feed_symbol *symbol, struct feed *feed, size_t index);
void feed_symbol_finish(struct feed_symbol *symbol);

/* feed_symbol_message: a trade, book message, ticker or re-opening mark arrives; held back if need be. */
void feed_symbol_message(struct feed_symbol *symbol, const struct venue_message *message);

/* feed_symbol_arrives: a message, parsed from `record`, or (record NULL) a re-opening mark: to whom it belongs. feed_symbol_answered: the
 * same of an answer of REST; not `is_good`: what came instead of one. feed_symbol_move: a record of a move. (feed_moves.c) */
void feed_symbol_arrives(struct feed_symbol *symbol, int64_t source, const struct venue_message *message,
                         const struct capture_record *record);
void feed_symbol_answered(struct feed_symbol *symbol, const struct capture_record *record,
                          const struct venue_message *answer, bool is_good);
void feed_symbol_move(struct feed_symbol *symbol, const struct capture_record *record,
                      const struct venue_move *move);
/* feed_symbol_unheard: the connection of this number is gone: behind what an expected symbol has heard by it there may be a hole. */
void feed_symbol_unheard(struct feed_symbol *symbol, int64_t connection);
void feed_symbol_begin(struct feed_symbol *symbol, int64_t owner);
int64_t feed_symbol_arrived(const struct feed_symbol *symbol);

/* feed_expected_save, feed_expected_load: what has arrived for expected symbols. */
void feed_expected_save(const struct feed *feed, struct buffer *out);
enum status feed_expected_load(struct feed *feed, struct reader *in);
static inline bool feed_source_is_sound(int64_t source)
{
    return source >= FEED_ELSEWHERE && source <= INT16_MAX;
}

/* feed_symbol_snapshot, feed_symbol_snapshot_failed: a REST depth answer, or what came instead of one. */
void feed_symbol_snapshot(struct feed_symbol *symbol, const struct venue_message *snapshot);
void feed_symbol_snapshot_failed(struct feed_symbol *symbol);

/* feed_symbol_backfill: an aggTrades answer of REST, or (not `is_good`) what came instead of one. */
void feed_symbol_backfill(struct feed_symbol *symbol, const struct venue_message *answer, bool is_good,
                          int64_t recv_ms);

/* feed_symbol_control: a control input, and its JSON. */
void feed_symbol_control(struct feed_symbol *symbol, const struct venue_control *control, const char *json,
                         size_t bytes);

void feed_symbol_end(struct feed_symbol *symbol);

int64_t feed_symbol_count(const struct feed_symbol *symbol, enum feed_counter counter);
int64_t feed_symbol_held_trades(const struct feed_symbol *symbol);
int64_t feed_symbol_held_books(const struct feed_symbol *symbol);
enum status feed_symbol_imbalance(const struct feed_symbol *symbol, struct error *error);

void feed_symbol_save(const struct feed_symbol *symbol, struct buffer *out);
enum status feed_symbol_load(struct feed_symbol *symbol, struct reader *in);

/* --- steps, shared by feed_symbol.c, feed_events.c, feed_trades.c, feed_books.c --- */

/* feed_symbol_deliver: a message whose turn has come; into `behind` while the symbol catches up. */
void feed_symbol_deliver(struct feed_symbol *symbol, const struct venue_message *message);

/* feed_symbol_catch_up: a socket was re-opened: what was missed comes first. feed_symbol_keep_behind: holds a
 * message back meanwhile. feed_symbol_missed: which ids are wanted; false: none. feed_symbol_let_go: the end: no
 * longer waits. (feed_backfill.c) */
void feed_symbol_catch_up(struct feed_symbol *symbol);
void feed_symbol_keep_behind(struct feed_symbol *symbol, const struct venue_message *message);
bool feed_symbol_missed(const struct feed_symbol *symbol, int64_t *out_first_id, int64_t *out_last_id);
void feed_symbol_let_go(struct feed_symbol *symbol);

enum { FEED_ORDINAL_TRADE_GAP, FEED_ORDINAL_BOOK_GAP, FEED_ORDINAL_RECONNECT };

void feed_symbol_counts(struct feed_symbol *symbol, enum feed_counter counter); /* one more */
void feed_symbol_emits(struct feed_symbol *symbol, const struct message *message, const void *row);
const struct venue_instrument *feed_symbol_scale(const struct feed_symbol *symbol);

/* feed_symbol_gap: canonical meta of data.md §3.4; missing < 0 means null. */
void feed_symbol_gap(struct feed_symbol *symbol, int ordinal_slot, int64_t ts_ms, const char *gap_kind,
                     int64_t from, int64_t to, int64_t missing);

/* feed_symbol_silence: an event when the item ends a pause longer than the limit. */
void feed_symbol_silence(struct feed_symbol *symbol, int ordinal_slot, int64_t from_ms, int64_t ts_ms,
                         int64_t idle_s);

/* feed_symbol_note_reopened: keeps the event for the next item; feed_symbol_tell_reopened: that item has come. */
void feed_symbol_note_reopened(struct feed_symbol *symbol, const struct venue_message *message);
void feed_symbol_tell_reopened(struct feed_symbol *symbol, int64_t ts_ms);

/* feed_symbol_is_timely: rule 1, and a T that is neither far ahead of the receipt nor far from its own E. */
bool feed_symbol_is_timely(const struct feed_symbol *symbol, const struct venue_message *message);

/* feed_symbol_is_ahead: such a T would move C for good. */
bool feed_symbol_is_ahead(int64_t transaction_ms, int64_t recv_ms);

void feed_symbol_trade(struct feed_symbol *symbol, const struct venue_message *message);
void feed_symbol_diff(struct feed_symbol *symbol, const struct venue_message *message);
void feed_symbol_partial(struct feed_symbol *symbol, const struct venue_message *message);

/* feed_symbol_release, feed_symbol_audited: what ordering and audit call. */
void feed_symbol_release(void *context, const struct ordering_release *release);
void feed_symbol_audited(void *context, const struct audit_quote *book, const struct audit_quote *ticker,
                         bool agrees);

/* feed_symbol_keep: holds a diff back; the oldest goes at the limit. */
void feed_symbol_keep(struct feed_symbol *symbol, struct hold *hold, const struct venue_message *message);

/* feed_symbol_resynchronise: while the book is invalid: bridges a snapshot that has come, or refuses it, or
 * waits on. */
void feed_symbol_resynchronise(struct feed_symbol *symbol);
