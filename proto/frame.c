#include "proto/frame.h"

#include "base/text.h"
#include "proto/cursor.h"

#include <assert.h>
#include <math.h>
#include <msgpack.h>
#include <string.h>

/* Writing is msgpack-c's; reading is ours, because msgpack-c reserves memory for what a hostile header claims
 * before it looks whether the bytes are there (docs/decisions/0002-bounded-msgpack-reader.md). */

static int append_to_buffer(void *context, const char *data, size_t bytes)
{
    buffer_append(context, data, bytes);
    return 0;
}

/* append_to_room: the same where the buffer has been asked for enough room before (ROW_BYTES_PER_FIELD). */
static int append_to_room(void *context, const char *data, size_t bytes)
{
    struct buffer *out = context;
    memcpy(out->data + out->length, data, bytes);
    out->length += bytes;
    return 0;
}

/* More than any field but a text takes: a decimal is 1 + 9 + 5 bytes, the head of a text 5. Texts themselves are within the
 * row's struct. */
enum { ROW_BYTES_PER_FIELD = 16, ROW_BYTES_HEAD = 16 };

/* pack_text: readers of other languages insist on UTF-8; a byte that is none of it (a sentence cut in the middle of a
 * letter) leaves as "?", so that the length stays. */
static void pack_text(msgpack_packer *packer, const char *text)
{
    size_t length = strlen(text);
    msgpack_pack_str(packer, length);
    if (utf8_valid(text, length)) {
        msgpack_pack_str_body(packer, text, length);
        return;
    }
    for (size_t at = 0, step; at < length; at += step ? step : 1) {
        step = utf8_length(text + at, length - at);
        msgpack_pack_str_body(packer, step ? text + at : "?", step ? step : 1);
    }
}

static void pack_decimal(msgpack_packer *packer, struct decimal value)
{
    msgpack_pack_array(packer, 2);
    msgpack_pack_int64(packer, value.units);
    msgpack_pack_int32(packer, value.exponent);
}

static void pack_field(msgpack_packer *packer, const struct field *field, const void *row)
{
    const void *member = (const char *)row + field->offset;
    assert(field_is_valid(field, row));
    if (field_is_null(field, row)) {
        msgpack_pack_nil(packer);
        return;
    }
    switch (field->type) {
    case FIELD_I64: msgpack_pack_int64(packer, *(const int64_t *)member); break;
    case FIELD_I32: msgpack_pack_int32(packer, *(const int32_t *)member); break;
    case FIELD_F64: msgpack_pack_double(packer, *(const double *)member); break;
    case FIELD_BOOL: *(const int8_t *)member ? msgpack_pack_true(packer) : msgpack_pack_false(packer); break;
    case FIELD_DECIMAL: pack_decimal(packer, *(const struct decimal *)member); break;
    default: pack_text(packer, field_as_text(field, row)); break;
    }
}

void row_encode(struct buffer *out, const struct message *message, size_t field_count, const void *row)
{
    msgpack_packer packer;
    size_t most = ROW_BYTES_HEAD + ROW_BYTES_PER_FIELD * field_count + message->row_bytes;
    bool roomy = !out->limit && buffer_reserve(out, most);
    msgpack_packer_init(&packer, out, roomy ? append_to_room : append_to_buffer);
    msgpack_pack_array(&packer, field_count + 1);
    msgpack_pack_int(&packer, message->kind);
    for (size_t i = 0; i < field_count; i++)
        pack_field(&packer, &message->fields[i], row);
}

void frame_encode(struct buffer *out, const struct frame_header *header, const void *rows, size_t rows_bytes)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, append_to_buffer);
    msgpack_pack_array(&packer, 6);
    msgpack_pack_int(&packer, FRAME_VERSION);
    pack_text(&packer, header->run_id);
    msgpack_pack_array(&packer, 2);
    pack_text(&packer, header->instance);
    msgpack_pack_int64(&packer, header->generation);
    msgpack_pack_int64(&packer, header->first_sequence);
    msgpack_pack_int64(&packer, header->publish_ns);
    msgpack_pack_array(&packer, header->row_count);
    buffer_append(out, rows, rows_bytes);
}

