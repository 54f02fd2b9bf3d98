#include "base/memory.h"
#include "store/parquet_private.h"
#include "store/sql_text.h"

#include <duckdb.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* source: the rows of one chunk: numbers[i] or first + i. */
struct source {
    const struct columns *columns;
    const uint32_t *numbers;
    size_t first, count;
};

struct parquet_content {
    const struct parquet_config *config;
    duckdb_database database;
    duckdb_connection connection;
    struct source source; /* of part_rows(), while a part is being written */
};

static enum status run(struct parquet_content *content, struct buffer *sql, const char *doing,
                       struct error *error)
{
    duckdb_result result;
    enum status status = STATUS_OK;
    if (duckdb_query(content->connection, buffer_text(sql), &result) == DuckDBError)
        status = error_set(error, STATUS_IO, "%s: DuckDB: %.900s", doing, duckdb_result_error(&result));
    duckdb_destroy_result(&result);
    buffer_clear(sql);
    return status;
}

/* --- rows into DuckDB: the table function part_rows() gives the columns being written --- */

static size_t row_of(const struct source *source, size_t i)
{
    return source->numbers ? source->numbers[source->first + i] : source->first + i;
}

static bool is_null(const struct column *column, size_t row)
{
    switch (column->type) {
    case COLUMN_I64: return ((const int64_t *)column->values)[row] == FIELD_NULL_I64;
    case COLUMN_I32: return ((const int32_t *)column->values)[row] == FIELD_NULL_I32;
    case COLUMN_F64: return isnan(((const double *)column->values)[row]);
    case COLUMN_TEXT: return ((const struct text_span *)column->values)[row].length == COLUMN_TEXT_NULL;
    default: return ((const int8_t *)column->values)[row] < 0;
    }
}

static void fill_nulls(const struct column *column, const struct source *source, duckdb_vector vector)
{
    uint64_t *validity = NULL;
    for (size_t i = 0; i < source->count; i++) {
        if (!is_null(column, row_of(source, i)))
            continue;
        if (!validity) {
            duckdb_vector_ensure_validity_writable(vector);
            validity = duckdb_vector_get_validity(vector);
        }
        duckdb_validity_set_row_invalid(validity, i);
    }
}

static void fill_bools(const struct column *column, const struct source *source, bool *out)
{
    for (size_t i = 0; i < source->count; i++)
        out[i] = ((const int8_t *)column->values)[row_of(source, i)] > 0;
}

static void fill_names(const struct column *column, const struct source *source, duckdb_vector vector)
{
    for (size_t i = 0; i < source->count; i++) {
        int8_t name = ((const int8_t *)column->values)[row_of(source, i)];
        if (name >= 0)
            duckdb_vector_assign_string_element(vector, i, column->field->names[name]);
    }
}

static void fill_texts(const struct column *column, const struct source *source, duckdb_vector vector)
{
    for (size_t i = 0; i < source->count; i++) {
        struct text_span span = ((const struct text_span *)column->values)[row_of(source, i)];
        if (span.length != COLUMN_TEXT_NULL)
            duckdb_vector_assign_string_element_len(
                vector, i, (const char *)source->columns->arena.data + span.offset, span.length);
    }
}

#define COPY_VALUES(ctype)                     \
    for (size_t i = 0; i < source->count; i++) \
    ((ctype *)data)[i] = ((const ctype *)column->values)[row_of(source, i)]

static void fill_vector(const struct column *column, const struct source *source, duckdb_vector vector)
{
    void *data = duckdb_vector_get_data(vector);
    switch (column->type) {
    case COLUMN_I64: COPY_VALUES(int64_t); break;
    case COLUMN_I32: COPY_VALUES(int32_t); break;
    case COLUMN_F64: COPY_VALUES(double); break;
    case COLUMN_BOOL: fill_bools(column, source, data); break;
    case COLUMN_NAME: fill_names(column, source, vector); break;
    case COLUMN_TEXT: fill_texts(column, source, vector); break;
    }
    if (column->nullable)
        fill_nulls(column, source, vector);
}

