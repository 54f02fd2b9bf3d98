#include "store/query_session.h"

#include "base/memory.h"

#include <duckdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct query_session {
    duckdb_database database;
    duckdb_connection connection;
};

enum status query_session_run(struct query_session *session, const char *sql, struct error *error)
{
    duckdb_result result;
    enum status status = STATUS_OK;
    if (duckdb_query(session->connection, sql, &result) == DuckDBError)
        status = error_set(error, STATUS_INVALID, "%.900s", duckdb_result_error(&result));
    duckdb_destroy_result(&result);
    return status;
}

enum status query_session_open(const struct query_limits *limits, struct query_session **out_session,
                               struct error *error)
{
    struct query_session *session = memory_allocate(sizeof *session);
    char sql[128];
    if (duckdb_open(NULL, &session->database) == DuckDBError ||
        duckdb_connect(session->database, &session->connection) == DuckDBError) {
        query_session_close(session);
        return error_set(error, STATUS_IO, "DuckDB cannot open a database in memory");
    }
    snprintf(sql, sizeof sql, "SET memory_limit = '%lldMB'; SET threads = %lld", (long long)limits->memory_mb,
             (long long)limits->threads);
    enum status status = query_session_run(session, sql, error);
    if (status == STATUS_OK)
        *out_session = session;
    else
        query_session_close(session);
    return status;
}

void query_session_close(struct query_session *session)
{
    if (!session)
        return;
    duckdb_disconnect(&session->connection);
    duckdb_close(&session->database);
    free(session);
}

/* text_of: a copy with its NUL, the caller's. */
static char *text_of(duckdb_string_t *value)
{
    size_t length = duckdb_string_t_length(*value);
    char *text = memory_allocate(length + 1);
    memcpy(text, duckdb_string_t_data(value), length);
    return text;
}

static void cell_take(duckdb_type type, void *values, idx_t row, struct query_cell *cell)
{
    switch (type) {
    case DUCKDB_TYPE_BIGINT: cell->number = (double)((const int64_t *)values)[row]; break;
    case DUCKDB_TYPE_INTEGER: cell->number = ((const int32_t *)values)[row]; break;
    case DUCKDB_TYPE_DOUBLE: cell->number = ((const double *)values)[row]; break;
    case DUCKDB_TYPE_BOOLEAN: cell->number = ((const bool *)values)[row]; break;
    default: cell->text = text_of(&((duckdb_string_t *)values)[row]); break;
    }
}

static void chunk_take(duckdb_result *result, duckdb_data_chunk chunk, query_row *take, void *context)
{
    size_t columns = duckdb_column_count(result);
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        struct query_cell cells[QUERY_COLUMNS_MAX] = {{.is_null = false}};
        for (size_t i = 0; i < columns; i++) {
            duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
            uint64_t *validity = duckdb_vector_get_validity(vector);
            cells[i].is_null = validity && !duckdb_validity_row_is_valid(validity, row);
            if (!cells[i].is_null)
                cell_take(duckdb_column_type(result, i), duckdb_vector_get_data(vector), row, &cells[i]);
        }
        take(context, cells, columns);
        for (size_t i = 0; i < columns; i++)
            free(cells[i].text);
    }
}

static bool columns_known(duckdb_result *result)
{
    size_t columns = duckdb_column_count(result);
    for (size_t i = 0; i < columns; i++)
        switch (duckdb_column_type(result, i)) {
        case DUCKDB_TYPE_BIGINT:
        case DUCKDB_TYPE_INTEGER:
        case DUCKDB_TYPE_DOUBLE:
        case DUCKDB_TYPE_BOOLEAN:
        case DUCKDB_TYPE_VARCHAR: break;
        default: return false;
        }
    return columns <= QUERY_COLUMNS_MAX;
}

enum status query_session_rows(struct query_session *session, const char *sql, query_row *take, void *context,
                               struct error *error)
{
    duckdb_result result;
    duckdb_data_chunk chunk;
    enum status status = STATUS_OK;
    if (duckdb_query(session->connection, sql, &result) == DuckDBError)
        status = error_set(error, STATUS_INVALID, "%.900s", duckdb_result_error(&result));
    else if (!columns_known(&result))
        status = error_set(error, STATUS_INVALID, "a column of the query has a type that is not read here");
    while (status == STATUS_OK && (chunk = duckdb_fetch_chunk(result))) {
        chunk_take(&result, chunk, take, context);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return status;
}
