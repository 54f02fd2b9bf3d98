/* map: texts to small numbers (a symbol's index, a stream's slot), open addressing, keys copied. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MAP_ABSENT SIZE_MAX

struct map {
    struct map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

void map_init(struct map *map);
void map_finish(struct map *map);
/* map_put: sets key → value; a key already there is overwritten. */
void map_put(struct map *map, const char *key, size_t value);
size_t map_get(const struct map *map, const char *key); /* MAP_ABSENT when not there */
size_t map_get_bytes(const struct map *map, const char *key, size_t length);
