// links: proto base
/* The tables themselves: what code, documents and data sets take for granted about them. */
#include "tests/support/check.h"
#include "tests/support/rows.h"

#include "base/memory.h"
#include "proto/book.h"
#include "proto/describe.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/frame.h"
#include "proto/trade.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of(enum field_type type, const struct field *field)
{
    switch (type) {
    case FIELD_I64: return sizeof(int64_t);
    case FIELD_I32: return sizeof(int32_t);
    case FIELD_F64: return sizeof(double);
    case FIELD_BOOL:
    case FIELD_ENUM: return sizeof(int8_t);
    case FIELD_DECIMAL: return sizeof(struct decimal);
    default: return field->size;
    }
}

static void every_line_is_complete_and_fits_its_struct(void **state)
{
    (void)state;
    const struct message *message;
    for (size_t m = 0; (message = message_at(m)); m++) {
        assert_true(message->kind > 0 && message->kind < ROW_KIND_LIMIT);
        assert_ptr_equal(message_of_kind(message->kind), message);
        assert_ptr_equal(message_of_name(message->name), message);
        assert_true(message->field_count_default <= message->field_count);
        for (size_t i = 0; i < message->field_count; i++) {
            const struct field *field = &message->fields[i];
            if (field->size != size_of(field->type, field) ||
                field->offset + field->size > message->row_bytes)
                fail_msg("%s.%s has the wrong member", message->name, field->name);
            assert_true(field->since == 1);
            assert_true(*field->unit && *field->meaning && !strchr(field->meaning, '\n'));
            assert_true((field->type == FIELD_ENUM) == (field->names != NULL));
            assert_ptr_equal(message_field(message, field->name), field); /* no name twice */
            for (size_t k = 0; k < i; k++) {
                const struct field *other = &message->fields[k];
                bool apart = other->offset + other->size <= field->offset ||
                             field->offset + field->size <= other->offset;
                if (!apart)
                    fail_msg("%s: %s and %s are the same bytes", message->name, other->name, field->name);
            }
        }
        assert_null(message_field(message, "no_such_field"));
    }
    assert_null(message_of_kind(0));
    assert_null(message_of_kind(ROW_KIND_LIMIT));
    assert_null(message_of_name("no_such_message"));
}

static void a_cleared_row_holds_no_values(void **state)
{
    (void)state;
    const struct message *message;
    for (size_t m = 0; (message = message_at(m)); m++) {
        void *row = memory_allocate(message->row_bytes);
        memset(row, 0x5a, message->row_bytes);
        message_clear(message, row);
        for (size_t i = 0; i < message->field_count; i++) {
            const struct field *field = &message->fields[i];
            bool nullable = field->flags & FIELD_NULLABLE;
            assert_int_equal(field_is_null(field, row), nullable);
            assert_true(field_is_valid(field, row));
            if (nullable) {
                assert_true(isnan(field_as_f64(field, row)));
                assert_true(field_as_i64(field, row) == FIELD_NULL_I64);
                assert_null(field_as_text(field, row));
            }
        }
        free(row);
    }
}

static void what_a_field_may_not_hold_is_seen(void **state)
{
    (void)state;
    struct event_row event;
    struct trade_row trade;
    struct feature_row feature;
    message_clear(&event_message, &event);
    message_clear(&trade_message, &trade);
    message_clear(&feature_message, &feature);
#define VALID(message, row, name) field_is_valid(message_field(&message, name), &row)
    assert_true(VALID(event_message, event, "event_type"));
    event.event_type = EVENT_INCIDENT + 1;
    assert_false(VALID(event_message, event, "event_type"));
    event.event_type = -1;
    assert_false(VALID(event_message, event, "event_type"));
    event.strength = -1;
    assert_true(VALID(event_message, event, "strength"));
    event.meta_json[0] = 0;
    assert_false(VALID(event_message, event, "meta_json"));
    memset(event.meta_json, 'x', sizeof event.meta_json);
    assert_false(VALID(event_message, event, "meta_json"));
    trade.ts_ms = FIELD_NULL_I64;
    assert_false(VALID(trade_message, trade, "ts_ms"));
    trade.price = decimal_null();
    assert_false(VALID(trade_message, trade, "price"));
    trade.is_market = FIELD_NULL_BOOL;
    assert_false(VALID(trade_message, trade, "is_market"));
    trade.is_buyer_maker = FIELD_NULL_BOOL;
    assert_true(VALID(trade_message, trade, "is_buyer_maker"));
    trade.is_buyer_maker = 2;
    assert_false(VALID(trade_message, trade, "is_buyer_maker"));
    feature.price = INFINITY;
    assert_false(VALID(feature_message, feature, "price"));
    feature.z_ofi = -INFINITY;
    assert_true(VALID(feature_message, feature, "z_ofi")); /* leaves as null */
    assert_true(VALID(feature_message, feature, "reason_codes"));
}

