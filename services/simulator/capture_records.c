/* capture_records: our own raw capture (data.md §2). */
#include "recording_internal.h"

#include "base/hash.h"

#include <string.h>

enum {
    FILE_HEADER_BYTES = 32,
    RECORD_HEADER_BYTES = 40,
    CRC_OFFSET = 4,
    COVERED_OFFSET = 8, /* the checksum covers the header from here, and the payload */
    PAYLOAD_BYTES_MAX = 8 << 20,
    KIND_TEXT = 1,
    KIND_REST = 4,
    KIND_LAST = 6,
};

static const char MAGIC[8] = "OFRAW1\n";

bool capture_has_records(struct span content)
{
    return content.bytes >= sizeof MAGIC && memcmp(content.text, MAGIC, sizeof MAGIC) == 0;
}

static uint64_t little_endian(const char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;)
        value = value << 8 | (uint8_t)at[i];
    return value;
}

static void read_rest(struct capture *capture, int64_t recv_ns, struct span payload)
{
    const char *newline = memchr(payload.text, '\n', payload.bytes);
    size_t url_bytes = newline ? (size_t)(newline - payload.text) : payload.bytes;
    struct span url = {payload.text, url_bytes};
    struct span body = {newline ? newline + 1 : payload.text, newline ? payload.bytes - url_bytes - 1 : 0};
    if (!capture_rest(capture, recv_ns, url, span_trim(body)))
        capture->recording->other++;
}

static void read_record(struct capture *capture, const char *header, struct span payload)
{
    int64_t recv_ns = (int64_t)little_endian(header + 16, 8);
    uint64_t kind = little_endian(header + 32, 2);
    if (kind == KIND_REST)
        read_rest(capture, recv_ns, payload);
    else if (kind != KIND_TEXT || !capture_message(capture, recv_ns, payload))
        capture->recording->other++;
}

/* record_bytes: of the whole, undamaged record at `at`; 0 when there is none. */
static size_t record_bytes(const char *at, size_t left)
{
    if (left < RECORD_HEADER_BYTES)
        return 0;
    size_t payload = little_endian(at, 4);
    if (payload > PAYLOAD_BYTES_MAX || payload > left - RECORD_HEADER_BYTES)
        return 0;
    uint32_t crc = crc32c(0, at + COVERED_OFFSET, RECORD_HEADER_BYTES - COVERED_OFFSET + payload);
    return crc == (uint32_t)little_endian(at + CRC_OFFSET, 4) ? RECORD_HEADER_BYTES + payload : 0;
}

enum status capture_read_records(struct capture *capture, struct span content, struct error *error)
{
    size_t header = content.bytes >= FILE_HEADER_BYTES ? little_endian(content.text + 12, 4) : 0;
    if (header < FILE_HEADER_BYTES || header > content.bytes || little_endian(content.text + 8, 4) != 1)
        return error_set(error, STATUS_UNSUPPORTED, "%s: not a raw capture of version 1", capture->path);
    size_t at = header;
    while (at < content.bytes) {
        size_t bytes = record_bytes(content.text + at, content.bytes - at);
        if (!bytes) {
            /* What lies behind a damaged record cannot be trusted (data.md §2). */
            capture_skip(capture, at, "the record here is incomplete or damaged; the rest is left out");
            return STATUS_OK;
        }
        read_record(capture, content.text + at,
                    (struct span){content.text + at + RECORD_HEADER_BYTES, bytes - RECORD_HEADER_BYTES});
        at += bytes;
    }
    return STATUS_OK;
}
