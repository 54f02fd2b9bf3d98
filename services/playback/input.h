/* input: which files below a folder are played: all *.parquet of kind=features; of a path that names no kind, all. Temporary files
 * and what lies below the run's own data root are none. */
#pragma once

#include "store/row_files.h"

struct input_config {
    const char *folder;   /* run.input_dir */
    const char *own_root; /* run.data_root; what an earlier preview wrote is no input */
    struct query_limits limits;
    size_t symbol_count; /* that are read side by side; they share the memory */
};

/* input_visit: one of the files that are played. input_walk: all of them. STATUS_NOT_FOUND: there is no such folder; STATUS_IO; what
 * the visit says. */
typedef enum status input_visit(void *context, const char *path);
enum status input_walk(const struct input_config *config, input_visit *visit, void *context,
                       struct error *error) MUST_USE;

/* input_open: STATUS_NOT_FOUND: there is no such file; STATUS_INVALID: one that is none; STATUS_IO. The sentence names it. */
enum status input_open(const struct input_config *config, struct row_files **out_files,
                       struct error *error) MUST_USE;
