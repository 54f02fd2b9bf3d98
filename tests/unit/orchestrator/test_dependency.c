// Cycles of dependencies are found, and named.
// links: orchestrator base
#include "orchestrator/plan/dependency.h"
#include "tests/support/check.h"

#include <string.h>

static const char *const NAMES[] = {"a", "b", "c", "d"};

static void a_cycle_is_named_in_its_order(void **unused)
{
    (void)unused;
    struct error error;
    const uint32_t needs[] = {1u << 1, 1u << 2, 1u << 1 | 1u << 3, 0}; /* a → b → c → b, c → d */
    assert_int_equal(dependency_check(NAMES, needs, 4, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, ": b needs c needs b"));
    const uint32_t itself[] = {0, 0, 1u << 2, 0};
    assert_int_equal(dependency_check(NAMES, itself, 4, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, ": c needs c"));
}

static void whatever_has_no_cycle_passes_and_only_that(void **unused)
{
    (void)unused;
    struct random random = check_random();
    struct error error;
    int cyclic = 0;
    for (int round = 0; round < 100000; round++) {
        uint32_t needs[4], reach[4];
        for (size_t i = 0; i < 4; i++)
            reach[i] = needs[i] = (uint32_t)(random_below(&random, 16) & random_below(&random, 16));
        for (int step = 0; step < 4; step++) /* who is reached, by brute force */
            for (size_t i = 0; i < 4; i++)
                for (size_t j = 0; j < 4; j++)
                    reach[i] |= reach[i] >> j & 1 ? reach[j] : 0;
        bool cycle = false;
        for (size_t i = 0; i < 4; i++)
            cycle = cycle || (reach[i] >> i & 1);
        assert_int_equal(dependency_check(NAMES, needs, 4, &error), cycle ? STATUS_CONFLICT : STATUS_OK);
        cyclic += cycle;
    }
    assert_in_range(cyclic, 1000, 99000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cycle_is_named_in_its_order),
        cmocka_unit_test(whatever_has_no_cycle_passes_and_only_that),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
