#include "store/columns.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t VALUE_BYTES[] = {
    [COLUMN_I64] = sizeof(int64_t), [COLUMN_I32] = sizeof(int32_t), [COLUMN_F64] = sizeof(double),
    [COLUMN_BOOL] = sizeof(int8_t), [COLUMN_NAME] = sizeof(int8_t), [COLUMN_TEXT] = sizeof(struct text_span),
};

const char *columns_type_sql(enum column_type type)
{
    static const char *const NAMES[] = {
        [COLUMN_I64] = "BIGINT",   [COLUMN_I32] = "INTEGER",  [COLUMN_F64] = "DOUBLE",
        [COLUMN_BOOL] = "BOOLEAN", [COLUMN_NAME] = "VARCHAR", [COLUMN_TEXT] = "VARCHAR",
    };
    return NAMES[type];
}

static enum column_type type_of(const struct field *field)
{
    static const enum column_type TYPES[FIELD_TYPE_COUNT] = {
        [FIELD_I64] = COLUMN_I64,   [FIELD_I32] = COLUMN_I32,     [FIELD_F64] = COLUMN_F64,
        [FIELD_BOOL] = COLUMN_BOOL, [FIELD_DECIMAL] = COLUMN_F64, [FIELD_ENUM] = COLUMN_NAME,
        [FIELD_TEXT] = COLUMN_TEXT, [FIELD_JSON] = COLUMN_TEXT,
    };
    return TYPES[field->type];
}

static struct column column_of(const struct field *field)
{
    return (struct column){.name = field->name,
                           .type = type_of(field),
                           .nullable = field->flags & FIELD_NULLABLE,
                           .field = field};
}

struct columns *columns_create(const struct message *message, size_t field_count, const char *symbol)
{
    struct columns *columns = memory_allocate(sizeof *columns);
    const struct field *ts_ms = message_field(message, "ts_ms");
    columns->message = message;
    snprintf(columns->symbol, sizeof columns->symbol, "%s", symbol);
    columns->items = memory_allocate((field_count + 1) * sizeof *columns->items);
    columns->items[COLUMN_TS] = column_of(ts_ms);
    columns->items[COLUMN_ROW_ID] = (struct column){.name = "row_id", .type = COLUMN_TEXT};
    columns->item_count = COLUMN_ROW_ID + 1;
    for (size_t i = 0; i < field_count; i++)
        if (!(message->fields[i].flags & FIELD_WIRE) && &message->fields[i] != ts_ms)
            columns->items[columns->item_count++] = column_of(&message->fields[i]);
    buffer_init(&columns->arena, 0);
    return columns;
}

void columns_destroy(struct columns *columns)
{
    if (!columns)
        return;
    for (size_t i = 0; i < columns->item_count; i++)
        free(columns->items[i].values);
    free(columns->items);
    free(columns->order);
    buffer_finish(&columns->arena);
    free(columns);
}

static struct text_span put_text(struct columns *columns, const char *text)
{
    if (!text)
        return (struct text_span){.length = COLUMN_TEXT_NULL};
    struct text_span span = {.offset = (uint32_t)columns->arena.length, .length = (uint32_t)strlen(text)};
    buffer_append(&columns->arena, text, span.length);
    return span;
}

static void append_value(struct columns *columns, struct column *column, const void *row)
{
    const struct field *field = column->field;
    size_t at = columns->rows;
    column->values = memory_grow(column->values, &column->capacity, at + 1, VALUE_BYTES[column->type]);
    switch (column->type) {
    case COLUMN_I64: ((int64_t *)column->values)[at] = field_as_i64(field, row); break;
    case COLUMN_I32:
        ((int32_t *)column->values)[at] = *(const int32_t *)((const char *)row + field->offset);
        break;
    case COLUMN_F64: {
        double value = field_as_f64(field, row);
        ((double *)column->values)[at] = value == 0 ? 0.0 : value; /* -0 becomes 0 before any sink */
        break;
    }
    case COLUMN_BOOL:
    case COLUMN_NAME:
        ((int8_t *)column->values)[at] = *(const int8_t *)((const char *)row + field->offset);
        break;
    default: ((struct text_span *)column->values)[at] = put_text(columns, field_as_text(field, row)); break;
    }
}

void columns_append(struct columns *columns, const char *row_id, struct column_order order, const void *row)
{
    size_t at = columns->rows;
    struct column *id = &columns->items[COLUMN_ROW_ID];
    id->values = memory_grow(id->values, &id->capacity, at + 1, sizeof(struct text_span));
    ((struct text_span *)id->values)[at] = put_text(columns, row_id);
    columns->order = memory_grow(columns->order, &columns->order_capacity, at + 1, sizeof *columns->order);
    columns->order[at] = order;
    for (size_t i = 0; i < columns->item_count; i++)
        if (columns->items[i].field)
            append_value(columns, &columns->items[i], row);
    columns->rows++;
}

int64_t columns_ts_ms(const struct columns *columns, size_t row)
{
    return ((const int64_t *)columns->items[COLUMN_TS].values)[row];
}

size_t columns_bytes(const struct columns *columns)
{
    size_t per_row = sizeof *columns->order;
    for (size_t i = 0; i < columns->item_count; i++)
        per_row += VALUE_BYTES[columns->items[i].type];
    return per_row * columns->rows + columns->arena.length;
}

/* --- order --- */

static int compare_i64(int64_t left, int64_t right)
{
    return left < right ? -1 : left > right;
}

static int compare_rows(const struct columns *columns, uint32_t left, uint32_t right)
{
    int result = compare_i64(columns_ts_ms(columns, left), columns_ts_ms(columns, right));
    if (!result)
        result = compare_i64(columns->order[left].id, columns->order[right].id);
    return result ? result : compare_i64(columns->order[left].sequence, columns->order[right].sequence);
}

static int compare(const void *left, const void *right, void *columns)
{
    return compare_rows(columns, *(const uint32_t *)left, *(const uint32_t *)right);
}

uint32_t *columns_sorted(const struct columns *columns)
{
    size_t in_order = 1;
    while (in_order < columns->rows && compare_rows(columns, (uint32_t)in_order - 1, (uint32_t)in_order) < 0)
        in_order++;
    if (in_order >= columns->rows)
        return NULL;
    uint32_t *numbers = memory_allocate(columns->rows * sizeof *numbers);
    for (size_t i = 0; i < columns->rows; i++)
        numbers[i] = (uint32_t)i;
    qsort_r(numbers, columns->rows, sizeof *numbers, compare, (void *)(uintptr_t)columns);
    return numbers;
}
