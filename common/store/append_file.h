/* append_file: a file that grows at an offset its owner has journaled.
 *
 * What lies behind the offset does not count: it is cut off when the file is taken up again, and written over
 * by the next append. So a write that failed half-way, or a process that died behind it, leaves nothing behind. */
#pragma once

#include "base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct append_file {
    int descriptor; /* -1: not open */
    int64_t bytes;  /* those that count */
};

void append_file_init(struct append_file *file);

/* append_file_create: an empty file, its folders made; what was there is emptied. STATUS_IO. */
enum status append_file_create(struct append_file *file, const char *path, struct error *error) MUST_USE;

/* append_file_resume: opens at `bytes` and cuts off what lies behind. STATUS_NOT_FOUND; STATUS_CONFLICT when
 * the file is shorter than that; STATUS_IO. */
enum status append_file_resume(struct append_file *file, const char *path, int64_t bytes,
                               struct error *error) MUST_USE;

/* append_file_write: all of it, or STATUS_IO and `bytes` as it was. */
enum status append_file_write(struct append_file *file, const void *data, size_t bytes) MUST_USE;
enum status append_file_sync(struct append_file *file) MUST_USE;
void append_file_close(struct append_file *file); /* may be called twice */

/* file_rename_once: gives a complete file its final name and never overwrites one. A file already there with
 * the same content counts as done: `from` is removed, *out_repeated set. STATUS_CONFLICT when it differs;
 * STATUS_IO. */
enum status file_rename_once(const char *from, const char *to, bool *out_repeated,
                             struct error *error) MUST_USE;
