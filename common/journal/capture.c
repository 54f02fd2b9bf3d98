/* The writer. Bytes reach the file with one write() per batch; what was written is never rewritten. A failed
 * write is cut back to the last whole record, so that a file only ever ends in a torn record when the machine
 * or process died inside write(). */
#include "journal/capture.h"

#include "base/buffer.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "journal/capture_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct capture_writer {
    char folder[PATH_BYTES];
    char run_id[CAPTURE_RUN_ID_BYTES];
    char *metadata;
    int64_t rotate_ms;
    int64_t rotate_bytes;
    bool sync;
    struct clock clock;
    bool continued;
    pthread_mutex_t mutex;
    /* Under the mutex. */
    int file; /* -1: none open */
    int64_t file_bytes;
    bool torn;         /* bytes of a failed write are behind them still */
    int64_t opened_ms; /* wall */
    int64_t opened_mono_ms;
    uint32_t file_number; /* of the newest file of the run */
    struct buffer batch;
    uint64_t batch_last_seq;
    /* Read by any thread. */
    _Atomic uint64_t appended_seq;
    _Atomic uint64_t flushed_seq;
    _Atomic int64_t written_bytes;
};

void capture_encode_header(const struct capture_record *record,
                           uint8_t out_header[CAPTURE_RECORD_HEADER_BYTES])
{
    uint32_t payload_bytes = (uint32_t)record->payload_bytes, reserved = 0, crc;
    memcpy(out_header, &payload_bytes, 4);
    memcpy(out_header + 8, &record->seq, 8);
    memcpy(out_header + 16, &record->recv_ns, 8);
    memcpy(out_header + 24, &record->mono_ns, 8);
    memcpy(out_header + 32, &record->kind, 2);
    memcpy(out_header + 34, &record->conn_id, 2);
    memcpy(out_header + 36, &reserved, 4);
    crc = crc32c(0, out_header + 8, CAPTURE_RECORD_HEADER_BYTES - 8);
    crc = crc32c(crc, record->payload, record->payload_bytes);
    memcpy(out_header + 4, &crc, 4);
}

static void batch_add(struct capture_writer *writer, const struct capture_record *record)
{
    uint8_t header[CAPTURE_RECORD_HEADER_BYTES];
    capture_encode_header(record, header);
    buffer_append(&writer->batch, header, sizeof header);
    buffer_append(&writer->batch, record->payload, record->payload_bytes);
    writer->batch_last_seq = record->seq;
    atomic_store_explicit(&writer->appended_seq, record->seq, memory_order_release);
}

/* take_back: cuts off what a failed write left. */
static enum status take_back(struct capture_writer *writer)
{
    writer->torn = ftruncate(writer->file, writer->file_bytes) != 0 ||
                   lseek(writer->file, writer->file_bytes, SEEK_SET) < 0;
    return writer->torn ? STATUS_IO : STATUS_OK;
}

/* write_whole: all bytes, or none: a partial write is taken back, and so is one that the device did not confirm (the
 * kernel may have forgotten those pages). While that cannot be done nothing more is written: it would lie behind torn bytes. */
static enum status write_whole(struct capture_writer *writer, const void *data, size_t bytes)
{
    enum status status = writer->torn ? take_back(writer) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    status = file_write_all(writer->file, data, bytes);
    if (status == STATUS_OK && writer->sync && fdatasync(writer->file) != 0)
        status = STATUS_IO;
    if (status != STATUS_OK) {
        int cause = errno;
        (void)take_back(writer); /* else the next write tries it first */
        errno = cause;
        return status;
    }
    writer->file_bytes += (int64_t)bytes;
    atomic_fetch_add_explicit(&writer->written_bytes, (int64_t)bytes, memory_order_relaxed);
    return STATUS_OK;
}

static enum status flush_locked(struct capture_writer *writer)
{
    if (writer->batch.length == 0)
        return STATUS_OK;
    enum status status = write_whole(writer, writer->batch.data, writer->batch.length);
    if (status != STATUS_OK)
        return status;
    crash_point("after_write");
    buffer_clear(&writer->batch);
    atomic_store_explicit(&writer->flushed_seq, writer->batch_last_seq, memory_order_release);
    return STATUS_OK;
}

static void file_finish(struct capture_writer *writer)
{
    if (writer->file >= 0)
        close(writer->file);
    writer->file = -1;
}

static enum status write_file_header(struct capture_writer *writer)
{
    uint8_t header[CAPTURE_FILE_HEADER_BYTES] = {0};
    uint32_t version = CAPTURE_VERSION, header_bytes = CAPTURE_FILE_HEADER_BYTES;
    uint64_t open_ms = (uint64_t)writer->opened_ms;
    memcpy(header, CAPTURE_MAGIC, 8);
    memcpy(header + 8, &version, 4);
    memcpy(header + 12, &header_bytes, 4);
    memcpy(header + 16, &open_ms, 8);
    return write_whole(writer, header, sizeof header);
}

