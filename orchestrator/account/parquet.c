/* Rows of this run's Parquet files, counted by reading them: their names and footers are not believed. */
#include "base/hash.h"
#include "run_files.h"
#include "store/query.h"
#include "store/sql_text.h"

#include <stdio.h>
#include <string.h>

enum { WRITER_HEX = 8 };

struct data_set {
    struct run_files *run;
    const char *kind;
    char writer[WRITER_HEX + 1]; /* of this run */
    struct buffer paths;         /* quoted, comma-joined */
    char rows[48], distinct[48]; /* names of the figures */
};

static enum status part_visit(void *context, const char *path)
{
    struct data_set *set = context;
    char kind[32], writer[WRITER_HEX + 1];
    const char *name = strrchr(path, '/'), *folder = strstr(path, "/kind=");
    snprintf(kind, sizeof kind, "/kind=%s/", set->kind);
    size_t length = strlen(path);
    if (!folder || strncmp(folder, kind, strlen(kind)) != 0 || length < 8 ||
        strcmp(path + length - 8, ".parquet") != 0 ||
        sscanf(name, "/part-%*[0-9]-%*[0-9]-%*[0-9]-%8[0-9a-f]-", writer) != 1 ||
        strcmp(writer, set->writer) != 0)
        return STATUS_OK;
    if (set->paths.length)
        buffer_append_byte(&set->paths, ',');
    sql_file(&set->paths, path);
    return STATUS_OK;
}

static void take_symbol(void *context, const char *symbol, int64_t rows, int64_t distinct)
{
    struct data_set *set = context;
    figures_add(&set->run->figures, symbol, set->rows, rows);
    figures_add(&set->run->figures, symbol, set->distinct, distinct);
}

static enum status count_rows(struct data_set *set, struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(&sql,
                       "SELECT symbol, count(row_id), count(DISTINCT hash(row_id)) FROM read_parquet([");
    buffer_append(&sql, set->paths.data, set->paths.length);
    buffer_append_text(&sql, "], hive_partitioning = false) GROUP BY symbol");
    enum status status = query_counts(buffer_text(&sql), take_symbol, set, error);
    buffer_finish(&sql);
    return status;
}

static void read_set(struct run_files *run, const char *root, const char *kind, const char *writer)
{
    struct data_set set = {.run = run, .kind = kind};
    struct error error = {{0}};
    snprintf(set.writer, sizeof set.writer, "%.8s", writer);
    snprintf(set.rows, sizeof set.rows, "parquet:rows.%s", kind);
    snprintf(set.distinct, sizeof set.distinct, "parquet:distinct.%s", kind);
    buffer_init(&set.paths, 0);
    enum status status = folder_walk(root, part_visit, &set);
    if (status == STATUS_NOT_FOUND)
        status = STATUS_OK; /* nothing has been written: 0 rows */
    else if (status != STATUS_OK)
        error_set(&error, status, "the folder cannot be read: %m");
    if (status == STATUS_OK && set.paths.length)
        status = count_rows(&set, &error);
    if (status == STATUS_OK) {
        run_files_known(run, set.rows);
        run_files_known(run, set.distinct);
    } else {
        run_files_problem(run, "%s, kind %s: %s", root, kind, error.text);
    }
    buffer_finish(&set.paths);
}

void read_parquet(struct run_files *run)
{
    char root[PATH_BYTES], hex[SHA256_HEX_BYTES];
    if (!(run->conditions.modules & module_bit(MODULE_ARCHIVE)))
        return;
    sha256_hex(run->run_id, strlen(run->run_id), hex);
    hex[WRITER_HEX] = 0;
    path_join(root, config_text(run->config, "run.data_root"), "ofi_cvd");
    for (size_t i = 0; i < DATA_SETS; i++)
        read_set(run, root, DATA_SET_NAMES[i], hex);
}
