#include "log_line.h"

#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_WORDS = 4, NUMBER_BYTES = 24 };
static const char *const HEAD[HEAD_WORDS] = {"at", "level", "process", "event"};

struct piece {
    const char *at;
    size_t length;
};

/* take: up to the next blank, which is skipped. */
static struct piece take(const char **at, const char *end)
{
    struct piece word = {*at, 0};
    const char *blank = memchr(*at, ' ', (size_t)(end - *at));
    word.length = (size_t)((blank ? blank : end) - *at);
    *at = blank ? blank + 1 : end;
    return word;
}

static bool is_time(struct piece word)
{
    return word.length == strlen("2026-01-01T00:00:00.000Z") && word.at[4] == '-' && word.at[10] == 'T' &&
           word.at[word.length - 1] == 'Z';
}

static bool is_level(struct piece word)
{
    static const char *const LEVELS[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    for (size_t i = 0; i < sizeof LEVELS / sizeof *LEVELS; i++)
        if (word.length == strlen(LEVELS[i]) && memcmp(word.at, LEVELS[i], word.length) == 0)
            return true;
    return false;
}

static bool key_begins(const char *at, const char *end)
{
    const char *begun = at;
    while (at < end && (isalnum((unsigned char)*at) || *at == '_' || *at == '.'))
        at++;
    return at > begun && at < end && *at == '=';
}

/* quoted_end: of the text that begins at `at`. Quotes within it are not escaped, so it ends with the first that a key or the end of the
 * line follows. */
static const char *quoted_end(const char *at, const char *end)
{
    for (const char *quote = at; (quote = memchr(quote, '"', (size_t)(end - quote))); quote++) {
        const char *behind = quote + 1;
        while (behind < end && *behind == ' ')
            behind++;
        if (behind == end || (behind > quote + 1 && key_begins(behind, end)))
            return quote;
    }
    return NULL;
}

static void write_value(struct json *json, struct piece value)
{
    char text[NUMBER_BYTES], *stop = text;
    if (value.length > 0 && value.length < sizeof text &&
        (isdigit((unsigned char)*value.at) || *value.at == '-')) {
        memcpy(text, value.at, value.length);
        text[value.length] = 0;
        errno = 0;
        long long number = strtoll(text, &stop, 10);
        if (stop > text && !*stop && errno == 0) {
            json_i64(json, number);
            return;
        }
    }
    json_text_bytes(json, value.at, value.length);
}

static void write_fields(struct json *json, const char *at, const char *end)
{
    while (at < end) {
        if (!key_begins(at, end)) {
            take(&at, end); /* words between fields say nothing to a machine */
            continue;
        }
        const char *equals = memchr(at, '=', (size_t)(end - at));
        char key[64] = {0};
        size_t length = (size_t)(equals - at) < sizeof key ? (size_t)(equals - at) : sizeof key - 1;
        memcpy(key, at, length);
        json_key(json, key);
        const char *value = equals + 1,
                   *quote = value < end && *value == '"' ? quoted_end(value + 1, end) : NULL;
        if (quote) {
            json_text_bytes(json, value + 1, (size_t)(quote - value - 1));
            at = quote + 1;
        } else {
            at = value;
            write_value(json, take(&at, end));
        }
    }
}

void log_line_json(const char *line, size_t length, struct buffer *out)
{
    struct json json;
    struct piece words[HEAD_WORDS];
    const char *at = line, *end = line + length;
    for (size_t i = 0; i < HEAD_WORDS; i++)
        words[i] = take(&at, end);
    json_init(&json, out);
    json_object_begin(&json);
    if (is_time(words[0]) && is_level(words[1]) && words[3].length) {
        for (size_t i = 0; i < HEAD_WORDS; i++) {
            json_key(&json, HEAD[i]);
            json_text_bytes(&json, words[i].at, words[i].length);
        }
        json_key(&json, "fields");
        json_object_begin(&json);
        write_fields(&json, at, end);
        json_object_end(&json);
    } else {
        json_key(&json, "text");
        json_text_bytes(&json, line, length);
    }
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}
