// links: proto base msgpack
/* Every message survives the wire, reads the same through msgpack-c's own unpacker, and speaks with its elder and younger
 * versions. */
#include "tests/support/check.h"
#include "tests/support/rows.h"

#include "base/memory.h"
#include "base/text.h"
#include "proto/book.h"
#include "proto/event.h"
#include "proto/frame.h"
#include "proto/ofi.h"
#include "proto/trade.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 300 };

static struct row_view view_of(const struct buffer *buffer)
{
    struct row_view view = {0};
    size_t offset = 0;
    assert_ok(rows_next(buffer->data, buffer->length, &offset, &view));
    assert_int_equal(offset, buffer->length);
    return view;
}

/* for_rows: random rows of every message, with every number of book levels that message may have. */
static void for_rows(void (*check)(const struct message *message, size_t fields, const void *row,
                                   const struct row_view *view))
{
    struct random random = check_random();
    struct buffer bytes;
    const struct message *message;
    buffer_init(&bytes, 0);
    for (size_t m = 0; (message = message_at(m)); m++) {
        void *row = memory_allocate(message->row_bytes);
        for (int i = 0; i < ROUNDS; i++) {
            int levels = 1 + (int)random_below(&random, BOOK_LEVELS_MAX);
            size_t fields = message_fields_in_use(message, levels);
            row_random(message, fields, &random, row);
            buffer_clear(&bytes);
            row_encode(&bytes, message, fields, row);
            struct row_view view = view_of(&bytes);
            assert_int_equal(view.kind, message->kind);
            check(message, fields, row, &view);
        }
        free(row);
    }
    buffer_finish(&bytes);
}

static void same_after_the_wire(const struct message *message, size_t fields, const void *row,
                                const struct row_view *view)
{
    struct error error = {{0}};
    struct buffer again;
    void *back = memory_allocate(message->row_bytes);
    memset(back, 0xa5, message->row_bytes);
    if (row_decode(view, message, back, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    const char *difference = row_difference(message, row, back);
    if (difference)
        fail_msg("%s.%s came back differently", message->name, difference);
    buffer_init(&again, 0);
    row_encode(&again, message, fields, back); /* equal content gives equal bytes */
    assert_int_equal(again.length, view->bytes);
    assert_memory_equal(again.data, view->data, view->bytes);
    buffer_finish(&again);
    free(back);
}

static void every_message_survives_the_wire(void **state)
{
    (void)state;
    for_rows(same_after_the_wire);
}

static void expect_object(const struct message *message, const struct field *field, const void *row,
                          const msgpack_object *object)
{
    const void *member = (const char *)row + field->offset;
    bool same = false;
    if (field_is_null(field, row))
        same = object->type == MSGPACK_OBJECT_NIL;
    else
        switch (field->type) {
        case FIELD_I64:
        case FIELD_I32:
            same = (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
                    object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) &&
                   object->via.i64 == field_as_i64(field, row);
            break;
        case FIELD_F64:
            same = object->type == MSGPACK_OBJECT_FLOAT64 &&
                   memcmp(&object->via.f64, member, sizeof(double)) == 0;
            break;
        case FIELD_BOOL:
            same = object->type == MSGPACK_OBJECT_BOOLEAN && object->via.boolean == *(const int8_t *)member;
            break;
        case FIELD_DECIMAL:
            same = object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == 2 &&
                   object->via.array.ptr[0].via.i64 == ((const struct decimal *)member)->units &&
                   object->via.array.ptr[1].via.i64 == ((const struct decimal *)member)->exponent;
            break;
        default: {
            const char *text = field_as_text(field, row);
            same = object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
                   memcmp(object->via.str.ptr, text, strlen(text)) == 0;
        }
        }
    if (!same)
        fail_msg("%s.%s: msgpack-c reads another value", message->name, field->name);
}

static void same_for_the_library(const struct message *message, size_t fields, const void *row,
                                 const struct row_view *view)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)view->data, view->bytes, &offset),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, view->bytes);
    assert_int_equal(unpacked.data.via.array.size, fields + 1);
    assert_int_equal(unpacked.data.via.array.ptr[0].via.i64, message->kind);
    for (size_t i = 0; i < fields; i++)
        expect_object(message, &message->fields[i], row, &unpacked.data.via.array.ptr[i + 1]);
    msgpack_unpacked_destroy(&unpacked);
}