static void fill_symbol(const struct source *source, duckdb_vector vector)
{
    size_t length = strlen(source->columns->symbol);
    for (size_t i = 0; i < source->count; i++)
        duckdb_vector_assign_string_element_len(vector, i, source->columns->symbol, length);
}

static void fill_chunk(const struct source *source, duckdb_data_chunk chunk)
{
    const struct columns *columns = source->columns;
    fill_vector(&columns->items[COLUMN_TS], source, duckdb_data_chunk_get_vector(chunk, 0));
    fill_symbol(source, duckdb_data_chunk_get_vector(chunk, 1));
    for (size_t i = COLUMN_ROW_ID; i < columns->item_count; i++)
        fill_vector(&columns->items[i], source, duckdb_data_chunk_get_vector(chunk, i + 1));
    duckdb_data_chunk_set_size(chunk, source->count);
}

static void add_column(duckdb_bind_info info, const char *name, enum column_type type)
{
    static const duckdb_type TYPES[] = {
        [COLUMN_I64] = DUCKDB_TYPE_BIGINT,   [COLUMN_I32] = DUCKDB_TYPE_INTEGER,
        [COLUMN_F64] = DUCKDB_TYPE_DOUBLE,   [COLUMN_BOOL] = DUCKDB_TYPE_BOOLEAN,
        [COLUMN_NAME] = DUCKDB_TYPE_VARCHAR, [COLUMN_TEXT] = DUCKDB_TYPE_VARCHAR,
    };
    duckdb_logical_type logical = duckdb_create_logical_type(TYPES[type]);
    duckdb_bind_add_result_column(info, name, logical);
    duckdb_destroy_logical_type(&logical);
}

static void part_rows_bind(duckdb_bind_info info)
{
    const struct parquet_content *content = duckdb_bind_get_extra_info(info);
    const struct columns *columns = content->source.columns;
    add_column(info, columns->items[COLUMN_TS].name, columns->items[COLUMN_TS].type);
    add_column(info, "symbol", COLUMN_TEXT);
    for (size_t i = COLUMN_ROW_ID; i < columns->item_count; i++)
        add_column(info, columns->items[i].name, columns->items[i].type);
    duckdb_bind_set_cardinality(info, columns->rows, true);
}

/* part_rows_init: one thread reads the rows, so their order is the file's. */
static void part_rows_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

static void part_rows_next(duckdb_function_info info, duckdb_data_chunk chunk)
{
    struct source *source = &((struct parquet_content *)duckdb_function_get_extra_info(info))->source;
    source->first += source->count;
    source->count = source->columns->rows - source->first;
    if (source->count > duckdb_vector_size())
        source->count = duckdb_vector_size();
    fill_chunk(source, chunk);
}

static bool register_part_rows(struct parquet_content *content)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "part_rows");
    duckdb_table_function_set_extra_info(function, content, NULL);
    duckdb_table_function_set_bind(function, part_rows_bind);
    duckdb_table_function_set_init(function, part_rows_init);
    duckdb_table_function_set_function(function, part_rows_next);
    bool done = duckdb_register_table_function(content->connection, function) == DuckDBSuccess;
    duckdb_destroy_table_function(&function);
    return done;
}

/* --- connection --- */

/* set: nothing is ever loaded from outside, and a limit is a limit. */
static bool set(duckdb_config config, const struct parquet_config *settings)
{
    char memory[32], threads[32];
    snprintf(memory, sizeof memory, "%lldMiB", (long long)settings->memory_mb);
    snprintf(threads, sizeof threads, "%lld", (long long)settings->threads);
    const char *const options[][2] = {
        {"memory_limit", memory},
        {"threads", threads},
        {"temp_directory", settings->temp_folder},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"enable_external_file_cache", "false"}, /* a part is read once, to be merged … */
        {"allocator_flush_threshold", "8MiB"},   /* … and what a merge needed goes back behind it */
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (duckdb_set_config(config, options[i][0], options[i][1]) == DuckDBError)
            return false;
    return true;
}

