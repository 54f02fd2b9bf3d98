/* span: pieces of a JSON text, found without copying it.
 *
 * The simulator sends recorded bytes as they are, so it needs to know where a value stands, not what it means.
 * The scanner follows strings and brackets; it does not judge numbers or literals. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *text;
    size_t bytes;
};

struct span span_of(const char *text);
bool span_equals(struct span span, const char *text);

/* span_object, span_array: walks over a container's members. `next` false: at the end, or `malformed` is set.
 * Keys come without quotes, values as written. */
struct span_walk {
    const char *at, *end;
    bool malformed;
};

bool span_walk_begin(struct span container, char bracket,
                     struct span_walk *out_walk); /* bracket '{' or '[' */
bool span_next_member(struct span_walk *walk, struct span *out_key, struct span *out_value);
bool span_next_element(struct span_walk *walk, struct span *out_value);

/* span_member: the value of a key of an object, as written. */
bool span_member(struct span object, const char *key, struct span *out_value);

/* span_text: what stands between the quotes of a string value (escapes stay as written); false: not a
 * string. */
bool span_text(struct span value, struct span *out_text);

/* span_integer: a value that is an integer, with or without quotes. */
bool span_integer(struct span value, int64_t *out_integer);

/* span_trim: without white space at both ends. */
struct span span_trim(struct span span);

/* span_is_object: whether the whole span is one object with balanced brackets and nothing behind it. */
bool span_is_object(struct span span);
