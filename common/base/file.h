/* file: the few file habits everybody shares (data.md S3).
 *
 * Files become visible only under their final name, complete: temporary name in the same folder
 * (".<name>.tmp"), write, optionally fsync, rename, optionally fsync the folder. */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PATH_BYTES = 1024 };

/* path_join: "folder/name" (printf), cut at PATH_BYTES. */
void path_join(char out_path[PATH_BYTES], const char *folder, const char *format, ...) PRINTF_LIKE(3, 4);

/* folder_make: creates it and its parents with `mode`; an existing folder is fine. STATUS_INVALID: no or too long a
 * name. */
enum status folder_make(const char *path, mode_t mode) MUST_USE;

/* folder_make_for: creates the folder that `path` lies in. */
enum status folder_make_for(const char *path) MUST_USE;

/* folder_sync_of: makes the names on the way to `path` durable: its own in its folder, and every folder's in its parent, up to where
 * the path begins. All of them, not only what is new to us: who made a folder may have died before its name was durable. */
enum status folder_sync_of(const char *path) MUST_USE;

/* file_replace: atomically makes `path` hold exactly these bytes; with `sync` durably, name and all, when it returns. Crash points:
 * before_replace, after_replace. */
enum status file_replace(const char *path, const void *data, size_t bytes, bool sync) MUST_USE;

/* file_read: appends the whole file to `out` (whose limit holds). STATUS_NOT_FOUND, STATUS_LIMIT, STATUS_IO; `out` is
 * then as it was. */
enum status file_read(const char *path, struct buffer *out) MUST_USE;

/* file_write_all: write() until done, through EINTR and short writes. */
enum status file_write_all(int file_descriptor, const void *data, size_t bytes) MUST_USE;

/* file_lock: takes the lock of a file open for writing, now or not at all: STATUS_EXISTS when another has it, STATUS_IO. It
 * belongs to the open file: death frees it, and who inherits the descriptor holds it. */
enum status file_lock(int file_descriptor) MUST_USE;

/* file_lock_held: whether somebody holds it. Asking takes nothing, so it cannot stand in the way of who wants the lock. */
bool file_lock_held(const char *path);

bool file_exists(const char *path);
int64_t file_bytes(const char *path); /* -1 when absent */

/* file_sha256: hex digest of a file's content. */
enum status file_sha256(const char *path, char out_hex[65]) MUST_USE;

/* folder_remove: removes a folder and all in it, following no links. A missing one is fine. */
enum status folder_remove(const char *path) MUST_USE;

/* folder_walk: calls `visit` for every regular file below `path`, depth first, names in byte order; temporary
 * files (".…") are passed over. Stops at the first status other than STATUS_OK and returns it. */
typedef enum status folder_visit(void *context, const char *path);
enum status folder_walk(const char *path, folder_visit *visit, void *context) MUST_USE;

/* path_is_below: whether it exists and lies, links followed, in a folder, which is named without any (realpath); no path lies below "". */
bool path_is_below(const char *path, const char *folder);

/* process_folder: the folder that holds the running executable. */
void process_folder(char out_path[PATH_BYTES]);
