#include "base/file.h"

#include "base/crash_point.h"
#include "base/hash.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void path_join(char out_path[PATH_BYTES], const char *folder, const char *format, ...)
{
    char name[PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    char joined[2 * PATH_BYTES + 2];
    snprintf(joined, sizeof joined, "%s/%s", folder, name);
    memcpy(out_path, joined, PATH_BYTES);
    out_path[PATH_BYTES - 1] = 0;
}

enum status folder_make(const char *path, mode_t mode)
{
    char partial[PATH_BYTES];
    if (!*path || strlen(path) >= sizeof partial)
        return STATUS_INVALID;
    snprintf(partial, sizeof partial, "%s", path);
    for (char *at = partial + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        if (mkdir(partial, mode) != 0 && errno != EEXIST)
            return STATUS_IO;
        *at = '/';
    }
    if (mkdir(partial, mode) != 0 && errno != EEXIST)
        return STATUS_IO;
    struct stat found;
    return stat(partial, &found) == 0 && S_ISDIR(found.st_mode) ? STATUS_OK : STATUS_IO;
}

enum status folder_make_for(const char *path)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return STATUS_OK;
    *slash = 0;
    return folder_make(folder, 0755);
}

enum status file_write_all(int file_descriptor, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    while (bytes) {
        ssize_t written = write(file_descriptor, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return STATUS_IO;
        at += written;
        bytes -= (size_t)written;
    }
    return STATUS_OK;
}

static enum status folder_sync(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return STATUS_IO;
    enum status status = fsync(descriptor) == 0 ? STATUS_OK : STATUS_IO;
    close(descriptor);
    return status;
}

enum status folder_sync_of(const char *path)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        slash[slash == folder ? 1 : 0] = 0;
        if (folder_sync(folder) != STATUS_OK)
            return errno == EACCES ? STATUS_OK : STATUS_IO; /* what we may not even read we have not made */
        if (slash == folder)
            return STATUS_OK;
    }
    return folder_sync(".");
}

static void temporary_name(const char *path, char out_path[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    snprintf(out_path, PATH_BYTES, "%.*s.%s.tmp", folder, path, path + folder);
}

enum status file_replace(const char *path, const void *data, size_t bytes, bool sync)
{
    char temporary[PATH_BYTES];
    temporary_name(path, temporary);
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return STATUS_IO;
    enum status status = file_write_all(descriptor, data, bytes);
    if (status == STATUS_OK && sync && fsync(descriptor) != 0)
        status = STATUS_IO;
    if (close(descriptor) != 0 && status == STATUS_OK)
        status = STATUS_IO;
    crash_point("before_replace");
    if (status == STATUS_OK && rename(temporary, path) != 0)
        status = STATUS_IO;
    if (status != STATUS_OK) {
        int cause = errno;
        unlink(temporary);
        errno = cause;
        return status;
    }
    crash_point("after_replace");
    return sync ? folder_sync_of(path) : STATUS_OK;
}

enum status file_read(const char *path, struct buffer *out)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    size_t before = out->length;
    bool overflowed_before = out->overflowed;
    uint8_t block[65536];
    ssize_t got;
    while ((got = read(descriptor, block, sizeof block)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            buffer_append(out, block, (size_t)got);
    close(descriptor);
    enum status status = got < 0 ? STATUS_IO : out->overflowed ? STATUS_LIMIT : STATUS_OK;
    if (status != STATUS_OK) {
        out->length = before;
        out->overflowed = overflowed_before;
    }
    return status;
}

enum status file_lock(int file_descriptor)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(file_descriptor, F_OFD_SETLK, &whole) == 0)
        return STATUS_OK;
    return errno == EAGAIN || errno == EACCES ? STATUS_EXISTS : STATUS_IO;
}

bool file_lock_held(const char *path)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool held = fcntl(file, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    close(file);
    return held;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int64_t file_bytes(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 ? (int64_t)found.st_size : -1;
}

enum status file_sha256(const char *path, char out_hex[65])
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    struct sha256 hash;
    uint8_t block[65536], digest[SHA256_BYTES];
    sha256_init(&hash);
    ssize_t got;
    while ((got = read(descriptor, block, sizeof block)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            sha256_update(&hash, block, (size_t)got);
    close(descriptor);
    if (got < 0)
        return STATUS_IO;
    sha256_finish(&hash, digest);
    sha256_hex_of(digest, out_hex);
    return STATUS_OK;
}

/* gone: what somebody else removed meanwhile is as removed as it should be. */
static enum status gone(void)
{
    return errno == ENOENT ? STATUS_OK : STATUS_IO;
}

enum status folder_remove(const char *path)
{
    struct stat itself;
    if (lstat(path, &itself) == 0 && S_ISLNK(itself.st_mode))
        return unlink(path) == 0 ? STATUS_OK : gone();
    DIR *folder = opendir(path);
    if (!folder)
        return gone();
    enum status status = STATUS_OK;
    struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char child[PATH_BYTES];
        struct stat found;
        path_join(child, path, "%s", entry->d_name);
        if (lstat(child, &found) != 0)
            status = gone();
        else if (S_ISDIR(found.st_mode))
            status = folder_remove(child);
        else if (unlink(child) != 0)
            status = gone();
    }
    closedir(folder);
    if (status == STATUS_OK && rmdir(path) != 0)
        status = gone();
    return status;
}

enum status folder_walk(const char *path, folder_visit *visit, void *context)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    enum status status = STATUS_OK;
    for (int i = 0; i < count; i++) {
        struct stat found;
        char child[PATH_BYTES];
        path_join(child, path, "%s", entries[i]->d_name);
        if (status == STATUS_OK && entries[i]->d_name[0] != '.' && lstat(child, &found) == 0) {
            if (S_ISDIR(found.st_mode))
                status = folder_walk(child, visit, context);
            else if (S_ISREG(found.st_mode))
                status = visit(context, child);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

void process_folder(char out_path[PATH_BYTES])
{
    ssize_t length = readlink("/proc/self/exe", out_path, PATH_BYTES - 1);
    out_path[length > 0 ? length : 0] = 0;
    char *slash = strrchr(out_path, '/');
    if (slash)
        *slash = 0;
}

bool path_is_below(const char *path, const char *folder)
{
    char *real = realpath(path, NULL);
    size_t length = strlen(folder);
    bool below = real && length && strncmp(real, folder, length) == 0 && real[length] == '/';
    free(real);
    return below;
}
