/* reading: the thread that reads. DuckDB takes its time, and the stage's loop has heartbeats to send: so the rows of all symbols,
 * merged by time, wait in a ring of fixed size, from which the loop takes them. */
#pragma once

#include "proto/feature.h"
#include "store/row_files.h"

#include <stdbool.h>

struct reading;

/* played: all there is of one time of a symbol, or, with `end`, that nothing of it follows. */
struct played {
    size_t symbol; /* as in reading_track */
    bool end;
    int64_t ts_ms;
    bool has_row;
    struct feature_row row;
    int64_t repeated;
    int64_t rejected[ROW_REJECTS];
};

/* reading_track: a symbol that is read, behind a time. */
struct reading_track {
    size_t symbol;
    const char *name;
    int64_t behind_ts_ms;
};

/* reading_start: `files` is the thread's until reading_stop; the tracks are copied, their names borrowed. `wake` is called from the
 * thread whenever somebody had found nothing, and there is something now. */
enum status reading_start(struct row_files *files, const struct reading_track *tracks, size_t track_count,
                          void (*wake)(void *context), void *wake_context, struct reading **out_reading,
                          struct error *error) MUST_USE;

/* reading_stop: what has not been taken is forgotten. Waits for the batch that is being read. Accepts NULL. */
void reading_stop(struct reading *reading);

/* reading_peek: what comes next; good until reading_take. STATUS_AGAIN: not yet; STATUS_END: all tracks have ended; else what went
 * wrong. */
enum status reading_peek(struct reading *reading, const struct played **out_played,
                         struct error *error) MUST_USE;
void reading_take(struct reading *reading);
