/* figures: what has been counted, by name and symbol. A name is "<who>:<what>": who counted (a service, or a store that
 * was read), and what. Symbol "": of the run as a whole. */
#pragma once

#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIGURE_KEY_BYTES = 128 };

struct figure {
    char key[FIGURE_KEY_BYTES]; /* "<symbol>|<name>" */
    int64_t value;
    size_t next; /* of the same symbol, MAP_ABSENT: none */
};

struct figures {
    struct map index;   /* key → item */
    struct map symbols; /* symbol → its newest item */
    struct figure *items;
    size_t count, capacity;
};

void figures_init(struct figures *figures);
void figures_finish(struct figures *figures);

/* figures_add: adds to a figure; one that was not there begins at 0. */
void figures_add(struct figures *figures, const char *symbol, const char *name, int64_t value);

/* figures_get: false when it was never counted. A name that ends in '*' is the sum of all that begin like it. For the run as
 * a whole (symbol "") a name that exists only by symbol is the sum over the symbols. */
bool figures_get(const struct figures *figures, const char *symbol, const char *name, int64_t *out_value);
