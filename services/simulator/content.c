/* content: a capture's bytes, from a plain or gzip file. */
#include "recording_internal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static bool is_gzip(const struct buffer *file)
{
    return file->length >= 2 && file->data[0] == 0x1f && file->data[1] == 0x8b;
}

/* inflate_members: all members of a gzip file, one behind the other. */
static enum status inflate_members(const struct buffer *file, struct buffer *out)
{
    z_stream stream = {.next_in = file->data};
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
        return STATUS_IO;
    size_t left = file->length;
    enum status status = STATUS_OK;
    for (;;) {
        uint8_t *room = buffer_reserve(out, 1 << 20);
        if (!room) {
            status = STATUS_LIMIT;
            break;
        }
        stream.next_out = room;
        stream.avail_out = 1 << 20;
        stream.avail_in = left > 1 << 20 ? 1 << 20 : (unsigned)left;
        unsigned offered = stream.avail_in;
        int result = inflate(&stream, Z_NO_FLUSH);
        left -= offered - stream.avail_in;
        out->length += (1 << 20) - stream.avail_out;
        if (result == Z_STREAM_END && left >= 2 && stream.next_in[0] == 0x1f && stream.next_in[1] == 0x8b)
            result = inflateReset(&stream);
        else if (result == Z_STREAM_END)
            break;
        if (result != Z_OK) {
            status = left ? STATUS_MALFORMED : STATUS_END;
            break;
        }
    }
    inflateEnd(&stream);
    return status;
}

static enum status unpack(const char *path, struct buffer *file, struct buffer *out, bool *out_cut,
                          struct error *error)
{
    enum status status = inflate_members(file, out);
    if ((status == STATUS_END || status == STATUS_MALFORMED) && out->length) {
        *out_cut = true;
        status = STATUS_OK;
    }
    if (status == STATUS_LIMIT)
        return error_set(error, status,
                         "%s: the captures are larger than %llu MiB unpacked; use fewer at once", path,
                         RECORDING_BYTES_MAX >> 20);
    if (status != STATUS_OK)
        return error_set(error, status, "%s: not a readable gzip file", path);
    return STATUS_OK;
}

enum status content_load(const char *path, uint64_t limit, char **out_text, size_t *out_bytes, bool *out_cut,
                         struct error *error)
{
    struct buffer file, unpacked;
    buffer_init(&file, limit);
    buffer_init(&unpacked, limit);
    enum status status = file_read(path, &file);
    if (status == STATUS_LIMIT)
        error_set(error, status, "%s: the captures are larger than %llu MiB; use fewer at once", path,
                  RECORDING_BYTES_MAX >> 20);
    else if (status != STATUS_OK)
        status = error_set(error, status == STATUS_IO ? STATUS_INVALID : status, "%s: %s", path,
                           status == STATUS_NOT_FOUND ? "no such file" : strerror(errno));
    else if (is_gzip(&file)) {
        status = unpack(path, &file, &unpacked, out_cut, error);
        buffer_finish(&file);
        file = unpacked;
        buffer_init(&unpacked, 0);
    }
    if (status == STATUS_OK && !file.length)
        status = error_set(error, STATUS_INVALID, "%s: the file is empty", path);
    if (status == STATUS_OK) {
        *out_bytes = file.length;
        *out_text = memory_resize(file.data, file.length); /* what growing took too much goes back */
        buffer_init(&file, 0);
    }
    buffer_finish(&file);
    buffer_finish(&unpacked);
    return status;
}
