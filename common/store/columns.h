/* columns: rows of one message held column by column, as a data set stores them (data.md §3.2):
 *
 *      ts_ms, symbol, row_id, then every other field of the table that is not wire-only, in its order.
 *
 * A row comes in as the message's struct and is taken apart at once (decimal → double, enum → its number, text
 * → one arena), so that a waiting row costs its values and nothing else. The writer copies whole columns. */
#pragma once

#include "base/buffer.h"
#include "proto/field.h"

#include <stddef.h>
#include <stdint.h>

enum column_type { COLUMN_I64, COLUMN_I32, COLUMN_F64, COLUMN_BOOL, COLUMN_NAME, COLUMN_TEXT };

/* text_span: a text inside the arena; length COLUMN_TEXT_NULL: no value. */
#define COLUMN_TEXT_NULL UINT32_MAX
struct text_span {
    uint32_t offset;
    uint32_t length;
};

struct column {
    const char *name;
    enum column_type type;
    bool nullable;
    const struct field *field; /* NULL for row_id */
    void *values; /* int64_t, int32_t, double, int8_t, int8_t (index into field->names), struct text_span */
    size_t capacity;
};

/* column_order: what rows are sorted by: event time, then id (trade id, update id, 0), then sequence. */
struct column_order {
    int64_t id;
    int64_t sequence;
};

struct columns {
    const struct message *message;
    char symbol[32]; /* the same in every row */
    size_t rows;
    struct column *items; /* ts_ms, row_id, the rest; symbol is not held */
    size_t item_count;
    struct column_order *order;
    size_t order_capacity;
    struct buffer arena;
};

enum { COLUMN_TS, COLUMN_ROW_ID };

/* columns_create: `field_count` as message_fields_in_use says. The message has a field ts_ms. */
struct columns *columns_create(const struct message *message, size_t field_count, const char *symbol);
void columns_destroy(struct columns *columns); /* accepts NULL */

void columns_append(struct columns *columns, const char *row_id, struct column_order order, const void *row);

int64_t columns_ts_ms(const struct columns *columns, size_t row);
size_t columns_bytes(const struct columns *columns); /* memory its rows take, about */

/* columns_sorted: the rows' numbers in ascending (ts_ms, id, sequence); release with free(). NULL when they
 * already stand so. */
uint32_t *columns_sorted(const struct columns *columns);

/* columns_type_sql: "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "VARCHAR". */
const char *columns_type_sql(enum column_type type);
