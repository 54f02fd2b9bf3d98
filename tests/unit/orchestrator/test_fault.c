// Fault records: the order of the steps, and the verdict.
// links: orchestrator injury base
#include "orchestrator/faults/fault.h"
#include "tests/support/check.h"

#include <math.h>
#include <signal.h>
#include <string.h>

static const struct fault_loss NO_LOSS = {.rows_expected = 10, .parity_verdict = "PASS"};

static const struct injury_order KILL_ORDER = {.id = 1, .kind = INJURY_KILL};

static struct fault recovered(int64_t recovery_ms)
{
    struct fault fault;
    fault_begin(&fault, "signal", &KILL_ORDER, SIGKILL, 3, 100);
    fault.restart_count_before = 4;
    fault.restart_count_after = 5;
    for (enum fault_step step = FAULT_KILL; step < FAULT_STEP_COUNT; step++) {
        int64_t after_ms = step * recovery_ms / FAULT_HEALTHY;
        assert_true(
            fault_note(&fault, step, (struct fault_moment){1000 + after_ms, 5000000 + after_ms * 1000000}));
    }
    return fault;
}

static void a_recovery_in_time_without_loss_passes(void **unused)
{
    (void)unused;
    struct fault fault = recovered(240);
    assert_true(fault_elapsed_ms(&fault, FAULT_HEALTHY) == 240);
    assert_true(fault_elapsed_ms(&fault, FAULT_EXIT) == 60);
    assert_string_equal(fault_verdict(&fault, &NO_LOSS), "PASS");
    struct fault_loss single = NO_LOSS;
    single.parity_verdict = NULL; /* one sink: nothing to compare */
    assert_string_equal(fault_verdict(&fault, &single), "PASS");
}

static void each_missing_or_wrong_figure_shows_in_the_verdict(void **unused)
{
    (void)unused;
    struct fault slow = recovered(12004), twice = recovered(240), open = recovered(240),
                 good = recovered(240);
    struct fault_loss lost = NO_LOSS, doubled = NO_LOSS, unequal = NO_LOSS, unknown = NO_LOSS,
                      unmeasured = NO_LOSS;
    twice.restart_count_after = 6;
    open.moments[FAULT_HEALTHY].wall_ms = 0;
    lost.rows_lost = 1;
    doubled.rows_duplicated = 1;
    unequal.parity_verdict = "FAIL";
    unknown.parity_verdict = "UNKNOWN";
    unmeasured.rows_lost = -1;
    assert_string_equal(fault_verdict(&slow, &NO_LOSS), "FAIL");
    assert_string_equal(fault_verdict(&twice, &NO_LOSS), "FAIL");
    assert_string_equal(fault_verdict(&open, &NO_LOSS), "FAIL");
    assert_string_equal(fault_verdict(&good, &lost), "FAIL");
    assert_string_equal(fault_verdict(&good, &doubled), "FAIL");
    assert_string_equal(fault_verdict(&good, &unequal), "FAIL");
    assert_string_equal(fault_verdict(&good, &unknown), "UNKNOWN");
    assert_string_equal(fault_verdict(&good, &unmeasured), "UNKNOWN");
}

static void what_a_victim_refused_is_no_failure_and_what_nobody_answered_is(void **unused)
{
    (void)unused;
    struct fault refused, unanswered;
    struct fault_moment now = {1, 1};
    const struct injury_order order = {.id = 1, .kind = INJURY_DROP, .ttl_ms = 500};
    fault_begin(&refused, "signal", &order, 0, 1, 100);
    unanswered = refused;
    refused.end = FAULT_REFUSED;
    unanswered.end = FAULT_UNANSWERED;
    assert_true(fault_is_refused(&refused) && fault_never_began(&refused));
    assert_true(!fault_is_refused(&unanswered) && fault_never_began(&unanswered));
    assert_string_equal(fault_verdict(&refused, &NO_LOSS), "REFUSED");
    assert_string_equal(fault_verdict(&unanswered, &NO_LOSS), "FAIL");
    assert_false(fault_note(&refused, FAULT_KILL, now) || fault_note(&unanswered, FAULT_KILL, now));
}

static void steps_count_only_in_their_order(void **unused)
{
    (void)unused;
    struct fault fault;
    struct fault_moment now = {1, 1};
    fault_begin(&fault, "signal", &KILL_ORDER, SIGKILL, 1, 100);
    assert_false(fault_note(&fault, FAULT_EXIT, now)); /* not killed yet */
    assert_true(fault_note(&fault, FAULT_KILL, now));
    assert_false(fault_note(&fault, FAULT_READY, now));
    assert_false(fault_note(&fault, FAULT_HEALTHY, now)); /* a heartbeat of the dead generation */
    assert_true(fault_note(&fault, FAULT_EXIT, now));
    assert_false(fault_note(&fault, FAULT_EXIT, now));
    assert_int_equal(fault_waiting(&fault), FAULT_RESTART);
    assert_true(isnan(fault_elapsed_ms(&fault, FAULT_READY)));
}

static void the_json_has_the_steps_that_happened(void **unused)
{
    (void)unused;
    struct fault fault = recovered(240);
    struct buffer text;
    struct json json;
    fault.moments[FAULT_HEALTHY].wall_ms = 0;
    buffer_init(&text, 0);
    json_init(&json, &text);
    fault_json(&json, &fault, &NO_LOSS);
    assert_non_null(strstr(buffer_text(&text), "\"signal_sent\":\"KILL\""));
    assert_non_null(strstr(buffer_text(&text), "\"recovery_ms\":null"));
    assert_non_null(strstr(buffer_text(&text), "\"event\":\"ready\"}]"));
    assert_non_null(strstr(buffer_text(&text), "\"verdict\":\"FAIL\""));
    buffer_finish(&text);
}

