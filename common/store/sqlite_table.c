#include "store/sqlite_table.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { SQL_BYTES_MAX = 64 * 1024 };

/* table_column: one column, whatever it comes from. */
struct table_column {
    const char *name;
    const char *type;
    bool not_null;
    const struct field *field; /* NULL: a lead */
};

struct sqlite_table {
    struct database *database;
    struct sqlite_table_config config;
    struct table_column *columns;
    size_t column_count;
    struct statement *insert;
    struct statement *find_equal; /* the whole row, every column compared */
};

static const char *column_type(const struct field *field)
{
    switch (field->type) {
    case FIELD_I64:
    case FIELD_I32:
    case FIELD_BOOL: return "INTEGER";
    case FIELD_F64:
    case FIELD_DECIMAL: return "REAL";
    default: return "TEXT";
    }
}

static bool listed(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void list_columns(struct sqlite_table *table)
{
    const struct sqlite_table_config *config = &table->config;
    size_t leads = 0;
    while (config->leads && config->leads[leads].name)
        leads++;
    table->columns = memory_allocate((leads + config->field_count) * sizeof *table->columns);
    for (size_t i = 0; i < leads; i++)
        table->columns[table->column_count++] =
            (struct table_column){.name = config->leads[i].name,
                                  .type = config->leads[i].is_text ? "TEXT" : "INTEGER",
                                  .not_null = true};
    for (size_t i = 0; i < config->field_count; i++) {
        const struct field *field = &config->message->fields[i];
        if (!(field->flags & FIELD_WIRE))
            table->columns[table->column_count++] = (struct table_column){
                .name = field->name,
                .type = column_type(field),
                .not_null = listed(config->key, field->name) || listed(config->required, field->name),
                .field = field};
    }
}

static void append_names(struct buffer *sql, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        buffer_format(sql, "%s%s", i ? ", " : "", names[i]);
}

/* --- the table --- */

static enum status execute_buffer(struct sqlite_table *table, struct buffer *sql, struct error *error)
{
    enum status status = database_execute(table->database, buffer_text(sql), error);
    buffer_finish(sql);
    return status;
}

static enum status create_table(struct sqlite_table *table, struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_format(&sql, "CREATE TABLE IF NOT EXISTS %s (", table->config.name);
    for (size_t i = 0; i < table->column_count; i++)
        buffer_format(&sql, "%s %s%s, ", table->columns[i].name, table->columns[i].type,
                      table->columns[i].not_null ? " NOT NULL" : "");
    buffer_append_text(&sql, "PRIMARY KEY (");
    append_names(&sql, table->config.key);
    buffer_append_text(&sql, "))");
    return execute_buffer(table, &sql, error);
}

static enum status create_index(struct sqlite_table *table, struct error *error)
{
    const struct sqlite_table_config *config = &table->config;
    struct buffer sql;
    if (!config->index)
        return STATUS_OK;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_format(&sql, "CREATE INDEX IF NOT EXISTS %s_index ON %s (%s)", config->name, config->name,
                  config->index);
    return execute_buffer(table, &sql, error);
}

static enum status add_column(struct sqlite_table *table, const struct table_column *column,
                              struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_format(&sql, "ALTER TABLE %s ADD COLUMN %s %s", table->config.name, column->name, column->type);
    return execute_buffer(table, &sql, error);
}

static enum status refuse(struct sqlite_table *table, const char *where, struct error *error)
{
    struct buffer key;
    buffer_init(&key, SQL_BYTES_MAX);
    append_names(&key, table->config.key);
    enum status status =
        error_set(error, STATUS_INVALID,
                  "%s: table %s differs at %s from what is written now, PRIMARY KEY (%s); it is not "
                  "rebuilt: move the file away or choose another folder",
                  database_path(table->database), table->config.name, where, buffer_text(&key));
    buffer_finish(&key);
    return status;
}

static int64_t key_place(const struct sqlite_table_config *config, const char *name)
{
    for (size_t i = 0; config->key[i]; i++)
        if (strcmp(config->key[i], name) == 0)
            return (int64_t)i + 1;
    return 0;
}

static enum status check_column(struct sqlite_table *table, struct statement *info,
                                const struct table_column *column, struct error *error)
{
    statement_bind_text(info, 1, table->config.name);
    statement_bind_text(info, 2, column->name);
    enum status status = statement_step(info, error);
    if (status == STATUS_END)
        return column->not_null ? refuse(table, column->name, error) : add_column(table, column, error);
    if (status != STATUS_OK)
        return status;
    bool same = strcmp(statement_text(info, 0), column->type) == 0 &&
                statement_i64(info, 1) == key_place(&table->config, column->name);
    statement_reset(info);
    return same ? STATUS_OK : refuse(table, column->name, error);
}

static enum status check_columns(struct sqlite_table *table, struct error *error)
{
    struct statement *info;
    enum status status = statement_prepare(
        table->database, "SELECT type, pk FROM pragma_table_info(?1) WHERE name = ?2", &info, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < table->column_count && status == STATUS_OK; i++)
        status = check_column(table, info, &table->columns[i], error);
    statement_finish(info);
    return status;
}

/* check_key_width: with it, and each of our columns at its place in the key, the key has no column of others. */
static enum status check_key_width(struct sqlite_table *table, struct error *error)
{
    struct statement *count;
    int64_t wanted = 0;
    while (table->config.key[wanted])
        wanted++;
    enum status status = statement_prepare(
        table->database, "SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0", &count, error);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(count, 1, table->config.name);
    status = statement_step(count, error);
    if (status == STATUS_OK && statement_i64(count, 0) != wanted)
        status = refuse(table, "its key", error);
    statement_finish(count);
    return status;
}

/* --- rows --- */

static void insert_sql(const struct sqlite_table *table, struct buffer *sql)
{
    buffer_format(sql, "INSERT INTO %s (", table->config.name);
    for (size_t i = 0; i < table->column_count; i++)
        buffer_format(sql, "%s%s", i ? ", " : "", table->columns[i].name);
    buffer_append_text(sql, ") VALUES (");
    for (size_t i = 0; i < table->column_count; i++)
        buffer_format(sql, "%s?%zu", i ? ", " : "", i + 1);
    buffer_append_text(sql, ") ON CONFLICT DO NOTHING");
}

static void find_equal_sql(const struct sqlite_table *table, struct buffer *sql)
{
    buffer_format(sql, "SELECT 1 FROM %s WHERE ", table->config.name);
    for (size_t i = 0; i < table->column_count; i++)
        buffer_format(sql, "%s%s IS ?%zu", i ? " AND " : "", table->columns[i].name, i + 1);
}

typedef void sql_writer(const struct sqlite_table *table, struct buffer *sql);

static enum status prepare(struct sqlite_table *table, sql_writer *write_sql,
                           struct statement **out_statement, struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, SQL_BYTES_MAX);
    write_sql(table, &sql);
    enum status status = statement_prepare(table->database, buffer_text(&sql), out_statement, error);
    buffer_finish(&sql);
    return status;
}

