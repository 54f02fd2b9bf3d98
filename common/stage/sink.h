/* sink: a reader of the own journal that makes rows durable elsewhere (JSONL, SQLite, order file).
 *
 * The stage runs one thread per sink: it reads what lies behind the sink's position, stream by stream, and hands it
 * over. A sink moves its position only with its rows. A failed write stays where it is: the thread retries with
 * back-off (0.1 s doubling to 5 s), counts and logs; rows wait in the journal. */
#pragma once

#include "base/status.h"
#include "proto/frame.h"
#include "proto/heartbeat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

/* sink_rows: encoded rows of one stream, first to last in sequence without holes (read them with rows_next). */
struct sink_rows {
    const char *stream; /* "signal/BTCUSDT" */
    const char *symbol;
    int64_t first_sequence;
    size_t row_count;
    const uint8_t *data;
    size_t bytes;
};

struct sink {
    const char *name; /* "jsonl", "sqlite", "orders" */
    void *context;
    size_t batch_rows; /* write when so many rows wait … */
    int flush_ms;      /* … or the oldest has waited so long */

    /* open: in the sink's thread, before anything else: opens files, returns to its own position. */
    enum status (*open)(void *context, struct journal *journal, struct error *error);
    /* position: newest durable sequence of a stream, 0 = none. Called from any thread, from open's end to close. */
    int64_t (*position)(void *context, const char *stream);
    /* write: makes these rows and the new position durable, all or nothing; several streams come as several calls
     * between begin and commit. */
    enum status (*begin)(void *context, struct error *error);
    enum status (*write)(void *context, const struct sink_rows *rows, struct error *error);
    enum status (*commit)(void *context, struct error *error);
    /* rollback: after a failed begin, write or commit: back to the last durable position. */
    void (*rollback)(void *context);
    /* unfinished: rows are durable, but not yet where they are looked for (a complete file that could not be renamed): the
     * thread tries again with an empty batch, and until it succeeds the stage is not drained. NULL: never. Called from any
     * thread, from open's end to close. */
    bool (*unfinished)(void *context);
    /* close: flush and release. */
    void (*close)(void *context);
    /* figures of the sink itself: files open, dedup, key_conflict; the thread fills the rest. Called from any thread, from
     * open's end to close. */
    void (*figures)(void *context, struct sink_status_row *status);
};
