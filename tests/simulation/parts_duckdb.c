#include "tests/simulation/parts.h"

#include <duckdb.h>

/* Real Parquet, read back through one connection of the simulation's own. */

const char PARTS_ARE[] = "parquet";

static duckdb_connection connect_once(void)
{
    static duckdb_database database;
    static duckdb_connection connection;
    if (!connection && (duckdb_open(NULL, &database) != DuckDBSuccess ||
                        duckdb_connect(database, &connection) != DuckDBSuccess))
        connection = NULL;
    return connection;
}

static void append_rows(duckdb_result *result, struct buffer *out)
{
    for (idx_t row = 0; row < duckdb_row_count(result); row++) {
        for (idx_t column = 0; column < duckdb_column_count(result); column++) {
            char *text = duckdb_value_varchar(result, column, row);
            buffer_format(out, "%s|", text ? text : "");
            duckdb_free(text);
        }
        buffer_append_byte(out, '\n');
    }
}

enum status parts_read(const char *path, struct buffer *out, struct error *error)
{
    duckdb_connection connection = connect_once();
    duckdb_result result;
    struct buffer sql;
    enum status status = STATUS_OK;
    if (!connection)
        return error_set(error, STATUS_IO, "DuckDB does not open");
    buffer_init(&sql, 0);
    buffer_format(&sql, "SELECT * FROM read_parquet('%s', hive_partitioning = false)", path);
    if (duckdb_query(connection, buffer_text(&sql), &result) == DuckDBSuccess)
        append_rows(&result, out);
    else
        status = error_set(error, STATUS_IO, "%.300s", duckdb_result_error(&result));
    duckdb_destroy_result(&result);
    buffer_finish(&sql);
    return status;
}