/* file_begin: the next file, with its header and metadata record. On failure no file is left behind. */
static enum status file_begin(struct capture_writer *writer)
{
    char date[TIME_TEXT_BYTES], path[PATH_BYTES];
    int64_t now_ns = clock_wall_ns(&writer->clock), mono_ns = clock_monotonic_ns(&writer->clock);
    writer->opened_ms = now_ns / 1000000;
    writer->opened_mono_ms = mono_ns / 1000000;
    time_date(writer->opened_ms, date);
    path_join(path, writer->folder, "date=%s/raw-%s-%" PRId64 "-%06" PRIu32 ".ofr", date, writer->run_id,
              writer->opened_ms, writer->file_number + 1);
    if (folder_make_for(path) != STATUS_OK)
        return STATUS_IO;
    writer->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (writer->file < 0)
        return STATUS_IO;
    writer->file_bytes = 0;
    writer->torn = false;
    enum status status = write_file_header(writer);
    if (status == STATUS_OK && writer->sync)
        status = folder_sync_of(path);
    if (status != STATUS_OK) {
        unlink(path);
        file_finish(writer);
        return status;
    }
    writer->file_number++;
    struct capture_record metadata = {
        .seq = atomic_load_explicit(&writer->appended_seq, memory_order_relaxed) + 1,
        .recv_ns = now_ns,
        .mono_ns = mono_ns,
        .kind = CAPTURE_METADATA,
        .payload = writer->metadata,
        .payload_bytes = strlen(writer->metadata),
    };
    batch_add(writer, &metadata);
    return STATUS_OK;
}

static bool is_full(const struct capture_writer *writer)
{
    int64_t age_ms = clock_monotonic_ms(&writer->clock) - writer->opened_mono_ms;
    return writer->file_bytes + (int64_t)writer->batch.length >= writer->rotate_bytes ||
           age_ms >= writer->rotate_ms;
}

/* make_room: an open file that is not full and a batch that is not too long. */
static enum status make_room(struct capture_writer *writer)
{
    enum status status = STATUS_OK;
    bool full = writer->file >= 0 && is_full(writer);
    if (full || writer->batch.length >= CAPTURE_BATCH_BYTES)
        status = flush_locked(writer);
    if (status != STATUS_OK)
        return status;
    if (full)
        file_finish(writer);
    return writer->file >= 0 ? STATUS_OK : file_begin(writer);
}

enum status capture_append(struct capture_writer *writer, enum capture_kind kind, uint16_t conn_id,
                           int64_t recv_ns, int64_t mono_ns, const void *payload, size_t bytes,
                           uint64_t *out_seq)
{
    if (bytes > CAPTURE_PAYLOAD_BYTES_MAX)
        return STATUS_LIMIT;
    pthread_mutex_lock(&writer->mutex);
    enum status status = make_room(writer);
    if (status == STATUS_OK) {
        struct capture_record record = {
            .seq = atomic_load_explicit(&writer->appended_seq, memory_order_relaxed) + 1,
            .recv_ns = recv_ns,
            .mono_ns = mono_ns,
            .kind = (uint16_t)kind,
            .conn_id = conn_id,
            .payload = payload,
            .payload_bytes = bytes,
        };
        batch_add(writer, &record);
        if (out_seq)
            *out_seq = record.seq;
    }
    pthread_mutex_unlock(&writer->mutex);
    return status;
}

enum status capture_flush(struct capture_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    enum status status = flush_locked(writer);
    pthread_mutex_unlock(&writer->mutex);
    return status;
}

/* left_whole: records of the batch that a failed write left in the file, whole, and that cannot be taken back: whoever opens the
 * file next reads them. What write() accepted is there, confirmed or not. */
static int64_t left_whole(struct capture_writer *writer)
{
    struct stat found;
    if (!writer->torn || take_back(writer) == STATUS_OK || fstat(writer->file, &found) != 0)
        return 0;
    size_t at = 0, left = (size_t)(found.st_size - writer->file_bytes);
    int64_t count = 0;
    while (at + CAPTURE_RECORD_HEADER_BYTES <= left && at < writer->batch.length) {
        uint32_t payload_bytes;
        memcpy(&payload_bytes, writer->batch.data + at, sizeof payload_bytes);
        at += CAPTURE_RECORD_HEADER_BYTES + payload_bytes;
        count += at <= left;
    }
    return count;
}

/* tell_lost: the records of the batch behind the first so many. */
static void tell_lost(const struct capture_writer *writer, int64_t kept, capture_lost *lost, void *context)
{
    for (size_t at = 0; at < writer->batch.length; kept--) {
        const uint8_t *header = writer->batch.data + at;
        uint32_t payload_bytes;
        uint16_t kind;
        memcpy(&payload_bytes, header, sizeof payload_bytes);
        memcpy(&kind, header + 32, sizeof kind);
        if (kept <= 0)
            lost(context, (enum capture_kind)kind, header + CAPTURE_RECORD_HEADER_BYTES, payload_bytes);
        at += CAPTURE_RECORD_HEADER_BYTES + payload_bytes;
    }
}

