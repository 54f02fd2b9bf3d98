#include "base/json.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t f64_text(double value, char out_text[F64_TEXT_BYTES])
{
    if (!isfinite(value)) {
        memcpy(out_text, "null", 5);
        return 4;
    }
    if (value == 0)
        value = 0.0;
    if (value == floor(value) && fabs(value) < 1e15)
        return (size_t)snprintf(out_text, F64_TEXT_BYTES, "%lld", (long long)value);
    int length = 0;
    for (int digits = 15; digits <= 17; digits++) {
        length = snprintf(out_text, F64_TEXT_BYTES, "%.*g", digits, value);
        if (strtod(out_text, NULL) == value)
            break;
    }
    return (size_t)length;
}

void json_init(struct json *json, struct buffer *out)
{
    *json = (struct json){.out = out};
}

static void separate(struct json *json)
{
    if (json->need_comma)
        buffer_append_byte(json->out, ',');
    json->need_comma = true;
}

static void begin(struct json *json, uint8_t bracket)
{
    separate(json);
    buffer_append_byte(json->out, bracket);
    json->need_comma = false;
}

static void end(struct json *json, uint8_t bracket)
{
    buffer_append_byte(json->out, bracket);
    json->need_comma = true;
}

void json_object_begin(struct json *json)
{
    begin(json, '{');
}

void json_object_end(struct json *json)
{
    end(json, '}');
}

void json_array_begin(struct json *json)
{
    begin(json, '[');
}

void json_array_end(struct json *json)
{
    end(json, ']');
}

/* plain_length: leading characters that stand for themselves. */
static size_t plain_length(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length && text[at] >= ' ' && text[at] < 0x7f && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

/* append_character: one that needs an escape or is not ASCII; returns the bytes it took. */
static size_t append_character(struct buffer *out, const char *at, size_t length)
{
    const unsigned char *text = (const unsigned char *)at;
    static const char ESCAPES[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *escape = ESCAPES; *escape; escape += 2)
        if (*text == (unsigned char)escape[0]) {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, (uint8_t)escape[1]);
            return 1;
        }
    if (*text < 0x20) {
        buffer_format(out, "\\u%04x", *text);
        return 1;
    }
    size_t sequence = utf8_length(at, length);
    if (!sequence) {
        buffer_append_text(out, "\xef\xbf\xbd");
        return 1;
    }
    buffer_append(out, text, sequence);
    return sequence;
}

void json_text_bytes(struct json *json, const char *text, size_t length)
{
    separate(json);
    buffer_append_byte(json->out, '"');
    for (size_t at = 0; at < length;) {
        size_t plain = plain_length(text + at, length - at);
        buffer_append(json->out, text + at, plain);
        at += plain;
        if (at < length)
            at += append_character(json->out, text + at, length - at);
    }
    buffer_append_byte(json->out, '"');
}

void json_text(struct json *json, const char *text)
{
    if (text)
        json_text_bytes(json, text, strlen(text));
    else
        json_null(json);
}

void json_key(struct json *json, const char *key)
{
    json_text(json, key);
    buffer_append_byte(json->out, ':');
    json->need_comma = false;
}

void json_raw(struct json *json, const char *text, size_t length)
{
    separate(json);
    buffer_append(json->out, text, length);
}

void json_i64(struct json *json, int64_t value)
{
    separate(json);
    buffer_format(json->out, "%lld", (long long)value);
}

void json_f64(struct json *json, double value)
{
    char text[F64_TEXT_BYTES];
    json_raw(json, text, f64_text(value, text));
}

void json_bool(struct json *json, bool value)
{
    json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json)
{
    json_raw(json, "null", 4);
}

void json_key_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text);
}

void json_key_i64(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_i64(json, value);
}

void json_key_f64(struct json *json, const char *key, double value)
{
    json_key(json, key);
    json_f64(json, value);
}

void json_key_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

void json_key_null(struct json *json, const char *key)
{
    json_key(json, key);
    json_null(json);
}
