/* writer_private: the writer's parts, shared by its files only.
 *
 *   writer.c          queue, thread, opening, questions      writer_checkpoint.c  which checkpoint to begin with
 *   writer_jobs.c     flush and merge, retries, the checkpoint's progress */
#pragma once

#include "parts.h"
#include "writer.h"

#include "base/clock.h"

#include <pthread.h>

struct job {
    struct job *next;
    size_t bytes;
    bool is_merge;
    struct flush flush;
    struct { /* of a merge */
        char symbol[SYMBOL_BYTES];
        enum data_kind kind;
        int64_t below_ms;
    } merge;
};

struct writer {
    struct writer_config config;
    struct clock clock;
    struct parquet *parquet; /* NULL after a failure or a merge: opened anew at the next attempt */
    struct parts parts;
    pthread_t thread;
    bool started;
    int64_t next_file;   /* the thread's; the checkpoint's follows */
    size_t jobs_unnamed; /* done since the last checkpoint */

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    struct job *first, *last;
    size_t waiting_jobs, waiting_bytes;
    bool busy, stop;
    struct checkpoint checkpoint; /* written by the thread only; read by others under the mutex */
    struct checkpoint durable;    /* streams as the checkpoint file says */
    struct writer_figures figures;
};

/* writer_do_flush, writer_do_merge: one job; false: given up because the writer is to stop. */
bool writer_do_flush(struct writer *writer, const struct flush *flush);
bool writer_do_merge(struct writer *writer, const struct job *job);

/* writer_save_checkpoint: tries until it succeeds; false as above. */
bool writer_save_checkpoint(struct writer *writer);

/* writer_write_checkpoint: one attempt. */
enum status writer_write_checkpoint(struct writer *writer, void *unused, struct error *error) MUST_USE;

/* writer_remove_merged: what the checkpoint says is to be deleted goes, durably before the checkpoint forgets it. One attempt. */
enum status writer_remove_merged(struct writer *writer, void *unused, struct error *error) MUST_USE;

/* writer_publish_durable: what others may rely on, now that the file says so. */
void writer_publish_durable(struct writer *writer);

/* writer_open_checkpoint: at start: reads, checks and cleans, or begins. */
enum status writer_open_checkpoint(struct writer *writer, struct error *error) MUST_USE;
