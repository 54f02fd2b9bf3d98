#include "key_set.h"

#include "base/memory.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void key_set_init(struct key_set *set)
{
    *set = (struct key_set){0};
}

void key_set_finish(struct key_set *set)
{
    free(set->slots);
    key_set_init(set);
}

/* slot_of: where the key is, or belongs. */
static struct row_key *slot_of(const struct key_set *set, struct row_key key)
{
    uint64_t hash = ((uint64_t)key.id ^ (uint64_t)key.detail * 0xff51afd7ed558ccdu) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(hash >> 20) & (set->capacity - 1);
    while (set->slots[at].id != INT64_MIN &&
           (set->slots[at].id != key.id || set->slots[at].detail != key.detail))
        at = (at + 1) & (set->capacity - 1);
    return &set->slots[at];
}

static void grow(struct key_set *set)
{
    struct key_set larger = {.capacity = set->capacity ? 2 * set->capacity : FIRST_CAPACITY,
                             .count = set->count};
    larger.slots = memory_allocate(larger.capacity * sizeof *larger.slots);
    for (size_t i = 0; i < larger.capacity; i++)
        larger.slots[i].id = INT64_MIN;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i].id != INT64_MIN)
            *slot_of(&larger, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = larger;
}

bool key_set_add(struct key_set *set, struct row_key key)
{
    if (2 * (set->count + 1) > set->capacity)
        grow(set);
    struct row_key *slot = slot_of(set, key);
    if (slot->id != INT64_MIN)
        return false;
    *slot = key;
    set->count++;
    return true;
}
