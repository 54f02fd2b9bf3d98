/* The reader. Files are read in large pieces into one block of memory; records are handed out from there.
 *
 *     data  [ consumed | records not yet given … | room ]
 *           0          start                      length      data[0] lies at block_offset of the current file
 */
#include "journal/capture.h"
#include "journal/capture_files.h"

#include "base/hash.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READ_BYTES = 1024 * 1024,
    MARK_BYTES = 4 * 1024 * 1024, /* between two remembered places */
    RECORD_BYTES_MAX = CAPTURE_RECORD_HEADER_BYTES + CAPTURE_PAYLOAD_BYTES_MAX,
};

/* capture_mark: a place met before; a seek begins at the nearest one. */
struct capture_mark {
    size_t file;
    uint64_t offset;
    uint64_t seq;
};

struct capture_reader {
    char *folder; /* NULL: a fixed list of files */
    char *run_id;
    const struct capture_writer *writer;
    struct capture_files files;
    int file;       /* -1: none open */
    size_t current; /* index of the open file */
    uint8_t *data;
    size_t capacity;
    size_t start;
    size_t length;
    uint64_t block_offset;
    uint64_t next_seq; /* 0: whatever comes first */
    uint64_t torn_offset;
    uint64_t passed_offset; /* of the record a walk passed last */
    struct capture_mark *marks;
    size_t mark_count;
    size_t mark_capacity;
};

/* --- decoding
 * --------------------------------------------------------------------------------------------------- */

/* decode_header: as capture_decode, without looking at the CRC; the payload need not be there. */
static enum status decode_header(const uint8_t *data, size_t bytes, struct capture_record *out_record,
                                 size_t *out_bytes)
{
    uint32_t payload_bytes;
    *out_bytes = 0;
    if (bytes < CAPTURE_RECORD_HEADER_BYTES)
        return STATUS_AGAIN;
    memcpy(&payload_bytes, data, 4);
    if (payload_bytes > CAPTURE_PAYLOAD_BYTES_MAX)
        return STATUS_MALFORMED;
    memcpy(&out_record->seq, data + 8, 8);
    memcpy(&out_record->recv_ns, data + 16, 8);
    memcpy(&out_record->mono_ns, data + 24, 8);
    memcpy(&out_record->kind, data + 32, 2);
    memcpy(&out_record->conn_id, data + 34, 2);
    out_record->payload = data + CAPTURE_RECORD_HEADER_BYTES;
    out_record->payload_bytes = payload_bytes;
    out_record->source = 0;
    *out_bytes = CAPTURE_RECORD_HEADER_BYTES + (size_t)payload_bytes;
    return STATUS_OK;
}

enum status capture_decode(const uint8_t *data, size_t bytes, struct capture_record *out_record,
                           size_t *out_bytes)
{
    uint32_t crc;
    enum status status = decode_header(data, bytes, out_record, out_bytes);
    if (status != STATUS_OK)
        return status;
    if (bytes < *out_bytes)
        return STATUS_AGAIN;
    memcpy(&crc, data + 4, 4);
    return crc32c(0, data + 8, *out_bytes - 8) == crc ? STATUS_OK : STATUS_MALFORMED;
}

/* --- reading
 * ---------------------------------------------------------------------------------------------------- */

static enum status check_file_header(int file, const char *path, struct error *error)
{
    uint8_t header[CAPTURE_FILE_HEADER_BYTES];
    uint32_t version, header_bytes;
    ssize_t got = pread(file, header, sizeof header, 0);
    if (got != (ssize_t)sizeof header || memcmp(header, CAPTURE_MAGIC, 8) != 0)
        return error_set(error, STATUS_MALFORMED, "%s: not a capture file (its first 8 bytes say OFRAW1)",
                         path);
    memcpy(&version, header + 8, 4);
    memcpy(&header_bytes, header + 12, 4);
    if (version != CAPTURE_VERSION || header_bytes != CAPTURE_FILE_HEADER_BYTES)
        return error_set(error, STATUS_UNSUPPORTED, "%s: capture version %" PRIu32 ", this program reads %d",
                         path, version, CAPTURE_VERSION);
    return STATUS_OK;
}

