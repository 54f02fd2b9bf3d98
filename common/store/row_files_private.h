/* row_files_private: shared by row_files.c (which files there are), row_stream.c (batches, steps) and row_decode.c (from columns
 * to structs). */
#pragma once

#include "base/buffer.h"
#include "store/row_files.h"

#include <duckdb.h>

/* row_span: what one file holds of a symbol. */
struct row_span {
    size_t symbol, file;
    int64_t rows;
    int64_t first_ts_ms, last_ts_ms;
};

struct row_files {
    struct row_files_config config;
    duckdb_database database;
    duckdb_connection connection;
    char **paths;
    size_t path_count, path_capacity;
    struct row_files_symbol *symbols;
    size_t symbol_count, symbol_capacity;
    struct row_span *spans; /* by time when `sorted` */
    size_t span_count, span_capacity;
    bool sorted;
};

/* row_files_query: STATUS_INVALID with DuckDB's sentence; the result is to be destroyed only when it is STATUS_OK. */
enum status row_files_query(struct row_files *files, const char *sql, duckdb_result *out_result,
                            struct error *error) MUST_USE;

/* row_files_sort: once all files have been added. */
void row_files_sort(struct row_files *files);

/* row_columns_append: the columns of a message in the order in which row_decode expects them. */
void row_columns_append(const struct message *message, struct buffer *sql);

/* row_column_check, row_columns_check: STATUS_INVALID: a column (one, all of the message) is missing or has another type; the sentence
 * begins with the path. */
enum status row_column_check(duckdb_result *result, const char *name, duckdb_type type, const char *path,
                             struct error *error) MUST_USE;
enum status row_columns_check(const struct message *message, duckdb_result *result, const char *path,
                              struct error *error) MUST_USE;

/* row_decode: one row of a chunk whose first columns are those of row_columns_append, into a struct that is zeroed; ROW_REJECTS: it
 * is good. */
enum row_reject row_decode_columns(const struct message *message, duckdb_data_chunk chunk, size_t index,
                                   void *out_row);
