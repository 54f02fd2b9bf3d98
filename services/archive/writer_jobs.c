#include "writer_private.h"

#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000, MERGE_ATTEMPTS = 3 };

/* --- failing --- */

static void note_failure(struct writer *writer, const struct error *error)
{
    parquet_close(writer->parquet);
    writer->parquet = NULL;
    pthread_mutex_lock(&writer->mutex);
    writer->checkpoint.counts.write_errors_total++;
    pthread_mutex_unlock(&writer->mutex);
    log_event(LOG_ERROR, "write_error", "sink=parquet reason=\"%s\"", error->text);
}

/* back_off: false when the writer is to stop: what could not be written is left to the next life. */
static bool back_off(struct writer *writer, int *delay_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(*delay_ms % 1000) * 1000000;
    until.tv_sec += *delay_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&writer->mutex);
    while (!writer->stop && pthread_cond_timedwait(&writer->changed, &writer->mutex, &until) != ETIMEDOUT)
        continue;
    bool stop = writer->stop;
    pthread_mutex_unlock(&writer->mutex);
    *delay_ms = 2 * *delay_ms < BACKOFF_MAX_MS ? 2 * *delay_ms : BACKOFF_MAX_MS;
    return !stop;
}

typedef enum status attempt(struct writer *writer, void *argument, struct error *error);

/* persist: tries until it succeeds. False: given up because the writer is to stop. */
static bool persist(struct writer *writer, attempt *attempt_once, void *argument)
{
    struct error error = {{0}};
    int delay_ms = BACKOFF_FIRST_MS;
    for (;;) {
        enum status status =
            writer->parquet ? STATUS_OK : parquet_open(&writer->config.parquet, &writer->parquet, &error);
        if (status == STATUS_OK && attempt_once(writer, argument, &error) == STATUS_OK)
            return true;
        note_failure(writer, &error);
        if (!back_off(writer, &delay_ms))
            return false;
    }
}

/* --- the checkpoint --- */

enum status writer_write_checkpoint(struct writer *writer, void *unused, struct error *error)
{
    (void)unused;
    writer->checkpoint.next_file = writer->next_file;
    crash_point("before_commit");
    if (checkpoint_write(&writer->checkpoint, writer->config.checkpoint_path, writer->config.parquet.sync) !=
        STATUS_OK)
        return error_set(error, STATUS_IO, "%s cannot be written: %m", writer->config.checkpoint_path);
    crash_point("after_commit");
    return STATUS_OK;
}

void writer_publish_durable(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = 0; i < writer->checkpoint.stream_count; i++)
        *checkpoint_stream(&writer->durable, writer->checkpoint.streams[i].name) =
            writer->checkpoint.streams[i];
    pthread_mutex_unlock(&writer->mutex);
    writer->jobs_unnamed = 0;
}

bool writer_save_checkpoint(struct writer *writer)
{
    if (!persist(writer, writer_write_checkpoint, NULL))
        return false;
    writer_publish_durable(writer);
    return true;
}

/* --- flush --- */

struct item_job {
    struct writer *writer;
    const struct flush *flush;
    const struct flush_item *item;
    struct part part;
    char path[PATH_BYTES];
};

static void describe_part(struct item_job *job)
{
    const struct columns *columns = job->item->columns;
    job->part = (struct part){.kind = job->item->kind,
                              .first_ts_ms = INT64_MAX,
                              .last_ts_ms = INT64_MIN,
                              .rows = (int64_t)columns->rows,
                              .number = job->writer->next_file++};
    memcpy(job->part.symbol, job->flush->symbol, sizeof job->part.symbol);
    for (size_t i = 0; i < columns->rows; i++) {
        int64_t ts_ms = columns_ts_ms(columns, i);
        job->part.first_ts_ms = ts_ms < job->part.first_ts_ms ? ts_ms : job->part.first_ts_ms;
        job->part.last_ts_ms = ts_ms > job->part.last_ts_ms ? ts_ms : job->part.last_ts_ms;
    }
    part_path(&job->writer->parts, &job->part, job->path);
}

static enum status write_part(struct writer *writer, void *argument, struct error *error)
{
    struct item_job *job = argument;
    return parquet_write(writer->parquet, job->item->columns, job->path, error);
}

static int64_t newest_id(const struct columns *columns, int64_t newest)
{
    for (size_t i = 0; i < columns->rows; i++)
        newest = columns->order[i].id > newest ? columns->order[i].id : newest;
    return newest;
}

