#include "base/memory.h"
#include "store/row_files_private.h"
#include "store/sql_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FILES_PER_BATCH: so many small files are opened for one batch; more only when they hold the same time. */
enum { FILES_PER_BATCH = 256 };

/* batch: rows as they were read, in order of (ts_ms, path). The last time of a batch that was cut off is left for the next one, so
 * that a step is never split. */
struct batch {
    size_t *files; /* those it is read from */
    size_t file_count, file_capacity;
    int64_t until_ms; /* rows before it; INT64_MAX: all that is left */
    char *rows;
    size_t *origins; /* by row: into row_files.paths */
    uint8_t *rejects;
    size_t count, at;
};

struct row_stream {
    struct row_files *files;
    const struct row_files_symbol *symbol; /* NULL: there are no rows */
    size_t symbol_index;
    const struct field *time;
    int64_t behind_ts_ms; /* the next batch begins behind it */
    struct batch batch;
};

static size_t row_bytes(const struct row_stream *stream)
{
    return stream->files->config.message->row_bytes;
}

static const void *row_at(const struct row_stream *stream, size_t index)
{
    return stream->batch.rows + index * row_bytes(stream);
}

static int64_t time_at(const struct row_stream *stream, size_t index)
{
    return field_as_i64(stream->time, row_at(stream, index));
}

struct row_stream *row_stream_create(struct row_files *files, const char *symbol, int64_t behind_ts_ms)
{
    struct row_stream *stream = memory_allocate(sizeof *stream);
    size_t batch_rows = files->config.batch_rows;
    row_files_sort(files);
    *stream = (struct row_stream){.files = files,
                                  .symbol = row_files_find(files, symbol),
                                  .time = message_field(files->config.message, "ts_ms"),
                                  .behind_ts_ms = behind_ts_ms > 0 ? behind_ts_ms : 0};
    stream->symbol_index = stream->symbol ? (size_t)(stream->symbol - files->symbols) : SIZE_MAX;
    stream->batch.rows = memory_allocate(batch_rows * files->config.message->row_bytes);
    stream->batch.origins = memory_allocate(batch_rows * sizeof *stream->batch.origins);
    stream->batch.rejects = memory_allocate(batch_rows * sizeof *stream->batch.rejects);
    return stream;
}

void row_stream_destroy(struct row_stream *stream)
{
    if (!stream)
        return;
    free(stream->batch.files);
    free(stream->batch.rows);
    free(stream->batch.origins);
    free(stream->batch.rejects);
    free(stream);
}

/* --- which files --- */

/* slice: of files that hold far more than a batch only about so much of their time, as if their rows lay evenly in it: what has to be
 * sorted stays small. */
static void slice(struct batch *batch, int64_t begin_ms, int64_t extent_ms, size_t parts)
{
    int64_t end_ms = begin_ms + extent_ms / (int64_t)parts + 1;
    batch->until_ms = end_ms < batch->until_ms ? end_ms : batch->until_ms;
}

/* choose_files: the next ones by time, until they hold a batch; where the first one left out begins, the batch ends. */
static void choose_files(struct row_stream *stream)
{
    const struct row_files *files = stream->files;
    struct batch *batch = &stream->batch;
    size_t rows = 0, wanted = files->config.batch_rows;
    int64_t begin_ms = stream->behind_ts_ms + 1, first_ms = 0, last_ms = 0;
    batch->file_count = 0;
    batch->until_ms = INT64_MAX;
    for (size_t i = 0; i < files->span_count; i++) {
        const struct row_span *span = &files->spans[i];
        if (span->symbol != stream->symbol_index || span->last_ts_ms <= stream->behind_ts_ms)
            continue;
        if (!batch->file_count)
            first_ms = span->first_ts_ms;
        begin_ms = !batch->file_count && first_ms > begin_ms ? first_ms : begin_ms;
        if ((rows >= wanted || batch->file_count >= FILES_PER_BATCH) && span->first_ts_ms > begin_ms) {
            batch->until_ms = span->first_ts_ms;
            break;
        }
        batch->files =
            memory_grow(batch->files, &batch->file_capacity, batch->file_count + 1, sizeof *batch->files);
        batch->files[batch->file_count++] = span->file;
        rows += (size_t)span->rows;
        last_ms = span->last_ts_ms > last_ms ? span->last_ts_ms : last_ms;
    }
    size_t batches = wanted ? rows / wanted : 0;
    if (batches >= 2)
        slice(batch, begin_ms, last_ms - first_ms, batches);
}

/* --- reading a batch --- */

static void batch_sql(const struct row_stream *stream, const size_t *chosen, size_t chosen_count,
                      struct buffer *sql)
{
    const struct row_files *files = stream->files;
    char text[160];
    buffer_append_text(sql, "SELECT ");
    row_columns_append(files->config.message, sql);
    buffer_append_text(sql, ", filename FROM read_parquet([");
    for (size_t i = 0; i < chosen_count; i++) {
        buffer_append_text(sql, i ? ", " : "");
        sql_file(sql, files->paths[chosen[i]]);
    }
    buffer_append_text(
        sql, "], filename = true, union_by_name = true, hive_partitioning = false) WHERE symbol = ");
    sql_literal(sql, stream->symbol->name);
    int64_t until_ms = stream->batch.until_ms <= files->config.time_max_ms ? stream->batch.until_ms
                                                                           : files->config.time_max_ms + 1;
    snprintf(text, sizeof text, " AND ts_ms > %lld AND ts_ms < %lld ORDER BY ts_ms, filename LIMIT %zu",
             (long long)stream->behind_ts_ms, (long long)until_ms, files->config.batch_rows);
    buffer_append_text(sql, text);
}

