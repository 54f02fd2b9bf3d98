#include "proto/describe.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { HEX_BYTES_PER_LINE = 16 };

/* --- field tables --- */

static void append_type(struct buffer *out, const struct field *field)
{
    buffer_format(out, "%s%s", field_type_name(field->type), field->flags & FIELD_NULLABLE ? "?" : "");
}

static void append_names(struct buffer *out, const struct field *field)
{
    for (size_t i = 0; field->type == FIELD_ENUM && field->names[i]; i++)
        buffer_format(out, "%s`%s`", i ? ", " : ": ", field->names[i]);
}

/* append_cell: a bar inside a cell would end it. */
static void append_cell(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, (uint8_t)*text);
    }
}

static void append_field(struct buffer *out, const struct field *field, size_t position)
{
    buffer_format(out, "| %zu | `%s` | ", position, field->name);
    append_type(out, field);
    buffer_format(out, " | %s | %d | ", field->unit, field->since);
    append_cell(out, field->meaning);
    append_names(out, field);
    buffer_append_text(out, field->flags & FIELD_WIRE ? " (on the wire only) |\n" : " |\n");
}

/* append_levels: the groups behind the default fields, one per further book level, as one line. Returns the field that
 * follows them. */
static size_t append_levels(struct buffer *out, const struct message *message)
{
    size_t group = message->fields_per_level, first = message->field_count_default;
    size_t end = first + group * (BOOK_LEVELS_MAX - BOOK_LEVELS_DEFAULT);
    if (!group)
        return first;
    const struct field *last = &message->fields[end - 1];
    buffer_format(out, "| %zu–%zu | ", first + 1, end);
    for (size_t i = 0; i < group; i++)
        buffer_format(out, "%s`%s`", i ? ", " : "", message->fields[first + i].name);
    buffer_format(out, " … `%s` | ", last->name);
    append_type(out, last);
    buffer_format(out, " | %s | %d | the same for levels %d to %d, as many as `ofi.levels` asks for |\n",
                  last->unit, last->since, BOOK_LEVELS_DEFAULT + 1, BOOK_LEVELS_MAX);
    return end;
}

void describe_fields(struct buffer *out, const struct message *message)
{
    buffer_append_text(out, "| # | name | type | unit | since | meaning |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < message->field_count_default; i++)
        append_field(out, &message->fields[i], i + 1);
    for (size_t i = append_levels(out, message); i < message->field_count; i++)
        append_field(out, &message->fields[i], i + 1);
}

void describe_kinds(struct buffer *out)
{
    const struct message *message;
    buffer_append_text(out, "| kind | name | what |\n|---|---|---|\n");
    for (size_t i = 0; (message = message_at(i)); i++)
        buffer_format(out, "| %d | [`%s`](#%s) | %s |\n", message->kind, message->name, message->name,
                      message->title);
}

/* --- hexdumps --- */

void describe_hexdump(struct buffer *out, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t offset = 0; offset < bytes; offset += HEX_BYTES_PER_LINE) {
        size_t count = bytes - offset < HEX_BYTES_PER_LINE ? bytes - offset : HEX_BYTES_PER_LINE;
        buffer_format(out, "%08zx ", offset);
        for (size_t i = 0; i < HEX_BYTES_PER_LINE; i++) {
            buffer_append_text(out, i % 8 ? " " : i ? "  " : " ");
            if (i < count)
                buffer_format(out, "%02x", at[offset + i]);
            else
                buffer_append_text(out, "  ");
        }
        buffer_append_text(out, "  |");
        for (size_t i = 0; i < count; i++) {
            uint8_t byte = at[offset + i];
            buffer_append_byte(out, byte >= ' ' && byte < 0x7f ? byte : '.');
        }
        buffer_append_text(out, "|\n");
    }
}

static int hex_digit(char digit)
{
    static const char DIGITS[] = "0123456789abcdef";
    const char *found = digit ? strchr(DIGITS, digit) : NULL;
    return found ? (int)(found - DIGITS) : -1;
}

/* line_bytes: the bytes of one line behind its offset, up to the characters. */
static enum status line_bytes(const char *line, size_t length, struct buffer *out, struct error *error)
{
    for (size_t at = 0; at < length && line[at] != '|'; at++) {
        if (line[at] == ' ')
            continue;
        int high = hex_digit(line[at]), low = at + 1 < length ? hex_digit(line[at + 1]) : -1;
        if (high < 0 || low < 0)
            return error_set(error, STATUS_MALFORMED, "hexdump: `%.*s` is not pairs of hex digits",
                             (int)length, line);
        buffer_append_byte(out, (uint8_t)(high << 4 | low));
        at++;
    }
    return STATUS_OK;
}

enum status hexdump_read(const char *text, size_t length, struct buffer *out_bytes, struct error *error)
{
    enum { OFFSET_DIGITS = 8 };
    size_t before = out_bytes->length;
    enum status status = STATUS_OK;
    while (length && status == STATUS_OK) {
        const char *newline = memchr(text, '\n', length);
        size_t line = newline ? (size_t)(newline - text) : length;
        size_t digits = 0, offset = 0;
        for (; digits < OFFSET_DIGITS && digits < line && hex_digit(text[digits]) >= 0; digits++)
            offset = offset << 4 | (size_t)hex_digit(text[digits]);
        if (digits == OFFSET_DIGITS && offset != out_bytes->length - before)
            status = error_set(error, STATUS_MALFORMED, "hexdump: offset %zx where %zx should be", offset,
                               out_bytes->length - before);
        else if (digits == OFFSET_DIGITS)
            status = line_bytes(text + digits, line - digits, out_bytes, error);
        text += line + (newline != NULL);
        length -= line + (newline != NULL);
    }
    if (status != STATUS_OK)
        out_bytes->length = before;
    return status;
}

/* --- frames --- */

static void header_json(struct buffer *out, const struct frame_header *header)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_i64(&json, "version", header->version);
    json_key_text(&json, "run", header->run_id);
    json_key_text(&json, "instance", header->instance);
    json_key_i64(&json, "generation", header->generation);
    json_key_i64(&json, "first_sequence", header->first_sequence);
    json_key_i64(&json, "publish_ns", header->publish_ns);
    json_key_i64(&json, "rows", (int64_t)header->row_count);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}

static enum status row_json(struct buffer *out, const struct row_view *view, struct error *error)
{
    const struct message *message = message_of_kind(view->kind);
    struct json json;
    if (!message)
        return error_set(error, STATUS_UNSUPPORTED, "a row of kind %d is unknown", view->kind);
    void *row = memory_allocate(message->row_bytes);
    enum status status = row_decode(view, message, row, error);
    if (status == STATUS_OK) {
        buffer_format(out, "{\"kind\":\"%s\",\"sequence\":%lld,\"row\":", message->name,
                      (long long)view->sequence);
        json_init(&json, out);
        message_json(&json, message, message->field_count_default, row, true);
        buffer_append_text(out, "}\n");
    }
    free(row);
    return status;
}

enum status describe_frame(struct buffer *out, const void *data, size_t bytes, struct error *error)
{
    struct frame frame;
    struct row_view view;
    size_t before = out->length;
    enum status status = frame_open(&frame, data, bytes, error);
    if (status == STATUS_OK)
        header_json(out, &frame.header);
    while (status == STATUS_OK && frame_next(&frame, &view))
        status = row_json(out, &view, error);
    if (status != STATUS_OK)
        out->length = before;
    return status;
}
