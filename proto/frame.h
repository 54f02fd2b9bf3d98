/* frame: rows on the wire (docs/wire-protocol.md).
 *
 *   message part 1   topic: the stream's name, "harvest/BTCUSDT"
 *   message part 2   msgpack array
 *     [ version, run_id, [instance, generation], first_sequence, publish_ns, [ row, row, … ] ]
 *     row = [ kind, field, field, … ] in the order of the kind's field table; new fields are appended
 *
 * Sequences number rows; where a frame ends means nothing. Nothing of a received frame is believed before the
 * whole of it has been walked once: complete, exact length, depth ≤ FRAME_DEPTH_MAX, every count covered by bytes
 * that are there. No memory is allocated for what a header merely claims. */
#pragma once

#include "base/buffer.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_VERSION = 1,
    FRAME_BYTES_MAX = 4 * 1024 * 1024,
    FRAME_DEPTH_MAX = 8,
    CATCH_UP_BYTES_MAX = 256 * 1024,
};

struct frame_header {
    int64_t version;
    char run_id[RUN_ID_BYTES];
    char instance[INSTANCE_BYTES];
    int64_t generation;
    int64_t first_sequence;
    int64_t publish_ns;
    size_t row_count;
};

/* row_encode: appends one msgpack row with the first `field_count` fields of the table. Publish time is not part of
 * a row, so equal content gives equal bytes. Asserts that every field is valid (field_is_valid). */
void row_encode(struct buffer *out, const struct message *message, size_t field_count, const void *row);

/* frame_encode: header plus `row_count` already encoded rows lying one behind the other. */
void frame_encode(struct buffer *out, const struct frame_header *header, const void *rows, size_t rows_bytes);

/* frame: a received frame, walked and open for reading; borrows `data`. */
struct frame {
    struct frame_header header;
    const uint8_t *data;
    size_t bytes;
    size_t offset;     /* of the next row */
    size_t rows_taken; /* rows given so far */
};

/* row_view: one encoded row inside a frame or a journal chunk (borrowed). */
struct row_view {
    int kind;
    int64_t sequence;
    const uint8_t *data;
    size_t bytes;
};

/* frame_open: STATUS_OK, or STATUS_MALFORMED / STATUS_UNSUPPORTED (version) / STATUS_LIMIT with a sentence. */
enum status frame_open(struct frame *frame, const void *data, size_t bytes, struct error *error) MUST_USE;

/* frame_next: the next row; false behind the last. */
bool frame_next(struct frame *frame, struct row_view *out_row);

/* rows_next: the same over encoded rows lying one behind the other (a journal chunk): *offset moves on. STATUS_END
 * behind the last, STATUS_MALFORMED when the bytes are not a row. `sequence` of the view is left alone. */
enum status rows_next(const uint8_t *data, size_t bytes, size_t *offset, struct row_view *out_row) MUST_USE;

/* row_decode: fills the struct of `message` (message->row_bytes bytes). Fields the sender did not have (older, fewer
 * levels) are cleared; surplus ones (newer) are passed over. STATUS_MALFORMED: a field of another type, a null where
 * none may be, an unknown enum name, a text too long or not UTF-8, a JSON field that is not JSON; the sentence names
 * message and field, and what *out_row holds then means nothing. */
enum status row_decode(const struct row_view *view, const struct message *message, void *out_row,
                       struct error *error) MUST_USE;

/* row_peek_i64: one integer field without decoding the row; false when it is not there or not an integer. */
bool row_peek_i64(const struct row_view *view, size_t field_index, int64_t *out_value);

/* msgpack_walk: bytes of the one complete object at `data`, 0 when it is not complete or too deep. */
size_t msgpack_walk(const uint8_t *data, size_t bytes, int depth);

/* frame_library_version: of the msgpack-c that writes frames. */
const char *frame_library_version(void);
