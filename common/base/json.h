/* json: writes compact JSON into a buffer, keys in the order given (data.md S1, S2).
 *
 * Commas are placed by the writer; begin/end must be balanced. No value that is not JSON can leave: a NaN or an
 * infinity is written as null, bytes that are not UTF-8 as U+FFFD. For reading, yyjson is used where a part
 * needs it. */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>

enum { F64_TEXT_BYTES = 32 };

/* f64_text: the first of %.15g, %.16g, %.17g that parses back to the same double; -0 becomes 0; NaN and
 * infinities give "null". Returns its length. */
size_t f64_text(double value, char out_text[F64_TEXT_BYTES]);

struct json {
    struct buffer *out;
    bool need_comma;
};

void json_init(struct json *json, struct buffer *out);
void json_object_begin(struct json *json);
void json_object_end(struct json *json);
void json_array_begin(struct json *json);
void json_array_end(struct json *json);
void json_key(struct json *json, const char *key);
void json_text(struct json *json, const char *text); /* NULL writes null */
void json_text_bytes(struct json *json, const char *text, size_t length);
void json_i64(struct json *json, int64_t value);
void json_f64(struct json *json, double value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
void json_raw(struct json *json, const char *text, size_t length); /* already JSON */

/* The same with a key, for objects. */
void json_key_text(struct json *json, const char *key, const char *text);
void json_key_i64(struct json *json, const char *key, int64_t value);
void json_key_f64(struct json *json, const char *key, double value);
void json_key_bool(struct json *json, const char *key, bool value);
void json_key_null(struct json *json, const char *key);
