/* parts: reading back what the archive wrote, as one line of text per row. Which of two files is linked decides what a part
 * is: parts_duckdb.c, the real Parquet of store/parquet_duckdb.c, or parts_text.c, which stands in for it with text files
 * under the same names: a run with Parquet costs six times as much, nearly all of it inside DuckDB. */
#pragma once

#include "base/buffer.h"

enum status parts_read(const char *path, struct buffer *out, struct error *error) MUST_USE;

extern const char PARTS_ARE[]; /* "text" or "parquet" */
