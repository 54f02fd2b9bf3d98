// links: features evaluate market proto base cmocka
/* The calibration (algorithms.md §9, §10.4): what the engine fits row by row is what the kernels fit on the whole series. */
#include "base/random.h"
#include "services/features/calibration.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int64_t BEGIN_MS = INT64_C(1700000000000) - 300; /* 20 s before a multiple of 60 s */

enum { ROWS_MAX = 20000, BOOKS_MAX = 60000 };

/* series: everything that was ever fed. */
struct series {
    size_t rows, books;
    int64_t t_ms[ROWS_MAX];
    double prices[ROWS_MAX], scores[ROWS_MAX], z_cvd[ROWS_MAX];
    struct label_snapshot snapshots[BOOKS_MAX];
    struct random random;
    int64_t now_ms;
    int64_t cents;
};

static struct calibration_config short_config(void)
{
    return (struct calibration_config){.step_ms = 1000,
                                       .train_ms = 600000,
                                       .test_ms = 60000,
                                       .rule = {.horizon_ms = 5000, .tol_ms = 1500},
                                       .wants_auc = true};
}

static struct series *series_begin(uint64_t seed)
{
    struct series *series = calloc(1, sizeof *series);
    assert_non_null(series);
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&series->random, seed);
    series->now_ms = BEGIN_MS;
    series->cents = 1000000;
    return series;
}

static void feed_book(struct series *series, struct calibration *calibration)
{
    series->cents += (int64_t)random_below(&series->random, 7) - 3;
    struct label_snapshot snapshot = {series->now_ms, (double)series->cents / 100};
    series->snapshots[series->books++] = snapshot;
    calibration_feed_book(calibration, snapshot.ts_ms, snapshot.mid);
}

static struct feature_row next_row(struct series *series)
{
    struct feature_row row = {
        .ts_ms = series->now_ms,
        .mid = (double)series->cents / 100,
        .fusion_score = (double)random_below(&series->random, 6001) / 1000 - 3,
        .z_cvd = (double)random_below(&series->random, 6001) / 1000 - 3,
    };
    row.age_ofi_ms = row.ts_ms - series->snapshots[series->books - 1].ts_ms;
    return row;
}

static void feed_row(struct series *series, struct calibration *calibration)
{
    struct feature_row row = next_row(series);
    size_t i = series->rows;
    if (row.ts_ms % 1000 == 0 && row.age_ofi_ms <= 1500) {
        series->t_ms[i] = row.ts_ms;
        series->prices[i] = row.mid;
        series->scores[i] = row.fusion_score;
        series->z_cvd[i] = row.z_cvd;
        series->rows++;
    }
    calibration_feed_row(calibration, &row, NULL);
}

/* The fit of a boundary from the whole series; what was accepted behind the boundary plays no part. */
static void expect_training(const struct series *series, const struct calibration_config *config,
                            const struct calibration_training *got)
{
    static uint8_t labels[ROWS_MAX], kept_labels[ROWS_MAX];
    static double scores[ROWS_MAX], z_cvd[ROWS_MAX], scratch[ROWS_MAX];
    static int64_t t_ms[ROWS_MAX];
    size_t n = 0;
    label_all(&config->rule, series->t_ms, series->prices, series->rows, series->snapshots, series->books,
              labels, NULL);
    for (size_t i = 0; i < series->rows; i++) {
        if (labels[i] > LABEL_UP || series->t_ms[i] < got->boundary_ms - config->train_ms ||
            series->t_ms[i] + config->rule.horizon_ms + config->rule.tol_ms >= got->boundary_ms)
            continue;
        t_ms[n] = series->t_ms[i];
        scores[n] = series->scores[i];
        z_cvd[n] = series->z_cvd[i];
        kept_labels[n++] = labels[i];
    }
    struct platt fit = platt_train(scores, kept_labels, n);
    struct auc cvd =
        auc_measure(z_cvd, kept_labels, n, label_outcomes(t_ms, n, config->rule.horizon_ms), scratch);
    assert_int_equal(got->n, n);
    assert_int_equal(got->fit.state, fit.state);
    assert_true(got->fit.a == fit.a && got->fit.b == fit.b);
    assert_true(got->cvd.value == cvd.value || (isnan(got->cvd.value) && isnan(cvd.value)));
}

