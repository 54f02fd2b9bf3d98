/* duck: answers of a DuckDB of the test's own, to look at Parquet files from outside. */
#pragma once

#include "tests/support/check.h"

#include <duckdb.h>
#include <stdlib.h>

struct duck {
    duckdb_database database;
    duckdb_connection connection;
    duckdb_result result;
};

static inline void duck_open(struct duck *duck)
{
    *duck = (struct duck){0};
    assert_int_equal(duckdb_open(NULL, &duck->database), DuckDBSuccess);
    assert_int_equal(duckdb_connect(duck->database, &duck->connection), DuckDBSuccess);
}

static inline void duck_close(struct duck *duck)
{
    duckdb_destroy_result(&duck->result);
    duckdb_disconnect(&duck->connection);
    duckdb_close(&duck->database);
}

/* duck_ask: runs a query; its result is there until the next. Returns its rows. */
static inline size_t duck_ask(struct duck *duck, const char *sql)
{
    duckdb_destroy_result(&duck->result);
    if (duckdb_query(duck->connection, sql, &duck->result) != DuckDBSuccess)
        fail_msg("%s: %s", sql, duckdb_result_error(&duck->result));
    return duckdb_row_count(&duck->result);
}

/* duck_number, duck_text: the answer of a query of one value; a text is released with free(). */
static inline int64_t duck_number(struct duck *duck, const char *sql)
{
    assert_int_equal(duck_ask(duck, sql), 1);
    return duckdb_value_int64(&duck->result, 0, 0);
}

static inline void duck_assert_text(struct duck *duck, const char *sql, const char *wanted)
{
    assert_int_equal(duck_ask(duck, sql), 1);
    char *text = duckdb_value_varchar(&duck->result, 0, 0);
    assert_string_equal(text, wanted);
    duckdb_free(text);
}
