#include "span.h"

#include <string.h>

struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

bool span_equals(struct span span, const char *text)
{
    return span.bytes == strlen(text) && memcmp(span.text, text, span.bytes) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span span)
{
    while (span.bytes && is_blank(*span.text)) {
        span.text++;
        span.bytes--;
    }
    while (span.bytes && is_blank(span.text[span.bytes - 1]))
        span.bytes--;
    return span;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* skip_string: behind the closing quote, NULL when there is none. `at` is behind the opening one. */
static const char *skip_string(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\')
            at++;
    }
    return NULL;
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        char c = *at++;
        if (c == '"') {
            at = skip_string(at, end);
            if (!at)
                return NULL;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return at;
        }
    }
    return NULL;
}

/* skip_value: behind the value at `at`, NULL when it is not complete. */
static const char *skip_value(const char *at, const char *end)
{
    if (at == end)
        return NULL;
    if (*at == '"')
        return skip_string(at + 1, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    const char *start = at;
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_blank(*at))
        at++;
    return at > start ? at : NULL;
}

bool span_walk_begin(struct span container, char bracket, struct span_walk *out_walk)
{
    struct span trimmed = span_trim(container);
    char closing = bracket == '{' ? '}' : ']';
    if (trimmed.bytes < 2 || trimmed.text[0] != bracket || trimmed.text[trimmed.bytes - 1] != closing)
        return false;
    const char *end = trimmed.text + trimmed.bytes - 1;
    *out_walk = (struct span_walk){.at = skip_blanks(trimmed.text + 1, end), .end = end};
    return true;
}

static bool fail(struct span_walk *walk)
{
    walk->malformed = true;
    walk->at = walk->end;
    return false;
}

/* finish_element: moves over the comma behind a value. */
static bool finish_element(struct span_walk *walk, const char *behind)
{
    const char *at = skip_blanks(behind, walk->end);
    if (at < walk->end) {
        if (*at != ',')
            return fail(walk);
        at = skip_blanks(at + 1, walk->end);
        if (at == walk->end)
            return fail(walk);
    }
    walk->at = at;
    return true;
}

bool span_next_element(struct span_walk *walk, struct span *out_value)
{
    if (walk->at == walk->end)
        return false;
    const char *behind = skip_value(walk->at, walk->end);
    if (!behind)
        return fail(walk);
    struct span value = {walk->at, (size_t)(behind - walk->at)};
    if (!finish_element(walk, behind))
        return false;
    *out_value = value;
    return true;
}

bool span_next_member(struct span_walk *walk, struct span *out_key, struct span *out_value)
{
    if (walk->at == walk->end)
        return false;
    const char *behind = *walk->at == '"' ? skip_string(walk->at + 1, walk->end) : NULL;
    if (!behind)
        return fail(walk);
    struct span key = {walk->at + 1, (size_t)(behind - walk->at) - 2};
    const char *colon = skip_blanks(behind, walk->end);
    if (colon == walk->end || *colon != ':')
        return fail(walk);
    walk->at = skip_blanks(colon + 1, walk->end);
    struct span value;
    if (walk->at == walk->end || !span_next_element(walk, &value))
        return fail(walk);
    *out_key = key;
    *out_value = value;
    return true;
}

bool span_member(struct span object, const char *key, struct span *out_value)
{
    struct span_walk walk;
    if (!span_walk_begin(object, '{', &walk))
        return false;
    struct span name, value;
    while (span_next_member(&walk, &name, &value))
        if (span_equals(name, key)) {
            *out_value = value;
            return true;
        }
    return false;
}

bool span_text(struct span value, struct span *out_text)
{
    if (value.bytes < 2 || value.text[0] != '"' || value.text[value.bytes - 1] != '"')
        return false;
    *out_text = (struct span){value.text + 1, value.bytes - 2};
    return true;
}

bool span_integer(struct span value, int64_t *out_integer)
{
    struct span digits = value;
    span_text(value, &digits);
    bool negative = digits.bytes && *digits.text == '-';
    size_t at = negative;
    if (at == digits.bytes)
        return false;
    int64_t integer = 0;
    for (; at < digits.bytes; at++) {
        int digit = digits.text[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(integer, 10, &integer) ||
            __builtin_sub_overflow(integer, digit, &integer))
            return false;
    }
    if (!negative && integer == INT64_MIN)
        return false;
    *out_integer = negative ? integer : -integer;
    return true;
}

bool span_is_object(struct span span)
{
    struct span trimmed = span_trim(span);
    if (trimmed.bytes < 2 || *trimmed.text != '{')
        return false;
    const char *end = trimmed.text + trimmed.bytes;
    return skip_container(trimmed.text, end) == end && end[-1] == '}';
}