/* One step of 100 ms: perhaps a book, on some times a row. Returns how many boundaries were passed. */
static int step(struct series *series, struct calibration *calibration,
                const struct calibration_config *config)
{
    struct calibration_training training;
    int passed = 0;
    series->now_ms += 100;
    if (random_below(&series->random, 5) == 0 || series->books == 0)
        feed_book(series, calibration);
    if (random_below(&series->random, 10) == 0 && series->now_ms % 1000 != 0)
        return 0; /* a time without a row */
    while (calibration_advance(calibration, series->now_ms, &training)) {
        assert_int_equal(training.boundary_ms % config->test_ms, 0);
        assert_true(training.boundary_ms <= series->now_ms);
        expect_training(series, config, &training);
        assert_int_equal(calibration_state(calibration), training.fit.state);
        passed++;
    }
    feed_row(series, calibration);
    return passed;
}

static void fits_are_those_of_the_whole_series(void **state)
{
    (void)state;
    struct calibration_config config = short_config();
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct series *series = series_begin(seed);
        struct calibration *calibration = calibration_create(&config);
        int boundaries = 0, active = 0;
        for (int i = 0; i < 12000; i++) { /* 20 minutes */
            if (random_below(&series->random, 3000) == 0)
                series->now_ms += (int64_t)random_below(&series->random, 400) * 100; /* silence, up to 40 s */
            boundaries += step(series, calibration, &config);
            active += calibration_state(calibration) == CALIBRATION_ACTIVE;
        }
        assert_true(boundaries >= 19 && active > 5000);
        struct calibration_counters counters = calibration_counters(calibration);
        assert_int_equal(counters.rows, series->rows);
        assert_true(counters.ties > 0 && counters.unlabeled > 0 && counters.labeled > 0);
        calibration_destroy(calibration);
        free(series);
    }
}

static void there_is_no_calibration_before_the_first_boundary(void **state)
{
    (void)state;
    struct calibration_config config = short_config();
    struct series *series = series_begin(4);
    struct calibration *calibration = calibration_create(&config);
    assert_int_equal(calibration_state(calibration), CALIBRATION_NONE);
    while (step(series, calibration, &config) == 0)
        assert_int_equal(calibration_state(calibration), CALIBRATION_NONE);
    assert_int_equal(series->now_ms / 60000, BEGIN_MS / 60000 + 1);
    assert_int_equal(calibration_state(calibration), CALIBRATION_INSUFFICIENT);
    assert_true(isnan(calibration_probability(calibration, 0)));
    calibration_destroy(calibration);
    free(series);
}

static void suspension_hides_the_probability_and_nothing_else(void **state)
{
    (void)state;
    struct calibration_config config = short_config();
    struct series *series = series_begin(5);
    struct calibration *calibration = calibration_create(&config);
    while (calibration_state(calibration) != CALIBRATION_ACTIVE)
        step(series, calibration, &config);
    double before = calibration_probability(calibration, 0.5);
    assert_true(before > 0 && before < 1);
    calibration_suspend(calibration, true);
    assert_int_equal(calibration_state(calibration), CALIBRATION_SUSPENDED);
    assert_true(isnan(calibration_probability(calibration, 0.5)));
    calibration_suspend(calibration, false);
    assert_true(calibration_probability(calibration, 0.5) == before);
    calibration_destroy(calibration);
    free(series);
}

static void a_long_silence_leaves_nothing_to_fit_on(void **state)
{
    (void)state;
    struct calibration_config config = short_config();
    struct calibration_training training;
    struct series *series = series_begin(6);
    struct calibration *calibration = calibration_create(&config);
    while (calibration_state(calibration) != CALIBRATION_ACTIVE)
        step(series, calibration, &config);
    int64_t silent_ms = INT64_C(1000) * 365 * 86400000;
    series->now_ms += silent_ms;
    feed_book(series, calibration);
    int passed = 0;
    for (; calibration_advance(calibration, series->now_ms, &training); passed++)
        assert_true(passed < 20); /* not one for every minute of a thousand years */
    assert_int_equal(training.boundary_ms, series->now_ms / 60000 * 60000);
    assert_int_equal(training.n, 0);
    assert_int_equal(calibration_state(calibration), CALIBRATION_INSUFFICIENT);
    calibration_destroy(calibration);
    free(series);
}

