#include "store/query.h"

#include "base/buffer.h"

#include <duckdb.h>
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

enum status query_to_file(const char *sql, enum query_format format, const char *path, struct error *error)
{
    duckdb_database database;
    duckdb_connection connection;
    struct buffer statement;
    if (duckdb_open(NULL, &database) == DuckDBError)
        return error_set(error, STATUS_IO, "DuckDB cannot open a database in memory");
    if (duckdb_connect(database, &connection) == DuckDBError) {
        duckdb_close(&database);
        return error_set(error, STATUS_IO, "DuckDB cannot be connected to");
    }
    buffer_init(&statement, 0);
    copy_statement(sql, format, path, &statement);
    enum status status = run(connection, buffer_text(&statement), error);
    buffer_finish(&statement);
    duckdb_disconnect(&connection);
    duckdb_close(&database);
    return status;
}