enum status sqlite_table_open(struct database *database, const struct sqlite_table_config *config,
                              struct sqlite_table **out_table, struct error *error)
{
    struct sqlite_table *table = memory_allocate(sizeof *table);
    table->database = database;
    table->config = *config;
    list_columns(table);
    enum status status = create_table(table, error);
    if (status == STATUS_OK)
        status = check_key_width(table, error);
    if (status == STATUS_OK)
        status = check_columns(table, error);
    if (status == STATUS_OK)
        status = create_index(table, error);
    if (status == STATUS_OK)
        status = prepare(table, insert_sql, &table->insert, error);
    if (status == STATUS_OK)
        status = prepare(table, find_equal_sql, &table->find_equal, error);
    if (status != STATUS_OK) {
        sqlite_table_close(table);
        return status;
    }
    *out_table = table;
    return STATUS_OK;
}

void sqlite_table_close(struct sqlite_table *table)
{
    if (!table)
        return;
    statement_finish(table->insert);
    statement_finish(table->find_equal);
    free(table->columns);
    free(table);
}

static void bind_field(struct statement *statement, int parameter, const struct field *field, const void *row)
{
    if (field_is_null(field, row))
        statement_bind_null(statement, parameter);
    else if (field->type == FIELD_F64 || field->type == FIELD_DECIMAL)
        statement_bind_f64(statement, parameter, field_as_f64(field, row));
    else if (field_as_text(field, row))
        statement_bind_text(statement, parameter, field_as_text(field, row));
    else
        statement_bind_i64(statement, parameter, field_as_i64(field, row));
}

static void bind_row(const struct sqlite_table *table, struct statement *statement,
                     const struct sqlite_value *leads, const void *row)
{
    for (size_t i = 0; i < table->column_count; i++) {
        int parameter = (int)i + 1;
        if (table->columns[i].field)
            bind_field(statement, parameter, table->columns[i].field, row);
        else if (table->config.leads[i].is_text)
            statement_bind_text(statement, parameter, leads[i].text);
        else
            statement_bind_i64(statement, parameter, leads[i].integer);
    }
}

enum status sqlite_table_insert(struct sqlite_table *table, const struct sqlite_value *leads, const void *row,
                                enum sqlite_insert *out_result, struct error *error)
{
    bind_row(table, table->insert, leads, row);
    enum status status = statement_run(table->insert, error);
    if (status != STATUS_OK)
        return status;
    if (database_changes(table->database)) {
        *out_result = SQLITE_INSERTED;
        return STATUS_OK;
    }
    bind_row(table, table->find_equal, leads, row);
    status = statement_step(table->find_equal, error);
    if (status != STATUS_OK && status != STATUS_END)
        return status;
    *out_result = status == STATUS_OK ? SQLITE_REPEATED : SQLITE_DIFFERENT;
    statement_reset(table->find_equal);
    return STATUS_OK;
}
