// links: market base cmocka
/* The statistics of algorithms.md §0.2 against the golden values (golden.md §7) and against slow readings of them. */
#include "base/random.h"
#include "market/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected))))
        fail_msg("%.17g, should be %.17g", value, expected);
}

static void golden_quantiles(void **state)
{
    (void)state;
    double values[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
    statistics_sort(values, 10);
    assert_near(statistics_quantile_sorted(values, 10, 0.5), 3.5);
    assert_near(statistics_quantile_sorted(values, 10, 0.9), 6.3);
    assert_near(statistics_quantile_sorted(values, 10, 0.99), 8.73);
    assert_near(statistics_quantile_sorted(values, 10, 0), 1);
    assert_near(statistics_quantile_sorted(values, 10, 1), 9);
    assert_near(statistics_median_sorted(values, 10), 3.5);
    assert_near(statistics_median_sorted(values, 9), 3);
}

static void an_empty_sample_has_no_value(void **state)
{
    (void)state;
    double one = 7;
    assert_true(isnan(statistics_median_sorted(&one, 0)));
    assert_true(isnan(statistics_quantile_sorted(&one, 0, 0.5)));
    assert_true(isnan(statistics_mad_sorted(&one, 0)));
    assert_true(isnan(statistics_mean(&one, 0)));
    assert_true(isnan(statistics_sigma(&one, 1, 7)));
    assert_near(statistics_quantile_sorted(&one, 1, 0.99), 7);
    assert_near(statistics_mad_sorted(&one, 1), 0);
}

static void sigma_is_the_sample_one_unless_said_otherwise(void **state)
{
    (void)state;
    const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    assert_near(statistics_mean(values, 8), 5);
    assert_near(statistics_sigma_population(values, 8, 5), 2);
    assert_near(statistics_sigma(values, 8, 5), sqrt(32.0 / 7));
}

static void clamp_keeps_both_ends(void **state)
{
    (void)state;
    assert_near(statistics_clamp(-9, -8, 8), -8);
    assert_near(statistics_clamp(9, -8, 8), 8);
    assert_near(statistics_clamp(8, -8, 8), 8);
    assert_near(statistics_clamp(0.5, -8, 8), 0.5);
}

static double slow_mad(const double *sorted, size_t count)
{
    double deviations[64];
    double median = statistics_median_sorted(sorted, count);
    for (size_t i = 0; i < count; i++)
        deviations[i] = fabs(sorted[i] - median);
    statistics_sort(deviations, count);
    return statistics_median_sorted(deviations, count);
}

static void the_selected_mad_is_the_sorted_one_bit_for_bit(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 6);
    for (int round = 0; round < 20000; round++) {
        double values[64];
        size_t count = 1 + random_below(&random, 64);
        uint64_t distinct = 1 + random_below(&random, 40); /* many ties */
        for (size_t i = 0; i < count; i++)
            values[i] = round % 2 ? random_normal(&random) : (double)random_below(&random, distinct) / 8;
        statistics_sort(values, count);
        assert_true(statistics_mad_sorted(values, count) == slow_mad(values, count));
    }
}

static void an_exact_sum_forgets_nothing_and_keeps_nothing(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 8);
    struct exact_sum sum = {0};
    double values[1000];
    for (int i = 0; i < 1000; i++) {
        values[i] = ldexp(random_unit(&random), (int)random_below(&random, 230) - 110);
        exact_sum_add(&sum, values[i]);
    }
    exact_sum_add(&sum, 8.5e37);
    exact_sum_add(&sum, 0.125);
    for (int i = 0; i < 1000; i++)
        exact_sum_subtract(&sum, values[999 - i]);
    exact_sum_subtract(&sum, 8.5e37);
    assert_true(exact_sum_value(&sum) == 0.125);
    exact_sum_subtract(&sum, 0.125);
    assert_true(exact_sum_value(&sum) == 0);
}

/* Integers below 2^100 can be summed exactly another way. */
static void an_exact_sum_is_rounded_once_and_to_nearest(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 9);
    for (int round = 0; round < 3000; round++) {
        struct exact_sum sum = {0};
        unsigned __int128 exact = 0;
        for (int i = 0; i < 40; i++) {
            uint64_t mantissa = random_u64(&random) >> (11 + random_below(&random, 50));
            int shift = (int)random_below(&random, 40);
            exact += (unsigned __int128)mantissa << shift;
            exact_sum_add(&sum, ldexp((double)mantissa, shift));
        }
        assert_true(exact_sum_value(&sum) == (double)exact);
    }
    struct exact_sum tie = {0};
    exact_sum_add(&tie, 0x1p53);
    exact_sum_add(&tie, 1);
    assert_true(exact_sum_value(&tie) == 0x1p53);
    exact_sum_add(&tie, 0x1p-150);
    assert_true(exact_sum_value(&tie) == 0x1p53 + 2);
}

static void decimal_products_add_up_exactly(void **state)
{
    (void)state;
    struct exact_sum sum = {0};
    for (int i = 0; i < 1000000; i++)
        exact_sum_add(&sum, 0.1);
    assert_true(exact_sum_value(&sum) == (double)(1000000 * (long double)0.1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_quantiles),
        cmocka_unit_test(an_empty_sample_has_no_value),
        cmocka_unit_test(sigma_is_the_sample_one_unless_said_otherwise),
        cmocka_unit_test(clamp_keeps_both_ends),
        cmocka_unit_test(the_selected_mad_is_the_sorted_one_bit_for_bit),
        cmocka_unit_test(an_exact_sum_forgets_nothing_and_keeps_nothing),
        cmocka_unit_test(an_exact_sum_is_rounded_once_and_to_nearest),
        cmocka_unit_test(decimal_products_add_up_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
