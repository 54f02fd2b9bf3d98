// What the canary's gates decide when they fire and recover: control inputs, their values, what undoes what.
// links: evaluation canary validate evaluate orchestrator store config proto base yyjson
#include "orchestrator/evaluation/canary_report.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BEGIN_MS = 6000 * MINUTE_MS };

/* bench: one symbol whose minutes are what a test says. */
struct bench {
    struct config *config;
    struct canary_report *report;
    struct series_settings settings;
    struct symbol_report symbol;
    struct measures minute;
    int64_t end_ms;
};

static void bench_make(struct bench *bench, const char *tolerance_ms)
{
    struct error error = {{0}};
    *bench = (struct bench){
        .config = config_create(), .report = calloc(1, sizeof *bench->report), .end_ms = BEGIN_MS};
    assert_int_equal(config_set(bench->config, "eval.merge_tol_ms", tolerance_ms, ORIGIN_CLI, &error),
                     STATUS_OK);
    bench->report->config = bench->config;
    series_settings_take(bench->config, "BTCUSDT", &bench->settings);
    bench->report->horizon_count = bench->settings.horizon_count;
    symbol_report_init(&bench->symbol, "BTCUSDT", bench->config, &bench->settings);
    bench->minute.ece = 0.05;
    bench->minute.platt_test = 300;
    bench->minute.brier_improvement_pct = 9;
    bench->minute.merge.p99 = 100;
    bench->minute.merge.match_rate = 1;
    bench->minute.direction = 0;
    for (size_t slice = 0; slice < SLICE_COUNT; slice++)
        bench->minute.slices[slice].value = 0.7;
}

static void bench_finish(struct bench *bench)
{
    free(bench->symbol.decisions);
    config_destroy(bench->config);
    free(bench->report);
}

static void pass(struct bench *bench, int minutes)
{
    for (; minutes > 0; minutes--) {
        bench->end_ms += MINUTE_MS;
        bench->minute.end_ms = bench->end_ms;
        for (size_t h = 0; h < bench->settings.horizon_count; h++)
            bench->symbol.newest[h] = bench->minute;
        judge_minute(bench->report, &bench->symbol, &bench->settings, true);
    }
}

static void assert_decided(const struct bench *bench, size_t number, const char *action, const char *control,
                           double value, int64_t undoes)
{
    assert_true(bench->symbol.decision_count >= number);
    const struct decision *decision = &bench->symbol.decisions[number - 1];
    assert_int_equal(decision->number, number);
    assert_string_equal(decision->action, action);
    assert_int_equal(decision->fired, undoes == 0);
    assert_int_equal(decision->undoes, undoes);
    if (control)
        assert_string_equal(decision->control, control);
    else
        assert_null(decision->control);
    assert_true(isnan(value) ? isnan(decision->value) : decision->value == value);
}

static void before_the_first_minute_every_gate_has_the_configured_threshold_and_no_figure(void **state)
{
    (void)state;
    static const char *const IDS[] = {"canary_auc", "canary_ece", "canary_brier", "canary_merge",
                                      "canary_match"};
    static const double WANTED[] = {0.58, 0.10, 5, 2000, 0.80};
    struct bench bench;
    bench_make(&bench, "900");
    size_t found = 0;
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++) {
        assert_true(isnan(bench.symbol.gates[gate].measured));
        for (size_t i = 0; i < sizeof IDS / sizeof *IDS; i++)
            if (strcmp(canary_gate_rule(gate)->id, IDS[i]) == 0) {
                assert_true(bench.symbol.gates[gate].threshold == WANTED[i]);
                found++;
            }
    }
    assert_int_equal(found, sizeof IDS / sizeof *IDS);
    bench_finish(&bench);
}

static void a_slice_is_weakened_suspended_and_let_back_step_by_step(void **state)
{
    (void)state;
    struct bench bench;
    bench_make(&bench, "2000");
    bench.minute.slices[SLICE_ACTIVE].value = 0.5;
    pass(&bench, 10);
    assert_true(judge_weight(&bench.symbol) == 0.5);
    pass(&bench, 10);
    assert_true(judge_weight(&bench.symbol) == 0);
    bench.minute.slices[SLICE_ACTIVE].value = 0.6;
    pass(&bench, 60);
    assert_true(judge_weight(&bench.symbol) == 1);
    assert_int_equal(bench.symbol.decision_count, 4);
    assert_decided(&bench, 1, "reduce_weight", "slice_weight", 0.5, 0);
    assert_decided(&bench, 2, "suspend_slice", "slice_weight", 0, 0);
    assert_decided(&bench, 3, "suspend_slice", "slice_weight", 0.5, 2);
    assert_decided(&bench, 4, "reduce_weight", "slice_weight", 1, 1);
    assert_int_equal(bench.symbol.decisions[3].minute_ms, BEGIN_MS + 80 * MINUTE_MS);
    bench_finish(&bench);
}

