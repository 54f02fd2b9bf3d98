/* signal_files: the JSONL files of a signal sink (data.md §5.2).
 *
 *   <output>/ready/signal/<SYMBOL>/signals_<YYYYMMDD_HHMM>_<run_id>.jsonl   closed
 *   <output>/spool/signal/<SYMBOL>/signals_<YYYYMMDD_HHMM>_<run_id>.part    open
 *   <output>/<YYYYMMDD>/…        the same, when the folder became too full
 *
 * A file that is renamed while it is being looked for is found exactly once, under its new name. */
#pragma once

#include "base/buffer.h"
#include "proto/kind.h"

#include <stddef.h>

enum { SIGNAL_LINE_BYTES_MAX = 64 * 1024 };

struct signal_file {
    char *path;
    char *key;      /* the path without spool or ready and without ending: the same open and closed */
    bool open;      /* a .part: its last line may still be being written */
    bool other_run; /* its name says that it belongs to another run */
};

struct signal_files {
    struct signal_file *items;
    size_t count, capacity;
};

void signal_files_init(struct signal_files *files);
void signal_files_finish(struct signal_files *files);

/* signal_files_find: all of them, by key in byte order. A sink folder that does not exist holds none.
 * STATUS_IO. */
enum status signal_files_find(struct signal_files *files, const char *output_dir, const char *run_id,
                              struct error *error) MUST_USE;

/* line_kind: what a line was when it was found. */
enum line_kind {
    LINE_WHOLE,    /* without its newline */
    LINE_TOO_LONG, /* longer than SIGNAL_LINE_BYTES_MAX; `text` holds its beginning */
    LINE_TORN,     /* the end of the file came before its newline */
};
typedef enum status line_visit(void *context, enum line_kind kind, const char *text, size_t length,
                               int64_t offset);

/* signal_file_read: gives every line from *offset on; *offset moves behind the last newline. A torn line
 * is given only when `to_end`, and then *offset moves behind it. STATUS_NOT_FOUND: it was renamed
 * meanwhile, or shrank below *offset (its writer took back rows it will write again). Else what `visit`
 * returned, or STATUS_IO. */
enum status signal_file_read(const char *path, bool to_end, int64_t *offset, line_visit *visit,
                             void *context) MUST_USE;
