#include "proto/frame.h"

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

static void pack_text(msgpack_packer *packer, const char *text)
{
    size_t length = strlen(text);
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
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
    if (field_is_null(field, row)) {
        assert(field->flags & FIELD_NULLABLE);
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
    msgpack_packer_init(&packer, out, append_to_buffer);
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

/* token: one msgpack header, its value if it is a number, and what it announces. */
enum token_type { TOKEN_NIL, TOKEN_BOOL, TOKEN_INT, TOKEN_FLOAT, TOKEN_TEXT, TOKEN_ARRAY, TOKEN_MAP, TOKEN_OTHER };

struct token {
    enum token_type type;
    int64_t integer; /* TOKEN_INT, TOKEN_BOOL */
    double number;   /* TOKEN_FLOAT */
    size_t count;    /* bytes of a text or other body, elements of an array, pairs of a map */
    size_t bytes;    /* of the header itself; a body follows */
};

static uint64_t big_endian(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static bool integer_token(struct token *token, const uint8_t *at, size_t width, bool is_signed)
{
    uint64_t raw = big_endian(at + 1, width);
    if (!is_signed && raw > INT64_MAX)
        return false;
    int shift = 64 - 8 * (int)width;
    token->type = TOKEN_INT;
    token->integer = is_signed ? (int64_t)(raw << shift) >> shift : (int64_t)raw;
    token->bytes = 1 + width;
    return true;
}

static bool float_token(struct token *token, const uint8_t *at, size_t width)
{
    uint64_t raw = big_endian(at + 1, width);
    token->type = TOKEN_FLOAT;
    token->bytes = 1 + width;
    if (width == 8) {
        memcpy(&token->number, &raw, 8);
    } else {
        float narrow;
        uint32_t bits = (uint32_t)raw;
        memcpy(&narrow, &bits, 4);
        token->number = narrow;
    }
    return true;
}

static bool counted_token(struct token *token, const uint8_t *at, size_t width, enum token_type type, size_t extra)
{
    token->type = type;
    token->count = (size_t)big_endian(at + 1, width) + extra;
    token->bytes = 1 + width;
    return true;
}

/* wide_token: headers 0xc0…0xdf, whose operand width is known to be there. */
static bool wide_token(struct token *token, const uint8_t *at)
{
    uint8_t head = *at;
    size_t width = (size_t)1 << (head & 3);
    if (head >= 0xcc && head <= 0xcf)
        return integer_token(token, at, width, false);
    if (head >= 0xd0 && head <= 0xd3)
        return integer_token(token, at, width, true);
    if (head >= 0xd4 && head <= 0xd8) { /* fixext: type byte and 1…16 bytes */
        token->type = TOKEN_OTHER;
        token->bytes = 1;
        token->count = 1 + ((size_t)1 << (head - 0xd4));
        return true;
    }
    switch (head) {
    case 0xc0: *token = (struct token){.type = TOKEN_NIL, .bytes = 1}; return true;
    case 0xc2:
    case 0xc3: *token = (struct token){.type = TOKEN_BOOL, .integer = head == 0xc3, .bytes = 1}; return true;
    case 0xc4: return counted_token(token, at, 1, TOKEN_OTHER, 0);
    case 0xc5: return counted_token(token, at, 2, TOKEN_OTHER, 0);
    case 0xc6: return counted_token(token, at, 4, TOKEN_OTHER, 0);
    case 0xc7: return counted_token(token, at, 1, TOKEN_OTHER, 1);
    case 0xc8: return counted_token(token, at, 2, TOKEN_OTHER, 1);
    case 0xc9: return counted_token(token, at, 4, TOKEN_OTHER, 1);
    case 0xca: return float_token(token, at, 4);
    case 0xcb: return float_token(token, at, 8);
    case 0xd9: return counted_token(token, at, 1, TOKEN_TEXT, 0);
    case 0xda: return counted_token(token, at, 2, TOKEN_TEXT, 0);
    case 0xdb: return counted_token(token, at, 4, TOKEN_TEXT, 0);
    case 0xdc: return counted_token(token, at, 2, TOKEN_ARRAY, 0);
    case 0xdd: return counted_token(token, at, 4, TOKEN_ARRAY, 0);
    case 0xde: return counted_token(token, at, 2, TOKEN_MAP, 0);
    case 0xdf: return counted_token(token, at, 4, TOKEN_MAP, 0);
    default: return false; /* 0xc1: never used */
    }
}

/* operand_bytes: how many bytes follow the heads 0xc0…0xdf before any body. */
static size_t operand_bytes(uint8_t head)
{
    static const uint8_t WIDTHS[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                       1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
    return WIDTHS[head - 0xc0];
}

static bool token_read(struct token *token, const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return false;
    uint8_t head = *data;
    *token = (struct token){.bytes = 1};
    if (head <= 0x7f || head >= 0xe0) {
        token->type = TOKEN_INT;
        token->integer = (int8_t)head;
    } else if (head <= 0x8f) {
        token->type = TOKEN_MAP;
        token->count = head & 0x0f;
    } else if (head <= 0x9f) {
        token->type = TOKEN_ARRAY;
        token->count = head & 0x0f;
    } else if (head <= 0xbf) {
        token->type = TOKEN_TEXT;
        token->count = head & 0x1f;
    } else {
        return bytes > operand_bytes(head) && wide_token(token, data);
    }
    return true;
}

size_t msgpack_walk(const uint8_t *data, size_t bytes, int depth)
{
    struct token token;
    if (depth > FRAME_DEPTH_MAX || !token_read(&token, data, bytes))
        return 0;
    size_t offset = token.bytes;
    if (token.type == TOKEN_TEXT || token.type == TOKEN_OTHER)
        return token.count <= bytes - offset ? offset + token.count : 0;
    size_t elements = token.type == TOKEN_ARRAY ? token.count : token.type == TOKEN_MAP ? 2 * token.count : 0;
    if (elements > bytes - offset)
        return 0;
    for (size_t i = 0; i < elements; i++) {
        size_t step = msgpack_walk(data + offset, bytes - offset, depth + 1);
        if (!step)
            return 0;
        offset += step;
    }
    return offset;
}

/* cursor: sequential typed reads over bytes that have been walked. */
struct cursor {
    const uint8_t *data;
    size_t bytes;
    size_t offset;
};

static bool cursor_token(struct cursor *cursor, struct token *token)
{
    if (!token_read(token, cursor->data + cursor->offset, cursor->bytes - cursor->offset))
        return false;
    cursor->offset += token->bytes;
    return true;
}

static bool cursor_integer(struct cursor *cursor, int64_t *out)
{
    struct token token;
    if (!cursor_token(cursor, &token) || token.type != TOKEN_INT)
        return false;
    *out = token.integer;
    return true;
}

static bool cursor_text(struct cursor *cursor, char *out, size_t size)
{
    struct token token;
    if (!cursor_token(cursor, &token) || token.type != TOKEN_TEXT || token.count >= size)
        return false;
    if (memchr(cursor->data + cursor->offset, 0, token.count))
        return false;
    memcpy(out, cursor->data + cursor->offset, token.count);
    out[token.count] = 0;
    cursor->offset += token.count;
    return true;
}

static bool cursor_array(struct cursor *cursor, size_t *out_count)
{
    struct token token;
    if (!cursor_token(cursor, &token) || token.type != TOKEN_ARRAY)
        return false;
    *out_count = token.count;
    return true;
}

static bool header_read(struct cursor *cursor, struct frame_header *header)
{
    size_t outer, producer;
    return cursor_array(cursor, &outer) && outer >= 6 && cursor_integer(cursor, &header->version) &&
           cursor_text(cursor, header->run_id, sizeof header->run_id) && cursor_array(cursor, &producer) &&
           producer == 2 && cursor_text(cursor, header->instance, sizeof header->instance) &&
           cursor_integer(cursor, &header->generation) && cursor_integer(cursor, &header->first_sequence) &&
           cursor_integer(cursor, &header->publish_ns) && cursor_array(cursor, &header->row_count);
}

/* rows_check: every element of the rows array is [kind, …]. */
static bool rows_check(const struct frame *frame)
{
    struct row_view view;
    size_t offset = frame->offset;
    for (size_t i = 0; i < frame->header.row_count; i++)
        if (rows_next(frame->data, frame->bytes, &offset, &view) != STATUS_OK)
            return false;
    return offset == frame->bytes;
}

enum status frame_open(struct frame *frame, const void *data, size_t bytes, struct error *error)
{
    if (bytes > FRAME_BYTES_MAX)
        return error_set(error, STATUS_LIMIT, "frame of %zu bytes, at most %d are accepted", bytes, FRAME_BYTES_MAX);
    if (msgpack_walk(data, bytes, 0) != bytes || !bytes)
        return error_set(error, STATUS_MALFORMED, "frame of %zu bytes is not one complete msgpack object", bytes);
    struct frame opened = {.data = data, .bytes = bytes};
    struct cursor cursor = {.data = data, .bytes = bytes};
    if (!header_read(&cursor, &opened.header))
        return error_set(error, STATUS_MALFORMED, "frame header is wrong near byte %zu", cursor.offset);
    if (opened.header.version != FRAME_VERSION)
        return error_set(error, STATUS_UNSUPPORTED, "frame version %lld, this program reads %d",
                         (long long)opened.header.version, FRAME_VERSION);
    opened.offset = cursor.offset;
    if (!rows_check(&opened))
        return error_set(error, STATUS_MALFORMED, "frame rows are not arrays that begin with a kind");
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
    size_t row_bytes = msgpack_walk(data + *offset, bytes - *offset, 2);
    struct cursor cursor = {.data = data + *offset, .bytes = row_bytes};
    size_t elements;
    int64_t kind;
    if (!row_bytes || !cursor_array(&cursor, &elements) || !elements || !cursor_integer(&cursor, &kind) || kind < 0 ||
        kind >= ROW_KIND_LIMIT)
        return STATUS_MALFORMED;
    out_row->kind = (int)kind;
    out_row->data = data + *offset;
    out_row->bytes = row_bytes;
    *offset += row_bytes;
    return STATUS_OK;
}

static bool decimal_read(struct cursor *cursor, struct decimal *out)
{
    int64_t exponent;
    if (!cursor_integer(cursor, &out->units) || !cursor_integer(cursor, &exponent) || exponent < 0 ||
        exponent > DECIMAL_EXPONENT_MAX || out->units == DECIMAL_NULL_UNITS)
        return false;
    out->exponent = (int32_t)exponent;
    return true;
}

static bool integer_store(const struct field *field, int64_t value, void *member)
{
    if (field->type == FIELD_I64) {
        *(int64_t *)member = value;
        return value != FIELD_NULL_I64;
    }
    if (field->type == FIELD_I32 && value > INT32_MIN && value <= INT32_MAX) {
        *(int32_t *)member = (int32_t)value;
        return true;
    }
    if (field->type == FIELD_F64) { /* writers of other languages may send 1 for 1.0 */
        *(double *)member = (double)value;
        return true;
    }
    return false;
}

static bool text_store(const struct field *field, const char *text, size_t length, void *member)
{
    if (field->type == FIELD_ENUM) {
        int index = enum_from_name(field->names, text, length);
        *(int8_t *)member = (int8_t)index;
        return index >= 0;
    }
    if ((field->type != FIELD_TEXT && field->type != FIELD_JSON) || length >= field->size || memchr(text, 0, length))
        return false;
    memcpy(member, text, length);
    ((char *)member)[length] = 0;
    return true;
}

static bool field_read(struct cursor *cursor, const struct field *field, void *row)
{
    void *member = (char *)row + field->offset;
    struct token token;
    if (!cursor_token(cursor, &token))
        return false;
    switch (token.type) {
    case TOKEN_NIL: field_clear(field, row); return field->flags & FIELD_NULLABLE;
    case TOKEN_BOOL: *(int8_t *)member = (int8_t)token.integer; return field->type == FIELD_BOOL;
    case TOKEN_INT: return integer_store(field, token.integer, member);
    case TOKEN_FLOAT:
        if (field->type != FIELD_F64 || !isfinite(token.number))
            return false;
        *(double *)member = token.number;
        return true;
    case TOKEN_TEXT: {
        const char *text = (const char *)cursor->data + cursor->offset;
        cursor->offset += token.count;
        return text_store(field, text, token.count, member);
    }
    case TOKEN_ARRAY: return field->type == FIELD_DECIMAL && token.count == 2 && decimal_read(cursor, member);
    default: return false;
    }
}

enum status row_decode(const struct row_view *view, const struct message *message, void *out_row, struct error *error)
{
    struct cursor cursor = {.data = view->data, .bytes = view->bytes};
    size_t elements;
    int64_t kind;
    if (!cursor_array(&cursor, &elements) || !elements || !cursor_integer(&cursor, &kind) || kind != message->kind)
        return error_set(error, STATUS_MALFORMED, "row is not a %s", message->name);
    size_t present = elements - 1 < message->field_count ? elements - 1 : message->field_count;
    memset(out_row, 0, message->row_bytes);
    for (size_t i = 0; i < present; i++)
        if (!field_read(&cursor, &message->fields[i], out_row))
            return error_set(error, STATUS_MALFORMED, "row %s.%s at sequence %lld has a wrong value", message->name,
                             message->fields[i].name, (long long)view->sequence);
    for (size_t i = present; i < message->field_count; i++)
        field_clear(&message->fields[i], out_row);
    return STATUS_OK;
}
