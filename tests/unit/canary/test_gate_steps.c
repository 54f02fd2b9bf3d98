// The canary's gates as a table of minutes: what fires when, and what is taken back.
// links: canary config base
#include "orchestrator/canary/gate_steps.h"
#include "tests/support/check.h"

#include <math.h>
#include <string.h>

/* play: letters are evaluations: p pass, f fail, u unknown before a window has matured, U behind it, each possibly
 * with a count before it. Out come the minutes with an event: "10F 20F 50R". */
static void play(enum canary_gate gate, const char *letters, char *out, size_t bytes)
{
    struct canary_gate_state state = {0};
    int minute = 0, count = 0;
    size_t length = 0;
    out[0] = 0;
    for (; *letters; letters++) {
        if (*letters >= '0' && *letters <= '9') {
            count = 10 * count + *letters - '0';
            continue;
        }
        for (count = count ? count : 1; count > 0; count--) {
            enum canary_verdict verdict = *letters == 'p'   ? CANARY_PASS
                                          : *letters == 'f' ? CANARY_FAIL
                                                            : CANARY_UNKNOWN;
            enum canary_event event =
                canary_gate_evaluate(canary_gate_rule(gate), &state, verdict, *letters == 'U');
            minute++;
            if (event != CANARY_NOTHING)
                length += (size_t)snprintf(out + length, bytes - length, "%s%d%c", length ? " " : "", minute,
                                           event == CANARY_FIRED ? 'F' : 'R');
        }
    }
}

static void a_gate_fires_after_its_period_and_recovers_one_step_at_a_time(void **state)
{
    (void)state;
    const struct {
        enum canary_gate gate;
        const char *minutes, *events;
    } cases[] = {
        {CANARY_AUC, "9f", ""},
        {CANARY_AUC, "10f", "10F"},
        {CANARY_AUC, "9f1p9f", ""}, /* at every evaluation of the period */
        {CANARY_AUC, "19f", "10F"},
        {CANARY_AUC, "20f", "10F 20F"},
        {CANARY_AUC, "40f", "10F 20F"}, /* it has no third step */
        {CANARY_AUC, "20f29p", "10F 20F"},
        {CANARY_AUC, "20f30p", "10F 20F 50R"},
        {CANARY_AUC, "20f60p", "10F 20F 50R 80R"},
        {CANARY_AUC, "20f90p", "10F 20F 50R 80R"}, /* nothing is left to take back */
        {CANARY_AUC, "20f30p10f", "10F 20F 50R 60F"},
        {CANARY_AUC, "10f29p1f30p", "10F 70R"}, /* a failure begins the recovery anew */
        {CANARY_AUC, "30u", ""},                /* start-up grace */
        {CANARY_AUC, "10U", "10F"},             /* afterwards it acts like a failure */
        {CANARY_AUC, "5f5U", "10F"},
        {CANARY_AUC, "9f1u1f", ""},
        {CANARY_AUC, "10f29p1u1p", "10F"},
        {CANARY_ECE, "20f", "10F"},
        {CANARY_PLATT, "10U", "10F"},
        {CANARY_BRIER, "30f", "10F"},
        {CANARY_MERGE, "4f", ""},
        {CANARY_MERGE, "15f", "5F 10F"}, /* the tolerance once, then investigate */
        {CANARY_MATCH, "15f", "5F"},
        {CANARY_DIRECTION, "1f", "1F"},
        {CANARY_DIRECTION, "3f30p", "1F 33R"},
    };
    char events[128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        play(cases[i].gate, cases[i].minutes, events, sizeof events);
        print_message("%s %s\n", canary_gate_rule(cases[i].gate)->id, cases[i].minutes);
        assert_string_equal(events, cases[i].events);
    }
}

/* Every gate has a value on either side of its threshold, and none for what was not measured. */
static void every_gate_can_pass_and_fail(void **state)
{
    (void)state;
    const struct {
        double threshold, good, bad;
    } cases[CANARY_GATES] = {
        [CANARY_AUC] = {0.58, 0.58, 0.5799}, [CANARY_ECE] = {0.10, 0.10, 0.1001},
        [CANARY_PLATT] = {0, 1, 0},          [CANARY_BRIER] = {5, 5, 4.99},
        [CANARY_MERGE] = {2000, 2000, 2001}, [CANARY_MATCH] = {0.8, 0.8, 0.79},
        [CANARY_DIRECTION] = {2, 2, 3},
    };
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++) {
        const char *op = canary_gate_rule(gate)->op;
        assert_int_equal(canary_compare(op, cases[gate].good, cases[gate].threshold), CANARY_PASS);
        assert_int_equal(canary_compare(op, cases[gate].bad, cases[gate].threshold), CANARY_FAIL);
        assert_int_equal(canary_compare(op, NAN, cases[gate].threshold), CANARY_UNKNOWN);
    }
}

static void a_verdict_is_as_good_as_its_worst_part(void **state)
{
    (void)state;
    assert_int_equal(canary_worse(CANARY_PASS, CANARY_PASS), CANARY_PASS);
    assert_int_equal(canary_worse(CANARY_PASS, CANARY_UNKNOWN), CANARY_UNKNOWN);
    assert_int_equal(canary_worse(CANARY_FAIL, CANARY_UNKNOWN), CANARY_FAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_fires_after_its_period_and_recovers_one_step_at_a_time),
        cmocka_unit_test(every_gate_can_pass_and_fail),
        cmocka_unit_test(a_verdict_is_as_good_as_its_worst_part),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
