/* From the columns of a data set to the structs of its message: the other way of columns.c. */
#include "store/row_files_private.h"

#include <math.h>
#include <string.h>

static duckdb_type type_of(const struct field *field)
{
    static const duckdb_type TYPES[FIELD_TYPE_COUNT] = {
        [FIELD_I64] = DUCKDB_TYPE_BIGINT,   [FIELD_I32] = DUCKDB_TYPE_INTEGER,
        [FIELD_F64] = DUCKDB_TYPE_DOUBLE,   [FIELD_BOOL] = DUCKDB_TYPE_BOOLEAN,
        [FIELD_ENUM] = DUCKDB_TYPE_VARCHAR, [FIELD_TEXT] = DUCKDB_TYPE_VARCHAR,
        [FIELD_JSON] = DUCKDB_TYPE_VARCHAR, [FIELD_DECIMAL] = DUCKDB_TYPE_INVALID,
    };
    return TYPES[field->type];
}

static const char *type_name(duckdb_type type)
{
    switch (type) {
    case DUCKDB_TYPE_BIGINT: return "BIGINT";
    case DUCKDB_TYPE_INTEGER: return "INTEGER";
    case DUCKDB_TYPE_DOUBLE: return "DOUBLE";
    case DUCKDB_TYPE_BOOLEAN: return "BOOLEAN";
    case DUCKDB_TYPE_VARCHAR: return "VARCHAR";
    default: return "another type";
    }
}

static bool is_column(const struct field *field)
{
    return !(field->flags & FIELD_WIRE);
}

void row_columns_append(const struct message *message, struct buffer *sql)
{
    const char *comma = "";
    for (size_t i = 0; i < message->field_count; i++) {
        if (!is_column(&message->fields[i]))
            continue;
        buffer_append_text(sql, comma);
        buffer_append_byte(sql, '"');
        buffer_append_text(sql, message->fields[i].name);
        buffer_append_byte(sql, '"');
        comma = ", ";
    }
}

enum status row_column_check(duckdb_result *result, const char *name, duckdb_type type, const char *path,
                             struct error *error)
{
    for (idx_t i = 0; i < duckdb_column_count(result); i++) {
        if (strcmp(duckdb_column_name(result, i), name) != 0)
            continue;
        duckdb_type found = duckdb_column_type(result, i);
        return found == type ? STATUS_OK
                             : error_set(error, STATUS_INVALID, "%s: column %s is %s, not %s", path, name,
                                         type_name(found), type_name(type));
    }
    return error_set(error, STATUS_INVALID, "%s: column %s is missing", path, name);
}

enum status row_columns_check(const struct message *message, duckdb_result *result, const char *path,
                              struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < message->field_count; i++)
        if (is_column(&message->fields[i]))
            status =
                row_column_check(result, message->fields[i].name, type_of(&message->fields[i]), path, error);
    return status;
}

static enum row_reject take_text(const struct field *field, duckdb_string_t *text, char *member)
{
    size_t length = duckdb_string_t_length(*text);
    const char *data = duckdb_string_t_data(text);
    if (field->type == FIELD_ENUM) {
        int index = enum_from_name(field->names, data, length);
        *(int8_t *)member = (int8_t)index;
        return index < 0 ? ROW_PARSE_ERROR : ROW_REJECTS;
    }
    if (length >= field->size || memchr(data, 0, length))
        return ROW_PARSE_ERROR;
    memcpy(member, data, length);
    return ROW_REJECTS;
}

static enum row_reject take_value(const struct field *field, void *values, size_t index, char *member)
{
    switch (field->type) {
    case FIELD_I64: memcpy(member, (int64_t *)values + index, sizeof(int64_t)); return ROW_REJECTS;
    case FIELD_I32: memcpy(member, (int32_t *)values + index, sizeof(int32_t)); return ROW_REJECTS;
    case FIELD_BOOL: *(int8_t *)member = ((const bool *)values)[index]; return ROW_REJECTS;
    case FIELD_F64: {
        double value = ((const double *)values)[index];
        memcpy(member, &value, sizeof value);
        return isfinite(value) ? ROW_REJECTS : ROW_NON_FINITE;
    }
    default: return take_text(field, (duckdb_string_t *)values + index, member);
    }
}

enum row_reject row_decode_columns(const struct message *message, duckdb_data_chunk chunk, size_t index,
                                   void *out_row)
{
    enum row_reject first = ROW_REJECTS;
    idx_t column = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct field *field = &message->fields[i];
        char *member = (char *)out_row + field->offset;
        enum row_reject reject = ROW_REJECTS;
        if (!is_column(field)) {
            field_set_null(field, member);
            continue;
        }
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column++);
        uint64_t *validity = duckdb_vector_get_validity(vector);
        if (!validity || duckdb_validity_row_is_valid(validity, index))
            reject = take_value(field, duckdb_vector_get_data(vector), index, member);
        else if (field->flags & FIELD_NULLABLE)
            field_set_null(field, member);
        else
            reject = ROW_MISSING_REQUIRED;
        first = reject < first ? reject : first;
    }
    return first;
}
