/* cursor: typed reads of msgpack out of bytes that nobody vouches for; frame.c's own part.
 *
 * Every step checks what is left, so that nothing has to be believed beforehand and nothing is allocated. A read that
 * finds another type, or not all of its bytes, gives false; the cursor then stands anywhere and is of no more use. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline size_t cursor_left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* cursor_nil: takes a nil if one stands there. */
static inline bool cursor_nil(struct cursor *cursor)
{
    bool found = cursor->at < cursor->end && *cursor->at == 0xc0;
    cursor->at += found;
    return found;
}

bool cursor_bool(struct cursor *cursor, int8_t *out);
/* cursor_integer: any integer that fits an int64_t. */
bool cursor_integer(struct cursor *cursor, int64_t *out);
/* cursor_number: a finite float, or an integer: writers of other languages may send 1 for 1.0. */
bool cursor_number(struct cursor *cursor, double *out);
/* cursor_text: a UTF-8 text without NUL, borrowed. cursor_text_copy: the same as a C string of less than `size`. */
bool cursor_text(struct cursor *cursor, const char **out_text, size_t *out_length);
bool cursor_text_copy(struct cursor *cursor, char *out, size_t size);
/* cursor_array: the head of an array. */
bool cursor_array(struct cursor *cursor, size_t *out_count);

/* msgpack_skip: where `count` objects end that begin at `at`; NULL when they are not complete within `end`, or nest
 * deeper than FRAME_DEPTH_MAX levels counted from `depth`. As each object needs a byte, the work is bounded by the
 * bytes that are there, whatever the heads claim. */
const uint8_t *msgpack_skip(const uint8_t *at, const uint8_t *end, size_t count, int depth);