static void a_label_that_is_known_already_needs_no_waiting(void **state)
{
    (void)state;
    struct calibration_config config = short_config();
    struct calibration *calibration = calibration_create(&config);
    struct feature_row row = {.ts_ms = 60000, .mid = 10};
    calibration_feed_row(calibration, &row, &(struct label_snapshot){65000, 11});
    row.ts_ms = 61000;
    calibration_feed_row(calibration, &row, &(struct label_snapshot){67501, 11});
    row.ts_ms = 62000;
    calibration_feed_row(calibration, &row, &(struct label_snapshot){67000, 10});
    struct calibration_counters counters = calibration_counters(calibration);
    assert_int_equal(counters.labeled, 1);
    assert_int_equal(counters.unlabeled, 1);
    assert_int_equal(counters.ties, 1);
    calibration_destroy(calibration);
}

static struct calibration *copy_of(struct calibration *from, const struct calibration_config *config,
                                   size_t damaged_slot, bool *out_refused)
{
    struct calibration *to = calibration_create(config);
    struct buffer saved;
    struct reader in;
    size_t bytes;
    void *table = calibration_table(to, &bytes);
    memcpy(table, calibration_table(from, &bytes), bytes);
    if (damaged_slot != SIZE_MAX)
        memset((char *)table + damaged_slot * 24, 0x3f, 8);
    buffer_init(&saved, 0);
    calibration_save(from, &saved);
    reader_init(&in, saved.data, saved.length);
    calibration_load(to, &in);
    *out_refused = in.failed;
    buffer_finish(&saved);
    return to;
}

static void a_restored_state_goes_on_and_a_damaged_table_is_refused(void **state)
{
    (void)state;
    struct calibration_config config = short_config();
    struct series *series = series_begin(7);
    struct calibration *calibration = calibration_create(&config);
    for (int i = 0; i < 9000; i++) {
        step(series, calibration, &config); /* compares every fit with the whole series, across restarts */
        if (random_below(&series->random, 500))
            continue;
        bool refused;
        struct calibration *again = copy_of(calibration, &config, SIZE_MAX, &refused);
        assert_false(refused);
        calibration_destroy(calibration);
        calibration = again;
    }
    bool refused;
    struct calibration *damaged = copy_of(calibration, &config, 17, &refused);
    assert_true(refused);
    assert_int_equal(calibration_state(damaged), CALIBRATION_NONE);
    calibration_destroy(damaged);
    calibration_destroy(calibration);
    free(series);
}

static void configurations_that_cannot_be_are_refused_by_key(void **state)
{
    (void)state;
    struct error error;
    struct calibration_config config = calibration_config_default();
    assert_int_equal(calibration_config_check(&config, 100, &error), STATUS_OK);
    config.step_ms = 150;
    assert_int_equal(calibration_config_check(&config, 100, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "eval.step_ms"));
    config.step_ms = 100;
    config.train_ms = 10000100;
    assert_int_equal(calibration_config_check(&config, 100, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "eval.train_s"));
    config.train_ms = 10000000;
    assert_int_equal(calibration_config_check(&config, 100, &error), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_are_those_of_the_whole_series),
        cmocka_unit_test(there_is_no_calibration_before_the_first_boundary),
        cmocka_unit_test(suspension_hides_the_probability_and_nothing_else),
        cmocka_unit_test(a_long_silence_leaves_nothing_to_fit_on),
        cmocka_unit_test(a_label_that_is_known_already_needs_no_waiting),
        cmocka_unit_test(a_restored_state_goes_on_and_a_damaged_table_is_refused),
        cmocka_unit_test(configurations_that_cannot_be_are_refused_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