static void values_read_as_what_they_are(void **state)
{
    (void)state;
    struct book_row book;
    struct buffer text;
    struct json json;
    message_clear(&book_message, &book);
    book.ts_ms = 5;
    book.levels = 3;
    book.source = BOOK_SOURCE_DIFF;
    book.book_reset = 1;
    book.best_bid = (struct decimal){6165970, 2};
    book.mid = 0.1 + 0.2;
#define FIELD(name) message_field(&book_message, name)
    assert_int_equal(field_as_i64(FIELD("ts_ms"), &book), 5);
    assert_int_equal(field_as_i64(FIELD("levels"), &book), 3);
    assert_int_equal(field_as_i64(FIELD("source"), &book), BOOK_SOURCE_DIFF);
    assert_true(field_as_i64(FIELD("mid"), &book) == FIELD_NULL_I64);
    assert_string_equal(field_as_text(FIELD("source"), &book), "diff");
    assert_null(field_as_text(FIELD("ts_ms"), &book));
    assert_true(field_as_f64(FIELD("best_bid"), &book) == 61659.7);
    assert_true(field_as_f64(FIELD("ts_ms"), &book) == 5);
    assert_true(field_as_f64(FIELD("book_reset"), &book) == 1);
    buffer_init(&text, 0);
    json_init(&json, &text);
    message_json(&json, &book_message, 14, &book, false);
    assert_string_equal(
        buffer_text(&text),
        "{\"ts_ms\":5,\"event_ts_ms\":0,\"recv_ts_ms\":0,\"latency_ms\":0,\"first_id\":0,\"last_id\":0,"
        "\"prev_last_id\":null,\"source\":\"diff\",\"book_reset\":true,\"levels\":3,"
        "\"best_bid\":61659.7,\"best_ask\":0,\"mid\":0.30000000000000004,\"spread_bps\":0}");
    buffer_clear(&text);
    json_init(&json, &text);
    message_json(&json, &book_message, book_message.field_count_default, &book, false);
    assert_null(strstr(buffer_text(&text), "watermark_ms")); /* on the wire only */
    buffer_finish(&text);
}

static void names_become_indexes(void **state)
{
    (void)state;
    assert_int_equal(enum_from_name(REGIME_NAMES, "quiet", 5), REGIME_QUIET);
    assert_int_equal(enum_from_name(REGIME_NAMES, "quie", 4), -1);
    assert_int_equal(enum_from_name(REGIME_NAMES, "quiets", 6), -1);
    assert_int_equal(enum_from_name(REGIME_NAMES, "", 0), -1);
    assert_string_equal(EVENT_TYPE_NAMES[EVENT_INCIDENT], "incident");
    assert_null(EVENT_TYPE_NAMES[EVENT_INCIDENT + 1]);
    assert_string_equal(SIGNAL_TYPE_NAMES[SIGNAL_NEUTRAL], "neutral");
    assert_string_equal(EVENT_CHANNEL_NAMES[CHANNEL_SOCKET], "socket");
}

static void hexdumps_read_back(void **state)
{
    (void)state;
    struct random random = check_random();
    struct buffer text, bytes;
    uint8_t data[70];
    buffer_init(&text, 0);
    buffer_init(&bytes, 0);
    for (size_t length = 0; length < sizeof data; length++) {
        data[length] = (uint8_t)random_u64(&random);
        buffer_clear(&text);
        buffer_clear(&bytes);
        buffer_append_text(&text, "topic  harvest/BTCUSDT\n");
        describe_hexdump(&text, data, length);
        assert_ok(hexdump_read(buffer_text(&text), text.length, &bytes, NULL));
        assert_int_equal(bytes.length, length);
        assert_memory_equal(bytes.data ? bytes.data : data, data, length);
    }
    buffer_clear(&text);
    describe_hexdump(&text, "0123456789abcdef|\n", 18);
    assert_string_equal(buffer_text(&text),
                        "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
                        "00000010  7c 0a                                             ||.|\n");
    static const char *const WRONG[] = {"00000000  0", "00000000  0x", "00000001  00",
                                        "00000000  00 11\n00000000  00"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct error error = {{0}};
        assert_int_equal(hexdump_read(WRONG[i], strlen(WRONG[i]), &bytes, &error), STATUS_MALFORMED);
        assert_int_not_equal(error.text[0], 0);
    }
    buffer_finish(&text);
    buffer_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_complete_and_fits_its_struct),
        cmocka_unit_test(a_cleared_row_holds_no_values),
        cmocka_unit_test(what_a_field_may_not_hold_is_seen),
        cmocka_unit_test(values_read_as_what_they_are),
        cmocka_unit_test(names_become_indexes),
        cmocka_unit_test(hexdumps_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
