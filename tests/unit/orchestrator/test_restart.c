// Restart budgets: the two profiles of operations.md §6.4, with time and chance given.
// links: orchestrator base
#include "orchestrator/supervision/restart.h"
#include "tests/support/check.h"

static struct restart_policy fast(void)
{
    return (struct restart_policy){.burst_count = 20,
                                   .burst_window_ms = 10000,
                                   .delay_first_ms = 200,
                                   .delay_factor = 2,
                                   .delay_cap_ms = 30000,
                                   .budget_count = 5,
                                   .budget_window_ms = 60000,
                                   .jitter = 0.2,
                                   .probe_ms = 60000,
                                   .refill_ms = 600000,
                                   .ready_delays_ms = {10000, 30000},
                                   .ready_delay_count = 2};
}

static struct restart_policy conservative(void)
{
    struct restart_policy policy = fast();
    policy.burst_count = 0;
    policy.delay_first_ms = 10000;
    policy.delay_factor = 3;
    policy.budget_count = 2;
    policy.budget_window_ms = 600000;
    policy.probe_ms = 0;
    policy.refill_ms = 0;
    return policy;
}

static void fast_gives_20_restarts_at_once_in_10_s_and_then_delays(void **unused)
{
    (void)unused;
    struct restart_policy policy = fast();
    struct restart_history history = {.burst_count = 0};
    for (int i = 0; i < 20; i++)
        assert_int_equal(restart_after_exit(&policy, &history, 1000 + i, true, 10, 0.5).delay_ms, 0);
    assert_int_equal(restart_after_exit(&policy, &history, 1100, true, 10, 0.5).delay_ms, 200);
    assert_int_equal(restart_after_exit(&policy, &history, 11100, true, 10, 0.5).delay_ms, 0);
}

static void without_progress_the_delay_doubles_and_the_sixth_time_is_degraded(void **unused)
{
    (void)unused;
    struct restart_policy policy = fast();
    struct restart_history history = {.burst_count = 0};
    int64_t wanted[] = {200, 400, 800, 1600, 3200}, now_ms = 0;
    for (int i = 0; i < 5; i++) {
        struct restart_decision decision =
            restart_after_exit(&policy, &history, now_ms += 100, false, 0, 0.5);
        assert_false(decision.degraded);
        assert_int_equal(decision.delay_ms, wanted[i]);
    }
    struct restart_decision decision = restart_after_exit(&policy, &history, now_ms += 100, false, 0, 0.5);
    assert_true(decision.degraded);
    assert_int_equal(decision.delay_ms, 60000); /* the probe */
    decision = restart_after_exit(&policy, &history, now_ms += 70000, false, 0, 0.5);
    assert_true(decision.degraded); /* the probe failed: not five more tries */
    decision = restart_after_exit(&policy, &history, now_ms += 70000, false, 599999, 0.5);
    assert_true(decision.degraded);
    decision = restart_after_exit(&policy, &history, now_ms += 70000, false, 600000, 0.5);
    assert_false(decision.degraded); /* ten minutes of readiness gave the budget back */
    assert_int_equal(decision.delay_ms, 200);
}

static void the_delay_never_passes_its_cap_and_varies_by_a_fifth(void **unused)
{
    (void)unused;
    struct restart_policy policy = fast();
    policy.budget_count = 12;
    struct restart_history history = {.burst_count = 0};
    int64_t last_ms = 0;
    for (int i = 0; i < 12; i++)
        last_ms = restart_after_exit(&policy, &history, i, false, 0, 0.5).delay_ms;
    assert_int_equal(last_ms, 30000);
    history = (struct restart_history){.burst_count = 0};
    assert_int_equal(restart_after_exit(&policy, &history, 0, false, 0, 0.0).delay_ms, 160);
    history = (struct restart_history){.burst_count = 0};
    int64_t most_ms = restart_after_exit(&policy, &history, 0, false, 0, 0.999999).delay_ms;
    assert_in_range(most_ms, 239, 240);
}

static void conservative_gives_10_and_30_s_and_then_no_more(void **unused)
{
    (void)unused;
    struct restart_policy policy = conservative();
    struct restart_history history = {.burst_count = 0};
    assert_int_equal(restart_after_exit(&policy, &history, 0, true, 50000, 0.5).delay_ms, 10000);
    assert_int_equal(restart_after_exit(&policy, &history, 50000, true, 50000, 0.5).delay_ms, 30000);
    struct restart_decision decision = restart_after_exit(&policy, &history, 100000, true, 50000, 0.5);
    assert_true(decision.degraded);
    assert_int_equal(decision.delay_ms, -1); /* no probing */
    decision = restart_after_exit(&policy, &history, 9000000, true, 8000000, 0.5);
    assert_true(decision.degraded); /* for this run */
}

static void conservative_counts_only_the_last_600_s(void **unused)
{
    (void)unused;
    struct restart_policy policy = conservative();
    struct restart_history history = {.burst_count = 0};
    for (int i = 0; i < 10; i++)
        assert_false(restart_after_exit(&policy, &history, i * 400000, true, 1000, 0.5).degraded);
}

static void a_start_that_does_not_get_ready_is_tried_three_times(void **unused)
{
    (void)unused;
    struct restart_policy policy = fast();
    struct restart_history history = {.burst_count = 0};
    assert_int_equal(restart_after_not_ready(&policy, &history).delay_ms, 10000);
    assert_int_equal(restart_after_not_ready(&policy, &history).delay_ms, 30000);
    assert_true(restart_after_not_ready(&policy, &history).degraded);
    restart_forget(&history);
    assert_int_equal(restart_after_not_ready(&policy, &history).delay_ms, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_gives_20_restarts_at_once_in_10_s_and_then_delays),
        cmocka_unit_test(without_progress_the_delay_doubles_and_the_sixth_time_is_degraded),
        cmocka_unit_test(the_delay_never_passes_its_cap_and_varies_by_a_fifth),
        cmocka_unit_test(conservative_gives_10_and_30_s_and_then_no_more),
        cmocka_unit_test(conservative_counts_only_the_last_600_s),
        cmocka_unit_test(a_start_that_does_not_get_ready_is_tried_three_times),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
