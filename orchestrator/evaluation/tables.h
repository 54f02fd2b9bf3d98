/* tables: CSV files that grow while a run goes on: a header, and rows ordered by their first cell (a time) and their symbol. */
#pragma once

#include "base/buffer.h"
#include "base/file.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct table {
    const char *header;   /* with its line break */
    size_t symbol_column; /* from 0 */
    struct buffer rows;   /* in the order they were made */
};

void table_init(struct table *table, const char *header, size_t symbol_column);
void table_finish(struct table *table);

/* table_keeps: whether a row read back is to be kept. */
typedef bool table_keeps(void *context, int64_t time_ms, const char *symbol);

/* table_read: the rows of a file that are kept. False: no such file, or it is another table. */
bool table_read(struct table *table, const char *path, table_keeps *keeps, void *context);

/* table_text: header and rows in order. */
void table_text(const struct table *table, struct buffer *out);
