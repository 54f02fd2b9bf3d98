/* Goes to the kernel by itself: what stands in front of libc must not call it. */
#undef _FORTIFY_SOURCE
#include "tests/support/disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 65536 };

struct tracked {
    bool is_tracked, is_sync;
    uint64_t inode;
};

static struct {
    char root[PATH_MAX];
    int log;              /* -1: nothing is logged */
    atomic_long passings; /* calls that could fail */
    long fault_first, fault_count;
    enum disk_fault fault;
    int fault_error;
    struct tracked descriptors[DESCRIPTORS_MAX];
} disk = {.log = -1};

/* --- what is watched --- */

static void set_root(const char *root)
{
    char whole[PATH_MAX];
    if (syscall(SYS_getcwd, whole, sizeof whole) < 0)
        abort();
    if (root[0] == '/')
        snprintf(disk.root, sizeof disk.root, "%s", root);
    else
        snprintf(disk.root, sizeof disk.root, "%.*s/%.*s", PATH_MAX / 2 - 2, whole, PATH_MAX / 2 - 2, root);
}

/* absolute: the path without "." and doubled slashes, when it lies below the root. */
static bool absolute(int folder, const char *path, char out_path[PATH_MAX])
{
    char whole[2 * PATH_MAX + 2], link[64];
    if (!*disk.root || !path)
        return false;
    whole[0] = 0;
    if (path[0] != '/' && folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, whole, PATH_MAX) < 0)
            return false;
    } else if (path[0] != '/') {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        long length = syscall(SYS_readlinkat, AT_FDCWD, link, whole, PATH_MAX - 1);
        whole[length > 0 ? length : 0] = 0;
    }
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    size_t at = 0;
    for (const char *from = whole; *from && at + 1 < PATH_MAX;) {
        if (from[0] == '/' && (from[1] == '/' || from[1] == 0))
            from++;
        else if (from[0] == '/' && from[1] == '.' && (from[2] == '/' || from[2] == 0))
            from += 2;
        else
            out_path[at++] = *from++;
    }
    out_path[at] = 0;
    length = strlen(disk.root);
    return strncmp(out_path, disk.root, length) == 0 && (out_path[length] == '/' || out_path[length] == 0);
}

static struct tracked *tracked_of(int descriptor)
{
    bool known = descriptor >= 0 && descriptor < DESCRIPTORS_MAX && disk.descriptors[descriptor].is_tracked;
    return known ? &disk.descriptors[descriptor] : NULL;
}

/* --- the log --- */

static void put(enum disk_kind kind, uint64_t inode, uint64_t offset, const char *path, size_t path_bytes,
                const struct iovec *data, int parts, size_t data_bytes)
{
    if (disk.log < 0)
        return;
    int kept = errno;
    struct disk_record record = {.kind = kind,
                                 .pid = (uint32_t)syscall(SYS_getpid),
                                 .inode = inode,
                                 .offset = offset,
                                 .path_bytes = (uint32_t)path_bytes,
                                 .data_bytes = (uint32_t)data_bytes};
    struct iovec all[IOV_MAX] = {{&record, sizeof record}, {(void *)(uintptr_t)path, path_bytes}};
    int count = 2;
    for (int i = 0; i < parts && data_bytes && count < IOV_MAX; i++) {
        size_t bytes = data[i].iov_len < data_bytes ? data[i].iov_len : data_bytes;
        all[count++] = (struct iovec){data[i].iov_base, bytes};
        data_bytes -= bytes;
    }
    ssize_t want = 0;
    for (int i = 0; i < count; i++)
        want += (ssize_t)all[i].iov_len;
    if (data_bytes || syscall(SYS_writev, disk.log, all, count) != want)
        abort(); /* a log with a hole proves nothing */
    errno = kept;
}

static void put_path(enum disk_kind kind, uint64_t inode, const char *path)
{
    put(kind, inode, 0, path, strlen(path) + 1, NULL, 0, 0);
}

