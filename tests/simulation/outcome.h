/* outcome: everything a run leaves behind, as named pieces of text: rows of the journals, JSONL shards, SQLite tables, order
 * lines, Parquet rows, the report's figures. Two runs of one input have the same outcome, byte for byte.
 *
 * Left out is what docs/decisions/0017 names: moments (receive times of other clocks), files' numbers and boundaries, the
 * order in which two symbols' orders met in one file. */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outcome_piece {
    char name[160];
    enum outcome_kind { OUTCOME_ROWS, OUTCOME_TEXT } kind; /* encoded rows, or lines */
    int64_t first;                                         /* of rows: the oldest that is still held */
    struct buffer content;
};

struct outcome {
    struct outcome_piece *pieces; /* by name */
    size_t count, capacity;
};

/* outcome_read: of the run in the current folder. What may not be there (a file half done, a key twice) is a complaint. */
void outcome_read(struct outcome *outcome);
void outcome_finish(struct outcome *outcome);

/* outcome_compare: complains about the first difference. */
void outcome_compare(const struct outcome *expected, const struct outcome *found);

enum status outcome_save(const struct outcome *outcome, const char *path) MUST_USE;
enum status outcome_load(struct outcome *outcome, const char *path) MUST_USE;