static void msgpack_c_reads_the_same(void **state)
{
    (void)state;
    for_rows(same_for_the_library);
}

static void elder_reader_passes_over_what_it_does_not_know(const struct message *message, size_t fields,
                                                           const void *row, const struct row_view *view)
{
    struct message elder = *message;
    elder.field_count = 1 + fields / 2;
    void *back = memory_allocate(message->row_bytes);
    assert_ok(row_decode(view, &elder, back, NULL));
    assert_null(row_difference(&elder, row, back));
    free(back);
}

static void younger_reader_finds_the_rest_cleared(const struct message *message, size_t fields,
                                                  const void *row, const struct row_view *view)
{
    struct buffer shorter;
    void *back = memory_allocate(message->row_bytes), *empty = memory_allocate(message->row_bytes);
    (void)view;
    buffer_init(&shorter, 0);
    size_t sent = fields / 2;
    row_encode(&shorter, message, sent, row);
    struct row_view half = view_of(&shorter);
    assert_ok(row_decode(&half, message, back, NULL));
    message_clear(message, empty);
    for (size_t i = 0; i < message->field_count; i++) {
        struct message one = {.fields = &message->fields[i], .field_count = 1};
        assert_null(row_difference(&one, i < sent ? row : empty, back));
    }
    buffer_finish(&shorter);
    free(back);
    free(empty);
}

static void elder_and_younger_versions_understand_each_other(void **state)
{
    (void)state;
    for_rows(elder_reader_passes_over_what_it_does_not_know);
    for_rows(younger_reader_finds_the_rest_cleared);
}

static void json_of_any_row_is_json(const struct message *message, size_t fields, const void *row,
                                    const struct row_view *view)
{
    struct buffer text;
    struct json json;
    (void)view;
    buffer_init(&text, 0);
    json_init(&json, &text);
    message_json(&json, message, fields, row, true);
    if (!json_valid((const char *)text.data, text.length))
        fail_msg("%s: %s", message->name, buffer_text(&text));
    buffer_finish(&text);
}

static void every_row_has_a_json_form(void **state)
{
    (void)state;
    for_rows(json_of_any_row_is_json);
    /* also one whose JSON field an elder sender did not have */
    struct event_row event;
    message_clear(&event_message, &event);
    json_of_any_row_is_json(&event_message, event_message.field_count, &event, NULL);
}

static void peeking_finds_what_decoding_finds(const struct message *message, size_t fields, const void *row,
                                              const struct row_view *view)
{
    int64_t value;
    for (size_t i = 0; i < fields; i++) {
        const struct field *field = &message->fields[i];
        bool integer = (field->type == FIELD_I64 || field->type == FIELD_I32) && !field_is_null(field, row);
        assert_int_equal(row_peek_i64(view, i, &value), integer);
        if (integer)
            assert_true(value == field_as_i64(field, row));
    }
    assert_false(row_peek_i64(view, fields, &value));
    assert_false(row_peek_i64(view, SIZE_MAX - 2, &value));
}

static void one_field_can_be_read_alone(void **state)
{
    (void)state;
    for_rows(peeking_finds_what_decoding_finds);
}

/* --- what a row may not hold --- */

static void pack_trade_with(struct buffer *out, size_t wrong, const char *bytes, size_t length)
{
    struct trade_row trade;
    struct buffer row;
    message_clear(&trade_message, &trade);
    trade.price = trade.qty = (struct decimal){1, 0};
    buffer_init(&row, 0);
    row_encode(&row, &trade_message, trade_message.field_count, &trade);
    struct row_view view = view_of(&row);
    size_t at = 4; /* array16 head, kind */
    for (size_t i = 0; i < wrong; i++)
        at += msgpack_walk(view.data + at, view.bytes - at, 3);
    size_t old = msgpack_walk(view.data + at, view.bytes - at, 3);
    buffer_clear(out);
    buffer_append(out, view.data, at);
    buffer_append(out, bytes, length);
    buffer_append(out, view.data + at + old, view.bytes - at - old);
    buffer_finish(&row);
}