int64_t capture_discard(struct capture_writer *writer, capture_lost *lost, void *context)
{
    pthread_mutex_lock(&writer->mutex);
    uint64_t flushed = atomic_load(&writer->flushed_seq);
    int64_t kept = left_whole(writer);
    int64_t count = (int64_t)(atomic_load(&writer->appended_seq) - flushed) - kept;
    if (lost)
        tell_lost(writer, kept, lost, context);
    buffer_clear(&writer->batch);
    writer->batch_last_seq = flushed;
    atomic_store(&writer->appended_seq, flushed);
    pthread_mutex_unlock(&writer->mutex);
    return count;
}

uint64_t capture_flushed_seq(const struct capture_writer *writer)
{
    return atomic_load_explicit(&writer->flushed_seq, memory_order_acquire);
}

uint64_t capture_appended_seq(const struct capture_writer *writer)
{
    return atomic_load_explicit(&writer->appended_seq, memory_order_acquire);
}

bool capture_continued(const struct capture_writer *writer)
{
    return writer->continued;
}

int64_t capture_written_bytes(const struct capture_writer *writer)
{
    return atomic_load_explicit(&writer->written_bytes, memory_order_relaxed);
}

/* sync_repaired: what an earlier life wrote and was killed before it had synchronised counts from now on. */
static enum status sync_repaired(const struct capture_file *file, struct error *error)
{
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    enum status status = descriptor >= 0 && fsync(descriptor) == 0 ? folder_sync_of(file->path) : STATUS_IO;
    if (status != STATUS_OK)
        error_set(error, status, "capture: %s cannot be synchronised: %s", file->path, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

/* continue_run: finds the end of what the run has already, cutting off a torn record. */
static enum status continue_run(struct capture_writer *writer, struct error *error)
{
    struct capture_files files;
    uint64_t last_seq = 0;
    enum status status = capture_files_find(&files, writer->folder, writer->run_id, error);
    while (status == STATUS_OK && files.count > 0 && last_seq == 0) {
        struct capture_file *last = &files.items[--files.count];
        if (last->number > writer->file_number)
            writer->file_number = last->number;
        status = writer->sync ? capture_file_repair_cut(last, &last_seq, error)
                              : capture_file_repair(last, &last_seq, error);
        if (status == STATUS_OK && last_seq && writer->sync)
            status = sync_repaired(last, error);
    }
    writer->continued = last_seq > 0;
    atomic_store(&writer->appended_seq, last_seq);
    atomic_store(&writer->flushed_seq, last_seq);
    capture_files_finish(&files);
    return status;
}

enum status capture_writer_open(const struct capture_writer_config *config,
                                struct capture_writer **out_writer, struct error *error)
{
    if (strlen(config->run_id) >= CAPTURE_RUN_ID_BYTES)
        return error_set(error, STATUS_INVALID, "capture: the run id is longer than %d bytes",
                         CAPTURE_RUN_ID_BYTES - 1);
    struct capture_writer *writer = memory_allocate(sizeof *writer);
    snprintf(writer->folder, sizeof writer->folder, "%s", config->folder);
    snprintf(writer->run_id, sizeof writer->run_id, "%s", config->run_id);
    writer->metadata = memory_copy_text(config->metadata_json);
    writer->rotate_ms = config->rotate_ms ? config->rotate_ms : CAPTURE_ROTATE_MS;
    writer->rotate_bytes = config->rotate_bytes ? config->rotate_bytes : CAPTURE_ROTATE_BYTES;
    writer->sync = config->sync;
    writer->clock = config->clock;
    writer->file = -1;
    buffer_init(&writer->batch, 0);
    pthread_mutex_init(&writer->mutex, NULL);
    enum status status = folder_make(writer->folder, 0755);
    if (status != STATUS_OK)
        error_set(error, status, "capture: cannot create the folder %s: %s", writer->folder, strerror(errno));
    if (status == STATUS_OK)
        status = continue_run(writer, error);
    if (status == STATUS_OK && (status = file_begin(writer)) != STATUS_OK)
        error_set(error, status, "capture: cannot begin a file below %s: %s", writer->folder,
                  strerror(errno));
    if (status == STATUS_OK && (status = capture_flush(writer)) != STATUS_OK)
        error_set(error, status, "capture: cannot write below %s: %s", writer->folder, strerror(errno));
    if (status != STATUS_OK) {
        capture_writer_close(writer);
        return status;
    }
    *out_writer = writer;
    return STATUS_OK;
}

void capture_writer_close(struct capture_writer *writer)
{
    if (!writer)
        return;
    if (writer->file >= 0 && flush_locked(writer) != STATUS_OK)
        fprintf(stderr, "capture: %zu %s could not be written at the end: %s\n", writer->batch.length,
                plural((int64_t)writer->batch.length, "byte", "bytes"), strerror(errno));
    file_finish(writer);
    buffer_finish(&writer->batch);
    pthread_mutex_destroy(&writer->mutex);
    free(writer->metadata);
    free(writer);
}
