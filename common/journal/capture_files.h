/* capture_files: the files of one run, in order. Private to the files capture*.c. */
#pragma once

#include "base/file.h"
#include "journal/capture.h"

#define CAPTURE_MAGIC "OFRAW1\n"

enum { CAPTURE_VERSION = 1, CAPTURE_RUN_ID_BYTES = 68 };

/* capture_file: one file; first_seq 0 while its first record has not been seen. */
struct capture_file {
    char path[PATH_BYTES];
    uint32_t number;
    uint64_t first_seq;
};

struct capture_files {
    struct capture_file *items;
    size_t count;
    size_t capacity;
};

/* capture_files_find: all files of the run below `folder`, ordered by number; none is fine. Call _finish in
 * any case. */
enum status capture_files_find(struct capture_files *files, const char *folder, const char *run_id,
                               struct error *error) MUST_USE;
/* capture_file_number: of a file of the run, 0 for other files, also those of a run whose name goes on behind this one's:
 * raw-<run_id>-<open_ms>-<6 digits>.ofr */
uint32_t capture_file_number(const char *path, const char *run_id);
void capture_files_add(struct capture_files *files, const char *path, uint32_t number);
void capture_files_finish(struct capture_files *files);

/* capture_file_repair: walks a file, cuts off a torn record at its end, tells the number of its last record;
 * 0: it has none, and was removed. */
enum status capture_file_repair(struct capture_file *file, uint64_t *out_last_seq,
                                struct error *error) MUST_USE;

/* capture_file_repair_cut: the same for a capture that is synchronised batch by batch: reads every record, and cuts off what
 * can be pieces of one batch that a power cut left behind. */
enum status capture_file_repair_cut(const struct capture_file *file, uint64_t *out_last_seq,
                                    struct error *error) MUST_USE;

/* capture_encode_header: the 40 bytes before a record's payload. */
void capture_encode_header(const struct capture_record *record,
                           uint8_t out_header[CAPTURE_RECORD_HEADER_BYTES]);

/* capture_decode: the record at `data`. STATUS_OK; STATUS_AGAIN: more bytes are needed; STATUS_MALFORMED: CRC
 * or size wrong. *out_bytes: of the whole record, also with STATUS_AGAIN when its header is there (else 0).
 * */
enum status capture_decode(const uint8_t *data, size_t bytes, struct capture_record *out_record,
                           size_t *out_bytes) MUST_USE;
