// When silence is a hang.
// links: orchestrator base
#include "orchestrator/supervision/suspicion.h"
#include "tests/support/check.h"

enum { TIMEOUT_MS = 500 };

static bool look(struct suspicion *suspicion, int64_t now_ms, int64_t heard_ms, int64_t starved_ms, bool disk)
{
    struct suspicion_look seen = {.now_ms = now_ms,
                                  .heard_ms = heard_ms,
                                  .timeout_ms = TIMEOUT_MS,
                                  .starved_ns = starved_ms * 1000000,
                                  .waits_for_disk = disk};
    return suspicion_step(suspicion, &seen);
}

static void who_hangs_is_found_when_the_timeout_is_over(void **unused)
{
    (void)unused;
    struct suspicion suspicion = {0};
    assert_int_equal(suspicion_due_ms(&suspicion, 1000, TIMEOUT_MS), 1250);
    assert_false(look(&suspicion, 1250, 1000, 7, false));
    assert_int_equal(suspicion_due_ms(&suspicion, 1000, TIMEOUT_MS), 1500);
    assert_true(look(&suspicion, 1500, 1000, 7, false));
}

static void the_orchestrators_own_delay_is_no_proof(void **unused)
{
    (void)unused;
    struct suspicion suspicion = {0};
    assert_false(look(&suspicion, 9000, 1000, 7, false)); /* it looks for the first time, long after */
    assert_int_equal(suspicion_due_ms(&suspicion, 1000, TIMEOUT_MS), 9250);
    assert_true(look(&suspicion, 9250, 1000, 7, false));
}

static void time_without_a_processor_is_not_held_against_it(void **unused)
{
    (void)unused;
    struct suspicion suspicion = {0};
    assert_false(look(&suspicion, 1250, 1000, 0, false));
    assert_false(look(&suspicion, 1500, 1000, 200, false)); /* of 250 ms it could have used 50 */
    assert_int_equal(suspicion_due_ms(&suspicion, 1000, TIMEOUT_MS), 1700);
    assert_false(look(&suspicion, 1700, 1000, 399, false)); /* it still waits: never a busy loop of looks */
    assert_true(suspicion_due_ms(&suspicion, 1000, TIMEOUT_MS) >= 1710);
    assert_false(look(&suspicion, 1898, 1000, 399, false));
    assert_true(look(&suspicion, 1899, 1000, 399, false));
}

/* A wait that is not over is in no figure: a thread is ready, and nothing of the process has run. */
static void who_waits_for_a_processor_now_is_waited_for_and_who_spins_is_not(void **unused)
{
    (void)unused;
    struct suspicion waiting = {0}, spinning = {0};
    struct suspicion_look seen = {
        .now_ms = 1250, .heard_ms = 1000, .timeout_ms = TIMEOUT_MS, .runnable = true};
    assert_false(suspicion_step(&waiting, &seen));
    assert_false(suspicion_step(&spinning, &seen));
    seen.now_ms = 1500;
    seen.starved_ns = 200000000; /* the orchestrator's own wait says nothing of its */
    assert_false(suspicion_step(&waiting, &seen));
    assert_int_equal(suspicion_due_ms(&waiting, 1000, TIMEOUT_MS), 1750);
    seen.starved_ns = 0;
    seen.known_ns = 250000000;
    assert_true(suspicion_step(&spinning, &seen));
    seen = (struct suspicion_look){.now_ms = 1750, .heard_ms = 1000, .timeout_ms = TIMEOUT_MS};
    assert_true(suspicion_step(&waiting, &seen)); /* nothing of it is ready: it sleeps */
}

static void who_waits_for_a_disk_is_waited_for(void **unused)
{
    (void)unused;
    struct suspicion suspicion = {0};
    for (int64_t now_ms = 1250; now_ms < 60000; now_ms = suspicion_due_ms(&suspicion, 1000, TIMEOUT_MS))
        assert_false(look(&suspicion, now_ms, 1000, 0, true));
    int64_t since_ms = suspicion.since_ms;
    assert_false(look(&suspicion, since_ms + 249, 1000, 0, false));
    assert_true(look(&suspicion, since_ms + 250, 1000, 0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_hangs_is_found_when_the_timeout_is_over),
        cmocka_unit_test(the_orchestrators_own_delay_is_no_proof),
        cmocka_unit_test(time_without_a_processor_is_not_held_against_it),
        cmocka_unit_test(who_waits_for_a_processor_now_is_waited_for_and_who_spins_is_not),
        cmocka_unit_test(who_waits_for_a_disk_is_waited_for),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
