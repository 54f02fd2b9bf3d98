/* archived: which rows are whole on the disk, and in which files: the archive's checkpoint (data.md §4.1). While a run is on its way a
 * file may be renamed and not named yet, or merged and not deleted yet; whoever looks at the named ones sees every row once. */
#pragma once

#include "config/config.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archived_symbol {
    char symbol[SYMBOL_BYTES];
    int64_t below_ms; /* all rows before it are in files; INT64_MAX: the streams have ended */
};

struct archived {
    bool known;      /* else every file counts, and every row is whole */
    int64_t from_ms; /* files that end before it are not looked at; INT64_MIN: all are */
    int64_t next_file;
    int64_t *deleting;
    size_t deleting_count;
    struct archived_symbol *symbols;
    size_t symbol_count, symbol_capacity;
};

/* archived_read: of this run; a checkpoint of another one, or none, is not known. */
void archived_read(const struct config *config, const char *run_id, struct archived *out);
void archived_finish(struct archived *archived);

/* archived_below_ms: INT64_MIN: nothing of it yet. */
int64_t archived_below_ms(const struct archived *archived, const char *symbol);

/* archived_wanted: a data_file_wanted. */
bool archived_wanted(const void *context, int64_t last_ms, int64_t number);
