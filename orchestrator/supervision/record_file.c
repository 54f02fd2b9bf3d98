#include "record_file.h"

#include "base/file.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_BYTES = 2 * sizeof(uint64_t), AROUND_BYTES = HEAD_BYTES + sizeof(uint32_t), PAGE = 4096 };

static void place_make(struct buffer *out, uint64_t turn, const void *record, size_t bytes)
{
    buffer_clear(out);
    buffer_append_u64(out, turn);
    buffer_append_u64(out, bytes);
    buffer_append(out, record, bytes);
    buffer_append_u32(out, crc32c(0, out->data, out->length));
}

static const uint8_t *place_read(const uint8_t *place, size_t place_bytes, uint64_t *out_turn,
                                 uint64_t *out_bytes);

/* take_over: a file that is there has room already, which a full disk does not give: the next record takes the place of the older of its
 * two. false: there is none, or too small a one. */
static bool take_over(struct record_file *file, const char *path, size_t bytes)
{
    struct buffer whole;
    uint64_t turns[2] = {0}, ignored;
    buffer_init(&whole, 0);
    bool fits = file_read(path, &whole) == STATUS_OK && whole.length % 2 == 0 &&
                bytes + AROUND_BYTES <= whole.length / 2;
    size_t place_bytes = whole.length / 2;
    for (size_t i = 0; fits && i < 2; i++)
        if (!place_read(whole.data + i * place_bytes, place_bytes, &turns[i], &ignored))
            turns[i] = 0;
    buffer_finish(&whole);
    if (!fits)
        return false;
    file->place_bytes = place_bytes;
    file->turn = turns[1] > turns[0] ? turns[1] : turns[0];
    return true;
}

/* lay_out: a new file, with room for records twice as long as this one. */
static enum status lay_out(struct record_file *file, const char *path)
{
    static const uint8_t nothing[PAGE];
    size_t place_bytes = (2 * file->scratch.length + PAGE - 1) / PAGE * PAGE;
    struct buffer whole;
    buffer_init(&whole, 0);
    buffer_append(&whole, file->scratch.data, file->scratch.length);
    while (whole.length < 2 * place_bytes) {
        size_t left = 2 * place_bytes - whole.length;
        buffer_append(&whole, nothing, left < sizeof nothing ? left : sizeof nothing);
    }
    enum status status = file_replace(path, whole.data, whole.length, false);
    buffer_finish(&whole);
    if (status != STATUS_OK)
        return status;
    file->place_bytes = place_bytes;
    file->turn = 0; /* the first place holds turn 0 */
    return STATUS_OK;
}

static enum status write_in_place(const struct record_file *file, int descriptor, uint64_t turn)
{
    off_t at = (off_t)(turn % 2 * file->place_bytes);
    ssize_t written = pwrite(descriptor, file->scratch.data, file->scratch.length, at);
    if (written >= 0 && written < (ssize_t)file->scratch.length)
        errno = ENOSPC;
    return written == (ssize_t)file->scratch.length ? STATUS_OK : STATUS_IO;
}

enum status record_file_write(struct record_file *file, const char *path, const void *record, size_t bytes)
{
    bool fits =
        bytes + AROUND_BYTES <= file->place_bytes || (!file->place_bytes && take_over(file, path, bytes));
    int descriptor = fits ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (descriptor < 0 && fits && errno != ENOENT)
        return STATUS_IO;
    if (descriptor < 0) { /* the first, one that has outgrown its place, or somebody has removed the file */
        place_make(&file->scratch, 0, record, bytes);
        return lay_out(file, path);
    }
    place_make(&file->scratch, file->turn + 1, record, bytes);
    enum status status = write_in_place(file, descriptor, file->turn + 1);
    int reason = errno;
    close(descriptor);
    errno = reason;
    file->turn += status == STATUS_OK;
    return status;
}

void record_file_finish(struct record_file *file)
{
    buffer_finish(&file->scratch);
}

/* place_read: NULL: not whole. */
static const uint8_t *place_read(const uint8_t *place, size_t place_bytes, uint64_t *out_turn,
                                 uint64_t *out_bytes)
{
    uint32_t crc;
    if (place_bytes < AROUND_BYTES)
        return NULL;
    memcpy(out_turn, place, sizeof *out_turn);
    memcpy(out_bytes, place + sizeof *out_turn, sizeof *out_bytes);
    if (*out_bytes > place_bytes - AROUND_BYTES)
        return NULL;
    memcpy(&crc, place + HEAD_BYTES + *out_bytes, sizeof crc);
    return crc32c(0, place, HEAD_BYTES + *out_bytes) == crc ? place + HEAD_BYTES : NULL;
}

enum status record_file_read(const char *path, struct buffer *out_record)
{
    struct buffer whole;
    buffer_init(&whole, 0);
    enum status status = file_read(path, &whole);
    size_t place_bytes = whole.length / 2;
    uint64_t turns[2] = {0}, bytes[2] = {0};
    const uint8_t *first = place_read(whole.data, place_bytes, &turns[0], &bytes[0]);
    const uint8_t *second = place_read(whole.data + place_bytes, place_bytes, &turns[1], &bytes[1]);
    bool newer = second && (!first || turns[1] > turns[0]);
    if (status == STATUS_OK && (first || second))
        buffer_append(out_record, newer ? second : first, bytes[newer]);
    else if (status == STATUS_OK)
        status = STATUS_MALFORMED;
    buffer_finish(&whole);
    return status;
}