/* --- faults --- */

/* faulty: which of the faulty calls this one is, from 1; 0: none. */
static long faulty(void)
{
    long passing = atomic_fetch_add(&disk.passings, 1) + 1 - disk.fault_first;
    return passing >= 0 && passing < disk.fault_count ? passing + 1 : 0;
}

static void die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* meets: before a call below the root. True: the call is not to be made, errno is set. *out_die: die behind it; *out_half: do half of it
 * first. */
static bool meets(bool *out_die, bool *out_half)
{
    *out_die = *out_half = false;
    long which = faulty();
    if (!which)
        return false;
    switch (disk.fault) {
    case DISK_FAIL_SHORT:
        *out_half = which == 1;
        if (*out_half)
            return false;
        break;
    case DISK_KILL_BEFORE: die(); break;
    case DISK_KILL_AFTER: *out_die = true; return false;
    case DISK_KILL_TORN: *out_die = *out_half = true; return false;
    case DISK_FAIL: break;
    }
    errno = disk.fault_error;
    return true;
}

/* --- open, close --- */

/* hand_back, hand_out: a number belongs to one thread until it has closed it, and to nobody else before the kernel gives it out again. That
 * order the thread sanitizer does not see in bare system calls. */
#ifdef __SANITIZE_THREAD__
void __tsan_release(void *address);
void __tsan_acquire(void *address);

static void hand_back(int descriptor)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX)
        __tsan_release(&disk.descriptors[descriptor]);
}

static void hand_out(int descriptor)
{
    __tsan_acquire(&disk.descriptors[descriptor]);
}
#else
static void hand_back(int descriptor)
{
    (void)descriptor;
}

static void hand_out(int descriptor)
{
    (void)descriptor;
}
#endif

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    struct stat found;
    bool dies = false, half;
    bool below = absolute(folder, path, whole);
    bool makes = below && (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, whole, F_OK) != 0;
    bool empties = below && (flags & O_TRUNC) && !makes;
    if ((makes || empties) && meets(&dies, &half))
        return -1;
    /* A recorded disk is never really flushed (see synchronise). */
    int real_flags = below && disk.log >= 0 ? flags & ~O_SYNC : flags;
    int descriptor = (int)syscall(SYS_openat, folder, path, real_flags, mode);
    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX)
        return descriptor;
    hand_out(descriptor);
    disk.descriptors[descriptor] = (struct tracked){0};
    if (!below || syscall(SYS_newfstatat, descriptor, "", &found, AT_EMPTY_PATH) != 0)
        return descriptor;
    disk.descriptors[descriptor] =
        (struct tracked){.is_tracked = true, .is_sync = flags & O_DSYNC, .inode = found.st_ino};
    put_path(makes ? DISK_CREATE : DISK_OPEN, found.st_ino, whole);
    if (empties)
        put(DISK_TRUNCATE, found.st_ino, 0, NULL, 0, NULL, 0, 0);
    if (dies)
        die();
    return descriptor;
}

#define MODE_OF(flags)                                                   \
    __extension__({                                                      \
        va_list arguments_;                                              \
        va_start(arguments_, flags);                                     \
        mode_t mode_ = (flags)&O_CREAT ? va_arg(arguments_, mode_t) : 0; \
        va_end(arguments_);                                              \
        mode_;                                                           \
    })

