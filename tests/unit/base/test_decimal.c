// links: base
/* Decimal text becomes an integer and back without losing anything. */
#include "tests/support/check.h"

#include "base/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status parse(const char *text, int32_t exponent, int64_t *out_units)
{
    return decimal_parse(text, strlen(text), exponent, out_units);
}

static void text_becomes_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t exponent;
        int64_t units;
    } CASES[] = {
        {"61659.70", 2, 6165970},
        {"61659.7", 8, 6165970000000},
        {"0", 8, 0},
        {"-0", 8, 0},
        {"0.00000000", 2, 0},
        {"-3", 0, -3},
        {"-0.5", 1, -5},
        {"007.10", 1, 71},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775807", 0, -INT64_MAX},
        {"9.223372036854775807", 18, INT64_MAX},
        {"1.5000000000000000000000000000", 1, 15},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int64_t units = 42;
        assert_ok(parse(CASES[i].text, CASES[i].exponent, &units));
        assert_int_equal(units, CASES[i].units);
    }
}

static void what_is_no_plain_decimal_is_malformed(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"",    "-",    ".",   ".5",    "5.",   "+1",
                                        " 1",  "1 ",   "1e5", "1.2.3", "0x10", "nan",
                                        "inf", "--1",  "1,5", "1-",    "-.5",  "1.e",
                                        "١",   "1.5x", "1_0", "NULL",  "1.5 ", "9999999999999999999999x"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        int64_t units = 42;
        assert_int_equal(parse(TEXTS[i], 8, &units), STATUS_MALFORMED);
        assert_int_equal(units, 42); /* outputs are untouched on failure */
    }
    int64_t units;
    assert_int_equal(decimal_parse("1\0002", 3, 2, &units), STATUS_MALFORMED);
    assert_int_equal(decimal_parse(NULL, 0, 2, &units), STATUS_MALFORMED);
}

static void what_does_not_fit_is_a_limit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t exponent;
    } CASES[] = {
        {"0.001", 2},
        {"9223372036854775808", 0},
        {"-9223372036854775808", 0}, /* INT64_MIN stands for null */
        {"92233720368547758.08", 3},
        {"10", 18},
        {"100000000000000000000000000000000000000000000", 0},
        {"0.10000000000000000000000000000000001", 18},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int64_t units = 42;
        assert_int_equal(parse(CASES[i].text, CASES[i].exponent, &units), STATUS_LIMIT);
        assert_int_equal(units, 42);
    }
}

static void shortest_text(void **state)
{
    (void)state;
    static const struct {
        struct decimal value;
        const char *text;
    } CASES[] = {
        {{6165970, 2}, "61659.7"},
        {{2000, 6}, "0.002"},
        {{-3, 0}, "-3"},
        {{-300, 2}, "-3"},
        {{0, 8}, "0"},
        {{5, 1}, "0.5"},
        {{-5, 1}, "-0.5"},
        {{1, 18}, "0.000000000000000001"},
        {{INT64_MAX, 18}, "9.223372036854775807"},
        {{-INT64_MAX, 0}, "-9223372036854775807"},
        {{100, 0}, "100"},
        {{INT64_MIN, 3}, "null"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[DECIMAL_TEXT_BYTES];
        assert_int_equal(decimal_text(CASES[i].value, text), strlen(CASES[i].text));
        assert_string_equal(text, CASES[i].text);
    }
}

/* random_decimal: all magnitudes and exponents alike. */
static struct decimal random_decimal(struct random *random)
{
    int64_t units = (int64_t)(random_u64(random) >> (1 + random_below(random, 63)));
    return (struct decimal){.units = random_below(random, 2) ? -units : units,
                            .exponent = (int32_t)random_below(random, DECIMAL_EXPONENT_MAX + 1)};
}

static void text_and_back_is_the_same_value(void **state)
{
    (void)state;
    struct random random = check_random();
    for (int i = 0; i < 200000; i++) {
        struct decimal value = random_decimal(&random);
        char text[DECIMAL_TEXT_BYTES];
        int64_t units;
        size_t length = decimal_text(value, text);
        assert_ok(decimal_parse(text, length, value.exponent, &units));
        assert_int_equal(units, value.units);
    }
}

/* N1: the double of a decimal is the nearest one, which is what strtod gives for the same text. */
static void double_is_that_of_strtod(void **state)
{
    (void)state;
    struct random random = check_random();
    assert_true(isnan(decimal_double(decimal_null())));
    for (int i = 0; i < 200000; i++) {
        struct decimal value = random_decimal(&random);
        char text[DECIMAL_TEXT_BYTES];
        decimal_text(value, text);
        double expected = strtod(text, NULL), got = decimal_double(value);
        if (memcmp(&expected, &got, sizeof got) != 0)
            fail_msg("%lld e-%d: %.17g, strtod gives %.17g", (long long)value.units, value.exponent, got,
                     expected);
    }
}

static void compare_works_across_exponents(void **state)
{
    (void)state;
    struct random random = check_random();
    assert_int_equal(decimal_compare((struct decimal){15, 1}, (struct decimal){1500, 3}), 0);
    assert_true(decimal_compare((struct decimal){INT64_MAX, 0}, (struct decimal){INT64_MAX, 18}) > 0);
    assert_true(decimal_compare((struct decimal){-INT64_MAX, 0}, (struct decimal){-INT64_MAX, 18}) < 0);
    for (int i = 0; i < 100000; i++) {
        struct decimal left = random_decimal(&random), right = random_decimal(&random);
        long double l = (long double)left.units / powl(10, left.exponent);
        long double r = (long double)right.units / powl(10, right.exponent);
        if (fabsl(l - r) > 1e-15L * (fabsl(l) + fabsl(r)))
            assert_int_equal(decimal_compare(left, right), (l > r) - (l < r));
        assert_int_equal(decimal_compare(left, right), -decimal_compare(right, left));
    }
}

static void sums_are_exact(void **state)
{
    (void)state;
    struct decimal_sum sum = {0};
    char text[DECIMAL_TEXT_BYTES];
    for (int i = 0; i < 1000; i++)
        decimal_sum_add(&sum, (struct decimal){1, 3});
    assert_int_equal(decimal_sum_text(&sum, text), 1);
    assert_string_equal(text, "1");
    decimal_sum_add(&sum, (struct decimal){-5, 8}); /* a finer exponent rescales the sum */
    decimal_sum_text(&sum, text);
    assert_string_equal(text, "0.99999995");
    struct decimal_sum large = {0};
    for (int i = 0; i < 1000; i++)
        decimal_sum_add(&large, (struct decimal){INT64_MAX, 0}); /* far beyond 64 bits */
    decimal_sum_text(&large, text);
    assert_string_equal(text, "9223372036854775807000");
    struct decimal_sum widest = {.units = -((__int128)1 << 126), .exponent = 18};
    decimal_sum_text(&widest, text);
    assert_string_equal(text, "-85070591730234615865.843651857942052864");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_units),
        cmocka_unit_test(what_is_no_plain_decimal_is_malformed),
        cmocka_unit_test(what_does_not_fit_is_a_limit),
        cmocka_unit_test(shortest_text),
        cmocka_unit_test(text_and_back_is_the_same_value),
        cmocka_unit_test(double_is_that_of_strtod),
        cmocka_unit_test(compare_works_across_exponents),
        cmocka_unit_test(sums_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
