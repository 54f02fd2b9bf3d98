#include "base/memory.h"
#include "base/text.h"
#include "store/row_files_private.h"
#include "store/sql_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_BYTES = 700 }; /* of what DuckDB says */

const char *row_reject_name(enum row_reject reject)
{
    static const char *const NAMES[] = {[ROW_MISSING_REQUIRED] = "missing_required",
                                        [ROW_INVALID_TIME] = "invalid_time",
                                        [ROW_NON_FINITE] = "non_finite",
                                        [ROW_PARSE_ERROR] = "parse_error",
                                        [ROW_REJECTS] = "good"};
    return NAMES[reject];
}

/* --- SQL --- */

enum status row_files_query(struct row_files *files, const char *sql, duckdb_result *out_result,
                            struct error *error)
{
    if (duckdb_query(files->connection, sql, out_result) != DuckDBError)
        return STATUS_OK;
    const char *told = duckdb_result_error(out_result);
    size_t length = strcspn(told, "\n"); /* further lines show our own SQL */
    error_set(error, STATUS_INVALID, "%.*s", (int)(length < TOLD_BYTES ? length : TOLD_BYTES), told);
    duckdb_destroy_result(out_result);
    return STATUS_INVALID;
}

static enum status set_limits(struct row_files *files, struct error *error)
{
    char sql[192];
    duckdb_result result;
    snprintf(sql, sizeof sql,
             "SET memory_limit = '%lldMiB'; SET threads = %lld; SET preserve_insertion_order = false; "
             "SET autoinstall_known_extensions = false",
             (long long)files->config.limits.memory_mb, (long long)files->config.limits.threads);
    enum status status = row_files_query(files, sql, &result, error);
    if (status == STATUS_OK)
        duckdb_destroy_result(&result);
    return status;
}

/* --- life --- */

enum status row_files_open(const struct row_files_config *config, struct row_files **out_files,
                           struct error *error)
{
    struct row_files *files = memory_allocate(sizeof *files);
    files->config = *config;
    enum status status = STATUS_OK;
    if (duckdb_open(NULL, &files->database) == DuckDBError ||
        duckdb_connect(files->database, &files->connection) == DuckDBError)
        status = error_set(error, STATUS_IO, "DuckDB cannot open a database in memory");
    if (status == STATUS_OK)
        status = set_limits(files, error);
    if (status == STATUS_OK)
        *out_files = files;
    else
        row_files_close(files);
    return status;
}

void row_files_close(struct row_files *files)
{
    if (!files)
        return;
    duckdb_disconnect(&files->connection);
    duckdb_close(&files->database);
    for (size_t i = 0; i < files->path_count; i++)
        free(files->paths[i]);
    for (size_t i = 0; i < files->symbol_count; i++)
        free(files->symbols[i].name);
    free(files->paths);
    free(files->symbols);
    free(files->spans);
    free(files);
}

/* --- one file --- */

/* check_columns: asked of the file's schema alone. */
static enum status check_columns(struct row_files *files, const char *path, struct error *error)
{
    struct buffer sql;
    struct error why = {{0}};
    duckdb_result result;
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT * FROM read_parquet(");
    sql_file(&sql, path);
    buffer_append_text(&sql, ", hive_partitioning = false) LIMIT 0");
    enum status status = row_files_query(files, buffer_text(&sql), &result, &why);
    buffer_finish(&sql);
    if (status != STATUS_OK)
        return error_set(error, STATUS_INVALID, "%s: %.600s", path, why.text);
    status = row_column_check(&result, "symbol", DUCKDB_TYPE_VARCHAR, path, error);
    if (status == STATUS_OK)
        status = row_columns_check(files->config.message, &result, path, error);
    duckdb_destroy_result(&result);
    return status;
}

static size_t symbol_of(struct row_files *files, const char *name, size_t length)
{
    for (size_t i = 0; i < files->symbol_count; i++)
        if (strlen(files->symbols[i].name) == length && memcmp(files->symbols[i].name, name, length) == 0)
            return i;
    files->symbols =
        memory_grow(files->symbols, &files->symbol_capacity, files->symbol_count + 1, sizeof *files->symbols);
    char *copy = memory_allocate(length + 1);
    memcpy(copy, name, length);
    files->symbols[files->symbol_count] = (struct row_files_symbol){.name = copy};
    return files->symbol_count++;
}

/* span_take: the file of the newest path holds those rows of a symbol; with no valid one it is never read for them. */
static void span_take(struct row_files *files, size_t symbol, int64_t rows, int64_t valid,
                      int64_t first_ts_ms, int64_t last_ts_ms)
{
    struct row_files_symbol *of = &files->symbols[symbol];
    of->files++;
    of->rows += rows;
    of->invalid_time += rows - valid;
    if (!valid)
        return;
    of->first_ts_ms = !of->first_ts_ms || first_ts_ms < of->first_ts_ms ? first_ts_ms : of->first_ts_ms;
    of->last_ts_ms = last_ts_ms > of->last_ts_ms ? last_ts_ms : of->last_ts_ms;
    files->spans =
        memory_grow(files->spans, &files->span_capacity, files->span_count + 1, sizeof *files->spans);
    files->spans[files->span_count++] =
        (struct row_span){symbol, files->path_count - 1, valid, first_ts_ms, last_ts_ms};
    files->sorted = false;
}

enum { SPAN_SYMBOL, SPAN_ROWS, SPAN_TIMELESS, SPAN_VALID, SPAN_FIRST, SPAN_LAST };

static int64_t number_at(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    return ((const int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column)))[row];
}