/* --- leases --- */

static struct fault_moment at(int64_t ms)
{
    return (struct fault_moment){1000 + ms, ms * 1000000};
}

/* lease: over after its 2 s, healthy 100 ms later, without a restart. */
static struct fault lease(enum injury_kind kind)
{
    const struct injury_order order = {.id = 1, .kind = kind, .ttl_ms = 2000};
    struct fault fault;
    fault_begin(&fault, "signal", &order, 0, 3, 100);
    fault.restart_count_before = fault.restart_count_after = 4;
    fault.touched = 7;
    fault.late_ms = 1;
    assert_true(fault_note(&fault, FAULT_KILL, at(0)));
    assert_false(fault_note(&fault, FAULT_HEALTHY, at(500))); /* while it lasts nobody is healthy again */
    assert_true(fault_over(&fault, FAULT_EXPIRED, at(2000)));
    assert_true(fault_note(&fault, FAULT_HEALTHY, at(2100)));
    return fault;
}

static void a_lease_that_was_undone_and_recovered_from_passes(void **unused)
{
    (void)unused;
    struct fault fault = lease(INJURY_DROP);
    assert_int_equal(fault_waiting(&fault), FAULT_STEP_COUNT);
    assert_true(fault_recovery_ms(&fault) == 100); /* from its end */
    assert_string_equal(fault_verdict(&fault, &NO_LOSS), "PASS");
    assert_false(fault_over(&fault, FAULT_CLEARED, at(3000)));
    assert_false(fault_note(&fault, FAULT_EXIT, at(3000)));
}

static void a_lease_that_touched_nothing_or_was_undone_late_fails(void **unused)
{
    (void)unused;
    struct fault nothing = lease(INJURY_DROP), late = lease(INJURY_DROP), unknown = lease(INJURY_DROP),
                 restarted = lease(INJURY_DROP), lasting = lease(INJURY_DROP);
    nothing.touched = 0;
    late.late_ms = INJURY_LATE_MS_MAX + 1;
    unknown.late_ms = -1;
    restarted.restart_count_after++;
    lasting.end = FAULT_LASTS;
    assert_string_equal(fault_verdict(&nothing, &NO_LOSS), "FAIL");
    assert_string_equal(fault_verdict(&late, &NO_LOSS), "FAIL");
    assert_string_equal(fault_verdict(&unknown, &NO_LOSS), "FAIL");
    assert_string_equal(fault_verdict(&restarted, &NO_LOSS), "FAIL");
    assert_string_equal(fault_verdict(&lasting, &NO_LOSS), "FAIL");
}

/* ended: the supervisor ended the process while the lease lasted. */
static struct fault ended(enum injury_kind kind)
{
    const struct injury_order order = {.id = 1, .kind = kind, .ttl_ms = 5000};
    struct fault fault;
    fault_begin(&fault, "signal", &order, 0, 3, 100);
    fault.restart_count_before = 4;
    fault.restart_count_after = 5;
    fault.touched = 1;
    assert_true(fault_note(&fault, FAULT_KILL, at(0)));
    assert_true(fault_over(&fault, FAULT_ENDED, at(900)));
    for (enum fault_step step = FAULT_EXIT; step < FAULT_STEP_COUNT; step++)
        assert_true(fault_note(&fault, step, at(900 + step)));
    return fault;
}

static void a_hang_may_end_its_process_once_and_lost_descriptors_may_not(void **unused)
{
    (void)unused;
    struct fault hang = ended(INJURY_HANG), descriptors = ended(INJURY_DESCRIPTORS);
    assert_true(fault_recovery_ms(&hang) == 904); /* from its beginning */
    assert_string_equal(fault_verdict(&hang, &NO_LOSS), "PASS");
    assert_string_equal(fault_verdict(&descriptors, &NO_LOSS), "FAIL");
    hang.restart_count_after = 6;
    assert_string_equal(fault_verdict(&hang, &NO_LOSS), "FAIL");
}

static void the_end_of_a_lease_stands_where_it_came(void **unused)
{
    (void)unused;
    struct fault fault = lease(INJURY_CLOCK);
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    fault_json(&json, &fault, &NO_LOSS);
    const char *sequence = strstr(buffer_text(&text), "\"event_sequence\"");
    const char *begun = strstr(sequence, "\"event\":\"fault\""),
               *over = strstr(sequence, "\"event\":\"expired\""),
               *healthy = strstr(sequence, "\"event\":\"healthy\"");
    assert_true(begun && over && healthy && begun < over && over < healthy);
    assert_non_null(strstr(buffer_text(&text), "\"kind\":\"clock\""));
    assert_non_null(strstr(buffer_text(&text), "\"ttl_ms\":2000"));
    buffer_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recovery_in_time_without_loss_passes),
        cmocka_unit_test(each_missing_or_wrong_figure_shows_in_the_verdict),
        cmocka_unit_test(what_a_victim_refused_is_no_failure_and_what_nobody_answered_is),
        cmocka_unit_test(steps_count_only_in_their_order),
        cmocka_unit_test(the_json_has_the_steps_that_happened),
        cmocka_unit_test(a_lease_that_was_undone_and_recovered_from_passes),
        cmocka_unit_test(a_lease_that_touched_nothing_or_was_undone_late_fails),
        cmocka_unit_test(a_hang_may_end_its_process_once_and_lost_descriptors_may_not),
        cmocka_unit_test(the_end_of_a_lease_stands_where_it_came),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
