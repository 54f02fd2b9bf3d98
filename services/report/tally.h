/* tally: the figures of signal rows (data.md §6.4), counted row by row as a sink gives them.
 *
 * Pure: no clock, no file. The order of rows does not matter, so rows of several symbols may come symbol
 * after symbol. What is kept does not grow with the rows. */
#pragma once

#include "base/map.h"
#include "proto/signal.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TALLY_MINUTES = 5,
    TALLY_REASONS_MAX = 64, /* distinct reasons; the ones beyond count under TALLY_REASON_OTHER */
    TALLY_REASON_BYTES = 64,
    TALLY_REGIMES = 3,
};
#define TALLY_REASON_OTHER "other_reasons"

/* tally_minute: floor(ts_ms/60000). */
struct tally_minute {
    int64_t minute;
    int64_t count;
    int64_t confirmed;
    int64_t reasons[TALLY_REASONS_MAX];
};

struct tally {
    int64_t total;
    int64_t confirmed;
    int64_t buy, sell;                 /* confirmed; strong ones included */
    int64_t strong_buy, strong_sell;   /* confirmed */
    int64_t pending;                   /* candidates that a gate held back */
    int64_t first_minute, last_minute; /* FIELD_NULL_I64 while there is no row */

    size_t reason_count;
    char reason_names[TALLY_REASONS_MAX][TALLY_REASON_BYTES];
    struct map reason_index;
    int64_t reasons[TALLY_REASONS_MAX];
    int64_t reasons_by_regime[TALLY_REGIMES][TALLY_REASONS_MAX];

    /* The five minutes ending at last_minute: [4] is the newest. */
    struct tally_minute minutes[TALLY_MINUTES];
};

void tally_init(struct tally *tally); /* allocates nothing */
void tally_finish(struct tally *tally);
void tally_add(struct tally *tally, const struct signal_row *row);

/* tally_strong: confirmed strong rows of both sides. */
int64_t tally_strong(const struct tally *tally);

/* tally_reason_order: reason numbers by falling count, equal counts by name: how breakdowns are shown. */
void tally_reason_order(const struct tally *tally, const int64_t *counts,
                        size_t out_order[TALLY_REASONS_MAX]);

/* ratio: part/whole, NaN when whole is 0 ("not measured", never 0). */
double ratio(int64_t part, int64_t whole);
