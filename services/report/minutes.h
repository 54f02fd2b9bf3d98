/* minutes: what the newest event minutes held of books and signals: for alerts, the time-series export and /metrics
 * (operations.md §9 to §11). Pure: rows in, figures out; report_store writes what changed and reads it back.
 *
 * The newest minute is still open. The ones before it are taken for complete: a row that comes later still counts, and
 * the figures change. */
#pragma once

#include "proto/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MINUTES_KEPT = 128, /* older ones are forgotten; their rows are counted in the totals only */
    MINUTES_REASONS_MAX = 64,
    MINUTES_REASON_BYTES = 48,
    MINUTES_SHORT = 5,       /* the ratio now … */
    MINUTES_LONG = 60,       /* … against so many before it … */
    MINUTES_LONG_LEAST = 30, /* … of which so many must have a value */
    MINUTES_CONSISTENCY = 3,
    MINUTES_HOUR = 60,
};
#define MINUTES_SIGMA_FLOOR       0.02
#define MINUTES_REASON_OTHER      "other_reasons"
#define MINUTES_REASON_CONSISTENT "low_consistency"

struct minute_figures {
    int64_t minute; /* floor(ts_ms/60000) */
    int64_t books;
    int64_t signals, confirmed, strong, low_consistency;
    bool dirty;
};

struct reason_figures {
    char name[MINUTES_REASON_BYTES];
    int64_t rows; /* each reason once per row */
    bool dirty;
};

struct minutes {
    struct minute_figures items[MINUTES_KEPT]; /* rising; a minute without anything is not there */
    size_t count;
    struct reason_figures reasons[MINUTES_REASONS_MAX];
    size_t reason_count;
};

void minutes_book(struct minutes *minutes, int64_t ts_ms);
void minutes_signal(struct minutes *minutes, const struct signal_row *row);

/* minutes_at, minutes_reason: known or new (zeroed); NULL: too old to be kept; of reasons beyond the greatest number the
 * last one. */
struct minute_figures *minutes_at(struct minutes *minutes, int64_t minute);
struct reason_figures *minutes_reason(struct minutes *minutes, const char *name, size_t length);

/* minutes_view: NaN where nothing can be said yet. */
struct minutes_view {
    double signals_last;    /* rows of the last complete minute */
    double silent_in_a_row; /* complete minutes before now with books and without any signal row, 0…2 */
    double low_consistency_share;  /* of the last complete minute */
    double low_consistency_least;  /* least of the last MINUTES_CONSISTENCY complete minutes */
    double strong_ratio_last;      /* of the last MINUTES_SHORT complete minutes together */
    double strong_ratio_deviation; /* its distance from the median of the MINUTES_LONG before, in robust σ */
};
void minutes_view(const struct minutes *minutes, struct minutes_view *out_view);

/* trade_minutes: in which of the last 64 minutes a symbol had trades. */
struct trade_minutes {
    int64_t newest; /* 0: none */
    int64_t bits;   /* bit i: minute newest - i */
};
void trade_minutes_add(struct trade_minutes *trades, int64_t ts_ms);

/* trade_minutes_empty_share: minutes of the last hour without a trade, as a share of the hour. The hour ends with the
 * newest minute before that of `newest_ts_ms`; minutes up to that of `first_ts_ms` are not counted. NaN: none is. */
double trade_minutes_empty_share(const struct trade_minutes *trades, int64_t first_ts_ms,
                                 int64_t newest_ts_ms);
