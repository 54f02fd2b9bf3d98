// links: base
/* Time texts and the rounding of grids. */
#include "tests/support/check.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void iso_of(int64_t epoch_ms, const char *expected)
{
    char text[TIME_TEXT_BYTES];
    time_iso_ms(epoch_ms, text);
    assert_string_equal(text, expected);
}

static void iso_texts(void **state)
{
    (void)state;
    iso_of(0, "1970-01-01T00:00:00.000Z");
    iso_of(1700000000000, "2023-11-14T22:13:20.000Z");
    iso_of(1723161255030, "2024-08-08T23:54:15.030Z");
    iso_of(951782399999, "2000-02-28T23:59:59.999Z");
    iso_of(951782400000, "2000-02-29T00:00:00.000Z");
    iso_of(-1, "1969-12-31T23:59:59.999Z");
    iso_of(-1000, "1969-12-31T23:59:59.000Z");
    iso_of(253402300799999, "9999-12-31T23:59:59.999Z");
    char text[TIME_TEXT_BYTES];
    time_iso_ms(INT64_MAX, text); /* absurd times are cut or long, never more */
    time_iso_ms(INT64_MIN, text);
    time_date(1723161255030, text);
    assert_string_equal(text, "2024-08-08");
    time_stamp(1723161255030, "%Y%m%d_%H%M", text);
    assert_string_equal(text, "20240808_2354");
}

static void iso_texts_agree_with_the_calendar_of_the_library(void **state)
{
    (void)state;
    struct random random = check_random();
    for (int i = 0; i < 20000; i++) {
        int64_t epoch_ms = (int64_t)random_below(&random, 253402300800000);
        char text[TIME_TEXT_BYTES];
        struct tm parts = {0};
        int milliseconds;
        time_iso_ms(epoch_ms, text);
        assert_int_equal(sscanf(text, "%d-%d-%dT%d:%d:%d.%dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                                &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &milliseconds),
                         7);
        parts.tm_year -= 1900;
        parts.tm_mon -= 1;
        assert_true((int64_t)timegm(&parts) * 1000 + milliseconds == epoch_ms);
    }
}

static void rounding_goes_down(void **state)
{
    (void)state;
    assert_int_equal(floor_div(7, 5), 1);
    assert_int_equal(floor_div(-7, 5), -2);
    assert_int_equal(floor_div(-5, 5), -1);
    assert_int_equal(floor_div(0, 5), 0);
    assert_int_equal(floor_multiple(1234, 100), 1200);
    assert_int_equal(floor_multiple(-1, 100), -100);
    assert_int_equal(floor_multiple(-100, 100), -100);
}

static void a_manual_clock_moves_when_told(void **state)
{
    (void)state;
    struct clock_manual manual = {.wall_ns = 1700000000000000000, .monotonic_ns = 5000000};
    struct clock clock = clock_from_manual(&manual);
    assert_int_equal(clock_wall_ms(&clock), 1700000000000);
    assert_int_equal(clock_monotonic_ms(&clock), 5);
    clock_manual_advance(&manual, 1500000);
    assert_int_equal(clock_wall_ms(&clock), 1700000000001);
    assert_int_equal(clock_monotonic_ns(&clock), 6500000);
}

static void the_machine_clock_does_not_go_back(void **state)
{
    (void)state;
    struct clock clock = clock_system();
    int64_t before = clock_monotonic_ns(&clock);
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_monotonic_ns(&clock);
        assert_true(now >= before);
        before = now;
    }
    assert_true(clock_wall_ms(&clock) > 1600000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso_texts),
        cmocka_unit_test(iso_texts_agree_with_the_calendar_of_the_library),
        cmocka_unit_test(rounding_goes_down),
        cmocka_unit_test(a_manual_clock_moves_when_told),
        cmocka_unit_test(the_machine_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