/* --- frames --- */

static bool header_read(struct cursor *cursor, struct frame_header *header, size_t *out_elements)
{
    size_t producer;
    return cursor_array(cursor, out_elements) && *out_elements >= 6 &&
           cursor_integer(cursor, &header->version) &&
           cursor_text_copy(cursor, header->run_id, sizeof header->run_id) &&
           cursor_array(cursor, &producer) && producer == 2 &&
           cursor_text_copy(cursor, header->instance, sizeof header->instance) &&
           cursor_integer(cursor, &header->generation) && cursor_integer(cursor, &header->first_sequence) &&
           header->first_sequence >= 0 && cursor_integer(cursor, &header->publish_ns) &&
           cursor_array(cursor, &header->row_count) && header->row_count <= cursor_left(cursor) &&
           header->first_sequence <= INT64_MAX - FRAME_BYTES_MAX;
}

/* rows_check: every element of the rows array is [kind, …], complete; what later versions may append to the frame is
 * complete too, and the frame ends there. */
static bool rows_check(struct cursor *cursor, size_t row_count, size_t surplus)
{
    struct row_view view;
    size_t offset = 0, bytes = cursor_left(cursor);
    for (size_t i = 0; i < row_count; i++)
        if (rows_next(cursor->at, bytes, &offset, &view) != STATUS_OK)
            return false;
    return msgpack_skip(cursor->at + offset, cursor->end, surplus, 1) == cursor->end;
}

enum status frame_open(struct frame *frame, const void *data, size_t bytes, struct error *error)
{
    const uint8_t *begin = data;
    struct frame opened = {.data = data, .bytes = bytes};
    struct cursor cursor = {.at = begin, .end = begin + bytes};
    size_t elements;
    if (bytes > FRAME_BYTES_MAX)
        return error_set(error, STATUS_LIMIT, "frame of %zu bytes, at most %d are accepted", bytes,
                         FRAME_BYTES_MAX);
    if (!bytes || !header_read(&cursor, &opened.header, &elements))
        return error_set(error, STATUS_MALFORMED, "frame of %zu %s: header is wrong near byte %zu", bytes,
                         plural((int64_t)bytes, "byte", "bytes"), bytes ? (size_t)(cursor.at - begin) : 0);
    if (opened.header.version != FRAME_VERSION)
        return error_set(error, STATUS_UNSUPPORTED, "frame version %lld, this program reads %d",
                         (long long)opened.header.version, FRAME_VERSION);
    opened.offset = (size_t)(cursor.at - begin);
    if (!rows_check(&cursor, opened.header.row_count, elements - 6))
        return error_set(error, STATUS_MALFORMED,
                         "frame of %zu %s: rows behind byte %zu are not %zu arrays [kind, …] that fill it",
                         bytes, plural((int64_t)bytes, "byte", "bytes"), opened.offset,
                         opened.header.row_count);
    *frame = opened;
    return STATUS_OK;
}

bool frame_next(struct frame *frame, struct row_view *out_row)
{
    if (frame->rows_taken == frame->header.row_count)
        return false;
    if (rows_next(frame->data, frame->bytes, &frame->offset, out_row) != STATUS_OK)
        return false;
    out_row->sequence = frame->header.first_sequence + (int64_t)frame->rows_taken++;
    return true;
}

enum status rows_next(const uint8_t *data, size_t bytes, size_t *offset, struct row_view *out_row)
{
    if (*offset >= bytes)
        return STATUS_END;
    struct cursor cursor = {.at = data + *offset, .end = data + bytes};
    const uint8_t *begin = cursor.at;
    size_t elements;
    int64_t kind;
    if (!cursor_array(&cursor, &elements) || !elements || !cursor_integer(&cursor, &kind) || kind < 0 ||
        kind >= ROW_KIND_LIMIT)
        return STATUS_MALFORMED;
    const uint8_t *end = msgpack_skip(cursor.at, cursor.end, elements - 1, 3);
    if (!end)
        return STATUS_MALFORMED;
    out_row->kind = (int)kind;
    out_row->data = begin;
    out_row->bytes = (size_t)(end - begin);
    *offset += out_row->bytes;
    return STATUS_OK;
}

