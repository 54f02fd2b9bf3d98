/* disk_rebuild: the tree that a power cut could have left, from a log of disk.c.
 *
 * What a synchronisation covered is there. Of later writes each file keeps, by the seed, none, all, some, or the first and a torn piece
 * of the next, in units of 512 or 4096 bytes; what a file's size covers without its data is zero. Of later creations, renames and
 * removals each folder keeps the first so many, by the seed; a rename between two folders happens in both or in none. The entry of a
 * file is its folder's business: a file that was synchronised in a folder that was not may be gone. */
#pragma once

#include "tests/support/disk/disk.h"

struct disk_log;

struct disk_log *disk_log_read(const char *path); /* aborts on a log that is damaged */
void disk_log_close(struct disk_log *log);
size_t disk_log_count(const struct disk_log *log);

/* disk_log_at: one record; *out_path (may be NULL) its path, "" without one. */
const struct disk_record *disk_log_at(const struct disk_log *log, size_t index, const char **out_path);

/* disk_rebuild: a cut behind the first `cut` records. `root` is what was recorded, `base` (NULL: nothing) a copy of it as it was
 * when recording began, `out` a folder that does not exist. */
void disk_rebuild(const struct disk_log *log, size_t cut, uint64_t seed, const char *root, const char *base,
                  const char *out);
