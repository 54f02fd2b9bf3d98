/* parquet_private: what the files of the Parquet store share.
 *
 *   parquet.c   names: temporary file, sync, rename       parquet_duckdb.c   content, by DuckDB
 *
 * The seam between them is where a test may put another kind of content under the same names. */
#pragma once

#include "store/parquet.h"

struct parquet_content;

/* parquet_content_open: the config is borrowed and outlives it. */
enum status parquet_content_open(const struct parquet_config *config, struct parquet_content **out_content,
                                 struct error *error) MUST_USE;
void parquet_content_close(struct parquet_content *content); /* accepts NULL */

/* parquet_content_write: a file with these rows in the order of `numbers` (NULL: as they stand). `name` is what the sentence
 * calls it. */
enum status parquet_content_write(struct parquet_content *content, const struct columns *columns,
                                  const uint32_t *numbers, const char *path, const char *name,
                                  struct error *error) MUST_USE;

/* parquet_content_merge: a file with the rows of others, in order; see parquet_merge. */
enum status parquet_content_merge(struct parquet_content *content, const char *const *paths, size_t count,
                                  const char *id_column, const char *path, const char *name,
                                  struct error *error) MUST_USE;