enum status parquet_content_open(const struct parquet_config *config, struct parquet_content **out_content,
                                 struct error *error)
{
    struct parquet_content *content = memory_allocate(sizeof *content);
    duckdb_config settings;
    char *reason = NULL;
    content->config = config;
    enum status status = STATUS_OK;
    if (duckdb_create_config(&settings) == DuckDBError || !set(settings, config))
        status = error_set(error, STATUS_INVALID,
                           "DuckDB does not accept archive.duckdb_memory_mb %lld, duckdb_threads "
                           "%lld or the folder %s",
                           (long long)config->memory_mb, (long long)config->threads, config->temp_folder);
    else if (duckdb_open_ext(NULL, &content->database, settings, &reason) == DuckDBError)
        status = error_set(error, STATUS_INVALID, "DuckDB does not open: %.900s", reason ? reason : "");
    else if (duckdb_connect(content->database, &content->connection) == DuckDBError)
        status = error_set(error, STATUS_IO, "DuckDB does not connect");
    else if (!register_part_rows(content))
        status = error_set(error, STATUS_IO, "DuckDB does not take the table function part_rows");
    duckdb_free(reason);
    duckdb_destroy_config(&settings);
    if (status != STATUS_OK) {
        parquet_content_close(content);
        return status;
    }
    *out_content = content;
    return STATUS_OK;
}

void parquet_content_close(struct parquet_content *content)
{
    if (!content)
        return;
    duckdb_disconnect(&content->connection);
    duckdb_close(&content->database);
    free(content);
}

/* --- files --- */

static void copy_target_sql(const struct parquet_content *content, const char *path, const char *merged_parts,
                            struct buffer *sql)
{
    buffer_append_text(sql, " TO ");
    sql_literal(sql, path);
    buffer_append_text(
        sql,
        " (FORMAT parquet, COMPRESSION snappy, KV_METADATA {orderflow_schema: '1', config_fingerprint: ");
    sql_literal(sql, content->config->config_fingerprint);
    if (merged_parts) {
        buffer_append_text(sql, ", merged_parts: ");
        sql_literal(sql, merged_parts);
    }
    buffer_append_text(sql, "})");
}

enum status parquet_content_write(struct parquet_content *content, const struct columns *columns,
                                  const uint32_t *numbers, const char *path, const char *name,
                                  struct error *error)
{
    struct buffer sql;
    content->source = (struct source){.columns = columns, .numbers = numbers};
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "COPY (FROM part_rows())");
    copy_target_sql(content, path, NULL, &sql);
    enum status status = run(content, &sql, name, error);
    buffer_finish(&sql);
    content->source = (struct source){0};
    return status;
}

static void path_list(const char *const *paths, size_t count, struct buffer *out)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        sql_file(out, paths[i]);
    }
    buffer_append_byte(out, ']');
}

static void name_list(const char *const *paths, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(paths[i], '/');
        buffer_format(out, "%s%s", i ? "," : "", slash ? slash + 1 : paths[i]);
    }
}

enum status parquet_content_merge(struct parquet_content *content, const char *const *paths, size_t count,
                                  const char *id_column, const char *path, const char *name,
                                  struct error *error)
{
    struct buffer sql, list, names;
    buffer_init(&sql, 0);
    buffer_init(&list, 0);
    buffer_init(&names, 0);
    path_list(paths, count, &list);
    name_list(paths, count, &names);
    buffer_format(&sql,
                  "COPY (SELECT * EXCLUDE (filename, file_row_number) FROM read_parquet(%s, filename = true, "
                  "file_row_number = true, hive_partitioning = false, union_by_name = true) ORDER BY ts_ms, ",
                  buffer_text(&list));
    if (id_column)
        buffer_format(&sql, "\"%s\", ", id_column);
    buffer_format(&sql, "list_position(%s, filename), file_row_number)", buffer_text(&list));
    copy_target_sql(content, path, buffer_text(&names), &sql);
    enum status status = run(content, &sql, name, error);
    buffer_finish(&sql);
    buffer_finish(&list);
    buffer_finish(&names);
    return status;
}

const char *parquet_library_version(void)
{
    return duckdb_library_version();
}