static void wrong_values_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        const char *bytes;
        size_t length;
        bool good;
    } CASES[] = {
        {0, "\x05", 1, true},
        {0, "\xc0", 1, false},                     /* null where none may be */
        {0, "\xcb\x3f\xf0\0\0\0\0\0\0", 9, false}, /* 1.0 for an integer */
        {0, "\xa1x", 2, false},
        {0, "\xc3", 1, false},
        {0, "\x90", 1, false},
        {0, "\x80", 1, false},
        {0, "\xc4\x01x", 3, false},
        {0, "\xd4\x01x", 3, false},
        {0, "\xd3\x80\0\0\0\0\0\0\0", 9, false}, /* INT64_MIN stands for null */
        {0, "\xd3\x80\0\0\0\0\0\0\x01", 9, true},
        {0, "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, true},
        {0, "\xcf\x80\0\0\0\0\0\0\0", 9, false}, /* beyond 63 bits */
        {0, "\xd0\xff", 2, true},
        {3, "\x92\x01\x02", 3, true},
        {3, "\x92\x01\x13", 3, false}, /* exponent 19 */
        {3, "\x92\x01\xff", 3, false}, /* exponent -1 */
        {3, "\x93\x01\x02\x03", 4, false},
        {3, "\x91\x01", 2, false},
        {3, "\x01", 1, false},
        {3, "\x92\xd3\x80\0\0\0\0\0\0\0\x02", 11, false},
        {8, "\xc2", 1, true},
        {8, "\xc0", 1, true}, /* is_buyer_maker may be null */
        {8, "\x01", 1, false},
        {9, "\xc0", 1, false},
        {11, "\xcb\x7f\xf0\0\0\0\0\0\0", 9, false}, /* infinity */
        {11, "\xcb\x7f\xf8\0\0\0\0\0\0", 9, false}, /* not a number */
        {11, "\x07", 1, true},                      /* other languages send 7 for 7.0 */
        {11, "\xca\x3f\x80\0\0", 5, true},
        {11, "\xc0", 1, false},
        {16, "\xc0", 1, true},
    };
    struct buffer row;
    buffer_init(&row, 0);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct trade_row trade;
        struct error error = {{0}};
        pack_trade_with(&row, CASES[i].field, CASES[i].bytes, CASES[i].length);
        struct row_view view = view_of(&row);
        view.sequence = 77;
        enum status status = row_decode(&view, &trade_message, &trade, &error);
        if ((status == STATUS_OK) != CASES[i].good)
            fail_msg("case %zu: %s %s", i, status_name(status), error.text);
        char place[64];
        snprintf(place, sizeof place, "trade.%s at sequence 77", trade_message.fields[CASES[i].field].name);
        if (!CASES[i].good)
            assert_non_null(strstr(error.text, place));
    }
    buffer_finish(&row);
}

static enum status decode_event_with(const char *key, const char *bytes, size_t length)
{
    struct event_row event;
    struct buffer row, changed;
    message_clear(&event_message, &event);
    buffer_init(&row, 0);
    buffer_init(&changed, 0);
    row_encode(&row, &event_message, event_message.field_count, &event);
    struct row_view view = view_of(&row);
    const struct field *field = message_field(&event_message, key);
    assert_non_null(field);
    size_t at = 2;
    for (const struct field *before = event_message.fields; before < field; before++)
        at += msgpack_walk(view.data + at, view.bytes - at, 3);
    buffer_append(&changed, view.data, at);
    buffer_append(&changed, bytes, length);
    size_t old = msgpack_walk(view.data + at, view.bytes - at, 3);
    buffer_append(&changed, view.data + at + old, view.bytes - at - old);
    view = view_of(&changed);
    enum status status = row_decode(&view, &event_message, &event, NULL);
    buffer_finish(&row);
    buffer_finish(&changed);
    return status;
}

