/* recording_internal: between the parts of the recording. */
#pragma once

#include "recording.h"

/* backfill: trades of a REST aggTrades answer that a capture holds. */
struct backfill {
    uint16_t symbol;
    struct span array;
};

/* capture: one file being read. */
struct capture {
    struct recording *recording;
    const char *path;
    struct tape_entry *entries;
    size_t count, capacity;
    enum market_kind market;
    bool two_markets; /* its messages contradict each other */
    uint64_t skipped;
    char *judged; /* by stream: its market has been looked at */
    size_t judged_count;
};

/* capture_skip: counts what cannot be read; the first few are logged. `number` is a line, or an offset in an
 * .ofr. */
void capture_skip(struct capture *capture, uint64_t number, const char *reason);

/* capture_message: a WebSocket message. False: it is no envelope of a stream. */
bool capture_message(struct capture *capture, int64_t recv_ns, struct span text);

/* capture_rest: a REST answer; `url` empty when the file does not say. False: neither depth, aggTrades nor
 * exchangeInfo. */
bool capture_rest(struct capture *capture, int64_t recv_ns, struct span url, struct span body);

void capture_read_lines(struct capture *capture, struct span content);

/* capture_read_records: an .ofr. capture_is_raw, capture_has_records: whether a file, or its content, is
 * one. */
enum status capture_read_records(struct capture *capture, struct error *error) MUST_USE;
bool capture_is_raw(const char *path);
bool capture_has_records(struct span content);

/* capture_bytes_held: by all captures together, this one's table included. */
uint64_t capture_bytes_held(const struct capture *capture);

/* content_load: the whole file, decompressed, at most `limit` bytes; malloc'd. `out_cut`: its gzip data breaks off,
 * the text is what came before. */
enum status content_load(const char *path, uint64_t limit, char **out_text, size_t *out_bytes, bool *out_cut,
                         struct error *error) MUST_USE;