/* origin_of: which of the batch's files a row says it comes from. */
static size_t origin_of(const struct row_stream *stream, duckdb_string_t *path)
{
    size_t length = duckdb_string_t_length(*path);
    for (size_t i = 0; i < stream->batch.file_count; i++) {
        const char *one = stream->files->paths[stream->batch.files[i]];
        if (strlen(one) == length && memcmp(one, duckdb_string_t_data(path), length) == 0)
            return stream->batch.files[i];
    }
    return stream->batch.files[0];
}

static void take_chunk(struct row_stream *stream, duckdb_result *result, duckdb_data_chunk chunk)
{
    struct batch *batch = &stream->batch;
    idx_t last = duckdb_column_count(result) - 1;
    duckdb_string_t *origins = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, last));
    for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++, batch->count++) {
        char *row = batch->rows + batch->count * row_bytes(stream);
        memset(row, 0, row_bytes(stream));
        batch->rejects[batch->count] =
            (uint8_t)row_decode_columns(stream->files->config.message, chunk, i, row);
        batch->origins[batch->count] = origin_of(stream, &origins[i]);
    }
}

/* read_files: rows into the batch; `chosen` are of its files. */
static enum status read_files(struct row_stream *stream, const size_t *chosen, size_t chosen_count,
                              struct error *error)
{
    struct buffer sql;
    duckdb_result result;
    duckdb_data_chunk chunk;
    buffer_init(&sql, 0);
    batch_sql(stream, chosen, chosen_count, &sql);
    stream->batch.count = stream->batch.at = 0;
    enum status status = row_files_query(stream->files, buffer_text(&sql), &result, error);
    buffer_finish(&sql);
    if (status != STATUS_OK)
        return status;
    status =
        row_columns_check(stream->files->config.message, &result, stream->files->paths[chosen[0]], error);
    while (status == STATUS_OK && (chunk = duckdb_fetch_chunk(result))) {
        take_chunk(stream, &result, chunk);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return status;
}

/* blame: the file that cannot be read alone, either; DuckDB does not always say which of many it was. */
static enum status blame(struct row_stream *stream, struct error *error)
{
    struct error why = *error;
    for (size_t i = 0; i < stream->batch.file_count; i++) {
        size_t file = stream->batch.files[i];
        if (read_files(stream, &file, 1, &why) != STATUS_OK)
            return error_set(error, STATUS_INVALID, "%s: %.600s", stream->files->paths[file], why.text);
    }
    return STATUS_INVALID;
}

/* leave_last: the newest time of a batch that may have been cut in it belongs to the next one. */
static enum status leave_last(struct row_stream *stream, struct error *error)
{
    struct batch *batch = &stream->batch;
    int64_t last_ms = time_at(stream, batch->count - 1);
    size_t kept = batch->count;
    while (kept && time_at(stream, kept - 1) == last_ms)
        kept--;
    if (!kept)
        return error_set(error, STATUS_INVALID, "%s: of %s ts_ms %lld stands there more than %zu times",
                         stream->files->paths[batch->origins[0]], stream->symbol->name, (long long)last_ms,
                         batch->count - 1);
    batch->count = kept;
    stream->behind_ts_ms = time_at(stream, kept - 1);
    return STATUS_OK;
}

/* read_batch: STATUS_END: there are no rows behind behind_ts_ms. */
static enum status read_batch(struct row_stream *stream, struct error *error)
{
    struct batch *batch = &stream->batch;
    choose_files(stream);
    if (!batch->file_count)
        return STATUS_END;
    enum status status = read_files(stream, batch->files, batch->file_count, error);
    if (status != STATUS_OK)
        return blame(stream, error);
    if (batch->count == stream->files->config.batch_rows)
        return leave_last(stream, error);
    stream->behind_ts_ms = batch->until_ms - 1;
    return STATUS_OK;
}

/* --- steps --- */

static enum status differ(const struct row_stream *stream, size_t one, size_t other, struct error *error)
{
    const struct batch *batch = &stream->batch;
    return error_set(error, STATUS_CONFLICT,
                     "%s and %s hold different rows of %s at ts_ms %lld; nobody can say which is meant: "
                     "leave one of them out",
                     stream->files->paths[batch->origins[one]], stream->files->paths[batch->origins[other]],
                     stream->symbol->name, (long long)time_at(stream, one));
}

/* step_take: the batch's rows of one time. */
static enum status step_take(struct row_stream *stream, struct row_step *out_step, struct error *error)
{
    struct batch *batch = &stream->batch;
    struct row_step step = {.ts_ms = time_at(stream, batch->at)};
    size_t first = SIZE_MAX, at = batch->at;
    for (; at < batch->count && time_at(stream, at) == step.ts_ms; at++) {
        if (batch->rejects[at] != ROW_REJECTS)
            step.rejected[batch->rejects[at]]++;
        else if (first == SIZE_MAX)
            first = at;
        else if (memcmp(row_at(stream, first), row_at(stream, at), row_bytes(stream)) == 0)
            step.repeated++;
        else
            return differ(stream, first, at, error);
    }
    step.row = first == SIZE_MAX ? NULL : row_at(stream, first);
    batch->at = at;
    *out_step = step;
    return STATUS_OK;
}

enum status row_stream_next(struct row_stream *stream, struct row_step *out_step, struct error *error)
{
    enum status status = stream->symbol ? STATUS_OK : STATUS_END;
    while (status == STATUS_OK && stream->batch.at == stream->batch.count)
        status = read_batch(stream, error);
    return status == STATUS_OK ? step_take(stream, out_step, error) : status;
}
