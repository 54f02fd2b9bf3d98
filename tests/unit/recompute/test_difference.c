// Two rows are equal when a sink could not tell them apart, and only then.
// links: recompute proto base
#include "proto/signal.h"
#include "tools/recompute/difference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct signal_row plain(void)
{
    struct signal_row row;
    message_clear(&signal_message, &row);
    strcpy(row.run_id, "run-1");
    row.score = 0.1 + 0.2;
    row.guard_reason[0] = 0;
    return row;
}

static struct difference compare(const struct signal_row *left, const struct signal_row *right)
{
    struct difference difference;
    difference_of(&signal_message, left, right, NULL, &difference);
    return difference;
}

static void one_bit_of_a_double_is_a_difference_and_is_shown(void **state)
{
    (void)state;
    struct signal_row left = plain(), right = plain();
    uint64_t bits;
    struct buffer text;
    memcpy(&bits, &right.score, sizeof bits);
    bits ^= 1;
    memcpy(&right.score, &bits, sizeof bits);
    struct difference found = compare(&left, &right);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.fields[0]->name, "score");
    buffer_init(&text, 0);
    difference_value(found.fields[0], &left, &text);
    assert_string_equal(buffer_text(&text), "0.30000000000000004 (3fd3333333333334)");
    buffer_finish(&text);
}

static void minus_zero_is_zero_and_no_number_is_null_as_in_every_sink(void **state)
{
    (void)state;
    struct signal_row left = plain(), right = plain();
    left.score = -0.0;
    right.score = 0.0;
    left.z_ofi = FIELD_NULL_F64;
    right.z_ofi = -FIELD_NULL_F64;
    assert_int_equal(compare(&left, &right).count, 0);
    right.z_ofi = 0;
    assert_int_equal(compare(&left, &right).count, 1);
}

static void every_field_of_a_sink_is_compared_and_the_others_are_not(void **state)
{
    (void)state;
    struct signal_row left = plain();
    size_t sink_fields = 0;
    for (size_t i = 0; i < signal_message.field_count; i++) {
        const struct field *field = &signal_message.fields[i];
        struct signal_row right = left;
        ((unsigned char *)&right)[field->offset] ^= 0x55;
        bool is_kept = !(field->flags & FIELD_WIRE);
        struct difference found = compare(&left, &right);
        sink_fields += is_kept;
        if (field->type == FIELD_F64 && isnan(*(const double *)((const char *)&left + field->offset)))
            continue; /* another NaN is still null */
        assert_int_equal(found.count, is_kept ? 1 : 0);
    }
    assert_int_equal(compare(&left, &left).compared, sink_fields);
}

static void a_field_can_be_passed_over(void **state)
{
    (void)state;
    struct signal_row left = plain(), right = plain();
    struct difference found;
    strcpy(right.run_id, "run-2");
    difference_of(&signal_message, &left, &right, "run_id", &found);
    assert_int_equal(found.count, 0);
    assert_int_equal(compare(&left, &right).count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bit_of_a_double_is_a_difference_and_is_shown),
        cmocka_unit_test(minus_zero_is_zero_and_no_number_is_null_as_in_every_sink),
        cmocka_unit_test(every_field_of_a_sink_is_compared_and_the_others_are_not),
        cmocka_unit_test(a_field_can_be_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
