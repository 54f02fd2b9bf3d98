/* capture: raw capture files `.ofr` (data.md §2): what was received, in arrival order, before any parsing.
 *
 *     data/raw/date=YYYY-MM-DD/raw-<run_id>-<open_ms>-<number>.ofr      number: 000001, 000002 … within the run
 *
 *     file     "OFRAW1\n\0" | u32 version | u32 header_bytes | u64 open_ms | u64 0 | record | record | …
 *     record   u32 payload_bytes | u32 crc32c | u64 seq | i64 recv_ns | i64 mono_ns | u16 kind | u16 conn_id |
 *              u32 0 | payload
 *
 * Little endian; the CRC covers the header behind itself and the payload; seq rises by one over all files of
 * a run. The first record of each file is the run's metadata (kind 6). The capture is harvest's queue: one
 * thread appends, another reads by number, also in the file that is still growing. */
#pragma once

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CAPTURE_FILE_HEADER_BYTES = 32,
    CAPTURE_RECORD_HEADER_BYTES = 40,
    CAPTURE_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024,
    CAPTURE_ROTATE_BYTES = 256 * 1024 * 1024,
    CAPTURE_ROTATE_MS = 3600 * 1000,
    CAPTURE_BATCH_BYTES = 256 * 1024, /* a batch is written out when it grows beyond this */
};

enum capture_kind {
    CAPTURE_MESSAGE = 1,
    CAPTURE_OPENED = 2,   /* payload: URL */
    CAPTURE_CLOSED = 3,   /* payload: reason */
    CAPTURE_REST = 4,     /* payload: URL, newline, body */
    CAPTURE_CONTROL = 5,  /* payload: JSON */
    CAPTURE_METADATA = 6, /* payload: JSON */
    CAPTURE_MOVE = 7, /* payload: JSON: a symbol leaves this capture, or is expected in it (docs/data.md) */
};

/* CAPTURE_ALL_CONNECTIONS: conn_id of a CAPTURE_CLOSED that ends whatever was open (harvest itself was
 * restarted). */
enum { CAPTURE_ALL_CONNECTIONS = 65535 };

struct capture_record {
    uint64_t seq;
    int64_t recv_ns; /* wall clock */
    int64_t mono_ns;
    uint16_t kind; /* enum capture_kind */
    uint16_t conn_id;
    const void *payload; /* borrowed */
    size_t payload_bytes;
    uint16_t source; /* which of several captures it is from (capture_chain.h); 0: there is one */
};

/* --- writer
 * ----------------------------------------------------------------------------------------------------- */

struct capture_writer_config {
    const char *folder; /* data/raw; created */
    const char *run_id;
    const char *metadata_json; /* payload of each file's first record */
    int64_t rotate_ms;         /* 0: CAPTURE_ROTATE_MS */
    int64_t rotate_bytes;      /* 0: CAPTURE_ROTATE_BYTES */
    bool sync;                 /* fdatasync with every flush (journal.durability: power) */
    struct clock clock;
};

struct capture_writer;

/* capture_writer_open: continues the run if files of it exist: a torn record at the end of the last one is
 * cut off, numbering goes on behind it in a new file. STATUS_MALFORMED: an earlier file is damaged. The texts
 * are copied. */
enum status capture_writer_open(const struct capture_writer_config *config,
                                struct capture_writer **out_writer, struct error *error) MUST_USE;

/* capture_writer_close: flushes; NULL-safe. */
void capture_writer_close(struct capture_writer *writer);

/* capture_append: adds a record to the batch under the next number (returned when out_seq is given). Thread-safe.
 * STATUS_LIMIT: payload too large, nothing added; STATUS_IO: the batch had to be written and could not be
 * (full disk): nothing added, call again later. */
enum status capture_append(struct capture_writer *writer, enum capture_kind kind, uint16_t conn_id,
                           int64_t recv_ns, int64_t mono_ns, const void *payload, size_t bytes,
                           uint64_t *out_seq) MUST_USE;

/* capture_flush: writes the batch out; then it is readable. Thread-safe. STATUS_IO keeps the batch. */
enum status capture_flush(struct capture_writer *writer) MUST_USE;

/* capture_discard: gives up the batch, so that nothing of it is written any more; how many records are lost by it: not those that a
 * failed write left whole in the file and that cannot be taken back, which the file's next reader finds. `lost` (may be NULL) is told each of
 * them, and may not call the writer. Thread-safe. */
typedef void capture_lost(void *context, enum capture_kind kind, const void *payload, size_t bytes);
int64_t capture_discard(struct capture_writer *writer, capture_lost *lost, void *context);

/* capture_flushed_seq: number of the last record that is readable. Any thread. */
uint64_t capture_flushed_seq(const struct capture_writer *writer);

/* capture_appended_seq: number of the last record appended. Any thread. */
uint64_t capture_appended_seq(const struct capture_writer *writer);

/* capture_continued: the run had records before this writer (harvest was restarted). */
bool capture_continued(const struct capture_writer *writer);

/* capture_written_bytes: by this writer, headers included. Any thread. */
int64_t capture_written_bytes(const struct capture_writer *writer);

/* --- reader
 * ----------------------------------------------------------------------------------------------------- */

struct capture_reader;

/* capture_reader_open: all files of a run below `folder`. With `writer` the reader follows it: STATUS_AGAIN
 * instead of an end. STATUS_NOT_FOUND: no file (without a writer). `writer` must outlive the reader. */
enum status capture_reader_open(const char *folder, const char *run_id, const struct capture_writer *writer,
                                struct capture_reader **out_reader, struct error *error) MUST_USE;

/* capture_reader_open_files: exactly these files, in any order, for a replay. Their records' numbers must continue each other. */
enum status capture_reader_open_files(const char *const *paths, size_t path_count,
                                      struct capture_reader **out_reader, struct error *error) MUST_USE;

void capture_reader_close(struct capture_reader *reader); /* NULL-safe */

/* capture_next: the next record, borrowed until the next call. STATUS_AGAIN: the writer has not got further;
 * STATUS_END: behind the last one; STATUS_MALFORMED: a damaged record (file and offset in the sentence), from
 * which there is no going on. A torn record at the very end of the last file is an end (capture_torn_offset
 * tells). */
enum status capture_next(struct capture_reader *reader, struct capture_record *out_record,
                         struct error *error) MUST_USE;

/* capture_seek: makes `seq` the next record. 1 + the last record is allowed. `hint_offset` (0: none) is what
 * capture_place gave for it; without a hint the file is walked from its nearest known place. */
enum status capture_seek(struct capture_reader *reader, uint64_t seq, uint64_t hint_offset,
                         struct error *error) MUST_USE;

/* capture_place: number of the next record, and its offset in its file as a hint for capture_seek. */
void capture_place(const struct capture_reader *reader, uint64_t *out_seq, uint64_t *out_offset);

/* capture_record_place: file and offset of the record that capture_next gave last. The path is good until the reader is
 * closed or finds new files. */
void capture_record_place(const struct capture_reader *reader, const struct capture_record *record,
                          const char **out_path, uint64_t *out_offset);

/* capture_torn_offset: where the last file's torn record begins, 0 when there is none. */
uint64_t capture_torn_offset(const struct capture_reader *reader);

/* capture_file_count, capture_file_path: the files read so far, in order. */
size_t capture_file_count(const struct capture_reader *reader);
const char *capture_file_path(const struct capture_reader *reader, size_t index);
