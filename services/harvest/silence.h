/* silence: of which symbols nothing has come for a minute although others speak (operations.md §6.3: per symbol at least one trade
 * and one book in the last 60 s). Measured by receive times, so it needs no clock; when all are silent, the totals say so. */
#pragma once

#include "proto/field.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SILENCE_MS = 60000 };

struct silence {
    bool *is_elsewhere;      /* of each symbol: another instance hears it */
    int64_t (*newest_ms)[2]; /* of each symbol: receive time of its newest trade and book; 0: none yet */
    size_t symbol_count;
    int64_t first_ms, last_ms; /* of any row of this life */
};

void silence_init(struct silence *silence, size_t symbol_count);
void silence_finish(struct silence *silence);
void silence_add(struct silence *silence, size_t symbol, const struct message *message, const void *row);

/* silence_elsewhere: whether another instance hears a symbol; one that comes back begins anew. */
void silence_elsewhere(struct silence *silence, size_t symbol, bool is_elsewhere);

/* silence_trades, silence_books: symbols without one for longer than SILENCE_MS. */
int64_t silence_trades(const struct silence *silence);
int64_t silence_books(const struct silence *silence);
