/* sink: a reader of the own journal that makes rows durable elsewhere (JSONL, SQLite, order file).
 *
 * The stage runs one thread per sink: it reads what lies behind the sink's position, stream by stream, and hands it
 * over. A sink moves its position only with its rows. A failed write stays where it is: the thread retries with
 * back-off (0.1 s doubling to 5 s), counts and logs; rows wait in the journal. */
#pragma once

#include "base/buffer.h"
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

    /* open: in the sink's thread, before anything else: returns to its own position. */
    enum status (*open)(void *context, struct journal *journal, struct error *error);
    /* resume: behind open and the take of every stream that came from another instance: goes on in the files that are open
     * now, cut to what is recorded. Until then no such file may be touched. NULL: nothing to do. */
    enum status (*resume)(void *context, struct error *error);
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
    /* A stream moves to another instance (architecture.md, hand-over). In the sink's thread, between two batches; all three or
     * none. give: everything of the stream is durable: what its next owner must know to go on in the same file. take: goes on
     * from there, unless the own position is as far already. forget: the stream is somebody else's: nothing of it may be
     * touched any more. */
    void (*give)(void *context, const char *stream, struct buffer *out);
    enum status (*take)(void *context, const char *stream, struct reader *in, struct error *error);
    void (*forget)(void *context, const char *stream);

    /* owns: set by the stage before open: streams that are not this instance's are left alone whatever the sink's record says.
     * NULL: all are ours. */
    bool (*owns)(const void *owner, const char *stream);
    const void *owner;

    /* close: flush and release. */
    void (*close)(void *context);
    /* figures of the sink itself: files open, dedup, key_conflict; the thread fills the rest. Called from any thread, from
     * open's end to close. */
    void (*figures)(void *context, struct sink_status_row *status);
};