static enum status take_span_row(struct row_files *files, duckdb_data_chunk chunk, idx_t row,
                                 struct error *error)
{
    duckdb_vector names = duckdb_data_chunk_get_vector(chunk, SPAN_SYMBOL);
    uint64_t *validity = duckdb_vector_get_validity(names);
    const char *path = files->paths[files->path_count - 1];
    bool nameless = validity && !duckdb_validity_row_is_valid(validity, row);
    int64_t lacking = number_at(chunk, nameless ? SPAN_ROWS : SPAN_TIMELESS, row);
    if (lacking)
        return error_set(error, STATUS_INVALID, "%s: %lld %s no %s", path, (long long)lacking,
                         plural(lacking, "row has", "rows have"), nameless ? "symbol" : "ts_ms");
    duckdb_string_t *name = (duckdb_string_t *)duckdb_vector_get_data(names) + row;
    if (memchr(duckdb_string_t_data(name), 0, duckdb_string_t_length(*name)))
        return error_set(error, STATUS_INVALID, "%s: a symbol holds a NUL", path);
    size_t symbol = symbol_of(files, duckdb_string_t_data(name), duckdb_string_t_length(*name));
    span_take(files, symbol, number_at(chunk, SPAN_ROWS, row), number_at(chunk, SPAN_VALID, row),
              number_at(chunk, SPAN_FIRST, row), number_at(chunk, SPAN_LAST, row));
    return STATUS_OK;
}

static void spans_sql(const struct row_files *files, const char *path, struct buffer *sql)
{
    char valid[96], text[512];
    snprintf(valid, sizeof valid, "ts_ms > 0 AND ts_ms <= %lld", (long long)files->config.time_max_ms);
    snprintf(text, sizeof text,
             "SELECT symbol, count(*), count(*) - count(ts_ms), count(*) FILTER (%s), "
             "coalesce(min(ts_ms) FILTER (%s), 0), coalesce(max(ts_ms) FILTER (%s), 0) FROM read_parquet(",
             valid, valid, valid);
    buffer_append_text(sql, text);
    sql_file(sql, path);
    buffer_append_text(sql, ", hive_partitioning = false) GROUP BY symbol ORDER BY symbol");
}

/* take_spans: whose rows the file holds, and of which time. */
static enum status take_spans(struct row_files *files, const char *path, struct error *error)
{
    struct buffer sql;
    struct error why = {{0}};
    duckdb_result result;
    duckdb_data_chunk chunk;
    buffer_init(&sql, 0);
    spans_sql(files, path, &sql);
    enum status status = row_files_query(files, buffer_text(&sql), &result, &why);
    buffer_finish(&sql);
    if (status != STATUS_OK)
        return error_set(error, STATUS_INVALID, "%s: %.600s", path, why.text);
    while (status == STATUS_OK && (chunk = duckdb_fetch_chunk(result))) {
        for (idx_t row = 0; status == STATUS_OK && row < duckdb_data_chunk_get_size(chunk); row++)
            status = take_span_row(files, chunk, row, error);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return status;
}

enum status row_files_add(struct row_files *files, const char *path, struct error *error)
{
    enum status status = check_columns(files, path, error);
    if (status != STATUS_OK)
        return status;
    files->paths =
        memory_grow(files->paths, &files->path_capacity, files->path_count + 1, sizeof *files->paths);
    files->paths[files->path_count++] = memory_copy_text(path);
    return take_spans(files, path, error);
}

/* --- what there is --- */

static int compare_spans(const void *left, const void *right)
{
    const struct row_span *one = left, *other = right;
    if (one->first_ts_ms != other->first_ts_ms)
        return one->first_ts_ms < other->first_ts_ms ? -1 : 1;
    return one->file < other->file ? -1 : one->file > other->file;
}

void row_files_sort(struct row_files *files)
{
    if (!files->sorted && files->span_count)
        qsort(files->spans, files->span_count, sizeof *files->spans, compare_spans);
    files->sorted = true;
}

size_t row_files_count(const struct row_files *files)
{
    return files->path_count;
}

size_t row_files_symbol_count(const struct row_files *files)
{
    return files->symbol_count;
}

const struct row_files_symbol *row_files_symbol(const struct row_files *files, size_t index)
{
    return &files->symbols[index];
}

const struct row_files_symbol *row_files_find(const struct row_files *files, const char *symbol)
{
    for (size_t i = 0; i < files->symbol_count; i++)
        if (strcmp(files->symbols[i].name, symbol) == 0)
            return &files->symbols[i];
    return NULL;
}
