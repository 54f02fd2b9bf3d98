/* sqlite_sink: rows of one message in a SQLite table, positions in the same transaction (data.md §5.3).
 *
 * A row that is there already counts as dedup when equal, as key_conflict when not (the first one stays). A
 * table with another key is refused: open gives STATUS_INVALID. */
#pragma once

#include "stage/sink.h"

struct sqlite_sink_config {
    const char *path;   /* "…/signals.db" */
    const char *run_id; /* of the positions */
    const char *table;  /* "signals" */
    const struct message *message;
    const char *const *key;      /* {"run_id", "ts_ms", "symbol", NULL} */
    const char *const *required; /* further NOT NULL columns; NULL: none */
    const char *index;           /* "symbol, ts_ms"; NULL: none */
    size_t batch_rows;           /* sink.sqlite_batch_n */
    int flush_ms;                /* sink.sqlite_flush_ms */
    bool sync;                   /* journal.durability: power */
};

struct sink *sqlite_sink_create(const struct sqlite_sink_config *config); /* texts are borrowed */
void sqlite_sink_destroy(struct sink *sink);                              /* after its close; accepts NULL */
