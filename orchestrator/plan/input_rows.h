/* input_rows: what `playback --list` says of the rows below run.input_dir. It is the program that will play them, so what it has read
 * once to the end, it can play; and DuckDB stays out of this process. */
#pragma once

#include "base/buffer.h"
#include "config/config.h"

struct input_rows {
    char **symbols; /* as they were found */
    size_t symbol_count;
};

/* input_rows_read: STATUS_INVALID with the sentence of whoever read: a file that cannot be played, or no row at all. Waits. */
enum status input_rows_read(const struct config *config, struct input_rows *out_rows,
                            struct error *error) MUST_USE;
void input_rows_finish(struct input_rows *rows);

/* input_rows_hashes: the files that were played as they are now: an array of {path, bytes, sha256} as JSON. Waits until all are read. */
enum status input_rows_hashes(const struct config *config, struct buffer *out_json,
                              struct error *error) MUST_USE;