static void count_part(struct writer *writer, const struct item_job *job)
{
    pthread_mutex_lock(&writer->mutex);
    struct checkpoint_set *set = checkpoint_set(&writer->checkpoint, job->part.symbol, job->part.kind);
    const char *order = KINDS[job->part.kind].order_column;
    if (job->part.last_ts_ms > set->last_ts_ms)
        set->last_ts_ms = job->part.last_ts_ms;
    if (order && strcmp(order, "agg_trade_id") == 0)
        set->last_agg_trade_id = newest_id(job->item->columns, set->last_agg_trade_id);
    else if (order)
        set->last_update_id = newest_id(job->item->columns, set->last_update_id);
    snprintf(set->last_file, sizeof set->last_file, "%s", strrchr(job->path, '/') + 1);
    set->rows += job->part.rows;
    writer->figures.rows[job->part.kind] += job->part.rows;
    if (set->last_ts_ms > writer->figures.last_ts_ms)
        writer->figures.last_ts_ms = set->last_ts_ms;
    writer->checkpoint.counts.files_written++;
    pthread_mutex_unlock(&writer->mutex);
    log_event(LOG_INFO, "rotate", "kind=%s symbol=%s file=%s rows=%lld", KINDS[job->part.kind].name,
              job->part.symbol, strrchr(job->path, '/') + 1, (long long)job->part.rows);
}

static enum status write_rejects(struct writer *writer, void *argument, struct error *error)
{
    struct item_job *job = argument;
    const struct buffer *lines = &job->item->rejects;
    if (folder_make_for(job->path) == STATUS_OK &&
        file_replace(job->path, lines->data, lines->length, writer->config.parquet.sync) == STATUS_OK)
        return STATUS_OK;
    return error_set(error, STATUS_IO, "%s cannot be written: %m", job->path);
}

static void name_rejects(struct item_job *job)
{
    char date[TIME_TEXT_BYTES];
    time_date(job->item->reject_ts_ms, date);
    path_join(job->path, job->writer->config.deadletter_root, "date=%s/symbol=%s/kind=%s/bad-%s-%lld.ndjson",
              date, job->flush->symbol,
              job->item->kind == KIND_NONE ? "unknown" : KINDS[job->item->kind].name,
              job->writer->config.run_id, (long long)job->writer->next_file++);
}

static bool write_item(struct item_job *job)
{
    struct writer *writer = job->writer;
    if (job->item->columns && job->item->columns->rows) {
        describe_part(job);
        if (!persist(writer, write_part, job))
            return false;
        parts_add(&writer->parts, &job->part);
        count_part(writer, job);
    }
    if (job->item->rejects.length) {
        name_rejects(job);
        if (!persist(writer, write_rejects, job))
            return false;
        log_event(LOG_WARNING, "deadletter", "symbol=%s file=%s rows=%lld", job->flush->symbol, job->path,
                  (long long)job->item->reject_count);
    }
    pthread_mutex_lock(&writer->mutex);
    writer->checkpoint.counts.deadletter_rows += job->item->reject_count;
    writer->checkpoint.counts.duplicate_row_ids += job->item->duplicates;
    if (job->item->duplicates)
        checkpoint_set(&writer->checkpoint, job->flush->symbol, job->item->kind)->duplicates +=
            job->item->duplicates;
    pthread_mutex_unlock(&writer->mutex);
    return true;
}

static void note_flush(struct writer *writer, const struct flush *flush, int64_t begun_ns)
{
    pthread_mutex_lock(&writer->mutex);
    *checkpoint_stream(&writer->checkpoint, flush->after.name) = flush->after;
    if (flush->event_ts_ms > writer->checkpoint.updated_ts_ms)
        writer->checkpoint.updated_ts_ms = flush->event_ts_ms;
    if (flush->item_count) {
        writer->figures.flush_s = (double)(clock_monotonic_ns(&writer->clock) - begun_ns) / 1e9;
        writer->figures.last_write_ms = clock_wall_ms(&writer->clock);
    }
    pthread_mutex_unlock(&writer->mutex);
}

bool writer_do_flush(struct writer *writer, const struct flush *flush)
{
    int64_t begun_ns = clock_monotonic_ns(&writer->clock);
    for (size_t i = 0; i < flush->item_count; i++) {
        struct item_job item = {.writer = writer, .flush = flush, .item = &flush->items[i]};
        if (!write_item(&item))
            return false;
    }
    note_flush(writer, flush, begun_ns);
    return true;
}

