/* record_file: where the newest of a series of records stands, whatever happens to whoever writes them. Two places in one file, written
 * in turn and in place: a record that was cut off in the middle is not whole (CRC), and the one before it counts. Nothing is
 * created, renamed or freed, so a file system that is busy with somebody's fsync does not make the writer wait for its journal
 * (a rename took up to 80 ms), and a full disk does not matter.
 *
 *   file    = place, place                      of equal size
 *   place   = u64 turn, u64 length, record, u32 crc32c of all that, anything
 */
#pragma once

#include "base/buffer.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* record_file: zero is one that has not written yet; its first record replaces the whole file, atomically. */
struct record_file {
    uint64_t turn;
    size_t place_bytes;
    struct buffer scratch;
};

/* record_file_write: STATUS_IO with errno; what is in the file then is what was there before. */
enum status record_file_write(struct record_file *file, const char *path, const void *record,
                              size_t bytes) MUST_USE;
void record_file_finish(struct record_file *file);

/* record_file_read: the newest that is whole, appended. STATUS_NOT_FOUND: no file; STATUS_MALFORMED: neither is. */
enum status record_file_read(const char *path, struct buffer *out_record) MUST_USE;
