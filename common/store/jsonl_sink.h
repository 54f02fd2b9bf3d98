/* jsonl_sink: rows of one message as JSON lines, one file per symbol and event minute (data.md §5.2).
 *
 *   <output>/spool/<service>/<SYMBOL>/<prefix>_<YYYYMMDD_HHMM>_<run_id>.part     being written
 *   <output>/ready/<service>/<SYMBOL>/<prefix>_<YYYYMMDD_HHMM>_<run_id>.jsonl    complete, never touched again
 *
 * The symbol's next minute or its end of stream closes a file; a planned stop leaves the .part. A line is
 * message_json of the row. Position: one record of the journal, `sink/jsonl`, says for each stream {file, bytes
 * that count, sequence} and which finished files are still to be renamed. A batch goes
 *
 *      append lines → (sync) → [after_write] → journal the record → rename finished files → [after_rename]
 *
 * so that a death anywhere leaves either the old record, whose files are cut back to their recorded bytes, or
 * the new one, whose renames are made up for at the next open. */
#pragma once

#include "stage/sink.h"

#include <stdbool.h>
#include <stdint.h>

struct jsonl_sink_config {
    const char *output_dir;
    const char *service; /* "signal": folder below spool and ready */
    const char *prefix;  /* "signals" */
    const char *run_id;
    const struct message *message; /* its rows become lines; it has ts_ms */
    bool sync;                     /* journal.durability: power */
    int64_t max_shards;            /* more files below output_dir, or … */
    int64_t max_file_bytes;        /* … a larger one: new files go to <output>/<YYYYMMDD>/spool and ready */
    size_t batch_rows;             /* sink.fsync_every_n */
    int flush_ms;                  /* sink.fsync_interval_ms */
};

/* jsonl_sink_create: texts are borrowed as long as the sink lives. */
struct sink *jsonl_sink_create(const struct jsonl_sink_config *config);

/* jsonl_sink_figures: for the heartbeat; from any thread. */
struct jsonl_sink_figures {
    int64_t
        rotations; /* files finished over all lives: a service that is killed every minute still finishes them */
    int64_t ready_files;   /* in the ready folder; -1: not counted yet */
    int64_t largest_bytes; /* of the files finished in this life */
};
struct jsonl_sink_figures jsonl_sink_figures(const struct sink *sink);

void jsonl_sink_destroy(struct sink *sink); /* after its close; accepts NULL */