/* --- merge --- */

/* merge_files: one attempt. */
static enum status merge_files(struct writer *writer, const struct part *parts, size_t count,
                               const char *path, struct error *error)
{
    enum status status =
        writer->parquet ? STATUS_OK : parquet_open(&writer->config.parquet, &writer->parquet, error);
    if (status != STATUS_OK)
        return status;
    char(*paths)[PATH_BYTES] = memory_allocate(count * sizeof *paths);
    const char **list = memory_allocate(count * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        part_path(&writer->parts, &parts[i], paths[i]);
        list[i] = paths[i];
    }
    status = parquet_merge(writer->parquet, list, count, KINDS[parts[0].kind].order_column, path, error);
    free(list);
    free(paths);
    return status;
}

static struct part hour_part(struct writer *writer, const struct part *parts, size_t count)
{
    struct part hour = parts[0];
    hour.is_hour = true;
    hour.number = writer->next_file++;
    hour.rows = 0;
    for (size_t i = 0; i < count; i++) {
        hour.first_ts_ms = parts[i].first_ts_ms < hour.first_ts_ms ? parts[i].first_ts_ms : hour.first_ts_ms;
        hour.last_ts_ms = parts[i].last_ts_ms > hour.last_ts_ms ? parts[i].last_ts_ms : hour.last_ts_ms;
        hour.rows += parts[i].rows;
    }
    return hour;
}

/* replace_parts: the checkpoint names the merged file and what goes, then it goes. */
static bool replace_parts(struct writer *writer, const struct part *hour, const struct part *parts,
                          size_t count)
{
    char path[PATH_BYTES];
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = 0; i < count; i++) {
        part_path(&writer->parts, &parts[i], path);
        checkpoint_deleting(&writer->checkpoint, path);
    }
    struct checkpoint_set *set = checkpoint_set(&writer->checkpoint, hour->symbol, hour->kind);
    part_path(&writer->parts, hour, path);
    snprintf(set->last_file, sizeof set->last_file, "%s", strrchr(path, '/') + 1);
    writer->checkpoint.counts.compactions++;
    writer->checkpoint.counts.files_written++;
    pthread_mutex_unlock(&writer->mutex);
    if (!writer_save_checkpoint(writer))
        return false;
    for (size_t i = 0; i < count; i++)
        parts_remove(&writer->parts, parts[i].number);
    parts_add(&writer->parts, hour);
    if (!persist(writer, writer_remove_merged, NULL))
        return false;
    log_event(LOG_INFO, "compact", "kind=%s symbol=%s file=%s rows=%lld parts=%zu", KINDS[hour->kind].name,
              hour->symbol, set->last_file, (long long)hour->rows, count);
    return true;
}

/* merge_patiently: a few attempts, so that a hiccup of the disk leaves no parts behind for good. Parts that still cannot be merged
 * stay as good as they are and are tried again with the next merge of their kind: flushes must not wait for that. */
static bool merge_patiently(struct writer *writer, const struct part *parts, size_t count, const char *path)
{
    struct error error = {{0}};
    int delay_ms = BACKOFF_FIRST_MS;
    for (int tries = 1; merge_files(writer, parts, count, path, &error) != STATUS_OK; tries++) {
        note_failure(writer, &error);
        if (tries == MERGE_ATTEMPTS || !back_off(writer, &delay_ms))
            return false;
    }
    return true;
}

/* merge_hour: false when nothing more is to be merged now. */
static bool merge_hour(struct writer *writer, const char *symbol, enum data_kind kind, int64_t hour_ms)
{
    char path[PATH_BYTES];
    size_t count;
    struct part *parts = parts_of_hour(&writer->parts, symbol, kind, hour_ms, &count);
    struct part hour = hour_part(writer, parts, count);
    part_path(&writer->parts, &hour, path);
    bool merged = merge_patiently(writer, parts, count, path) && replace_parts(writer, &hour, parts, count);
    free(parts);
    return merged;
}

bool writer_do_merge(struct writer *writer, const struct job *job)
{
    int64_t hour_ms;
    while (parts_hour(&writer->parts, job->merge.symbol, job->merge.kind, job->merge.below_ms, &hour_ms))
        if (!merge_hour(writer, job->merge.symbol, job->merge.kind, hour_ms))
            break;
    return true;
}
