#include "store/append_file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void append_file_init(struct append_file *file)
{
    *file = (struct append_file){.descriptor = -1};
}

enum status append_file_create(struct append_file *file, const char *path, struct error *error)
{
    int descriptor =
        folder_make_for(path) == STATUS_OK ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (descriptor < 0)
        return error_set(error, STATUS_IO, "%s cannot be created: %m", path);
    *file = (struct append_file){.descriptor = descriptor};
    return STATUS_OK;
}

enum status append_file_resume(struct append_file *file, const char *path, int64_t bytes, struct error *error)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    struct stat found;
    if (descriptor < 0)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s cannot be opened: %m",
                         path);
    enum status status = STATUS_OK;
    if (fstat(descriptor, &found) != 0)
        status = error_set(error, STATUS_IO, "%s: %m", path);
    else if (found.st_size < bytes)
        status = error_set(
            error, STATUS_CONFLICT,
            "%s has %lld %s, but %lld were recorded as written: restore the file, or begin a new run", path,
            (long long)found.st_size, plural(found.st_size, "byte", "bytes"), (long long)bytes);
    else if (found.st_size > bytes && ftruncate(descriptor, bytes) != 0)
        status = error_set(error, STATUS_IO, "%s cannot be cut to %lld %s: %m", path, (long long)bytes,
                           plural(bytes, "byte", "bytes"));
    if (status != STATUS_OK) {
        close(descriptor);
        return status;
    }
    *file = (struct append_file){.descriptor = descriptor, .bytes = bytes};
    return STATUS_OK;
}

enum status append_file_write(struct append_file *file, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    int64_t offset = file->bytes;
    while (bytes) {
        ssize_t written = pwrite(file->descriptor, at, bytes, offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return STATUS_IO;
        at += written;
        offset += written;
        bytes -= (size_t)written;
    }
    file->bytes = offset;
    return STATUS_OK;
}

enum status append_file_sync(struct append_file *file)
{
    return fdatasync(file->descriptor) == 0 ? STATUS_OK : STATUS_IO;
}

void append_file_close(struct append_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
}

/* rename_once: 0 or errno. A file system without RENAME_NOREPLACE gets a check and a rename: only one writer makes
 * names in this folder. */
static int rename_once(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (file_exists(to))
        return EEXIST;
    return rename(from, to) == 0 ? 0 : errno;
}

static bool same_content(const char *left, const char *right)
{
    char left_hash[65], right_hash[65];
    return file_bytes(left) == file_bytes(right) && file_sha256(left, left_hash) == STATUS_OK &&
           file_sha256(right, right_hash) == STATUS_OK && strcmp(left_hash, right_hash) == 0;
}

enum status file_rename_once(const char *from, const char *to, bool *out_repeated, struct error *error)
{
    if (folder_make_for(to) != STATUS_OK)
        return error_set(error, STATUS_IO, "the folder of %s cannot be made: %m", to);
    int code = rename_once(from, to);
    if (code && code != EEXIST) {
        errno = code;
        return error_set(error, STATUS_IO, "%s cannot be renamed to %s: %m", from, to);
    }
    if (code && !same_content(from, to))
        return error_set(
            error, STATUS_CONFLICT,
            "%s exists with another content: it is not overwritten; begin with another run id or folder", to);
    if (code && unlink(from) != 0)
        return error_set(error, STATUS_IO, "%s cannot be removed: %m", from);
    *out_repeated = code == EEXIST;
    return STATUS_OK;
}
