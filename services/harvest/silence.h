/* silence: of which symbols nothing has come for a minute although others speak (operations.md §6.3: per symbol at least one trade
 * and one book in the last 60 s). Measured by receive times, so it needs no clock. What counts is the time in which somebody spoke: two
 * rows that are farther apart than SILENCE_MS say that all were silent, and that the totals tell, or that the clock was set, to and fro
 * may be, which makes nobody silent. */
#pragma once

#include "proto/field.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SILENCE_MS = 60000 };

struct silence {
    bool *is_elsewhere;      /* of each symbol: another instance hears it */
    int64_t (*newest_ms)[2]; /* of each symbol: spoken_ms at its newest trade and book; 0: none yet */
    int64_t (*heard_ms)[2];  /* of each symbol: receive time of the same; 0: none yet */
    size_t symbol_count;
    int64_t last_ms;   /* greatest receive time since the last jump; 0: no row yet */
    int64_t spoken_ms; /* in this life */
};

void silence_init(struct silence *silence, size_t symbol_count);
void silence_finish(struct silence *silence);
void silence_add(struct silence *silence, size_t symbol, const struct message *message, const void *row);

/* silence_elsewhere: whether another instance hears a symbol; one that comes back begins anew. */
void silence_elsewhere(struct silence *silence, size_t symbol, bool is_elsewhere);

/* silence_trades, silence_books: symbols without one for longer than SILENCE_MS. */
int64_t silence_trades(const struct silence *silence);
int64_t silence_books(const struct silence *silence);
