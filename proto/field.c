#include "proto/field.h"

#include <string.h>

static const void *at(const struct field *field, const void *row)
{
    return (const char *)row + field->offset;
}

static int enum_count(const char *const *names)
{
    int count = 0;
    while (names[count])
        count++;
    return count;
}

/* holds_null: whether the member holds the mark of its type for "no value". */
static bool holds_null(const struct field *field, const void *member)
{
    switch (field->type) {
    case FIELD_I64: return *(const int64_t *)member == FIELD_NULL_I64;
    case FIELD_I32: return *(const int32_t *)member == FIELD_NULL_I32;
    case FIELD_F64: return !isfinite(*(const double *)member);
    case FIELD_BOOL: return *(const int8_t *)member == FIELD_NULL_BOOL;
    case FIELD_ENUM: return *(const int8_t *)member == FIELD_NULL_ENUM;
    case FIELD_DECIMAL: return decimal_is_null(*(const struct decimal *)member);
    default: return *(const char *)member == 0;
    }
}

bool field_is_null(const struct field *field, const void *row)
{
    return ((field->flags & FIELD_NULLABLE) || field->type == FIELD_F64) && holds_null(field, at(field, row));
}

bool field_is_valid(const struct field *field, const void *row)
{
    const void *member = at(field, row);
    if (holds_null(field, member))
        return (field->flags & FIELD_NULLABLE) || field->type == FIELD_TEXT;
    int8_t small = *(const int8_t *)member;
    switch (field->type) {
    case FIELD_BOOL: return small == 0 || small == 1;
    case FIELD_ENUM: return small >= 0 && small < enum_count(field->names);
    case FIELD_TEXT:
    case FIELD_JSON: return memchr(member, 0, field->size) != NULL;
    default: return true;
    }
}

void field_set_null(const struct field *field, void *member)
{
    if (!(field->flags & FIELD_NULLABLE)) {
        if (field->type == FIELD_JSON)
            memcpy(member, "null", sizeof "null");
        return;
    }
    switch (field->type) {
    case FIELD_I64: *(int64_t *)member = FIELD_NULL_I64; break;
    case FIELD_I32: *(int32_t *)member = FIELD_NULL_I32; break;
    case FIELD_F64: *(double *)member = FIELD_NULL_F64; break;
    case FIELD_BOOL: *(int8_t *)member = FIELD_NULL_BOOL; break;
    case FIELD_ENUM: *(int8_t *)member = FIELD_NULL_ENUM; break;
    case FIELD_DECIMAL: *(struct decimal *)member = decimal_null(); break;
    default: break;
    }
}

void field_clear(const struct field *field, void *row)
{
    void *member = (char *)row + field->offset;
    memset(member, 0, field->size);
    field_set_null(field, member);
}

void message_clear(const struct message *message, void *row)
{
    memset(row, 0, message->row_bytes);
    for (size_t i = 0; i < message->field_count; i++)
        field_clear(&message->fields[i], row);
}

const struct field *message_field(const struct message *message, const char *name)
{
    for (size_t i = 0; i < message->field_count; i++)
        if (strcmp(message->fields[i].name, name) == 0)
            return &message->fields[i];
    return NULL;
}

double field_as_f64(const struct field *field, const void *row)
{
    if (field_is_null(field, row))
        return FIELD_NULL_F64;
    switch (field->type) {
    case FIELD_F64: return *(const double *)at(field, row);
    case FIELD_DECIMAL: return decimal_double(*(const struct decimal *)at(field, row));
    default: return (double)field_as_i64(field, row);
    }
}

int64_t field_as_i64(const struct field *field, const void *row)
{
    if (field_is_null(field, row))
        return FIELD_NULL_I64;
    switch (field->type) {
    case FIELD_I64: return *(const int64_t *)at(field, row);
    case FIELD_I32: return *(const int32_t *)at(field, row);
    case FIELD_BOOL:
    case FIELD_ENUM: return *(const int8_t *)at(field, row);
    default: return FIELD_NULL_I64;
    }
}

const char *field_as_text(const struct field *field, const void *row)
{
    if (field_is_null(field, row))
        return NULL;
    if (field->type == FIELD_ENUM)
        return field->names[*(const int8_t *)at(field, row)];
    return field->type == FIELD_TEXT || field->type == FIELD_JSON ? (const char *)at(field, row) : NULL;
}

void field_json(struct json *json, const struct field *field, const void *row)
{
    char text[DECIMAL_TEXT_BYTES];
    if (field_is_null(field, row)) {
        json_null(json);
        return;
    }
    switch (field->type) {
    case FIELD_I64:
    case FIELD_I32: json_i64(json, field_as_i64(field, row)); break;
    case FIELD_F64: json_f64(json, *(const double *)at(field, row)); break;
    case FIELD_BOOL: json_bool(json, *(const int8_t *)at(field, row)); break;
    case FIELD_DECIMAL:
        json_raw(json, text, decimal_text(*(const struct decimal *)at(field, row), text));
        break;
    case FIELD_JSON: json_raw(json, at(field, row), strlen(at(field, row))); break;
    default: json_text(json, field_as_text(field, row)); break;
    }
}

void message_json(struct json *json, const struct message *message, size_t field_count, const void *row,
                  bool wire_fields)
{
    json_object_begin(json);
    for (size_t i = 0; i < field_count; i++) {
        if ((message->fields[i].flags & FIELD_WIRE) && !wire_fields)
            continue;
        json_key(json, message->fields[i].name);
        field_json(json, &message->fields[i], row);
    }
    json_object_end(json);
}

const char *field_type_name(enum field_type type)
{
    static const char *const NAMES[FIELD_TYPE_COUNT] = {"i64",     "i32", "f64", "bool",
                                                        "decimal", "str", "str", "json"};
    return NAMES[type];
}

int enum_from_name(const char *const *names, const char *text, size_t length)
{
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0)
            return i;
    return -1;
}
