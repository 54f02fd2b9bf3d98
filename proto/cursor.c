#include "proto/cursor.h"

#include "base/text.h"
#include "proto/frame.h"

#include <endian.h>
#include <math.h>
#include <string.h>

/* What an object takes, by its first byte; 0 stands for those whose length or count follows. */
static const uint8_t OBJECT_BYTES[256] = {
    [0x00 ... 0x7f] = 1, [0xa0] = 1,  [0xa1] = 2,          [0xa2] = 3,  [0xa3] = 4,  [0xa4] = 5,  [0xa5] = 6,
    [0xa6] = 7,          [0xa7] = 8,  [0xa8] = 9,          [0xa9] = 10, [0xaa] = 11, [0xab] = 12, [0xac] = 13,
    [0xad] = 14,         [0xae] = 15, [0xaf] = 16,         [0xb0] = 17, [0xb1] = 18, [0xb2] = 19, [0xb3] = 20,
    [0xb4] = 21,         [0xb5] = 22, [0xb6] = 23,         [0xb7] = 24, [0xb8] = 25, [0xb9] = 26, [0xba] = 27,
    [0xbb] = 28,         [0xbc] = 29, [0xbd] = 30,         [0xbe] = 31, [0xbf] = 32, [0xc0] = 1,  [0xc2] = 1,
    [0xc3] = 1,          [0xca] = 5,  [0xcb] = 9,          [0xcc] = 2,  [0xcd] = 3,  [0xce] = 5,  [0xcf] = 9,
    [0xd0] = 2,          [0xd1] = 3,  [0xd2] = 5,          [0xd3] = 9,  [0xd4] = 3,  [0xd5] = 4,  [0xd6] = 6,
    [0xd7] = 10,         [0xd8] = 18, [0xe0 ... 0xff] = 1,
};

