/* key_set: the row keys of one open window, to find a row_id that comes twice. */
#pragma once

#include "kinds.h"

#include <stdbool.h>

struct key_set {
    struct row_key *slots; /* open addressing; id INT64_MIN: free */
    size_t capacity;       /* a power of two, or 0 */
    size_t count;
};

void key_set_init(struct key_set *set);
void key_set_finish(struct key_set *set);

/* key_set_add: false when it was there. */
bool key_set_add(struct key_set *set, struct row_key key);
