/* text: is it UTF-8, is it JSON, for bytes of the world that are passed on and not interpreted; words for sentences of our own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 32 };

/* utf8_length: bytes of the well-formed UTF-8 sequence at `text` (Unicode 15, table 3-7), 0 when there is none within
 * `length` bytes; length > 0. */
size_t utf8_length(const char *text, size_t length);

/* utf8_valid: whether all of it is UTF-8. */
bool utf8_valid(const char *text, size_t length);

/* json_valid: whether it is exactly one JSON value (RFC 8259) in UTF-8, at most JSON_DEPTH_MAX deep and without line
 * breaks, so that it may stand inside a JSON line. */
bool json_valid(const char *text, size_t length);

/* plural: the word that stands behind a number: plural(1, "process", "processes") is "process". */
const char *plural(int64_t count, const char *one, const char *many);

/* text_ends_in: and something stands before the suffix. */
bool text_ends_in(const char *text, const char *suffix);