static void texts_enums_and_json_are_checked(void **state)
{
    (void)state;
    char endless[META_BYTES + 16] = {(char)0xda, (char)((META_BYTES) >> 8), (char)(META_BYTES & 0xff)};
    memset(endless + 3, '1', sizeof endless - 3);
    assert_ok(decode_event_with("event_type", "\xa3gap", 4));
    assert_int_equal(decode_event_with("event_type", "\xa4gaps", 5), STATUS_MALFORMED);
    assert_int_equal(decode_event_with("event_type", "\x01", 1), STATUS_MALFORMED);
    assert_ok(decode_event_with("meta_json", "\xa2{}", 3));
    assert_int_equal(decode_event_with("meta_json", "\xa2{]", 3), STATUS_MALFORMED);
    assert_int_equal(decode_event_with("meta_json", "\xa0", 1), STATUS_MALFORMED);
    assert_int_equal(decode_event_with("meta_json", "\xa4\"\xff\xff\"", 5), STATUS_MALFORMED);
    assert_int_equal(decode_event_with("meta_json", "\xa4[1\n]", 5), STATUS_MALFORMED);
    assert_int_equal(decode_event_with("meta_json", endless, META_BYTES + 3),
                     STATUS_MALFORMED); /* one byte too long */
    endless[1] = (char)((META_BYTES - 1) >> 8);
    endless[2] = (char)((META_BYTES - 1) & 0xff);
    assert_ok(decode_event_with("meta_json", endless, META_BYTES + 2));
}

static void texts_that_are_no_utf8_leave_as_question_marks(void **state)
{
    (void)state;
    struct buffer out;
    struct frame_header header = {.run_id = "r", .instance = "a\xe2\x80"}; /* cut in the middle of a dash */
    struct frame frame;
    buffer_init(&out, 0);
    frame_encode(&out, &header, NULL, 0);
    assert_ok(frame_open(&frame, out.data, out.length, NULL));
    assert_string_equal(frame.header.instance, "a??");
    buffer_finish(&out);
}

static void a_row_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct trade_row trade;
    struct error error;
    struct buffer row;
    message_clear(&trade_message, &trade);
    buffer_init(&row, 0);
    row_encode(&row, &trade_message, trade_message.field_count, &trade);
    struct row_view view = view_of(&row);
    struct book_row book;
    assert_int_equal(row_decode(&view, &book_message, &book, &error), STATUS_MALFORMED);
    assert_string_equal(error.text, "row is not a book");
    buffer_finish(&row);
}

static void level_columns_come_in_whole_groups(void **state)
{
    (void)state;
    assert_int_equal(message_fields_in_use(&book_message, 1), book_message.field_count_default);
    assert_int_equal(message_fields_in_use(&book_message, 5), book_message.field_count_default);
    assert_int_equal(message_fields_in_use(&book_message, 6), book_message.field_count_default + 4);
    assert_int_equal(message_fields_in_use(&book_message, 20), book_message.field_count);
    assert_string_equal(book_message.fields[message_fields_in_use(&book_message, 7) - 1].name, "ask7_q");
    assert_int_equal(message_fields_in_use(&ofi_message, 6), ofi_message.field_count_default + 1);
    assert_string_equal(ofi_message.fields[message_fields_in_use(&ofi_message, 20) - 1].name, "k19");
    assert_int_equal(message_fields_in_use(&trade_message, 20), trade_message.field_count);
    struct message wider = book_message; /* with a field behind the last level: then everything is in use */
    wider.field_count++;
    assert_int_equal(message_fields_in_use(&wider, 5), wider.field_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_survives_the_wire),
        cmocka_unit_test(msgpack_c_reads_the_same),
        cmocka_unit_test(elder_and_younger_versions_understand_each_other),
        cmocka_unit_test(every_row_has_a_json_form),
        cmocka_unit_test(one_field_can_be_read_alone),
        cmocka_unit_test(wrong_values_are_refused_by_name),
        cmocka_unit_test(texts_enums_and_json_are_checked),
        cmocka_unit_test(texts_that_are_no_utf8_leave_as_question_marks),
        cmocka_unit_test(a_row_of_another_kind_is_refused),
        cmocka_unit_test(level_columns_come_in_whole_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
