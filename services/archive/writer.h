/* writer: the archive's own thread for slow work: Parquet files, dead letters, checkpoint, hourly merging.
 *
 * Jobs are done in the order they were given. The loop hands over columns and goes on; a job becomes durable
 * when its files have their names and the checkpoint says so. A failed write stays where it is: it is counted,
 * logged and tried again (0.1 s doubling to 5 s), while the rows also wait in their producers' journals. Files
 * are written
 *
 *   temporary name → [after_write] → rename → [after_rename] → checkpoint names it → (merging: parts deleted) */
#pragma once

#include "checkpoint.h"
#include "store/columns.h"
#include "store/parquet.h"

#include <stdbool.h>

struct writer;

struct writer_config {
    const char *root;            /* "<data_root>/ofi_cvd" */
    const char *deadletter_root; /* "<artifacts>/deadletter" */
    const char *checkpoint_path;
    const char *run_id;
    struct parquet_config parquet;
    void (*wake)(void *context); /* after each job; from the writer's thread; may be NULL */
    void *wake_context;
};

enum {
    WRITER_JOBS_MAX = 256,               /* waiting jobs, or … */
    WRITER_BYTES_MAX = 16 * 1024 * 1024, /* … bytes of rows in them: writer_full says so */
    WRITER_CHECKPOINT_JOBS = 16,         /* a checkpoint at least so often while jobs are waiting */
};

/* writer_open: reads the checkpoint, removes files it does not name, begins a new one where there is none,
 * starts the thread. STATUS_INVALID and STATUS_MALFORMED are for a person to mend. */
enum status writer_open(const struct writer_config *config, struct writer **out_writer,
                        struct error *error) MUST_USE;

/* writer_close: finishes what is queued unless writes are failing; then the rest is left to the next life. */
void writer_close(struct writer *writer); /* accepts NULL */

/* flush_item: the rows of one window of one kind, or dead letters, or both; adopted by the writer. */
struct flush_item {
    enum data_kind kind; /* KIND_NONE: dead letters of rows that belong to no data set */
    struct columns *columns;
    struct buffer rejects; /* ndjson lines */
    int64_t reject_count;
    int64_t reject_ts_ms; /* names the folder of their day */
    int64_t duplicates;
};

/* flush: items of one stream that become durable together, and what the checkpoint says of the stream then. */
struct flush {
    struct checkpoint_stream after;
    char symbol[SYMBOL_BYTES];
    int64_t event_ts_ms;
    struct flush_item *items;
    size_t item_count;
};

void writer_flush(struct writer *writer, const struct flush *flush); /* adopts items and the array */

/* writer_merge: merges the parts of this symbol and kind of all hours before `below_ms`. */
void writer_merge(struct writer *writer, const char *symbol, enum data_kind kind, int64_t below_ms);

bool writer_full(struct writer *writer);
bool writer_idle(struct writer *writer); /* nothing waits, nothing is being written */

/* writer_stream: what is durable of a stream. */
struct checkpoint_stream writer_stream(struct writer *writer, const char *name);

/* writer_duplicates: rows of a symbol and kind left out for a row_id met before. */
int64_t writer_duplicates(struct writer *writer, const char *symbol, enum data_kind kind);

/* writer_figures: for the heartbeat. */
struct writer_figures {
    struct checkpoint_counts counts;
    int64_t rows[KIND_COUNT];
    int64_t last_write_ms; /* wall time; FIELD_NULL_I64: never */
    double flush_s;        /* how long the last flush took; NaN: none yet */
    size_t waiting_jobs, waiting_bytes;
    int64_t last_ts_ms; /* newest event time written, by this life or before; 0: none */
};
void writer_figures(struct writer *writer, struct writer_figures *out_figures);
