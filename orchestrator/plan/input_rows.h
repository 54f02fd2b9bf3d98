/* input_rows: what `playback --list` says of the rows below run.input_dir. It is the program that will play them, so what it has read
 * once to the end, it can play; and DuckDB stays out of this process. */
#pragma once

#include "config/config.h"

struct input_rows {
    char **symbols; /* as they were found */
    size_t symbol_count;
};

/* input_rows_read: STATUS_INVALID with the sentence of whoever read: a file that cannot be played, or no row at all. Waits. */
enum status input_rows_read(const struct config *config, struct input_rows *out_rows,
                            struct error *error) MUST_USE;
void input_rows_finish(struct input_rows *rows);
