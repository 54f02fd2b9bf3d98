#include "figures.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void figures_init(struct figures *figures)
{
    *figures = (struct figures){0};
    map_init(&figures->index);
    map_init(&figures->symbols);
}

void figures_finish(struct figures *figures)
{
    map_finish(&figures->index);
    map_finish(&figures->symbols);
    free(figures->items);
    figures_init(figures);
}

void figures_add(struct figures *figures, const char *symbol, const char *name, int64_t value)
{
    char key[FIGURE_KEY_BYTES];
    snprintf(key, sizeof key, "%s|%s", symbol, name);
    size_t index = map_get(&figures->index, key);
    if (index == MAP_ABSENT) {
        index = figures->count++;
        figures->items =
            memory_grow(figures->items, &figures->capacity, figures->count, sizeof *figures->items);
        figures->items[index] = (struct figure){.next = map_get(&figures->symbols, symbol)};
        memcpy(figures->items[index].key, key, sizeof key);
        map_put(&figures->index, key, index);
        map_put(&figures->symbols, symbol, index);
    }
    figures->items[index].value += value;
}

static bool fits(const struct figure *figure, const char *name, size_t name_bytes, bool begins)
{
    const char *own = strchr(figure->key, '|') + 1;
    return strncmp(own, name, name_bytes) == 0 && (begins || !own[name_bytes]);
}

/* sum_symbol: of all of a symbol that begin with `name`. */
static bool sum_symbol(const struct figures *figures, const char *symbol, const char *name, size_t name_bytes,
                       int64_t *out_value)
{
    bool any = false;
    *out_value = 0;
    for (size_t i = map_get(&figures->symbols, symbol); i != MAP_ABSENT; i = figures->items[i].next)
        if (fits(&figures->items[i], name, name_bytes, true)) {
            *out_value += figures->items[i].value;
            any = true;
        }
    return any;
}

/* sum_symbols: over all symbols. */
static bool sum_symbols(const struct figures *figures, const char *name, size_t name_bytes, bool begins,
                        int64_t *out_value)
{
    bool any = false;
    *out_value = 0;
    for (size_t i = 0; i < figures->count; i++)
        if (*figures->items[i].key != '|' && fits(&figures->items[i], name, name_bytes, begins)) {
            *out_value += figures->items[i].value;
            any = true;
        }
    return any;
}

bool figures_get(const struct figures *figures, const char *symbol, const char *name, int64_t *out_value)
{
    char key[FIGURE_KEY_BYTES];
    size_t length = strlen(name);
    bool begins = length && name[length - 1] == '*';
    snprintf(key, sizeof key, "%s|%s", symbol, name);
    size_t index = begins ? MAP_ABSENT : map_get(&figures->index, key);
    if (index != MAP_ABSENT) {
        *out_value = figures->items[index].value;
        return true;
    }
    return (begins && sum_symbol(figures, symbol, name, length - 1, out_value)) ||
           (!*symbol && sum_symbols(figures, name, length - begins, begins, out_value));
}
