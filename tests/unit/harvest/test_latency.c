// Quantiles of the receive latency against sorting all of it.
// links: service_harvest market journal net proto base yyjson
#include "base/random.h"
#include "market/statistics.h"
#include "services/harvest/latency.h"
#include "tests/support/check.h"

#include <math.h>

enum { SAMPLES = 20000, MINUTE = 60000 };

static void nothing_is_known_of_nothing(void **unused)
{
    (void)unused;
    struct latency latency;
    latency_init(&latency);
    assert_true(isnan(latency_quantile(&latency, 0.5)));
    latency_add(&latency, MINUTE, -7);
    assert_true(latency_quantile(&latency, 0) == -7 && latency_quantile(&latency, 0.99) == -7);
    latency_finish(&latency);
}

static void quantiles_are_those_of_the_last_ten_minutes(void **unused)
{
    (void)unused;
    static double kept[SAMPLES];
    struct latency latency;
    struct random random;
    size_t count = 0;
    latency_init(&latency);
    random_seed(&random, 20240808);
    for (int64_t i = 0; i < SAMPLES; i++) {
        int64_t recv_ms = 1700000000000 + i * 60; /* twenty minutes */
        int64_t value =
            (int64_t)random_below(&random, 400) - 100 + (int64_t)(random_below(&random, 50) == 0) * 900;
        latency_add(&latency, recv_ms, value);
        if (recv_ms / MINUTE > (1700000000000 + (SAMPLES - 1) * 60) / MINUTE - LATENCY_WINDOW_MINUTES)
            kept[count++] = (double)value;
    }
    assert_in_range(count, 9000, 10000);
    statistics_sort(kept, count);
    for (int percent = 0; percent <= 100; percent++)
        if (latency_quantile(&latency, percent / 100.0) !=
            statistics_quantile_sorted(kept, count, percent / 100.0))
            fail_msg("p%d: %f is not %f", percent, latency_quantile(&latency, percent / 100.0),
                     statistics_quantile_sorted(kept, count, percent / 100.0));
    latency_finish(&latency);
}

static void what_is_beyond_the_limit_counts_at_it_and_old_minutes_are_forgotten(void **unused)
{
    (void)unused;
    struct latency latency;
    latency_init(&latency);
    latency_add(&latency, 0, 1000000);
    latency_add(&latency, 0, -1000000);
    assert_true(latency_quantile(&latency, 0) == -LATENCY_LIMIT_MS);
    assert_true(latency_quantile(&latency, 1) == LATENCY_LIMIT_MS);
    latency_add(&latency, 10 * MINUTE, 3);
    assert_true(latency_quantile(&latency, 0) == 3 && latency_quantile(&latency, 1) == 3);
    latency_add(&latency, 0, 500); /* from long ago */
    assert_true(latency_quantile(&latency, 1) == 3);
    latency_finish(&latency);
}

static size_t pages(const struct latency *latency)
{
    size_t count = 0;
    for (size_t page = 0; page < LATENCY_PAGES; page++) {
        count += latency->all.pages[page] != NULL;
        for (size_t i = 0; i < LATENCY_WINDOW_MINUTES; i++)
            count += latency->minutes[i].counts.pages[page] != NULL;
    }
    return count;
}

static void memory_is_that_of_the_latencies_there_are(void **unused)
{
    (void)unused;
    struct latency latency;
    latency_init(&latency);
    assert_int_equal(pages(&latency), 0);
    for (int64_t minute = 0; minute < 3 * LATENCY_WINDOW_MINUTES; minute++)
        for (int64_t value = 20; value < 60; value++)
            latency_add(&latency, minute * MINUTE, value);
    assert_int_equal(pages(&latency), LATENCY_WINDOW_MINUTES + 1); /* each minute's and the sum's */
    for (int64_t value = -LATENCY_LIMIT_MS; value <= LATENCY_LIMIT_MS; value++) /* everything stood still */
        latency_add(&latency, 40 * MINUTE, value);
    assert_int_equal(pages(&latency), 2 * LATENCY_PAGES);
    assert_true(latency_quantile(&latency, 0.5) == 0);
    latency_add(&latency, 60 * MINUTE, 30);
    assert_int_equal(pages(&latency), 2);
    assert_true(latency_quantile(&latency, 0.5) == 30);
    latency_finish(&latency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_of_nothing),
        cmocka_unit_test(quantiles_are_those_of_the_last_ten_minutes),
        cmocka_unit_test(memory_is_that_of_the_latencies_there_are),
        cmocka_unit_test(what_is_beyond_the_limit_counts_at_it_and_old_minutes_are_forgotten),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
