/* query_session: several statements over the same views, one behind the other, for reports that ask much of the same files.
 * One thread at a time. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct query_session;

struct query_limits {
    int64_t memory_mb;
    int64_t threads;
};

/* query_cell: a value of a row: BIGINT, INTEGER, DOUBLE and BOOLEAN as number, VARCHAR as text. */
struct query_cell {
    bool is_null;
    double number;
    char *text; /* NULL unless VARCHAR; borrowed until the callback returns */
};

enum { QUERY_COLUMNS_MAX = 32 };

typedef void query_row(void *context, const struct query_cell *cells, size_t count);

enum status query_session_open(const struct query_limits *limits, struct query_session **out_session,
                               struct error *error) MUST_USE;
void query_session_close(struct query_session *session); /* accepts NULL */

/* query_session_run: a statement without rows. STATUS_INVALID with DuckDB's sentence. */
enum status query_session_run(struct query_session *session, const char *sql, struct error *error) MUST_USE;

/* query_session_rows: gives every row to `take`. STATUS_INVALID: DuckDB refuses, also when a file is damaged or gone, or a
 * column has another type than those of query_cell. */
enum status query_session_rows(struct query_session *session, const char *sql, query_row *take, void *context,
                               struct error *error) MUST_USE;
