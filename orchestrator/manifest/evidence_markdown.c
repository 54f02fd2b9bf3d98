/* The Markdown reports of both sinks, line by line: equal but for what names the sink, its files, and when it was written
 * (services/report/summary_markdown.c). */
#include "base/file.h"
#include "evidence_private.h"

#include <string.h>

/* own: where in a line stands what is the sink's own: behind `from`, up to `to` or the end of the line. */
struct own {
    const char *begins, *from, *to;
};

static const struct own OWN[] = {
    {"| input, sink |", ", ", NULL},
    {"| started, written |", "Z, ", NULL},
    {"- Signals, gating, ratios: ", " read back from ", " sink;"},
};

/* line: of a text, without its end; the rows of a line that is the sink's own are cut into what is before and behind it. */
struct line {
    const char *text;
    size_t length, before, behind; /* before + behind: bytes that count */
};

static const char *find(const char *text, size_t length, const char *wanted, size_t from)
{
    return from <= length ? memmem(text + from, length - from, wanted, strlen(wanted)) : NULL;
}

static struct line line_at(const char *text, const char *end)
{
    const char *stop = memchr(text, '\n', (size_t)(end - text));
    struct line line = {.text = text, .length = (size_t)((stop ? stop : end) - text)};
    line.before = line.length;
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++) {
        size_t begins = strlen(OWN[i].begins);
        if (line.length < begins || memcmp(text, OWN[i].begins, begins) != 0)
            continue;
        const char *from = find(text, line.length, OWN[i].from, begins);
        const char *to = from && OWN[i].to ? find(text, line.length, OWN[i].to, (size_t)(from - text))
                                           : text + line.length;
        if (!from || !to)
            continue;
        line.before = (size_t)(from - text);
        line.behind = line.length - (size_t)(to - text);
    }
    return line;
}

static bool same(const struct line *left, const struct line *right)
{
    return left->before == right->before && left->behind == right->behind &&
           memcmp(left->text, right->text, left->before) == 0 &&
           memcmp(left->text + left->length - left->behind, right->text + right->length - right->behind,
                  left->behind) == 0;
}

static int64_t differing(const struct buffer *left, const struct buffer *right)
{
    const char *a = (const char *)left->data, *a_end = a + left->length;
    const char *b = (const char *)right->data, *b_end = b + right->length;
    int64_t count = 0;
    while (a < a_end || b < b_end) {
        struct line mine = line_at(a, a_end), other = line_at(b, b_end);
        count += a >= a_end || b >= b_end || !same(&mine, &other);
        a += mine.length + (a + mine.length < a_end);
        b += other.length + (b + other.length < b_end);
    }
    return count;
}

int64_t evidence_markdown_differences(const char *left_path, const char *right_path)
{
    struct buffer left, right;
    buffer_init(&left, 0);
    buffer_init(&right, 0);
    int64_t count = -1;
    if (file_read(left_path, &left) == STATUS_OK && file_read(right_path, &right) == STATUS_OK &&
        left.length && right.length)
        count = differing(&left, &right);
    buffer_finish(&left);
    buffer_finish(&right);
    return count;
}
