#include "base/map.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct map_entry {
    char *key; /* NULL: free */
    size_t length;
    size_t value;
};

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_finish(struct map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        free(map->entries[i].key);
    free(map->entries);
    map_init(map);
}

/* slot: the entry that holds the key, or the free one where it would go. */
static struct map_entry *slot(const struct map *map, const char *key, size_t length)
{
    size_t at = hash_fnv1a(key, length) & (map->capacity - 1);
    for (;; at = (at + 1) & (map->capacity - 1)) {
        struct map_entry *entry = &map->entries[at];
        if (!entry->key || (entry->length == length && memcmp(entry->key, key, length) == 0))
            return entry;
    }
}

static void grow(struct map *map)
{
    struct map old = *map;
    map->capacity = old.capacity ? 2 * old.capacity : 16;
    map->entries = memory_allocate(map->capacity * sizeof *map->entries);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].key)
            *slot(map, old.entries[i].key, old.entries[i].length) = old.entries[i];
    free(old.entries);
}

void map_put(struct map *map, const char *key, size_t value)
{
    if (2 * (map->count + 1) > map->capacity)
        grow(map);
    struct map_entry *entry = slot(map, key, strlen(key));
    if (!entry->key) {
        entry->key = memory_copy_text(key);
        entry->length = strlen(key);
        map->count++;
    }
    entry->value = value;
}

size_t map_get_bytes(const struct map *map, const char *key, size_t length)
{
    if (!map->count)
        return MAP_ABSENT;
    const struct map_entry *entry = slot(map, key, length);
    return entry->key ? entry->value : MAP_ABSENT;
}

size_t map_get(const struct map *map, const char *key)
{
    return map_get_bytes(map, key, strlen(key));
}
