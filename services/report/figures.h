/* figures: what report keeps of the streams it reads: counts and exact volumes per symbol, orders per
 * minute, events, strategy_state rows, the newest heartbeat of every upstream instance.
 *
 * Pure: rows in, figures out. Each row is taken once: a row at or below its stream's position is passed
 * over, so that it may be given again after a restart. report_store writes what changed and reads it back. */
#pragma once

#include "base/decimal.h"
#include "base/map.h"
#include "minutes.h"
#include "proto/frame.h"
#include "proto/heartbeat.h"
#include "proto/strategy_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FIGURES_TOP_LEVELS = 5,
    FIGURES_SYMBOLS_MAX = 4096,
    FIGURES_INSTANCES_MAX = 256,
    FIGURES_COUNTERS_MAX = 512, /* of one instance; more are ignored */
    FIGURES_SINKS_MAX = 8,
};

struct book_level {
    struct decimal price, qty; /* null: the level is missing */
};

struct symbol_figures {
    char symbol[SYMBOL_BYTES];
    int64_t diffs_applied;   /* book rows */
    int64_t book_resets;     /* book rows that are the first after a synchronisation */
    int64_t trades;          /* all prints */
    int64_t internal_trades; /* those of them with is_market = false */
    int64_t missing_trade_ids;
    int64_t gaps; /* gap events of harvest */
    int64_t audit_equal, audit_different;
    int64_t signals; /* rows of the signal stream */
    int64_t confirmed_signals, strong_signals;
    int64_t orders;
    struct trade_minutes trade_minutes;
    int64_t first_ts_ms, last_ts_ms; /* of trades and book rows; FIELD_NULL_I64 when there is none */
    struct decimal_sum taker_buy, taker_sell, total;                      /* all prints */
    struct book_level bids[FIGURES_TOP_LEVELS], asks[FIGURES_TOP_LEVELS]; /* after the newest book row */
    double recv_rate_tps; /* of the newest trade; NaN: none yet; not stored */
    int8_t regime;        /* of the newest signal row; FIELD_NULL_ENUM: none yet; not stored */
    bool dirty;
};

struct stream_figures {
    char stream[STREAM_BYTES];
    int64_t position; /* newest row taken */
    int64_t durable;  /* position of the last commit */
    bool ended;       /* end_of_stream was taken; it is the stream's newest row */
    bool dirty;
};

/* kept_row: an event or a strategy_state row on its way to the store. */
struct kept_row {
    size_t stream;
    int64_t sequence;
    int kind; /* ROW_EVENT, ROW_STRATEGY_STATE */
    size_t symbol;
    int64_t ts_ms;
    int8_t event_type;               /* ROW_EVENT */
    struct strategy_state_row state; /* ROW_STRATEGY_STATE */
};

struct order_minute {
    int64_t minute; /* floor(order_ts_ms/60000) */
    int64_t buy, sell, strong, normal, rejected;
    bool dirty;
};

struct instance_figures {
    char instance[INSTANCE_BYTES];
    char state[16];
    int64_t generation;
    struct counter_row *counters;
    size_t counter_count, counter_capacity;
    struct sink_status_row sinks[FIGURES_SINKS_MAX];
    size_t sink_count;
};

struct figures {
    struct symbol_figures *symbols;
    size_t symbol_count, symbol_capacity;
    struct map symbol_index;
    struct stream_figures *streams;
    size_t stream_count, stream_capacity;
    struct map stream_index;
    struct order_minute *minutes; /* rising */
    size_t minute_count, minute_capacity;
    struct minutes event_minutes;
    struct kept_row *kept; /* not yet stored */
    size_t kept_count, kept_capacity;
    struct instance_figures *instances;
    size_t instance_count, instance_capacity;
    bool beats_dirty;
    bool dirty; /* anything but heartbeats */
};

void figures_init(struct figures *figures);
void figures_finish(struct figures *figures);

/* figures_row: one row of `service`/`symbol`. STATUS_MALFORMED with a sentence when it cannot be decoded; its
 * position is taken all the same. */
enum status figures_row(struct figures *figures, const char *service, const char *symbol,
                        const struct row_view *row, struct error *error) MUST_USE;

/* figures_beat: one heartbeat; `rest` stands behind the heartbeat row. */
void figures_beat(struct figures *figures, const struct heartbeat_row *beat, struct frame *rest);

/* figures_symbol, figures_stream, figures_minute, figures_instance: known or new (zeroed). */
struct symbol_figures *figures_symbol(struct figures *figures, const char *symbol);
struct stream_figures *figures_stream(struct figures *figures, const char *stream);
struct order_minute *figures_minute(struct figures *figures, int64_t minute);
struct instance_figures *figures_instance(struct figures *figures, const char *instance);

/* figures_find_stream: NULL when nothing of it was taken. */
const struct stream_figures *figures_find_stream(const struct figures *figures, const char *stream);

/* figures_counter: a counter's sum over all instances of a service ("harvest", "harvest.1", …), of any
 * service when `service` is NULL; FIELD_NULL_I64 when no instance ever reported it. */
int64_t figures_counter(const struct figures *figures, const char *service, const char *name);

/* figures_heard: a row or a heartbeat of the service has come. */
bool figures_heard(const struct figures *figures, const char *service);

/* instance_counter: sets one counter (also when loading). Those of single streams, of which there may be thousands, are not kept: no
 * summary has them. */
void instance_counter(struct instance_figures *instance, const char *name, int64_t value);

/* instance_sink: known or new (zeroed); NULL: there are too many. */
struct sink_status_row *instance_sink(struct instance_figures *instance, const char *name);

/* sum_parse: a decimal text as decimal_sum_text writes it. STATUS_MALFORMED. */
enum status sum_parse(const char *text, struct decimal_sum *out_sum) MUST_USE;
