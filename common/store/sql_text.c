#include "sql_text.h"

#include <string.h>

static void append(struct buffer *sql, char one)
{
    if (one == '\'')
        buffer_append_byte(sql, '\'');
    buffer_append_byte(sql, (uint8_t)one);
}

void sql_literal(struct buffer *sql, const char *text)
{
    buffer_append_byte(sql, '\'');
    for (; *text; text++)
        append(sql, *text);
    buffer_append_byte(sql, '\'');
}

void sql_file(struct buffer *sql, const char *path)
{
    buffer_append_byte(sql, '\'');
    for (; *path; path++)
        if (strchr("*?[", *path))
            buffer_format(sql, "[%c]", *path);
        else
            append(sql, *path);
    buffer_append_byte(sql, '\'');
}
