#include "bus/keys.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { FILE_BYTES_MAX = 4096, KEY_BYTES = 32 };

static const struct {
    const char *name;
    size_t offset;
} LINES[] = {
    {"server_public", offsetof(struct bus_keys, server_public)},
    {"server_secret", offsetof(struct bus_keys, server_secret)},
    {"client_public", offsetof(struct bus_keys, client_public)},
    {"client_secret", offsetof(struct bus_keys, client_secret)},
};
enum { LINE_COUNT = sizeof LINES / sizeof LINES[0] };

void bus_keys_path(const char *folder, char out_path[PATH_BYTES])
{
    path_join(out_path, folder, "bus.keys");
}

/* write_new: under its final name at once and whole, or not at all: link() never replaces. */
static enum status write_new(const char *folder, const char *path, const struct buffer *text,
                             struct error *error)
{
    char temporary[PATH_BYTES];
    path_join(temporary, folder, ".bus.keys.%d", (int)getpid());
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return error_set(error, STATUS_IO, "%s cannot be written: %m", temporary);
    enum status status = file_write_all(descriptor, text->data, text->length);
    if (status == STATUS_OK && fsync(descriptor) != 0)
        status = STATUS_IO;
    close(descriptor);
    if (status != STATUS_OK)
        (void)error_set(error, status, "%s cannot be written: %m", temporary);
    else if (link(temporary, path) != 0)
        status = errno == EEXIST ? error_set(error, STATUS_EXISTS, "%s is there already", path)
                                 : error_set(error, STATUS_IO, "%s cannot be made: %m", path);
    unlink(temporary);
    return status == STATUS_OK ? folder_sync_of(path) : status;
}

enum status bus_keys_make(const char *folder, struct error *error)
{
    char path[PATH_BYTES];
    struct bus_keys keys;
    bus_keys_path(folder, path);
    if (folder_make(folder, 0700) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s cannot be made: %m", folder);
    if (file_exists(path))
        return error_set(error, STATUS_EXISTS, "%s is there already", path);
    if (zmq_curve_keypair(keys.server_public, keys.server_secret) != 0 ||
        zmq_curve_keypair(keys.client_public, keys.client_secret) != 0)
        return error_set(error, STATUS_UNSUPPORTED, "this libzmq was built without CURVE");
    struct buffer text;
    buffer_init(&text, 0);
    buffer_append_text(
        &text, "# CURVE keys of an orderflow stack: whoever reads them may read and order everything.\n");
    for (size_t i = 0; i < LINE_COUNT; i++)
        buffer_format(&text, "%s %s\n", LINES[i].name, (const char *)&keys + LINES[i].offset);
    enum status status = write_new(folder, path, &text, error);
    explicit_bzero(text.data, text.length);
    explicit_bzero(&keys, sizeof keys);
    buffer_finish(&text);
    return status;
}

/* private_file: ours alone, and a file. Root may read what belongs to another. */
static enum status private_file(const char *path, struct error *error)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        return error_set(error, STATUS_INVALID,
                         "bus.transport tcp needs CURVE keys, and %s cannot be read (%m): make them with "
                         "`orchctl keys`",
                         path);
    if (!S_ISREG(found.st_mode))
        return error_set(error, STATUS_INVALID, "%s is not a file (a link is not accepted)", path);
    if (found.st_mode & 077)
        return error_set(error, STATUS_INVALID, "%s is open to others: chmod 600 it, or make new keys", path);
    if (found.st_uid != geteuid() && geteuid() != 0)
        return error_set(error, STATUS_INVALID, "%s belongs to user %u, not to us (%u)", path,
                         (unsigned)found.st_uid, (unsigned)geteuid());
    return STATUS_OK;
}

static enum status line_take(const char *text, const char *name, char out_key[KEY_TEXT_BYTES])
{
    uint8_t raw[KEY_BYTES];
    size_t length = strlen(name);
    for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        if (strncmp(at, name, length) != 0 || at[length] != ' ')
            continue;
        at += length + 1;
        if (strcspn(at, "\n") != KEY_TEXT_BYTES - 1)
            return STATUS_MALFORMED;
        memcpy(out_key, at, KEY_TEXT_BYTES - 1);
        out_key[KEY_TEXT_BYTES - 1] = 0;
        return zmq_z85_decode(raw, out_key) ? STATUS_OK : STATUS_MALFORMED;
    }
    return STATUS_NOT_FOUND;
}

enum status bus_keys_read(const char *folder, struct bus_keys *out_keys, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer text;
    struct bus_keys keys;
    bus_keys_path(folder, path);
    enum status status = private_file(path, error);
    if (status != STATUS_OK)
        return status;
    buffer_init(&text, FILE_BYTES_MAX);
    if (file_read(path, &text) != STATUS_OK)
        status = error_set(error, STATUS_INVALID, "%s cannot be read: %m", path);
    for (size_t i = 0; status == STATUS_OK && i < LINE_COUNT; i++)
        if (line_take(buffer_text(&text), LINES[i].name, (char *)&keys + LINES[i].offset) != STATUS_OK)
            status = error_set(error, STATUS_INVALID,
                               "%s: %s is missing or is no key of 40 characters: make new keys", path,
                               LINES[i].name);
    if (text.length)
        explicit_bzero(text.data, text.length);
    buffer_finish(&text);
    if (status == STATUS_OK)
        *out_keys = keys;
    explicit_bzero(&keys, sizeof keys);
    return status;
}
