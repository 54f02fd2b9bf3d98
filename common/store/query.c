#include "store/query.h"

#include "base/buffer.h"

#include <duckdb.h>
#include <stdbool.h>
#include <string.h>

/* one_statement: COPY (…) takes a SELECT without its semicolon. */
static void copy_statement(const char *sql, enum query_format format, const char *path, struct buffer *out)
{
    size_t length = strlen(sql);
    while (length && strchr("; \n\t", sql[length - 1]))
        length--;
    buffer_append_text(out, "COPY (");
    buffer_append(out, sql, length);
    buffer_append_text(out, ") TO '");
    for (; *path; path++) {
        if (*path == '\'')
            buffer_append_byte(out, '\'');
        buffer_append_byte(out, (uint8_t)*path);
    }
    buffer_append_text(out, format == QUERY_CSV ? "' (FORMAT csv, HEADER true)" : "' (FORMAT json)");
}

static enum status run(duckdb_connection connection, const char *statement, struct error *error)
{
    duckdb_result result;
    enum status status = STATUS_OK;
    if (duckdb_query(connection, statement, &result) == DuckDBError)
        status = error_set(error, STATUS_INVALID, "%.900s", duckdb_result_error(&result));
    duckdb_destroy_result(&result);
    return status;
}

struct session {
    duckdb_database database;
    duckdb_connection connection;
};

static enum status session_open(struct session *session, struct error *error)
{
    if (duckdb_open(NULL, &session->database) == DuckDBError)
        return error_set(error, STATUS_IO, "DuckDB cannot open a database in memory");
    if (duckdb_connect(session->database, &session->connection) == DuckDBError) {
        duckdb_close(&session->database);
        return error_set(error, STATUS_IO, "DuckDB cannot be connected to");
    }
    return STATUS_OK;
}

static void session_close(struct session *session)
{
    duckdb_disconnect(&session->connection);
    duckdb_close(&session->database);
}

enum status query_to_file(const char *sql, enum query_format format, const char *path, struct error *error)
{
    struct session session;
    struct buffer statement;
    enum status status = session_open(&session, error);
    if (status != STATUS_OK)
        return status;
    buffer_init(&statement, 0);
    copy_statement(sql, format, path, &statement);
    status = run(session.connection, buffer_text(&statement), error);
    buffer_finish(&statement);
    session_close(&session);
    return status;
}

/* --- counts --- */

static void take_chunk(duckdb_data_chunk chunk, query_take *take, void *context)
{
    duckdb_string_t *texts = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    const int64_t *first = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
    const int64_t *second = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2));
    for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
        char label[QUERY_LABEL_BYTES];
        size_t length = duckdb_string_t_length(texts[i]);
        length = length < sizeof label ? length : sizeof label - 1;
        memcpy(label, duckdb_string_t_data(&texts[i]), length);
        label[length] = 0;
        take(context, label, first[i], second[i]);
    }
}

static bool has_shape(duckdb_result *result)
{
    return duckdb_column_count(result) == 3 && duckdb_column_type(result, 0) == DUCKDB_TYPE_VARCHAR &&
           duckdb_column_type(result, 1) == DUCKDB_TYPE_BIGINT &&
           duckdb_column_type(result, 2) == DUCKDB_TYPE_BIGINT;
}

static enum status take_counts(duckdb_connection connection, const char *sql, query_take *take, void *context,
                               struct error *error)
{
    duckdb_result result;
    duckdb_data_chunk chunk;
    enum status status = STATUS_OK;
    if (duckdb_query(connection, sql, &result) == DuckDBError)
        status = error_set(error, STATUS_INVALID, "%.900s", duckdb_result_error(&result));
    else if (!has_shape(&result))
        status =
            error_set(error, STATUS_INVALID, "the query gives other columns than a text and two numbers");
    while (status == STATUS_OK && (chunk = duckdb_fetch_chunk(result))) {
        take_chunk(chunk, take, context);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return status;
}

enum status query_counts(const char *sql, query_take *take, void *context, struct error *error)
{
    struct session session;
    enum status status = session_open(&session, error);
    if (status != STATUS_OK)
        return status;
    status = take_counts(session.connection, sql, take, context, error);
    session_close(&session);
    return status;
}
