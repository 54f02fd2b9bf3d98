#include "row_text.h"

#include "store/database.h"

#include <math.h>
#include <string.h>
#include <yyjson.h>

/* cell: one value of a sink, before it is put into a field. */
struct cell {
    enum value_type type;
    bool is_bool;
    int64_t integer;
    double real;
    const char *text;
    size_t length;
};

static bool put_text(const struct field *field, const struct cell *cell, char *member)
{
    if (cell->type != VALUE_TEXT || cell->length >= field->size || memchr(cell->text, 0, cell->length))
        return false;
    memcpy(member, cell->text, cell->length);
    member[cell->length] = 0;
    return true;
}

static bool put_enum(const struct field *field, const struct cell *cell, void *member)
{
    int index = cell->type == VALUE_TEXT ? enum_from_name(field->names, cell->text, cell->length) : -1;
    if (index < 0)
        return false;
    *(int8_t *)member = (int8_t)index;
    return true;
}

static bool put_f64(const struct cell *cell, double *member)
{
    double value = cell->type == VALUE_REAL ? cell->real : (double)cell->integer;
    if ((cell->type != VALUE_REAL && cell->type != VALUE_INTEGER) || cell->is_bool || !isfinite(value))
        return false;
    *member = value;
    return true;
}

static bool put_integer(const struct field *field, const struct cell *cell, void *member)
{
    bool wants_bool = field->type == FIELD_BOOL;
    if (cell->type != VALUE_INTEGER || (cell->is_bool && !wants_bool))
        return false;
    if (wants_bool && (cell->integer < 0 || cell->integer > 1))
        return false;
    if (field->type == FIELD_I64)
        *(int64_t *)member = cell->integer;
    else if (wants_bool)
        *(int8_t *)member = (int8_t)cell->integer;
    else if (cell->integer > INT32_MIN && cell->integer <= INT32_MAX)
        *(int32_t *)member = (int32_t)cell->integer;
    else
        return false;
    return true;
}

static enum status put(const struct message *message, const struct field *field, const struct cell *cell,
                       void *row, struct error *error)
{
    void *member = (char *)row + field->offset;
    bool fits;
    if (cell->type == VALUE_NULL) {
        fits = field->flags & FIELD_NULLABLE;
        field_clear(field, row);
    } else {
        switch (field->type) {
        case FIELD_TEXT: fits = put_text(field, cell, member); break;
        case FIELD_ENUM: fits = put_enum(field, cell, member); break;
        case FIELD_F64: fits = put_f64(cell, member); break;
        case FIELD_I64:
        case FIELD_I32:
        case FIELD_BOOL: fits = put_integer(field, cell, member); break;
        default: fits = false; break;
        }
    }
    if (fits)
        return STATUS_OK;
    return error_set(error, STATUS_MALFORMED, "%s: the value of `%s` does not fit its type", message->name,
                     field->name);
}

static struct cell cell_of_json(yyjson_val *value)
{
    struct cell cell = {.type = VALUE_OTHER};
    if (yyjson_is_null(value))
        cell.type = VALUE_NULL;
    else if (yyjson_is_str(value))
        cell = (struct cell){
            .type = VALUE_TEXT, .text = yyjson_get_str(value), .length = yyjson_get_len(value)};
    else if (yyjson_is_bool(value))
        cell = (struct cell){.type = VALUE_INTEGER, .is_bool = true, .integer = yyjson_get_bool(value)};
    else if (yyjson_is_real(value))
        cell = (struct cell){.type = VALUE_REAL, .real = yyjson_get_real(value)};
    else if (yyjson_is_sint(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX))
        cell = (struct cell){.type = VALUE_INTEGER, .integer = yyjson_get_sint(value)};
    return cell;
}

/* A bool is a bool in JSON: 0 and 1 are another type there, unlike in SQLite. */
static struct cell cell_for(const struct field *field, yyjson_val *value)
{
    struct cell cell = cell_of_json(value);
    if (field->type == FIELD_BOOL && cell.type == VALUE_INTEGER && !cell.is_bool)
        cell.type = VALUE_OTHER;
    return cell;
}

enum status row_from_json(const struct message *message, const char *text, size_t length, void *out_row,
                          struct error *error)
{
    yyjson_doc *document = yyjson_read(text, length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    enum status status = STATUS_OK;
    if (!yyjson_is_obj(root))
        status = error_set(error, STATUS_MALFORMED, "%s: not a JSON object", message->name);
    yyjson_obj_iter keys;
    if (status == STATUS_OK)
        yyjson_obj_iter_init(root, &keys);
    for (size_t i = 0; status == STATUS_OK && i < message->field_count_default; i++) {
        const struct field *field = &message->fields[i];
        field_clear(field, out_row);
        if (field->flags & FIELD_WIRE)
            continue;
        yyjson_val *value = yyjson_obj_iter_get(&keys, field->name);
        if (value) {
            struct cell cell = cell_for(field, value);
            status = put(message, field, &cell, out_row, error);
        } else {
            status = error_set(error, STATUS_MALFORMED, "%s: `%s` is missing", message->name, field->name);
        }
    }
    yyjson_doc_free(document);
    return status;
}

int row_columns(const struct message *message, struct buffer *out)
{
    int columns = 0;
    for (size_t i = 0; i < message->field_count_default; i++) {
        if (message->fields[i].flags & FIELD_WIRE)
            continue;
        buffer_format(out, "%s%s", columns ? ", " : "", message->fields[i].name);
        columns++;
    }
    return columns;
}

static struct cell cell_of_column(const struct statement *statement, int column)
{
    struct cell cell = {.type = statement_type(statement, column)};
    if (cell.type == VALUE_INTEGER)
        cell.integer = statement_i64(statement, column);
    if (cell.type == VALUE_REAL)
        cell.real = statement_f64(statement, column);
    if (cell.type == VALUE_TEXT) {
        cell.text = statement_text(statement, column);
        cell.length = strlen(cell.text);
    }
    return cell;
}

enum status row_from_statement(const struct message *message, const struct statement *statement,
                               void *out_row, struct error *error)
{
    enum status status = STATUS_OK;
    int column = 0;
    for (size_t i = 0; status == STATUS_OK && i < message->field_count_default; i++) {
        const struct field *field = &message->fields[i];
        field_clear(field, out_row);
        if (field->flags & FIELD_WIRE)
            continue;
        struct cell cell = cell_of_column(statement, column++);
        status = put(message, field, &cell, out_row, error);
    }
    return status;
}

void row_line(const struct message *message, const void *row, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    message_json(&json, message, message->field_count_default, row, false);
}
