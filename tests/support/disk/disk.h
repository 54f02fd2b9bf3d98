/* disk: what a test sees of a process's files, and what it does to them.
 *
 * disk.c stands in front of libc's file calls (open, write, pwrite, ftruncate, fsync, rename, unlink, mkdir …), linked into a test or
 * preloaded as libdisk_recorder.so. Of files below one folder it
 *   - logs every call that changes something, with its data, in one log for all processes, in order;
 *   - or lets the n-th such call fail, or kills the process at it.
 * disk_rebuild.c makes, from the log up to any place, a tree as a power cut at that place could have left it.
 *
 * What libc does inside itself (stdio) and what is written through a mapping is not seen: LMDB's lock file, SQLite's -shm; both are
 * made anew by whoever opens them first. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum disk_kind {
    DISK_CREATE = 1, /* a file that was not there; path */
    DISK_OPEN,       /* one that was: which inode has that path */
    DISK_WRITE,      /* offset, data */
    DISK_WRITE_SYNC, /* the same through a descriptor with O_DSYNC: durable when it returns */
    DISK_TRUNCATE,   /* offset: new size */
    DISK_SYNC_BEGIN, /* of a file or folder: what was logged before it … */
    DISK_SYNC_END,   /* … is durable now */
    DISK_MKDIR,
    DISK_RENAME, /* two paths, each ended by a zero byte */
    DISK_UNLINK,
    DISK_RMDIR,
    DISK_NOTE, /* a test's own mark */
};

/* disk_record: one entry of the log; path and data follow it. */
struct disk_record {
    uint32_t kind, pid;
    uint64_t inode, offset;
    uint32_t path_bytes, data_bytes;
};

enum disk_fault {
    DISK_FAIL,        /* the call fails with the given errno and does nothing */
    DISK_FAIL_SHORT,  /* a write writes half of it first, then the next one fails */
    DISK_KILL_BEFORE, /* SIGKILL instead of the call */
    DISK_KILL_AFTER,  /* SIGKILL behind it */
    DISK_KILL_TORN,   /* SIGKILL when half of a write is done */
};

/* disk_record_begin: from now on calls on files below `root` are logged. The environment does the same for a preloaded recorder:
 * DISK_ROOT, DISK_LOG. */
void disk_record_begin(const char *root, const char *log_path);
void disk_record_end(void);
void disk_note(const char *text);

/* disk_fault_begin: calls `first` … `first + count - 1` below `root` (counted from 1) meet the fault. */
void disk_fault_begin(const char *root, long first, long count, enum disk_fault fault, int error);
long disk_fault_end(void); /* how many calls there were */
