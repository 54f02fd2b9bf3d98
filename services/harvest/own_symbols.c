#include "own_symbols.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void own_symbols_take(const struct stage *stage, struct own_symbols *out_symbols)
{
    size_t all = stage_symbol_count(stage);
    *out_symbols = (struct own_symbols){.names = memory_allocate(all * sizeof *out_symbols->names),
                                        .places = memory_allocate(all * sizeof *out_symbols->places)};
    for (size_t i = 0; i < all; i++) {
        if (!stage_owns(stage, i))
            continue;
        out_symbols->names[out_symbols->count] = stage_symbol(stage, i);
        out_symbols->places[out_symbols->count++] = i;
    }
}

void own_symbols_finish(struct own_symbols *symbols)
{
    free(symbols->names);
    free(symbols->places);
}

void capture_folder(const struct stage *stage, char *out_path, size_t size)
{
    const char *root = config_text(stage_config(stage), "run.data_root"), *instance = stage_instance(stage);
    bool first = !strchr(instance, '.');
    snprintf(out_path, size, "%.400s/raw%s%s", root, first ? "" : "-", first ? "" : instance);
}