static void position_at(struct capture_reader *reader, uint64_t offset)
{
    reader->block_offset = offset;
    reader->start = reader->length = 0;
}

static void file_leave(struct capture_reader *reader)
{
    if (reader->file >= 0)
        close(reader->file);
    reader->file = -1;
}

static enum status file_enter(struct capture_reader *reader, size_t index, struct error *error)
{
    const char *path = reader->files.items[index].path;
    file_leave(reader);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set(error, STATUS_IO, "capture: cannot open %s: %s", path, strerror(errno));
    enum status status = check_file_header(file, path, error);
    if (status != STATUS_OK) {
        close(file);
        return status;
    }
    reader->file = file;
    reader->current = index;
    position_at(reader, CAPTURE_FILE_HEADER_BYTES);
    return STATUS_OK;
}

/* fill: more bytes behind data[length); *out_bytes 0 at the end of the file. */
static enum status fill(struct capture_reader *reader, size_t *out_bytes, struct error *error)
{
    if (reader->start > 0) {
        memmove(reader->data, reader->data + reader->start, reader->length - reader->start);
        reader->block_offset += reader->start;
        reader->length -= reader->start;
        reader->start = 0;
    }
    reader->data = memory_grow(reader->data, &reader->capacity, reader->length + READ_BYTES, 1);
    ssize_t got;
    do {
        got = pread(reader->file, reader->data + reader->length, reader->capacity - reader->length,
                    (off_t)(reader->block_offset + reader->length));
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(error, STATUS_IO, "capture: cannot read %s: %s",
                         reader->files.items[reader->current].path, strerror(errno));
    reader->length += (size_t)got;
    *out_bytes = (size_t)got;
    return STATUS_OK;
}

/* look_for_files: those the writer has begun meanwhile. */
static enum status look_for_files(struct capture_reader *reader, struct error *error)
{
    struct capture_files found;
    uint32_t last = reader->files.count ? reader->files.items[reader->files.count - 1].number : 0;
    enum status status = capture_files_find(&found, reader->folder, reader->run_id, error);
    for (size_t i = 0; status == STATUS_OK && i < found.count; i++)
        if (found.items[i].number > last)
            capture_files_add(&reader->files, found.items[i].path, found.items[i].number);
    capture_files_finish(&found);
    return status;
}

static enum status damaged(const struct capture_reader *reader, const char *what, struct error *error)
{
    return error_set(error, STATUS_MALFORMED,
                     "%s: %s at offset %" PRIu64 ", where record %" PRIu64 " should be",
                     reader->files.items[reader->current].path, what, reader->block_offset + reader->start,
                     reader->next_seq);
}

/* at_file_end: no more bytes in this file. STATUS_OK: the next file is open. */
static enum status at_file_end(struct capture_reader *reader, struct error *error)
{
    bool torn = reader->start < reader->length;
    if (reader->writer && !torn && reader->current + 1 == reader->files.count) {
        enum status status = look_for_files(reader, error);
        if (status != STATUS_OK)
            return status;
    }
    if (reader->current + 1 < reader->files.count)
        return torn ? damaged(reader, "an incomplete record", error)
                    : file_enter(reader, reader->current + 1, error);
    if (reader->writer)
        return damaged(reader, "a record that was written is not there", error);
    if (torn)
        reader->torn_offset = reader->block_offset + reader->start;
    return STATUS_END;
}

static void remember_place(struct capture_reader *reader, uint64_t seq)
{
    uint64_t offset = reader->block_offset + reader->start;
    const struct capture_mark *last = reader->mark_count ? &reader->marks[reader->mark_count - 1] : NULL;
    if (last && (last->seq >= seq || (last->file == reader->current && offset < last->offset + MARK_BYTES)))
        return;
    reader->marks =
        memory_grow(reader->marks, &reader->mark_capacity, reader->mark_count + 1, sizeof *reader->marks);
    reader->marks[reader->mark_count++] = (struct capture_mark){reader->current, offset, seq};
}

/* is_last_of_all: the record of `bytes` bytes ends where the last file ends. */
static bool is_last_of_all(const struct capture_reader *reader, size_t bytes)
{
    struct stat found;
    return !reader->writer && reader->current + 1 == reader->files.count && bytes > 0 &&
           fstat(reader->file, &found) == 0 &&
           reader->block_offset + reader->start + bytes == (uint64_t)found.st_size;
}

static enum status take_record(struct capture_reader *reader, const struct capture_record *record,
                               size_t bytes, struct error *error)
{
    if (reader->next_seq && record->seq != reader->next_seq)
        return damaged(reader, "a record of another number", error);
    remember_place(reader, record->seq);
    reader->files.items[reader->current].first_seq = reader->files.items[reader->current].first_seq
                                                         ? reader->files.items[reader->current].first_seq
                                                         : record->seq;
    reader->start += bytes;
    reader->next_seq = record->seq + 1;
    return STATUS_OK;
}

enum status capture_next(struct capture_reader *reader, struct capture_record *out_record,
                         struct error *error)
{
    if (reader->writer && reader->next_seq > capture_flushed_seq(reader->writer))
        return STATUS_AGAIN;
    enum status status = STATUS_OK;
    if (reader->file < 0)
        status = reader->files.count ? file_enter(reader, 0, error) : STATUS_END;
    while (status == STATUS_OK) {
        struct capture_record record;
        size_t bytes, got;
        status =
            capture_decode(reader->data + reader->start, reader->length - reader->start, &record, &bytes);
        if (status == STATUS_OK) {
            status = take_record(reader, &record, bytes, error);
            if (status == STATUS_OK)
                *out_record = record;
            return status;
        }
        if (status == STATUS_MALFORMED) {
            if (!is_last_of_all(reader, bytes))
                return damaged(reader, "a damaged record", error);
            reader->torn_offset = reader->block_offset + reader->start;
            return STATUS_END;
        }
        status = fill(reader, &got, error);
        if (status == STATUS_OK && got == 0)
            status = at_file_end(reader, error);
    }
    return status;
}

/* --- opening
 * ---------------------------------------------------------------------------------------------------- */

static struct capture_reader *reader_create(void)
{
    struct capture_reader *reader = memory_allocate(sizeof *reader);
    reader->file = -1;
    reader->capacity = READ_BYTES;
    reader->data = memory_allocate(reader->capacity);
    return reader;
}

enum status capture_reader_open(const char *folder, const char *run_id, const struct capture_writer *writer,
                                struct capture_reader **out_reader, struct error *error)
{
    struct capture_reader *reader = reader_create();
    reader->folder = memory_copy_text(folder);
    reader->run_id = memory_copy_text(run_id);
    reader->writer = writer;
    reader->next_seq = 1;
    enum status status = capture_files_find(&reader->files, folder, run_id, error);
    if (status == STATUS_OK && reader->files.count == 0)
        status = error_set(error, STATUS_NOT_FOUND, "capture: no file of run %s below %s", run_id, folder);
    if (status != STATUS_OK) {
        capture_reader_close(reader);
        return status;
    }
    *out_reader = reader;
    return STATUS_OK;
}

void capture_reader_close(struct capture_reader *reader)
{
    if (!reader)
        return;
    file_leave(reader);
    capture_files_finish(&reader->files);
    free(reader->folder);
    free(reader->run_id);
    free(reader->data);
    free(reader->marks);
    free(reader);
}

/* --- seeking
 * ---------------------------------------------------------------------------------------------------- */

/* learn_first_seq: reads the first record's header of a file; 0 stays when it has no record yet. */
static enum status learn_first_seq(struct capture_reader *reader, size_t index, struct error *error)
{
    struct capture_file *entry = &reader->files.items[index];
    if (entry->first_seq)
        return STATUS_OK;
    uint8_t header[CAPTURE_RECORD_HEADER_BYTES];
    struct capture_record record;
    size_t bytes;
    int file = open(entry->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set(error, STATUS_IO, "capture: cannot open %s: %s", entry->path, strerror(errno));
    enum status status = check_file_header(file, entry->path, error);
    ssize_t got = pread(file, header, sizeof header, CAPTURE_FILE_HEADER_BYTES);
    close(file);
    if (status == STATUS_OK && got == (ssize_t)sizeof header &&
        decode_header(header, sizeof header, &record, &bytes) == STATUS_OK)
        entry->first_seq = record.seq;
    return status;
}

static int by_first_seq(const void *left, const void *right)
{
    uint64_t a = ((const struct capture_file *)left)->first_seq,
             b = ((const struct capture_file *)right)->first_seq;
    return (a > b) - (a < b);
}

/* order_by_records: as their records are numbered, whatever their names' times say: a clock that was set back names a later file before an
 * earlier one. As they were given where one begins with no whole record: reading tells of it. */
static void order_by_records(struct capture_reader *reader)
{
    bool knows_all = true;
    struct error unread;
    for (size_t i = 0; i < reader->files.count; i++)
        knows_all =
            learn_first_seq(reader, i, &unread) == STATUS_OK && reader->files.items[i].first_seq && knows_all;
    if (knows_all)
        qsort(reader->files.items, reader->files.count, sizeof *reader->files.items, by_first_seq);
}

enum status capture_reader_open_files(const char *const *paths, size_t path_count,
                                      struct capture_reader **out_reader, struct error *error)
{
    if (path_count == 0)
        return error_set(error, STATUS_INVALID, "capture: no file to replay was named");
    struct capture_reader *reader = reader_create();
    for (size_t i = 0; i < path_count; i++)
        capture_files_add(&reader->files, paths[i], (uint32_t)(i + 1));
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < path_count; i++)
        status = file_enter(reader, i, error);
    if (status == STATUS_OK) {
        order_by_records(reader);
        status = file_enter(reader, 0, error);
    }
    if (status == STATUS_OK)
        *out_reader = reader;
    else
        capture_reader_close(reader);
    return status;
}

/* file_with: index of the file that holds `seq` or would hold it next. */
static enum status file_with(struct capture_reader *reader, uint64_t seq, size_t *out_index,
                             struct error *error)
{
    if (reader->writer) {
        enum status status = look_for_files(reader, error);
        if (status != STATUS_OK)
            return status;
    }
    for (size_t i = reader->files.count; i-- > 0;) {
        enum status status = learn_first_seq(reader, i, error);
        if (status != STATUS_OK)
            return status;
        if (reader->files.items[i].first_seq && reader->files.items[i].first_seq <= seq) {
            *out_index = i;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_NOT_FOUND, "capture: record %" PRIu64 " lies before the first file", seq);
}

/* walk_to: hops from header to header until the next record is `seq`. */
static enum status walk_to(struct capture_reader *reader, uint64_t seq, struct error *error)
{
    for (;;) {
        struct capture_record record;
        size_t bytes = 0, got = 0;
        enum status status =
            decode_header(reader->data + reader->start, reader->length - reader->start, &record, &bytes);
        bool is_here = status == STATUS_OK && reader->start + bytes <= reader->length;
        if (is_here && record.seq == seq)
            return STATUS_OK;
        if (is_here && record.seq < seq && (reader->next_seq == 0 || record.seq == reader->next_seq)) {
            remember_place(reader, record.seq);
            reader->passed_offset = reader->block_offset + reader->start;
            reader->start += bytes;
            reader->next_seq = record.seq + 1;
            continue;
        }
        if (is_here || status == STATUS_MALFORMED)
            return damaged(reader, "a damaged record", error);
        status = fill(reader, &got, error);
        if (status != STATUS_OK)
            return status;
        if (got == 0) {
            if (reader->next_seq == seq)
                return STATUS_OK; /* behind the last one */
            return error_set(error, STATUS_NOT_FOUND,
                             "capture: record %" PRIu64 " is not there; the last is %" PRIu64, seq,
                             reader->next_seq - 1);
        }
    }
}

/* try_hint: whether the record at that offset of the open file is the wanted one. */
static bool try_hint(struct capture_reader *reader, uint64_t seq, uint64_t offset)
{
    uint8_t header[CAPTURE_RECORD_HEADER_BYTES];
    struct capture_record record;
    size_t bytes;
    ssize_t got = pread(reader->file, header, sizeof header, (off_t)offset);
    if (got != (ssize_t)sizeof header || decode_header(header, sizeof header, &record, &bytes) != STATUS_OK ||
        record.seq != seq)
        return false;
    position_at(reader, offset);
    return true;
}

enum status capture_seek(struct capture_reader *reader, uint64_t seq, uint64_t hint_offset,
                         struct error *error)
{
    size_t index = 0;
    enum status status = file_with(reader, seq, &index, error);
    if (status == STATUS_OK)
        status = file_enter(reader, index, error);
    if (status != STATUS_OK)
        return status;
    reader->torn_offset = 0;
    if (hint_offset < CAPTURE_FILE_HEADER_BYTES || !try_hint(reader, seq, hint_offset)) {
        reader->next_seq = reader->files.items[index].first_seq;
        for (size_t i = reader->mark_count; i-- > 0;) {
            const struct capture_mark *mark = &reader->marks[i];
            if (mark->file == index && mark->seq <= seq) {
                position_at(reader, mark->offset);
                reader->next_seq = mark->seq;
                break;
            }
        }
        status = walk_to(reader, seq, error);
    }
    if (status == STATUS_OK)
        reader->next_seq = seq;
    return status;
}

/* --- repair
 * ----------------------------------------------------------------------------------------------------- */

/* is_whole: whether the record at that offset has the right CRC. */
static bool is_whole(struct capture_reader *reader, uint64_t offset)
{
    struct capture_record record;
    size_t bytes, got = 1;
    enum status status = STATUS_AGAIN;
    position_at(reader, offset);
    while (status == STATUS_AGAIN && got > 0 && fill(reader, &got, NULL) == STATUS_OK)
        status = capture_decode(reader->data, reader->length, &record, &bytes);
    return status == STATUS_OK;
}

/* find_whole_end: where the last whole record of the open file ends, and its number (0: there is none). */
static enum status find_whole_end(struct capture_reader *reader, uint64_t *out_end, uint64_t *out_last_seq,
                                  struct error *error)
{
    reader->next_seq = 0;
    reader->passed_offset = 0;
    enum status status = walk_to(reader, UINT64_MAX, error);
    if (status != STATUS_NOT_FOUND)
        return status;
    uint64_t end = reader->block_offset + reader->start,
             last_seq = reader->next_seq ? reader->next_seq - 1 : 0;
    if (reader->passed_offset && !is_whole(reader, reader->passed_offset)) {
        end = reader->passed_offset;
        last_seq = end > CAPTURE_FILE_HEADER_BYTES ? last_seq - 1 : 0;
    }
    *out_end = end;
    *out_last_seq = last_seq;
    return STATUS_OK;
}

enum status capture_file_repair(struct capture_file *file, uint64_t *out_last_seq, struct error *error)
{
    struct capture_reader *reader;
    const char *path = file->path;
    uint64_t end = 0, last_seq = 0;
    enum status status = STATUS_OK;
    if (file_bytes(path) >= CAPTURE_FILE_HEADER_BYTES) {
        status = capture_reader_open_files(&path, 1, &reader, error);
        if (status == STATUS_OK) {
            status = find_whole_end(reader, &end, &last_seq, error);
            capture_reader_close(reader);
        }
    }
    if (status != STATUS_OK)
        return status;
    bool cut = last_seq == 0 ? unlink(path) == 0 : truncate(path, (off_t)end) == 0;
    if (!cut)
        return error_set(error, STATUS_IO, "capture: cannot cut off the torn end of %s: %s", path,
                         strerror(errno));
    *out_last_seq = last_seq;
    return STATUS_OK;
}

/* ----------------------------------------------------------------------------------------------------------------
 * */

void capture_place(const struct capture_reader *reader, uint64_t *out_seq, uint64_t *out_offset)
{
    *out_seq = reader->next_seq;
    *out_offset = reader->block_offset + reader->start;
}

void capture_record_place(const struct capture_reader *reader, const struct capture_record *record,
                          const char **out_path, uint64_t *out_offset)
{
    *out_path = reader->files.items[reader->current].path;
    *out_offset = reader->block_offset + reader->start - CAPTURE_RECORD_HEADER_BYTES - record->payload_bytes;
}

uint64_t capture_torn_offset(const struct capture_reader *reader)
{
    return reader->torn_offset;
}

size_t capture_file_count(const struct capture_reader *reader)
{
    return reader->files.count;
}

const char *capture_file_path(const struct capture_reader *reader, size_t index)
{
    return index < reader->files.count ? reader->files.items[index].path : NULL;
}
