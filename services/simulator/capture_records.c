/* capture_records: our own raw capture (data.md §2), through its reader. */
#include "recording_internal.h"

#include "journal/capture.h"

#include <stdio.h>
#include <string.h>

static const char MAGIC[8] = "OFRAW1\n";

bool capture_has_records(struct span content)
{
    return content.bytes >= sizeof MAGIC && memcmp(content.text, MAGIC, sizeof MAGIC) == 0;
}

bool capture_is_raw(const char *path)
{
    char begin[sizeof MAGIC];
    FILE *file = fopen(path, "re");
    size_t bytes = file ? fread(begin, 1, sizeof begin, file) : 0;
    if (file)
        fclose(file);
    return capture_has_records((struct span){begin, bytes});
}

static bool read_rest(struct capture *capture, int64_t recv_ns, struct span payload)
{
    const char *newline = memchr(payload.text, '\n', payload.bytes);
    if (!newline)
        return false;
    struct span url = {payload.text, (size_t)(newline - payload.text)};
    struct span body = {newline + 1, payload.bytes - url.bytes - 1};
    return capture_rest(capture, recv_ns, url, span_trim(body));
}

/* read_record: only messages and REST answers are the venue's; the rest is harvest's own. */
static void read_record(struct capture *capture, const struct capture_record *record)
{
    bool used = false;
    if (record->kind == CAPTURE_MESSAGE || record->kind == CAPTURE_REST) {
        const char *text = tape_keep_text(&capture->recording->tape, record->payload, record->payload_bytes);
        struct span payload = {text, record->payload_bytes};
        used = record->kind == CAPTURE_REST ? read_rest(capture, record->recv_ns, payload)
                                            : capture_message(capture, record->recv_ns, payload);
    }
    capture->recording->other += !used;
}

static enum status read_all(struct capture *capture, struct capture_reader *reader, struct error *error)
{
    for (;;) {
        struct capture_record record;
        enum status status = capture_next(reader, &record, error);
        if (status == STATUS_END)
            return STATUS_OK;
        if (status != STATUS_OK)
            return status;
        read_record(capture, &record);
        if (capture_bytes_held(capture) > RECORDING_BYTES_MAX)
            return error_set(error, STATUS_LIMIT,
                             "%s: the captures are larger than %llu MiB; use fewer at once", capture->path,
                             RECORDING_BYTES_MAX >> 20);
    }
}

enum status capture_read_records(struct capture *capture, struct error *error)
{
    struct capture_reader *reader;
    enum status status = capture_reader_open_files(&capture->path, 1, &reader, error);
    if (status != STATUS_OK)
        return status;
    status = read_all(capture, reader, error);
    if (status == STATUS_OK && capture_torn_offset(reader))
        capture_skip(capture, capture_torn_offset(reader), "the last record is incomplete");
    capture_reader_close(reader);
    /* A damaged file stays damaged: trying again does not help. */
    return status == STATUS_IO ? STATUS_INVALID : status;
}
