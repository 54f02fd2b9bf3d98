// links: base
/* Same seed, same numbers, on every machine; and they look as they should. */
#include "tests/support/check.h"

#include <math.h>

/* xoshiro256** over splitmix64 of seed 0, from the authors' reference programs. */
static void the_published_sequence(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 0);
    assert_true(random.state[0] == 0xe220a8397b1dcdafu);
    assert_true(random.state[1] == 0x6e789e6aa1b965f4u);
    assert_true(random.state[2] == 0x06c45d188009454fu);
    assert_true(random.state[3] == 0xf88bb8a8724c81ecu);
    assert_true(random_u64(&random) == 0x99ec5f36cb75f2b4u);
    assert_true(random_u64(&random) == 0xbf6e1f784956452au);
    assert_true(random_u64(&random) == 0x1a5f849d4933e6e0u);
}

static void a_seed_repeats_itself(void **state)
{
    (void)state;
    struct random one, two, other;
    random_seed(&one, 7);
    random_seed(&two, 7);
    random_seed(&other, 8);
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_u64(&one);
        assert_true(value == random_u64(&two));
        equal += value == random_u64(&other);
    }
    assert_int_equal(equal, 0);
}

static void ranges_hold_and_means_are_near(void **state)
{
    (void)state;
    struct random random = check_random();
    enum { N = 200000 };
    int counts[10] = {0};
    double unit = 0, normal = 0, squares = 0, exponential = 0;
    for (int i = 0; i < N; i++) {
        uint64_t below = random_below(&random, 10);
        assert_true(below < 10);
        counts[below]++;
        double u = random_unit(&random), n = random_normal(&random), e = random_exponential(&random, 3);
        assert_true(u >= 0 && u < 1 && e >= 0 && isfinite(e) && isfinite(n));
        unit += u;
        normal += n;
        squares += n * n;
        exponential += e;
    }
    /* Six standard errors: one false alarm in 500 million. */
    double root = sqrt(N);
    assert_true(fabs(unit / N - 0.5) < 6 * 0.2887 / root);
    assert_true(fabs(normal / N) < 6 / root);
    assert_true(fabs(squares / N - 1) < 6 * 1.4143 / root);
    assert_true(fabs(exponential / N - 3) < 6 * 3 / root);
    for (int i = 0; i < 10; i++)
        assert_true(fabs(counts[i] - N / 10.0) < 6 * sqrt(N * 0.09));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_sequence),
        cmocka_unit_test(a_seed_repeats_itself),
        cmocka_unit_test(ranges_hold_and_means_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