/* --- rows into structs --- */

static bool decimal_read(struct cursor *cursor, struct decimal *out)
{
    size_t count;
    int64_t exponent;
    if (!cursor_array(cursor, &count) || count != 2 || !cursor_integer(cursor, &out->units) ||
        !cursor_integer(cursor, &exponent) || exponent < 0 || exponent > DECIMAL_EXPONENT_MAX)
        return false;
    out->exponent = (int32_t)exponent;
    return out->units != DECIMAL_NULL_UNITS;
}

static bool i32_read(struct cursor *cursor, int32_t *out)
{
    int64_t value;
    if (!cursor_integer(cursor, &value) || value <= INT32_MIN || value > INT32_MAX)
        return false;
    *out = (int32_t)value;
    return true;
}

static bool enum_read(struct cursor *cursor, const struct field *field, int8_t *out)
{
    const char *text;
    size_t length;
    int index = cursor_text(cursor, &text, &length) ? enum_from_name(field->names, text, length) : -1;
    *out = (int8_t)index;
    return index >= 0;
}

static bool json_read(struct cursor *cursor, const struct field *field, char *out)
{
    return cursor_text_copy(cursor, out, field->size) && json_valid(out, strlen(out));
}

/* field_read: one field into its member, which is zeroed. */
static bool field_read(struct cursor *cursor, const struct field *field, void *member)
{
    if (cursor_nil(cursor)) {
        field_set_null(field, member);
        return field->flags & FIELD_NULLABLE;
    }
    switch (field->type) {
    case FIELD_I64: return cursor_integer(cursor, member) && *(int64_t *)member != FIELD_NULL_I64;
    case FIELD_I32: return i32_read(cursor, member);
    case FIELD_F64: return cursor_number(cursor, member);
    case FIELD_BOOL: return cursor_bool(cursor, member);
    case FIELD_DECIMAL: return decimal_read(cursor, member);
    case FIELD_ENUM: return enum_read(cursor, field, member);
    case FIELD_TEXT: return cursor_text_copy(cursor, member, field->size);
    case FIELD_JSON: return json_read(cursor, field, member);
    default: return false;
    }
}

enum status row_decode(const struct row_view *view, const struct message *message, void *out_row,
                       struct error *error)
{
    struct cursor cursor = {.at = view->data, .end = view->data + view->bytes};
    size_t elements;
    int64_t kind;
    if (!cursor_array(&cursor, &elements) || !elements || !cursor_integer(&cursor, &kind) ||
        kind != message->kind)
        return error_set(error, STATUS_MALFORMED, "row is not a %s", message->name);
    size_t present = elements - 1 < message->field_count ? elements - 1 : message->field_count;
    memset(out_row, 0, message->row_bytes);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct field *field = &message->fields[i];
        void *member = (char *)out_row + field->offset;
        if (i >= present)
            field_set_null(field, member);
        else if (!field_read(&cursor, field, member))
            return error_set(error, STATUS_MALFORMED, "row %s.%s at sequence %lld has a wrong value",
                             message->name, field->name, (long long)view->sequence);
    }
    return STATUS_OK;
}

bool row_peek_i64(const struct row_view *view, size_t field_index, int64_t *out_value)
{
    struct cursor cursor = {.at = view->data, .end = view->data + view->bytes};
    size_t elements;
    if (!cursor_array(&cursor, &elements) || elements < field_index + 2)
        return false;
    cursor.at = msgpack_skip(cursor.at, cursor.end, field_index + 1, 3);
    return cursor.at && cursor_integer(&cursor, out_value);
}

size_t msgpack_walk(const uint8_t *data, size_t bytes, int depth)
{
    const uint8_t *end = bytes ? msgpack_skip(data, data + bytes, 1, depth) : NULL;
    return end ? (size_t)(end - data) : 0;
}

const char *frame_library_version(void)
{
    return MSGPACK_VERSION; /* its packer is compiled in: nothing is loaded */
}