static uint64_t big_endian(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    if (bytes == 8) {
        memcpy(&value, at, 8);
        return be64toh(value);
    }
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* counted: an object whose length or count stands behind its first byte, or in it. */
struct counted {
    size_t head_bytes;
    size_t body_bytes; /* of text, binary, extension */
    size_t elements;   /* of array (items), map (keys and values) */
};

static bool counted_read(struct counted *out, const uint8_t *at, size_t bytes)
{
    /* For 0xc4…0xc9 and 0xd9…0xdf: width of the count, whether it counts elements, and how much it counts for. */
    static const struct {
        uint8_t width, per_element, extra_bytes;
    } HEADS[32] = {
        [0xc4 - 0xc0] = {1, 0, 0}, [0xc5 - 0xc0] = {2, 0, 0}, [0xc6 - 0xc0] = {4, 0, 0}, /* binary */
        [0xc7 - 0xc0] = {1, 0, 1}, [0xc8 - 0xc0] = {2, 0, 1}, [0xc9 - 0xc0] = {4, 0, 1}, /* extension */
        [0xd9 - 0xc0] = {1, 0, 0}, [0xda - 0xc0] = {2, 0, 0}, [0xdb - 0xc0] = {4, 0, 0}, /* text */
        [0xdc - 0xc0] = {2, 1, 0}, [0xdd - 0xc0] = {4, 1, 0},                            /* array */
        [0xde - 0xc0] = {2, 2, 0}, [0xdf - 0xc0] = {4, 2, 0},                            /* map */
    };
    uint8_t head = *at;
    if (head >= 0x80 && head <= 0x9f) {
        *out = (struct counted){.head_bytes = 1, .elements = (size_t)(head & 0x0f) * (head < 0x90 ? 2 : 1)};
        return true;
    }
    size_t width = head >= 0xc0 && head <= 0xdf ? HEADS[head - 0xc0].width : 0;
    if (!width || bytes <= width)
        return false; /* 0xc1 is never used */
    size_t count = (size_t)big_endian(at + 1, width);
    *out = (struct counted){
        .head_bytes = 1 + width,
        .body_bytes = HEADS[head - 0xc0].per_element ? 0 : count + HEADS[head - 0xc0].extra_bytes,
        .elements = count * HEADS[head - 0xc0].per_element,
    };
    return true;
}

const uint8_t *msgpack_skip(const uint8_t *at, const uint8_t *end, size_t count, int depth)
{
    if (depth > FRAME_DEPTH_MAX)
        return NULL;
    for (; count; count--) {
        size_t left = (size_t)(end - at);
        if (!left || count > left)
            return NULL;
        size_t size = OBJECT_BYTES[*at];
        if (size) {
            if (size > left)
                return NULL;
            at += size;
            continue;
        }
        struct counted counted;
        if (!counted_read(&counted, at, left) || counted.body_bytes > left - counted.head_bytes)
            return NULL;
        at += counted.head_bytes + counted.body_bytes;
        at = msgpack_skip(at, end, counted.elements, depth + 1);
        if (!at)
            return NULL;
    }
    return at;
}

bool cursor_bool(struct cursor *cursor, int8_t *out)
{
    if (cursor->at == cursor->end || (*cursor->at != 0xc2 && *cursor->at != 0xc3))
        return false;
    *out = *cursor->at++ == 0xc3;
    return true;
}

bool cursor_integer(struct cursor *cursor, int64_t *out)
{
    if (cursor->at == cursor->end)
        return false;
    uint8_t head = *cursor->at;
    if (head <= 0x7f || head >= 0xe0) {
        *out = head <= 0x7f ? head : (int64_t)head - 0x100;
        cursor->at++;
        return true;
    }
    if (head < 0xcc || head > 0xd3 || cursor_left(cursor) < OBJECT_BYTES[head])
        return false;
    size_t width = OBJECT_BYTES[head] - (size_t)1;
    uint64_t raw = big_endian(cursor->at + 1, width);
    if (head <= 0xcf && raw > INT64_MAX)
        return false;
    int shift = head >= 0xd0 ? 64 - 8 * (int)width : 0;
    *out = (int64_t)(raw << shift) >> shift;
    cursor->at += 1 + width;
    return true;
}

bool cursor_number(struct cursor *cursor, double *out)
{
    size_t left = cursor_left(cursor);
    if (left >= 9 && *cursor->at == 0xcb) {
        uint64_t bits = big_endian(cursor->at + 1, 8);
        memcpy(out, &bits, sizeof *out);
        cursor->at += 9;
    } else if (left >= 5 && *cursor->at == 0xca) {
        uint32_t bits = (uint32_t)big_endian(cursor->at + 1, 4);
        float narrow;
        memcpy(&narrow, &bits, sizeof narrow);
        *out = narrow;
        cursor->at += 5;
    } else { /* writers of other languages may send 1 for 1.0 */
        int64_t integer;
        if (!cursor_integer(cursor, &integer))
            return false;
        *out = (double)integer;
    }
    return isfinite(*out);
}

bool cursor_text(struct cursor *cursor, const char **out_text, size_t *out_length)
{
    struct counted counted = {.head_bytes = 1};
    size_t left = cursor_left(cursor);
    if (!left)
        return false;
    uint8_t head = *cursor->at;
    if (head >= 0xa0 && head <= 0xbf)
        counted.body_bytes = head & 0x1f;
    else if (head < 0xd9 || head > 0xdb || !counted_read(&counted, cursor->at, left))
        return false;
    if (counted.body_bytes > left - counted.head_bytes)
        return false;
    *out_text = (const char *)cursor->at + counted.head_bytes;
    *out_length = counted.body_bytes;
    cursor->at += counted.head_bytes + counted.body_bytes;
    return !memchr(*out_text, 0, *out_length) && utf8_valid(*out_text, *out_length);
}

bool cursor_text_copy(struct cursor *cursor, char *out, size_t size)
{
    const char *text;
    size_t length;
    if (!cursor_text(cursor, &text, &length) || length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = 0;
    return true;
}

bool cursor_array(struct cursor *cursor, size_t *out_count)
{
    struct counted counted;
    if (cursor->at == cursor->end)
        return false;
    uint8_t head = *cursor->at;
    bool array = (head >= 0x90 && head <= 0x9f) || head == 0xdc || head == 0xdd;
    if (!array || !counted_read(&counted, cursor->at, cursor_left(cursor)))
        return false;
    *out_count = counted.elements;
    cursor->at += counted.head_bytes;
    return true;
}