int open(const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);
    return open_at(folder, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int openat64(int folder, const char *path, int flags, ...) __attribute__((alias("openat")));
int creat64(const char *path, mode_t mode) __attribute__((alias("creat")));
int __open64_2(const char *path, int flags) __attribute__((alias("__open_2")));

int close(int descriptor)
{
    if (tracked_of(descriptor))
        disk.descriptors[descriptor] = (struct tracked){0};
    hand_back(descriptor);
    return (int)syscall(SYS_close, descriptor);
}

/* --- writing --- */

static size_t sum(const struct iovec *parts, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    return bytes;
}

/* write_parts: to `offset`, or to the descriptor's own place with -1. */
static ssize_t write_parts(int descriptor, const struct iovec *parts, int count, off_t offset)
{
    const struct tracked *tracked = tracked_of(descriptor);
    bool dies = false, half = false;
    struct iovec first;
    if (tracked && meets(&dies, &half))
        return -1;
    if (half && sum(parts, count) > 1) {
        first = (struct iovec){parts[0].iov_base, count == 1 ? parts[0].iov_len / 2 : parts[0].iov_len};
        parts = &first;
        count = 1;
    }
    long written = offset < 0 ? syscall(SYS_writev, descriptor, parts, count)
                              : syscall(SYS_pwritev, descriptor, parts, count, offset, 0L);
    if (tracked && written > 0) {
        off_t at = offset < 0 ? (off_t)syscall(SYS_lseek, descriptor, 0, SEEK_CUR) - written : offset;
        put(tracked->is_sync ? DISK_WRITE_SYNC : DISK_WRITE, tracked->inode, (uint64_t)at, NULL, 0, parts,
            count, (size_t)written);
    }
    if (dies)
        die();
    return written;
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    if (!tracked_of(descriptor))
        return syscall(SYS_write, descriptor, data, bytes);
    struct iovec part = {(void *)(uintptr_t)data, bytes};
    return write_parts(descriptor, &part, 1, -1);
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
    struct iovec part = {(void *)(uintptr_t)data, bytes};
    return write_parts(descriptor, &part, 1, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    return write_parts(descriptor, parts, count, -1);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset)
{
    return write_parts(descriptor, parts, count, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off64_t offset)
    __attribute__((alias("pwrite")));
ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset)
    __attribute__((alias("pwritev")));

int ftruncate(int descriptor, off_t bytes)
{
    const struct tracked *tracked = tracked_of(descriptor);
    bool dies = false, half;
    if (tracked && meets(&dies, &half))
        return -1;
    int result = (int)syscall(SYS_ftruncate, descriptor, bytes);
    if (tracked && result == 0)
        put(DISK_TRUNCATE, tracked->inode, (uint64_t)bytes, NULL, 0, NULL, 0, 0);
    if (dies)
        die();
    return result;
}

int truncate(const char *path, off_t bytes)
{
    int descriptor = open_at(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    int result = ftruncate(descriptor, bytes), cause = errno;
    close(descriptor);
    errno = cause;
    return result;
}

int truncate64(const char *path, off64_t bytes) __attribute__((alias("truncate")));

int ftruncate64(int descriptor, off64_t bytes) __attribute__((alias("ftruncate")));

/* --- synchronising --- */

static int synchronise(int descriptor, long call)
{
    const struct tracked *tracked = tracked_of(descriptor);
    bool dies = false, half;
    if (tracked && meets(&dies, &half))
        return -1;
    if (tracked)
        put(DISK_SYNC_BEGIN, tracked->inode, 0, NULL, 0, NULL, 0, 0);
    /* What the kernel would do for hours is done by the log: a recorded disk is never really flushed. */
    int result = tracked && disk.log >= 0 ? 0 : (int)syscall(call, descriptor);
    if (tracked && result == 0)
        put(DISK_SYNC_END, tracked->inode, 0, NULL, 0, NULL, 0, 0);
    if (dies)
        die();
    return result;
}

int fsync(int descriptor)
{
    return synchronise(descriptor, SYS_fsync);
}

int fdatasync(int descriptor)
{
    return synchronise(descriptor, SYS_fdatasync);
}

/* --- names --- */

static int rename_at(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    char paths[2 * PATH_MAX], target[PATH_MAX];
    bool dies = false, half;
    bool below = absolute(from_folder, from, paths) && absolute(to_folder, to, target);
    if (below && meets(&dies, &half))
        return -1;
    int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (below && result == 0) {
        size_t length = strlen(paths) + 1;
        memcpy(paths + length, target, strlen(target) + 1);
        put(DISK_RENAME, 0, 0, paths, length + strlen(target) + 1, NULL, 0, 0);
    }
    if (dies)
        die();
    return result;
}

int rename(const char *from, const char *to)
{
    return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return rename_at(from_folder, from, to_folder, to, 0);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    return rename_at(from_folder, from, to_folder, to, flags);
}

static int remove_at(int folder, const char *path, int flags)
{
    char whole[PATH_MAX];
    bool dies = false, half;
    bool below = absolute(folder, path, whole);
    if (below && meets(&dies, &half))
        return -1;
    int result = (int)syscall(SYS_unlinkat, folder, path, flags);
    if (below && result == 0)
        put_path(flags & AT_REMOVEDIR ? DISK_RMDIR : DISK_UNLINK, 0, whole);
    if (dies)
        die();
    return result;
}

int unlink(const char *path)
{
    return remove_at(AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
    return remove_at(folder, path, flags);
}

int rmdir(const char *path)
{
    return remove_at(AT_FDCWD, path, AT_REMOVEDIR);
}

static int make_folder_at(int folder, const char *path, mode_t mode)
{
    char whole[PATH_MAX];
    bool dies = false, half;
    bool below = absolute(folder, path, whole) && syscall(SYS_faccessat, AT_FDCWD, whole, F_OK) != 0;
    if (below && meets(&dies, &half))
        return -1;
    int result = (int)syscall(SYS_mkdirat, folder, path, mode);
    if (below && result == 0)
        put_path(DISK_MKDIR, 0, whole);
    if (dies)
        die();
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return make_folder_at(AT_FDCWD, path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    return make_folder_at(folder, path, mode);
}

/* What nobody here uses, and the log could not tell: better an end than a wrong proof. */
static int unknown(int descriptor, const char *call)
{
    if (tracked_of(descriptor) && disk.log >= 0) {
        fprintf(stderr, "disk: %s is not recorded\n", call);
        abort();
    }
    errno = EOPNOTSUPP;
    return -1;
}

int fallocate(int descriptor, int mode, off_t offset, off_t bytes)
{
    if (tracked_of(descriptor))
        return unknown(descriptor, "fallocate");
    return (int)syscall(SYS_fallocate, descriptor, mode, offset, bytes);
}

int fallocate64(int descriptor, int mode, off64_t offset, off64_t bytes) __attribute__((alias("fallocate")));

int sync_file_range(int descriptor, off64_t offset, off64_t bytes, unsigned flags)
{
    /* Promises nothing about a power cut: not a synchronisation. */
    return (int)syscall(SYS_sync_file_range, descriptor, offset, bytes, flags);
}

/* --- for tests --- */

static int open_log(const char *path)
{
    int log = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        abort();
    /* Far from the numbers that a program counts on. */
    int far = (int)syscall(SYS_fcntl, log, F_DUPFD_CLOEXEC, 900);
    if (far < 0)
        return log;
    syscall(SYS_close, log);
    return far;
}

void disk_record_begin(const char *root, const char *log_path)
{
    set_root(root);
    disk.log = open_log(log_path);
}

void disk_record_end(void)
{
    if (disk.log >= 0)
        syscall(SYS_close, disk.log);
    disk.log = -1;
    disk.root[0] = 0;
}

void disk_note(const char *text)
{
    put_path(DISK_NOTE, 0, text);
}

void disk_fault_begin(const char *root, long first, long count, enum disk_fault fault, int error)
{
    set_root(root);
    atomic_store(&disk.passings, 0);
    disk.fault_first = first;
    disk.fault = fault;
    disk.fault_error = error;
    disk.fault_count = count;
}

long disk_fault_end(void)
{
    disk.fault_count = 0;
    disk.root[0] = 0;
    return atomic_load(&disk.passings);
}

__attribute__((constructor)) static void begin_by_environment(void)
{
    const char *root = getenv("DISK_ROOT"), *log = getenv("DISK_LOG");
    if (root && log)
        disk_record_begin(root, log);
}
