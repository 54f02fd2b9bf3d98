#include "sql_literal.h"

void sql_literal(struct buffer *sql, const char *text)
{
    buffer_append_byte(sql, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            buffer_append_byte(sql, '\'');
        buffer_append_byte(sql, (uint8_t)*text);
    }
    buffer_append_byte(sql, '\'');
}