static void a_calibration_that_two_gates_hold_goes_on_when_both_have_let_go(void **state)
{
    (void)state;
    struct bench bench;
    bench_make(&bench, "2000");
    bench.minute.ece = 0.2;
    pass(&bench, 4);
    bench.minute.platt_test = 0;
    pass(&bench, 10);
    assert_decided(&bench, 1, "suspend_calibration", "suspend_calibration", NAN, 0);
    assert_decided(&bench, 2, "suspend_calibration", NULL, NAN, 0); /* it is already */
    bench.minute.ece = 0.05;
    pass(&bench, 5);
    bench.minute.platt_test = 300;
    pass(&bench, 25);
    assert_decided(&bench, 3, "suspend_calibration", NULL, NAN, 1); /* the other one still holds it */
    pass(&bench, 5);
    assert_decided(&bench, 4, "suspend_calibration", "resume_calibration", NAN, 2);
    bench_finish(&bench);
}

static void a_tolerance_is_raised_once_and_never_above_its_limit(void **state)
{
    (void)state;
    const struct {
        const char *configured;
        double raised; /* NaN: it stays */
    } cases[] = {{"2000", 2500}, {"300", 800}, {"2300", 2500}, {"2500", NAN}, {"4000", NAN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench;
        bench_make(&bench, cases[i].configured);
        bool raises = !isnan(cases[i].raised);
        bench.minute.merge.p99 = 5000;
        pass(&bench, 30);
        assert_int_equal(bench.symbol.decision_count, 2);
        assert_decided(&bench, 1, "adjust_merge_tol", raises ? "adjust_merge_tol" : NULL, cases[i].raised, 0);
        assert_decided(&bench, 2, "investigate", NULL, NAN, 0);
        assert_true(!raises || bench.symbol.tolerance.now_ms == (int64_t)cases[i].raised);
        assert_true(!raises || bench.symbol.tolerance.since_ms == BEGIN_MS + 5 * MINUTE_MS);
        bench.minute.merge.p99 = 100;
        pass(&bench, 30);
        assert_decided(&bench, 3, "investigate", NULL, NAN, 2);
        pass(&bench, 30);
        assert_decided(&bench, 4, "adjust_merge_tol", raises ? "adjust_merge_tol" : NULL,
                       raises ? strtod(cases[i].configured, NULL) : NAN, 1);
        assert_int_equal(bench.symbol.tolerance.now_ms, strtol(cases[i].configured, NULL, 10));
        bench_finish(&bench);
    }
}

static void three_turns_in_a_day_lock_the_direction_until_they_are_a_day_old(void **state)
{
    (void)state;
    struct bench bench;
    bench_make(&bench, "2000");
    bench.symbol.flip_count = 2;
    pass(&bench, 40);
    assert_int_equal(bench.symbol.decision_count, 0);
    bench.symbol.flip_count = 3;
    pass(&bench, 5);
    assert_decided(&bench, 1, "lock_direction", "lock_direction", NAN, 0);
    bench.symbol.flip_count = 0;
    pass(&bench, 30);
    assert_decided(&bench, 2, "lock_direction", "unlock_direction", NAN, 1);
    bench_finish(&bench);
}

static void what_only_people_can_mend_sends_nothing(void **state)
{
    (void)state;
    struct bench bench;
    bench_make(&bench, "2000");
    bench.minute.brier_improvement_pct = -1;
    bench.minute.merge.match_rate = 0.5;
    pass(&bench, 10);
    assert_int_equal(bench.symbol.decision_count, 2);
    assert_decided(&bench, 1, "investigate", NULL, NAN, 0);
    assert_decided(&bench, 2, "report", NULL, NAN, 0);
    bench_finish(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_minute_every_gate_has_the_configured_threshold_and_no_figure),
        cmocka_unit_test(a_slice_is_weakened_suspended_and_let_back_step_by_step),
        cmocka_unit_test(a_calibration_that_two_gates_hold_goes_on_when_both_have_let_go),
        cmocka_unit_test(a_tolerance_is_raised_once_and_never_above_its_limit),
        cmocka_unit_test(three_turns_in_a_day_lock_the_direction_until_they_are_a_day_old),
        cmocka_unit_test(what_only_people_can_mend_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
