/* buffer: a growable run of bytes with a maximum, and a cursor that reads one back.
 *
 * Engines save their state into a buffer and load it with a reader; frames, JSON lines and requests are built
 * in one. A buffer that would pass its maximum sets `overflowed`, keeps what it has and ignores what follows:
 * check once, at the end. Integers are written in the machine's own byte order (state never leaves the host). */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
    size_t limit; /* 0 = no limit */
    bool overflowed;
};

void buffer_init(struct buffer *buffer, size_t limit); /* allocates nothing */
void buffer_finish(struct buffer *buffer);             /* safe to call twice */
void buffer_clear(struct buffer *buffer);              /* length 0, memory kept */
void buffer_append(struct buffer *buffer, const void *data, size_t bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, uint8_t byte);
void buffer_append_u32(struct buffer *buffer, uint32_t value);
void buffer_append_u64(struct buffer *buffer, uint64_t value);
void buffer_append_i64(struct buffer *buffer, int64_t value);
void buffer_append_f64(struct buffer *buffer, double value);
void buffer_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* buffer_reserve: `bytes` of writable room at the end (length is not moved), NULL when the limit forbids it. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t bytes);

/* buffer_text: the content as a C string (a NUL is kept behind the end); valid until the next change. */
const char *buffer_text(struct buffer *buffer);

/* reader: reads what a buffer holds, in the same order. The first read past the end sets `failed` and from
 * then on every read gives zeros: check once, at the end. */
struct reader {
    const uint8_t *data;
    size_t length;
    size_t offset;
    bool failed;
};

void reader_init(struct reader *reader, const void *data, size_t bytes);
void reader_take(struct reader *reader, void *out, size_t bytes);
const void *reader_borrow(struct reader *reader, size_t bytes); /* NULL past the end */
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
int64_t reader_i64(struct reader *reader);
double reader_f64(struct reader *reader);
/* reader_count: a u64 element count that cannot exceed what the remaining bytes could hold at
 * `element_bytes` each; larger sets `failed` and gives 0. */
size_t reader_count(struct reader *reader, size_t element_bytes);
/* reader_done: STATUS_OK when everything was read and nothing failed, else STATUS_MALFORMED. */
enum status reader_done(const struct reader *reader) MUST_USE;
