#include "wrap.h"

#include "text.h"

#include <string.h>

/* character_bytes: of one character; of what is no UTF-8 each byte counts as one. */
static size_t character_bytes(const char *text, size_t length)
{
    size_t bytes = utf8_length(text, length);
    return bytes ? bytes : 1;
}

/* line_bytes: as many as stand in one line: up to the last space that fits, or as much of a long word as does. */
static size_t line_bytes(const char *text, size_t length, size_t width)
{
    size_t at = 0, space = 0;
    for (size_t column = 0; at < length && column < width; column++) {
        if (text[at] == ' ')
            space = at;
        at += character_bytes(text + at, length - at);
    }
    return at >= length || text[at] == ' ' || !space ? at : space;
}

static void indent_by(struct buffer *out, size_t indent)
{
    for (size_t i = 0; i < indent; i++)
        buffer_append_byte(out, ' ');
}

/* wrap_line: one line of the text itself. */
static void wrap_line(struct buffer *out, const char *text, size_t length, size_t indent, size_t width)
{
    while (length) {
        size_t bytes = width < WRAP_WIDTH_LEAST ? length : line_bytes(text, length, width);
        buffer_append(out, text, bytes);
        text += bytes;
        length -= bytes;
        while (length && *text == ' ')
            text++, length--;
        if (!length)
            break;
        buffer_append_byte(out, '\n');
        indent_by(out, indent);
    }
    buffer_append_byte(out, '\n');
}

void wrap_text(struct buffer *out, const char *text, size_t indent, size_t width)
{
    for (;;) {
        size_t length = strcspn(text, "\n");
        wrap_line(out, text, length, indent, width);
        text += length;
        if (!*text || !text[1])
            return;
        indent_by(out, indent);
        text++;
    }
}
