/* field: one table per message says everything about its fields.
 *
 * A message is a plain C struct and a table of struct field. From the table come the msgpack codec (frame.h), the
 * JSON line, the SQLite table, the Parquet columns (store/), the dump and the documentation. There is no second
 * list of columns anywhere.
 *
 * "No value" is stored in the struct itself, so that a row stays a plain copyable struct:
 *   i64 FIELD_NULL_I64 · i32 FIELD_NULL_I32 · f64 any NaN · bool FIELD_NULL_BOOL · decimal DECIMAL_NULL_UNITS ·
 *   enum FIELD_NULL_ENUM · text, json: the empty string, if the field may be null. */
#pragma once

#include "base/buffer.h"
#include "base/decimal.h"
#include "base/json.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_I64,     /* int64_t */
    FIELD_I32,     /* int32_t */
    FIELD_F64,     /* double */
    FIELD_BOOL,    /* int8_t: 0, 1, FIELD_NULL_BOOL */
    FIELD_DECIMAL, /* struct decimal; on the wire [units, exponent], elsewhere a number */
    FIELD_ENUM,    /* int8_t, an index into `names`; on the wire and everywhere else its name */
    FIELD_TEXT,    /* char[size], NUL-terminated */
    FIELD_JSON,    /* char[size], NUL-terminated JSON */
    FIELD_TYPE_COUNT,
};

#define FIELD_NULL_I64  INT64_MIN
#define FIELD_NULL_I32  INT32_MIN
#define FIELD_NULL_BOOL ((int8_t)-1)
#define FIELD_NULL_ENUM ((int8_t)-1)
#define FIELD_NULL_F64  ((double)NAN)

enum field_flag {
    FIELD_NULLABLE = 1, /* may hold no value */
    FIELD_WIRE = 2,     /* in frames only; no column of a data set and not in JSON lines of sinks */
};

struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
    size_t offset;
    size_t size;              /* bytes of the member */
    const char *const *names; /* enum: NULL-terminated names */
    const char *unit;
    const char *meaning;
    int since; /* schema_version that brought it */
};

/* FIELD_OF(struct, member, TYPE, flags, unit, meaning): one line of a table. */
#define FIELD_OF(structure, member, kind, flag_bits, unit_text, meaning_text)                            \
    {                                                                                                    \
        .name = #member, .type = kind, .flags = (flag_bits), .offset = offsetof(structure, member),      \
        .size = sizeof(((structure *)0)->member), .unit = unit_text, .meaning = meaning_text, .since = 1 \
    }
#define FIELD_NAMES_OF(structure, member, enum_names, flag_bits, meaning_text)                               \
    {                                                                                                        \
        .name = #member, .type = FIELD_ENUM, .flags = (flag_bits), .offset = offsetof(structure, member),    \
        .size = sizeof(((structure *)0)->member), .names = enum_names, .unit = "–", .meaning = meaning_text, \
        .since = 1                                                                                           \
    }
/* FIELD_AT: a member that is an array element; `label` is the column's name. */
#define FIELD_AT(structure, member, label, kind, flag_bits, unit_text, meaning_text)                     \
    {                                                                                                    \
        .name = label, .type = kind, .flags = (flag_bits), .offset = offsetof(structure, member),        \
        .size = sizeof(((structure *)0)->member), .unit = unit_text, .meaning = meaning_text, .since = 1 \
    }

struct message {
    const char *name; /* "trade"; the name used in docs, dumps and `orchctl tail` */
    const char *title;
    int kind; /* enum row_kind, the first element of a row on the wire */
    size_t row_bytes;
    const struct field *fields;
    size_t field_count;         /* all of them */
    size_t field_count_default; /* those in use unless more book levels are configured (kind.h) */
    size_t fields_per_level;    /* of each further level, behind the default ones; 0: the message has no levels */
};

/* field_is_null: whether the row holds no value there. */
bool field_is_null(const struct field *field, const void *row);

/* field_is_valid: whether the member holds what its field allows: a value or a permitted null, a known enum index, 0
 * or 1, a text with its end. For assertions on our own rows. */
bool field_is_valid(const struct field *field, const void *row);

/* field_clear: writes "no value" (0 or "" where the field cannot be null; JSON: null). field_set_null: the same for a
 * member that is zeroed already. */
void field_clear(const struct field *field, void *row);
void field_set_null(const struct field *field, void *member);

/* message_clear: a row with every field cleared. */
void message_clear(const struct message *message, void *row);

/* message_field: the field of that name, NULL when there is none. */
const struct field *message_field(const struct message *message, const char *name);

/* field_json: the value as JSON (decimal as its exact number, enum as its name, null as null). */
void field_json(struct json *json, const struct field *field, const void *row);

/* message_json: one object with the first `field_count` fields in order; `wire_fields` keeps FIELD_WIRE ones. */
void message_json(struct json *json, const struct message *message, size_t field_count, const void *row,
                  bool wire_fields);

/* field_as_f64, field_as_i64, field_as_text: typed reads; NaN, FIELD_NULL_I64 and NULL for no value. field_as_text
 * takes enum, text and json fields. */
double field_as_f64(const struct field *field, const void *row);
int64_t field_as_i64(const struct field *field, const void *row);
const char *field_as_text(const struct field *field, const void *row);

/* field_type_name: "i64", "f64" …, as the spec writes them, with "?" appended by the caller when nullable. */
const char *field_type_name(enum field_type type);

/* enum_from_name: index of a name in a NULL-terminated list, -1 when unknown. */
int enum_from_name(const char *const *names, const char *text, size_t length);
