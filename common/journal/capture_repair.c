/* After a power cut the newest file of a run may hold, behind all that was synchronised, any part of one more batch: pieces of it can
 * be there without those before them. Such a piece was never readable for anybody, and goes. */
#include "base/hash.h"
#include "base/log.h"
#include "journal/capture_files.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* A batch is written when it is longer than CAPTURE_BATCH_BYTES, together with the record that made it so. */
enum { BATCH_LONGEST_BYTES = CAPTURE_BATCH_BYTES + CAPTURE_RECORD_HEADER_BYTES + CAPTURE_PAYLOAD_BYTES_MAX };

/* never_begun: the header, which is synchronised before anything follows it, is not there. */
static bool never_begun(const char *path)
{
    uint8_t header[CAPTURE_FILE_HEADER_BYTES] = {0};
    static const uint8_t NOTHING[CAPTURE_FILE_HEADER_BYTES];
    struct buffer start;
    int64_t bytes = file_bytes(path);
    if (bytes < CAPTURE_FILE_HEADER_BYTES)
        return true;
    buffer_init(&start, 0);
    bool read = bytes <= BATCH_LONGEST_BYTES && file_read(path, &start) == STATUS_OK;
    if (read)
        memcpy(header, start.data, sizeof header);
    buffer_finish(&start);
    return read && memcmp(header, NOTHING, sizeof header) == 0;
}

/* find_end: where the last whole record ends that has only whole ones before it, and its number. */
static enum status find_end(const char *path, uint64_t *out_end, uint64_t *out_last_seq, struct error *error)
{
    struct capture_reader *reader;
    struct capture_record record;
    uint64_t next;
    enum status status = capture_reader_open_files(&path, 1, &reader, error);
    if (status != STATUS_OK)
        return status;
    *out_last_seq = 0;
    while ((status = capture_next(reader, &record, error)) == STATUS_OK)
        *out_last_seq = record.seq;
    capture_place(reader, &next, out_end);
    capture_reader_close(reader);
    bool one_batch = file_bytes(path) - (int64_t)*out_end <= BATCH_LONGEST_BYTES;
    return status == STATUS_END || (status == STATUS_MALFORMED && one_batch) ? STATUS_OK : status;
}

enum status capture_file_repair_cut(const struct capture_file *file, uint64_t *out_last_seq,
                                    struct error *error)
{
    uint64_t end = 0;
    *out_last_seq = 0;
    enum status status =
        never_begun(file->path) ? STATUS_OK : find_end(file->path, &end, out_last_seq, error);
    if (status != STATUS_OK)
        return status;
    int64_t bytes = file_bytes(file->path);
    if (*out_last_seq && bytes == (int64_t)end)
        return STATUS_OK;
    log_event(LOG_WARNING, "capture_cut", "file=%s offset=%" PRIu64 " bytes=%" PRId64 " last_record=%" PRIu64,
              file->path, end, bytes - (int64_t)end, *out_last_seq);
    if ((*out_last_seq ? truncate(file->path, (off_t)end) : unlink(file->path)) != 0)
        return error_set(error, STATUS_IO, "capture: cannot cut off the torn end of %s: %s", file->path,
                         strerror(errno));
    return STATUS_OK;
}
