/* query: SQL over Parquet files (and anything else DuckDB reads), for people and tests. */
#pragma once

#include "base/status.h"

#include <stdint.h>

enum query_format { QUERY_CSV, QUERY_JSON };

/* query_to_file: runs one SELECT and writes its rows to `path` (of a pipe: "/dev/fd/N"), as CSV with a header or as JSON
 * lines. Doubles are written with the fewest digits that read back equal. STATUS_INVALID with DuckDB's sentence when it
 * refuses. */
enum status query_to_file(const char *sql, enum query_format format, const char *path,
                          struct error *error) MUST_USE;

/* query_counts: runs one SELECT whose rows are a text and two BIGINT, and gives each to `take`; a text longer than
 * QUERY_LABEL_BYTES - 1 is cut. STATUS_INVALID with DuckDB's sentence, also when a file is damaged or gone. */
enum { QUERY_LABEL_BYTES = 64 };
typedef void query_take(void *context, const char *label, int64_t first, int64_t second);
enum status query_counts(const char *sql, query_take *take, void *context, struct error *error) MUST_USE;
