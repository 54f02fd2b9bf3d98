#include "markdown.h"

#include "proto/field.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static const char NOTHING[] = "–";

void markdown_head(struct buffer *out, const char *alignment, const char *const *titles)
{
    buffer_append_byte(out, '|');
    for (size_t i = 0; alignment[i]; i++)
        buffer_format(out, " %s |", titles[i]);
    buffer_append_text(out, "\n|");
    for (size_t i = 0; alignment[i]; i++)
        buffer_append_text(out, alignment[i] == 'r' ? "---:|" : "---|");
    buffer_append_byte(out, '\n');
}

void markdown_row_begin(struct buffer *out)
{
    buffer_append_byte(out, '|');
}

void markdown_row_end(struct buffer *out)
{
    buffer_append_byte(out, '\n');
}

void markdown_text(struct buffer *out, const char *text)
{
    buffer_append_byte(out, ' ');
    for (const char *at = text ? text : NOTHING; *at; at++) {
        if (*at == '|')
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, (unsigned char)*at < ' ' ? ' ' : (uint8_t)*at);
    }
    buffer_append_text(out, " |");
}

void markdown_count(struct buffer *out, int64_t value)
{
    char digits[32], text[48];
    if (value == FIELD_NULL_I64) {
        markdown_text(out, NULL);
        return;
    }
    int length = snprintf(digits, sizeof digits, "%" PRId64, value), at = 0;
    for (int i = 0; i < length; i++) {
        text[at++] = digits[i];
        int left = length - 1 - i;
        if (left && left % 3 == 0 && digits[i] != '-')
            text[at++] = ',';
    }
    text[at] = 0;
    markdown_text(out, text);
}

void markdown_number(struct buffer *out, double value, int decimals)
{
    char text[64];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    markdown_text(out, isfinite(value) ? text : NULL);
}

void markdown_percent(struct buffer *out, double share, int decimals)
{
    char text[64];
    snprintf(text, sizeof text, "%.*f %%", decimals, 100 * share);
    markdown_text(out, isfinite(share) ? text : NULL);
}

static void write_value(struct buffer *out, yyjson_val *value)
{
    char *written = NULL;
    const char *text = yyjson_get_str(value);
    if (!text && value && !yyjson_is_null(value))
        text = written = yyjson_val_write(value, 0, NULL);
    markdown_text(out, text);
    free(written);
}

void markdown_array(struct buffer *out, const char *json_text, const char *const *members,
                    const char *nothing)
{
    char alignment[16] = "";
    yyjson_doc *document = json_text ? yyjson_read(json_text, strlen(json_text), 0) : NULL;
    yyjson_val *array = yyjson_doc_get_root(document), *item;
    size_t index, count;
    for (size_t i = 0; members[i]; i++)
        alignment[i] = 'l';
    if (yyjson_arr_size(array) == 0)
        buffer_format(out, "%s\n", nothing);
    else
        markdown_head(out, alignment, members);
    yyjson_arr_foreach(array, index, count, item)
    {
        markdown_row_begin(out);
        for (size_t i = 0; members[i]; i++)
            write_value(out, yyjson_obj_get(item, members[i]));
        markdown_row_end(out);
    }
    yyjson_doc_free(document);
}
