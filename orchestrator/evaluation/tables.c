#include "tables.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 64 };

void table_init(struct table *table, const char *header, size_t symbol_column)
{
    *table = (struct table){.header = header, .symbol_column = symbol_column};
    buffer_init(&table->rows, 0);
}

void table_finish(struct table *table)
{
    buffer_finish(&table->rows);
}

/* cell: a row's cell; cut to what fits. */
static void cell(const char *row, size_t column, char out[NAME_BYTES])
{
    while (column && *row && *row != '\n')
        column -= *row++ == ',';
    size_t length = strcspn(row, ",\n");
    length = length < NAME_BYTES - 1 ? length : NAME_BYTES - 1;
    memcpy(out, row, length);
    out[length] = 0;
}

bool table_read(struct table *table, const char *path, table_keeps *keeps, void *context)
{
    struct buffer text;
    char symbol[NAME_BYTES];
    size_t header = strlen(table->header);
    buffer_init(&text, 0);
    bool good = file_read(path, &text) == STATUS_OK && text.length >= header &&
                memcmp(text.data, table->header, header) == 0 && text.data[text.length - 1] == '\n';
    const char *at = good ? buffer_text(&text) + header : "";
    while (*at) {
        size_t length = strcspn(at, "\n") + 1;
        cell(at, table->symbol_column, symbol);
        if (keeps(context, strtoll(at, NULL, 10), symbol))
            buffer_append(&table->rows, at, length);
        at += length;
    }
    buffer_finish(&text);
    return good;
}

/* --- ordering --- */

struct row {
    const char *text;
    int64_t time_ms;
    size_t place; /* as it was made: symbols in the run's order */
    char symbol[NAME_BYTES];
};

static int compare(const void *left, const void *right)
{
    const struct row *one = left, *other = right;
    if (one->time_ms != other->time_ms)
        return one->time_ms < other->time_ms ? -1 : 1;
    int symbols = strcmp(one->symbol, other->symbol);
    return symbols ? symbols : one->place < other->place ? -1 : one->place > other->place;
}

void table_text(const struct table *table, struct buffer *out)
{
    struct row *rows = NULL;
    size_t count = 0, capacity = 0;
    const char *at = table->rows.length ? (const char *)table->rows.data : NULL;
    const char *end = at ? at + table->rows.length : NULL;
    for (; at < end; at += strcspn(at, "\n") + 1) {
        rows = memory_grow(rows, &capacity, count + 1, sizeof *rows);
        rows[count] = (struct row){.text = at, .time_ms = strtoll(at, NULL, 10), .place = count};
        cell(at, table->symbol_column, rows[count++].symbol);
    }
    if (count)
        qsort(rows, count, sizeof *rows, compare);
    buffer_append_text(out, table->header);
    for (size_t i = 0; i < count; i++)
        buffer_append(out, rows[i].text, strcspn(rows[i].text, "\n") + 1);
    free(rows);
}
