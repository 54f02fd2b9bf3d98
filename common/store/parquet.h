/* parquet: writes columns as Snappy Parquet files, by DuckDB; one connection, for one thread (data.md §3.1).
 *
 * A file becomes visible only when it is complete: `.<name>.tmp` in its folder, rename, never over another
 * file. Its key-value metadata: orderflow_schema = 1, config_fingerprint, and for a merged file merged_parts,
 * the names of what went into it, comma-joined. Rows ascend by (ts_ms, id, order of arrival). */
#pragma once

#include "store/columns.h"

#include <stdbool.h>
#include <stddef.h>

struct parquet_config {
    int64_t memory_mb;       /* archive.duckdb_memory_mb */
    int64_t threads;         /* archive.duckdb_threads */
    const char *temp_folder; /* where large sorts may spill */
    const char *config_fingerprint;
    bool sync; /* journal.durability: power */
};

struct parquet;

/* parquet_open: the config's texts are borrowed. STATUS_INVALID: DuckDB refuses a setting. */
enum status parquet_open(const struct parquet_config *config, struct parquet **out_parquet,
                         struct error *error) MUST_USE;
void parquet_close(struct parquet *parquet); /* accepts NULL */

/* parquet_write: one file of these rows (at least one). STATUS_IO with DuckDB's sentence; then nothing is left
 * behind and the same call may be made again, after parquet_open anew (DuckDB gives up a database that failed
 * badly). Passes the crash points after_write and after_rename. */
enum status parquet_write(struct parquet *parquet, const struct columns *columns, const char *path,
                          struct error *error) MUST_USE;

/* parquet_merge: one file with the rows of `count` files, in order (id_column may be NULL); those stay. */
enum status parquet_merge(struct parquet *parquet, const char *const *paths, size_t count,
                          const char *id_column, const char *path, struct error *error) MUST_USE;

/* parquet_library_version: of the DuckDB that is loaded; NULL: another writes the files. */
const char *parquet_library_version(void);
