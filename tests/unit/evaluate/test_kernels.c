// links: evaluate market proto base cmocka
/* The evaluation kernels: the golden table of golden.md §7, and the edges of each rule of algorithms.md §9 and §10. */
#include "evaluate/auc.h"
#include "evaluate/interval.h"
#include "evaluate/label.h"
#include "evaluate/merge.h"
#include "evaluate/platt.h"
#include "evaluate/probability.h"
#include "evaluate/rates.h"
#include "evaluate/slice.h"
#include "evaluate/top_k.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { GOLDEN = 40, MANY = 400 };

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * fmax(1, fabs(expected))))
        fail_msg("%.17g, should be %.17g", value, expected);
}

static void golden_rows(double scores[GOLDEN], uint8_t labels[GOLDEN])
{
    for (int i = 0; i < GOLDEN; i++) {
        scores[i] = (double)(37 * i % 23 - 11) / 5;
        labels[i] = 13 * i % 17 < (scores[i] > 0 ? 10 : 6);
    }
}

static void golden_auc_and_intervals(void **state)
{
    (void)state;
    double scores[GOLDEN], scratch[GOLDEN], low, high;
    uint8_t labels[GOLDEN];
    golden_rows(scores, labels);
    double value = auc_value(scores, labels, GOLDEN, scratch);
    assert_near(value, 0.5651629072681704, 1e-15);
    auc_interval(value, 19, 21, &low, &high);
    assert_near(low, 0.38527416040840967, 1e-12);
    assert_near(high, 0.7450516541279312, 1e-12);
    auc_interval(value, 9.5, 10.5, &low, &high);
    assert_near(low, 0.3076571452806472, 1e-12);
    assert_near(high, 0.8226686692556937, 1e-12);
}

static void golden_platt_ece_and_brier(void **state)
{
    (void)state;
    double scores[GOLDEN], p[GOLDEN];
    uint8_t labels[GOLDEN];
    golden_rows(scores, labels);
    struct platt fit = platt_fit(scores, labels, GOLDEN);
    assert_int_equal(fit.state, CALIBRATION_ACTIVE);
    assert_near(fit.a, -0.15189492613598, 1e-9);
    assert_near(fit.b, 0.09421100948594, 1e-9);
    for (int i = 0; i < GOLDEN; i++)
        p[i] = platt_probability(fit.a, fit.b, scores[i]);
    assert_near(expected_calibration_error_of_any(p, labels, GOLDEN), 0.03856523041720, 1e-9);
    struct brier brier = brier_of_any(p, labels, GOLDEN, 0.6);
    assert_near(brier.value, 0.24633194265778, 1e-9);
    assert_near(brier.baseline, 0.265, 1e-12);
    assert_near(brier.improvement_pct, 7.04454994, 1e-8);
}

