/* query: SQL over Parquet files (and anything else DuckDB reads), for people and tests. */
#pragma once

#include "base/status.h"

/* query_to_csv: runs one SELECT and writes its rows as CSV with a header to `path` ("/dev/stdout" works). Doubles are
 * written with the fewest digits that read back equal. STATUS_INVALID with DuckDB's sentence when it refuses. */
enum status query_to_csv(const char *sql, const char *path, struct error *error) MUST_USE;
