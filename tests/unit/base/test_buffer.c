// links: base
/* A buffer keeps its maximum; a reader never leaves its bytes. */
#include "tests/support/check.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_append_u32(&buffer, 0xdeadbeef);
    buffer_append_u64(&buffer, UINT64_MAX);
    buffer_append_i64(&buffer, INT64_MIN);
    buffer_append_f64(&buffer, -0.0);
    buffer_append_byte(&buffer, 7);
    buffer_append_text(&buffer, "text");
    buffer_format(&buffer, "%d-%s", 5, "x");
    buffer_append(&buffer, NULL, 0);
    struct reader reader;
    reader_init(&reader, buffer.data, buffer.length);
    assert_int_equal(reader_u32(&reader), 0xdeadbeef);
    assert_true(reader_u64(&reader) == UINT64_MAX);
    assert_true(reader_i64(&reader) == INT64_MIN);
    double zero = reader_f64(&reader);
    assert_true(zero == 0 && signbit(zero));
    uint8_t byte;
    reader_take(&reader, &byte, 1);
    assert_int_equal(byte, 7);
    assert_int_equal(reader_done(&reader), STATUS_MALFORMED); /* something is left */
    assert_memory_equal(reader_borrow(&reader, 7), "text5-x", 7);
    assert_ok(reader_done(&reader));
    buffer_finish(&buffer);
    buffer_finish(&buffer);
}

static void a_limit_holds_for_every_way_of_writing(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 12; limit++) {
        struct buffer buffer;
        buffer_init(&buffer, limit);
        for (int i = 0; !buffer.overflowed; i++) {
            if (i % 3 == 0)
                buffer_append_u32(&buffer, 1);
            else if (i % 3 == 1)
                buffer_format(&buffer, "%s", "abc");
            else
                buffer_append_byte(&buffer, 1);
        }
        size_t kept = buffer.length;
        assert_true(kept <= limit);
        buffer_append(&buffer, "", 0); /* what follows an overflow is ignored, whatever its size */
        buffer_append_byte(&buffer, 1);
        assert_int_equal(buffer.length, kept);
        assert_null(buffer_reserve(&buffer, 0));
        assert_int_equal(strlen(buffer_text(&buffer)) <= kept, 1);
        buffer_clear(&buffer);
        assert_false(buffer.overflowed);
        buffer_append_byte(&buffer, 'x');
        assert_string_equal(buffer_text(&buffer), "x");
        buffer_finish(&buffer);
    }
}

static void an_absurd_size_is_refused_not_wrapped_around(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    buffer_append_byte(&buffer, 1);
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.overflowed);
    assert_int_equal(buffer.length, 1);
    buffer_finish(&buffer);
}

static void exactly_full_is_not_an_overflow(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 4);
    buffer_append_u32(&buffer, 0x64636261);
    assert_false(buffer.overflowed);
    assert_string_equal(buffer_text(&buffer), "abcd");
    buffer_finish(&buffer);
}

static void reading_past_the_end_fails_for_good(void **state)
{
    (void)state;
    uint8_t data[11] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct reader reader;
    reader_init(&reader, data, sizeof data);
    assert_true(reader_u64(&reader) != 0);
    uint32_t untouched = reader_u32(&reader);
    assert_int_equal(untouched, 0);
    assert_true(reader.failed);
    uint8_t byte = 9;
    reader_take(&reader, &byte, 1); /* bytes are left, but it has failed */
    assert_int_equal(byte, 0);
    assert_null(reader_borrow(&reader, 0));
    assert_int_equal(reader_done(&reader), STATUS_MALFORMED);
    reader_init(&reader, NULL, 0);
    assert_non_null(reader_borrow(&reader, 0));
    assert_ok(reader_done(&reader));
    assert_null(reader_borrow(&reader, SIZE_MAX));
}

static void a_count_is_covered_by_bytes(void **state)
{
    (void)state;
    struct buffer buffer;
    struct reader reader;
    buffer_init(&buffer, 0);
    buffer_append_u64(&buffer, 3);
    buffer_append(&buffer, "123456", 6);
    reader_init(&reader, buffer.data, buffer.length);
    assert_int_equal(reader_count(&reader, 2), 3);
    reader_init(&reader, buffer.data, buffer.length);
    assert_int_equal(reader_count(&reader, 3), 0);
    assert_true(reader.failed);
    uint64_t huge[2] = {UINT64_MAX / 8 + 1, 0};
    reader_init(&reader, huge, sizeof huge);
    assert_int_equal(reader_count(&reader, 8), 0); /* count * 8 would wrap to something small */
    assert_true(reader.failed);
    reader_init(&reader, huge, 4);
    assert_int_equal(reader_count(&reader, 1), 0);
    assert_true(reader.failed);
    buffer_finish(&buffer);
}

static void arrays_double(void **state)
{
    (void)state;
    size_t capacity = 0, changes = 0;
    int *array = NULL;
    for (size_t i = 0; i < 10000; i++) {
        size_t before = capacity;
        array = memory_grow(array, &capacity, i + 1, sizeof *array);
        changes += capacity != before;
        array[i] = (int)i;
    }
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(array[i], i);
    assert_true(changes <= 11);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(a_limit_holds_for_every_way_of_writing),
        cmocka_unit_test(an_absurd_size_is_refused_not_wrapped_around),
        cmocka_unit_test(exactly_full_is_not_an_overflow),
        cmocka_unit_test(reading_past_the_end_fails_for_good),
        cmocka_unit_test(a_count_is_covered_by_bytes),
        cmocka_unit_test(arrays_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
