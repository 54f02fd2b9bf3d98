/* query: SQL over Parquet files (and anything else DuckDB reads), for people and tests. */
#pragma once

#include "base/status.h"

enum query_format { QUERY_CSV, QUERY_JSON };

/* query_to_file: runs one SELECT and writes its rows to `path` (of a pipe: "/dev/fd/N"), as CSV with a header or as JSON
 * lines. Doubles are written with the fewest digits that read back equal. STATUS_INVALID with DuckDB's sentence when it
 * refuses. */
enum status query_to_file(const char *sql, enum query_format format, const char *path,
                          struct error *error) MUST_USE;