static void golden_top_k_and_wilson(void **state)
{
    (void)state;
    double scores[GOLDEN], returns[GOLDEN], scratch[GOLDEN], low, high;
    uint8_t labels[GOLDEN];
    golden_rows(scores, labels);
    for (int i = 0; i < GOLDEN; i++)
        returns[i] = 2.0 * labels[i] - 1;
    assert_int_equal(top_k_count(GOLDEN), 2);
    assert_near(top_k_hit_rate_5p_of_any(scores, returns, GOLDEN, scratch), 0, 0);
    wilson_interval(8, 10, &low, &high);
    assert_near(low, 0.4901624715366, 1e-12);
    assert_near(high, 0.9433178485456, 1e-12);
    wilson_interval(0, 10, &low, &high);
    assert_true(low == 0 && high > 0 && high < 0.3);
    wilson_interval(0, 0, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

static void of_equal_scores_top_k_takes_the_earlier(void **state)
{
    (void)state;
    double scores[MANY], returns[MANY], scratch[MANY];
    for (int i = 0; i < MANY; i++) {
        scores[i] = i % 2 ? 1 : -1; /* all of one size: the first 20 rows are taken */
        returns[i] = i < 20 ? scores[i] : -scores[i];
    }
    assert_near(top_k_hit_rate_5p(scores, returns, MANY, scratch), 1, 0);
    scores[MANY - 1] = 2; /* larger: taken in place of row 19 */
    assert_near(top_k_hit_rate_5p(scores, returns, MANY, scratch), 0.95, 1e-15);
    assert_true(isnan(top_k_hit_rate_5p(scores, returns, 199, scratch)));
    for (int i = 0; i < MANY; i++)
        scores[i] = 0; /* a score of 0 has the sign of no return */
    assert_near(top_k_hit_rate_5p(scores, returns, MANY, scratch), 0, 0);
}

static void auc_is_unknown_below_its_least_counts(void **state)
{
    (void)state;
    double scores[MANY], scratch[MANY];
    uint8_t labels[MANY] = {0};
    for (int i = 0; i < MANY; i++) {
        scores[i] = i;
        labels[i] = i >= MANY - 30;
    }
    struct auc auc = auc_measure(scores, labels, MANY, 20, scratch);
    assert_near(auc.value, 1, 0);
    assert_near(auc.hi95, 1, 0);
    assert_int_equal(auc.ones, 30);
    assert_true(isnan(auc_measure(scores, labels, MANY, 19, scratch).value));
    assert_true(isnan(auc_measure(scores + MANY - 199, labels + MANY - 199, 199, 20, scratch).value));
    assert_false(isnan(auc_measure(scores + MANY - 200, labels + MANY - 200, 200, 20, scratch).value));
    labels[MANY - 30] = 0;
    auc = auc_measure(scores, labels, MANY, 20, scratch);
    assert_true(isnan(auc.value) && isnan(auc.lo95) && isnan(auc.hi95));
    for (int i = 0; i < MANY; i++)
        labels[i] = i < 370;
    assert_near(auc_measure(scores, labels, MANY, 20, scratch).value, 0, 0);
    labels[370] = 1;
    assert_true(isnan(auc_measure(scores, labels, MANY, 20, scratch).value));
}

static void equal_scores_count_half(void **state)
{
    (void)state;
    const double scores[] = {1, 1, 1, 1, 2, 0};
    const uint8_t labels[] = {1, 0, 1, 0, 0, 0};
    double scratch[6]; /* per one: two equal zeros, one above, one below */
    assert_near(auc_value(scores, labels, 6, scratch), (1.0 + 2 * 0.5) / 4, 1e-15);
    assert_true(isnan(auc_value(scores, labels, 1, scratch)));
}

static void platt_says_why_there_is_no_fit(void **state)
{
    (void)state;
    double scores[MANY];
    uint8_t labels[MANY];
    for (int i = 0; i < MANY; i++) {
        scores[i] = i % 7 - 3;
        labels[i] = i % 3 == 0;
    }
    assert_int_equal(platt_train(scores, labels, 199).state, CALIBRATION_INSUFFICIENT);
    assert_int_equal(platt_train(scores, labels, 200).state, CALIBRATION_ACTIVE);
    for (int i = 0; i < MANY; i++)
        scores[i] = 0.25;
    assert_int_equal(platt_train(scores, labels, MANY).state, CALIBRATION_INSUFFICIENT);
    for (int i = 0; i < MANY; i++) {
        scores[i] = i;
        labels[i] = i < 29;
    }
    assert_int_equal(platt_train(scores, labels, MANY).state, CALIBRATION_INSUFFICIENT);
    scores[0] = 1e200; /* its square is no number any more */
    labels[29] = 1;
    assert_int_equal(platt_train(scores, labels, MANY).state, CALIBRATION_NOT_CONVERGED);
}

static void separable_scores_still_converge(void **state)
{
    (void)state;
    double scores[MANY];
    uint8_t labels[MANY];
    for (int i = 0; i < MANY; i++) {
        scores[i] = i < MANY / 2 ? -2 : 2;
        labels[i] = i >= MANY / 2;
    }
    struct platt fit = platt_train(scores, labels, MANY);
    assert_int_equal(fit.state, CALIBRATION_ACTIVE);
    /* Two points, two unknowns: p is the target, (N+1)/(N+2). */
    assert_near(platt_probability(fit.a, fit.b, 2), 201.0 / 202, 1e-7);
    assert_near(platt_probability(fit.a, fit.b, -2), 1.0 / 202, 1e-7);
    assert_near(platt_probability(-1000, 0, 1000), 1, 0);
    assert_near(platt_probability(1000, 0, 1000), 0, 0);
}

static void a_bin_holds_its_upper_end(void **state)
{
    (void)state;
    const double p[] = {0, 0.1, 1, 0.95};
    const uint8_t labels[] = {0, 0, 1, 1};
    assert_near(expected_calibration_error_of_any(p, labels, 4), 0.5 * 0.05 + 0.5 * 0.025, 1e-12);
    const double apart[] = {0.1, 0.100001};
    const uint8_t both[] = {1, 0}; /* in one bin they would nearly cancel */
    assert_near(expected_calibration_error_of_any(apart, both, 2), 0.5 * 0.9 + 0.5 * 0.100001, 1e-12);
    assert_true(isnan(expected_calibration_error(p, labels, 4)));
}

static void brier_is_unknown_without_rows_or_baseline(void **state)
{
    (void)state;
    double p[MANY];
    uint8_t labels[MANY];
    for (int i = 0; i < MANY; i++) {
        p[i] = 0.75;
        labels[i] = 1;
    }
    struct brier brier = brier_measure(p, labels, MANY, 0.5);
    assert_near(brier.improvement_pct, 75, 1e-12);
    assert_true(isnan(brier_measure(p, labels, 199, 0.5).value));
    brier = brier_measure(p, labels, MANY, 1);
    assert_near(brier.value, 0.0625, 1e-15);
    assert_near(brier.baseline, 0, 0);
    assert_true(isnan(brier.improvement_pct));
}

static void labels_look_forward_only_and_not_too_far(void **state)
{
    (void)state;
    const struct label_rule rule = {.horizon_ms = 5000, .tol_ms = 1500};
    const struct label_snapshot snapshots[] = {{1000, 5}, {5999, 1}, {6000, 11}, {6000, 9}, {13501, 12}};
    const int64_t t_ms[] = {1000, 1001, 7000, 7001, 9000};
    const double prices[] = {10, 10, 10, 12, 10};
    uint8_t labels[5];
    double returns[5];
    label_all(&rule, t_ms, prices, 5, snapshots, 5, labels, returns);
    assert_int_equal(labels[0], LABEL_UP); /* the first at t+h, not the one before, not the later one */
    assert_near(returns[0], 0.1, 1e-12);
    assert_int_equal(labels[1], LABEL_UNKNOWN);
    assert_true(isnan(returns[1]));
    assert_int_equal(labels[2], LABEL_UNKNOWN); /* one ms behind the tolerance */
    assert_int_equal(labels[3], LABEL_TIE);     /* the last ms of it */
    assert_int_equal(labels[4], LABEL_UNKNOWN); /* none behind it */
    label_all(&rule, t_ms, prices, 5, snapshots, 5, labels, NULL);
    assert_int_equal(labels[0], LABEL_UP);
}

static void a_rising_series_is_all_ones(void **state)
{
    (void)state;
    const struct label_rule rule = {.horizon_ms = 5000, .tol_ms = 0};
    struct label_snapshot snapshots[MANY];
    int64_t t_ms[MANY];
    double prices[MANY];
    uint8_t labels[MANY];
    for (int i = 0; i < MANY; i++) {
        t_ms[i] = (int64_t)i * 1000;
        prices[i] = 100 + i * 1e-9;
        snapshots[i] = (struct label_snapshot){t_ms[i], prices[i]};
    }
    label_all(&rule, t_ms, prices, MANY - 5, snapshots, MANY, labels, NULL);
    for (int i = 0; i < MANY - 5; i++)
        assert_int_equal(labels[i], LABEL_UP);
}

static void the_embargo_ends_before_the_window_does(void **state)
{
    (void)state;
    const struct label_rule rule = {.horizon_ms = 5000, .tol_ms = 1500};
    assert_true(label_in_window(&rule, 1000, 1000, 7501));
    assert_false(label_in_window(&rule, 1000, 1000, 7500));
    assert_false(label_in_window(&rule, 999, 1000, 10000));
}

static void outcomes_are_distinct_horizons(void **state)
{
    (void)state;
    const int64_t t_ms[] = {0, 4999, 5000, 5000, 25000, 29999};
    assert_int_equal(label_outcomes(t_ms, 6, 5000), 3);
    assert_int_equal(label_outcomes(t_ms, 0, 5000), 0);
}

static void evaluation_rows_are_fresh_valid_and_on_the_step(void **state)
{
    (void)state;
    const struct feature_row fit = {.ts_ms = 60000, .age_ofi_ms = 1500, .reason_codes = "lag_exceeded"};
    assert_true(label_is_evaluation_row(&fit, 1000, 1500));
    struct feature_row row = fit;
    row.ts_ms = 60100;
    assert_false(label_is_evaluation_row(&row, 1000, 1500));
    row = fit;
    row.warmup = 1;
    assert_false(label_is_evaluation_row(&row, 1000, 1500));
    row = fit;
    row.age_ofi_ms = 1501;
    assert_false(label_is_evaluation_row(&row, 1000, 1500));
    const char *const unfit[] = {"stale_ofi",     "stale_cvd",           "cvd_frozen",
                                 "invalid_input", "stale_ofi,stale_cvd", "cvd_frozen,lag_exceeded"};
    for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
        row = fit;
        strcpy(row.reason_codes, unfit[i]);
        assert_false(label_is_evaluation_row(&row, 1000, 1500));
    }
}

static void sessions_are_half_open(void **state)
{
    (void)state;
    const int64_t hour = 3600000, day = 24 * hour;
    assert_int_equal(slice_session(day), SLICE_TOKYO);
    assert_int_equal(slice_session(day + 8 * hour - 1), SLICE_TOKYO);
    assert_int_equal(slice_session(day + 8 * hour), SLICE_LONDON);
    assert_int_equal(slice_session(day + 16 * hour), SLICE_NY);
    assert_int_equal(slice_session(day + 24 * hour - 1), SLICE_NY);
    assert_true(slice_has(SLICE_LONDON, day + 9 * hour, REGIME_ACTIVE));
    assert_true(slice_has(SLICE_ACTIVE, day, REGIME_ACTIVE));
    assert_true(slice_has(SLICE_QUIET, day, REGIME_QUIET));
    assert_false(slice_has(SLICE_ACTIVE, day, REGIME_NORMAL));
    assert_false(slice_has(SLICE_QUIET, day, REGIME_NORMAL));
}

static void merge_counts_seconds_without_rows_and_rows_beyond_the_tolerance(void **state)
{
    (void)state;
    const struct merge_row rows[] = {
        {1000, 9000, 10}, {2000, 100, 5000}, {2500, 1, 1}, {3000, 2000, 50}, {9000, 1, 1}};
    double scratch[5];
    struct merge merge = merge_measure(rows, 5, MERGE_FUSION, 2000, 1000, 4999, scratch);
    assert_int_equal(merge.n_total, 4);
    assert_int_equal(merge.n_rows, 3);
    assert_int_equal(merge.n_matched, 1);
    assert_near(merge.match_rate, 0.25, 0);
    assert_near(merge.p50, 5000, 0);
    assert_near(merge.p99, 5000 + 0.98 * 4000, 1e-12);
    assert_int_equal(merge_measure(rows, 5, MERGE_OFI, 2000, 1000, 4999, scratch).n_matched, 2);
    assert_int_equal(merge_measure(rows, 5, MERGE_CVD, 2000, 1000, 4999, scratch).n_matched, 2);
    assert_int_equal(merge_seconds(1, 999), 0);
    assert_int_equal(merge_seconds(1, 1000), 1);
    assert_int_equal(merge_seconds(0, 1000), 2);
    merge = merge_measure(rows, 5, MERGE_FUSION, 2000, 1, 999, scratch);
    assert_true(isnan(merge.match_rate) && isnan(merge.p99));
}

static void rates_are_over_rows_that_have_a_z(void **state)
{
    (void)state;
    struct rates rates = {0};
    assert_true(isnan(rates_floor_hit(&rates)) && isnan(rates_winsor_hit(&rates)));
    rates_add(&rates, &(struct cvd_row){.z_raw = NAN, .floor_used = FIELD_NULL_BOOL}, 8);
    rates_add(&rates, &(struct cvd_row){.z_raw = 8, .floor_used = 1}, 8);
    rates_add(&rates, &(struct cvd_row){.z_raw = -8.5, .floor_used = 0}, 8);
    rates_add(&rates, &(struct cvd_row){.z_raw = 9, .floor_used = 0}, 8);
    rates_add(&rates, &(struct cvd_row){.z_raw = 0, .floor_used = 0}, 8);
    assert_int_equal(rates.n, 4);
    assert_near(rates_floor_hit(&rates), 0.25, 0);
    assert_near(rates_winsor_hit(&rates), 0.5, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_auc_and_intervals),
        cmocka_unit_test(golden_platt_ece_and_brier),
        cmocka_unit_test(golden_top_k_and_wilson),
        cmocka_unit_test(of_equal_scores_top_k_takes_the_earlier),
        cmocka_unit_test(auc_is_unknown_below_its_least_counts),
        cmocka_unit_test(equal_scores_count_half),
        cmocka_unit_test(platt_says_why_there_is_no_fit),
        cmocka_unit_test(separable_scores_still_converge),
        cmocka_unit_test(a_bin_holds_its_upper_end),
        cmocka_unit_test(brier_is_unknown_without_rows_or_baseline),
        cmocka_unit_test(labels_look_forward_only_and_not_too_far),
        cmocka_unit_test(a_rising_series_is_all_ones),
        cmocka_unit_test(the_embargo_ends_before_the_window_does),
        cmocka_unit_test(outcomes_are_distinct_horizons),
        cmocka_unit_test(evaluation_rows_are_fresh_valid_and_on_the_step),
        cmocka_unit_test(sessions_are_half_open),
        cmocka_unit_test(merge_counts_seconds_without_rows_and_rows_beyond_the_tolerance),
        cmocka_unit_test(rates_are_over_rows_that_have_a_z),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
