/* own_symbols: the symbols that the plan gives this instance. Feed and receiver know only these, numbered from 0; the stage
 * numbers all symbols of the run. */
#pragma once

#include "stage/stage.h"

struct own_symbols {
    const char **names; /* the stage's */
    size_t *places;     /* number among the stage's */
    size_t count;       /* 0: an instance more than there is work for */
};

void own_symbols_take(const struct stage *stage, struct own_symbols *out_symbols);
void own_symbols_finish(struct own_symbols *symbols);

/* capture_folder: where an instance keeps its raw capture: data/raw, of further instances data/raw-harvest.2, … */
void capture_folder(const struct stage *stage, char *out_path, size_t size);
