#include "writer_private.h"

#include "base/memory.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- queue --- */

static void flush_free(struct flush *flush)
{
    for (size_t i = 0; i < flush->item_count; i++) {
        columns_destroy(flush->items[i].columns);
        buffer_finish(&flush->items[i].rejects);
    }
    free(flush->items);
}

static void job_free(struct job *job)
{
    flush_free(&job->flush);
    free(job);
}

static void submit(struct writer *writer, struct job *job)
{
    pthread_mutex_lock(&writer->mutex);
    if (writer->last)
        writer->last->next = job;
    else
        writer->first = job;
    writer->last = job;
    writer->waiting_jobs++;
    writer->waiting_bytes += job->bytes;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->mutex);
}

void writer_flush(struct writer *writer, const struct flush *flush)
{
    struct job *job = memory_allocate(sizeof *job);
    job->flush = *flush;
    for (size_t i = 0; i < flush->item_count; i++)
        job->bytes += flush->items[i].rejects.length +
                      (flush->items[i].columns ? columns_bytes(flush->items[i].columns) : 0);
    submit(writer, job);
}

void writer_merge(struct writer *writer, const char *symbol, enum data_kind kind, int64_t below_ms)
{
    struct job *job = memory_allocate(sizeof *job);
    job->is_merge = true;
    job->merge.kind = kind;
    job->merge.below_ms = below_ms;
    snprintf(job->merge.symbol, sizeof job->merge.symbol, "%s", symbol);
    submit(writer, job);
}

/* take_job: waits for one. NULL: stop, and none is left. */
static struct job *take_job(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->busy = false;
    while (!writer->first && !writer->stop)
        pthread_cond_wait(&writer->changed, &writer->mutex);
    struct job *job = writer->first;
    if (job) {
        writer->first = job->next;
        if (!writer->first)
            writer->last = NULL;
        writer->waiting_jobs--;
        writer->waiting_bytes -= job->bytes;
        writer->busy = true;
    }
    pthread_mutex_unlock(&writer->mutex);
    return job;
}

/* --- the thread --- */

/* name_jobs: the checkpoint follows when nothing waits, and else every few jobs. */
static bool name_jobs(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    bool waiting = writer->first;
    pthread_mutex_unlock(&writer->mutex);
    if (!writer->jobs_unnamed || (waiting && writer->jobs_unnamed < WRITER_CHECKPOINT_JOBS))
        return true;
    return writer_save_checkpoint(writer);
}

/* give_back: DuckDB's allocator keeps most of what a merge needed, and ours what a burst of rows took, so that memory would rise for
 * hours to the worst that ever came together. The next job opens DuckDB anew, for some 15 ms of CPU. */
static void give_back(struct writer *writer)
{
    parquet_close(writer->parquet);
    writer->parquet = NULL;
    malloc_trim(0);
}

static bool do_merge(struct writer *writer, const struct job *job)
{
    bool go_on = writer_do_merge(writer, job);
    give_back(writer);
    return go_on && name_jobs(writer);
}

static bool do_job(struct writer *writer, const struct job *job)
{
    if (job->is_merge)
        return do_merge(writer, job);
    writer->jobs_unnamed++;
    return writer_do_flush(writer, &job->flush) && name_jobs(writer);
}

static void *writer_thread(void *context)
{
    struct writer *writer = context;
    struct job *job;
    bool go_on = true;
    while (go_on && (job = take_job(writer))) {
        go_on = do_job(writer, job);
        job_free(job);
        if (writer->config.wake)
            writer->config.wake(writer->config.wake_context);
    }
    pthread_mutex_lock(&writer->mutex);
    writer->busy = false;
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

/* --- opening --- */

static void begin_figures(struct writer *writer)
{
    writer->figures = (struct writer_figures){.flush_s = NAN, .last_write_ms = FIELD_NULL_I64};
    for (size_t i = 0; i < writer->checkpoint.set_count; i++) {
        const struct checkpoint_set *set = &writer->checkpoint.sets[i];
        writer->figures.rows[set->kind] += set->rows;
        if (set->last_ts_ms > writer->figures.last_ts_ms)
            writer->figures.last_ts_ms = set->last_ts_ms;
    }
}

static void init_condition(struct writer *writer)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum status writer_open(const struct writer_config *config, struct writer **out_writer, struct error *error)
{
    struct writer *writer = memory_allocate(sizeof *writer);
    writer->config = *config;
    writer->clock = clock_system();
    init_condition(writer);
    parts_init(&writer->parts, config->root, config->run_id, config->parquet.sync);
    enum status status = writer_open_checkpoint(writer, error);
    if (status ==
        STATUS_OK) { /* DuckDB is opened with the first job (writer_jobs.c): no start waits for it */
        begin_figures(writer);
        writer_publish_durable(writer);
        writer->started = pthread_create(&writer->thread, NULL, writer_thread, writer) == 0;
        if (!writer->started)
            status = error_set(error, STATUS_IO, "the archive's writer gets no thread: %m");
    }
    if (status != STATUS_OK) {
        writer_close(writer);
        return status;
    }
    *out_writer = writer;
    return STATUS_OK;
}

void writer_close(struct writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->stop = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->mutex);
    if (writer->started)
        pthread_join(writer->thread, NULL);
    while (writer->first) {
        struct job *job = writer->first;
        writer->first = job->next;
        job_free(job);
    }
    parquet_close(writer->parquet);
    parts_finish(&writer->parts);
    checkpoint_finish(&writer->checkpoint);
    checkpoint_finish(&writer->durable);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}

/* --- questions --- */

bool writer_full(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    bool full = writer->waiting_jobs >= WRITER_JOBS_MAX || writer->waiting_bytes >= WRITER_BYTES_MAX;
    pthread_mutex_unlock(&writer->mutex);
    return full;
}

bool writer_idle(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    bool idle = !writer->first && !writer->busy;
    pthread_mutex_unlock(&writer->mutex);
    return idle;
}

struct checkpoint_stream writer_stream(struct writer *writer, const char *name)
{
    pthread_mutex_lock(&writer->mutex);
    struct checkpoint_stream stream = *checkpoint_stream(&writer->durable, name);
    pthread_mutex_unlock(&writer->mutex);
    return stream;
}

void writer_figures(struct writer *writer, struct writer_figures *out_figures)
{
    pthread_mutex_lock(&writer->mutex);
    *out_figures = writer->figures;
    out_figures->counts = writer->checkpoint.counts;
    out_figures->waiting_jobs = writer->waiting_jobs;
    out_figures->waiting_bytes = writer->waiting_bytes;
    pthread_mutex_unlock(&writer->mutex);
}

int64_t writer_duplicates(struct writer *writer, const char *symbol, enum data_kind kind)
{
    int64_t duplicates = 0;
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = 0; i < writer->checkpoint.set_count; i++) {
        const struct checkpoint_set *set = &writer->checkpoint.sets[i];
        if (set->kind == kind && strcmp(set->symbol, symbol) == 0)
            duplicates += set->duplicates;
    }
    pthread_mutex_unlock(&writer->mutex);
    return duplicates;
}
