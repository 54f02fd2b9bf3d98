// links: features evaluate market proto base cmocka
/* The direction of CVD (algorithms.md §11): when it turns, when it must not, and what is told of it. */
#include "services/features/evaluation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const int64_t HOUR_MS = 3600000, BEGIN_MS = INT64_C(1700000000000);

static struct calibration_training training_of(int64_t hour, double auc)
{
    return (struct calibration_training){
        .boundary_ms = BEGIN_MS + hour * HOUR_MS, .n = 1000, .cvd = {.value = auc}};
}

static struct direction_change at(struct direction_engine *engine, int64_t hour, double auc)
{
    struct calibration_training training = training_of(hour, auc);
    return direction_boundary(engine, &training);
}

static void it_turns_only_for_a_gain_of_more_than_four_hundredths(void **state)
{
    (void)state;
    struct direction_engine engine;
    direction_init(&engine, true);
    assert_false(at(&engine, 0, 0.4801).flipped); /* gains 0.0398 */
    assert_false(at(&engine, 0, NAN).flipped);
    assert_false(at(&engine, 0, 0.9).flipped);
    assert_int_equal(engine.direction, CVD_AS_IS);
    assert_true(at(&engine, 0, 0.4799).flipped);
    assert_int_equal(engine.direction, CVD_FLIPPED);
    assert_false(at(&engine, 10, 0.4).flipped); /* what is turned round already is right */
    assert_false(at(&engine, 10, 0.5199).flipped);
    assert_true(at(&engine, 10, 0.5201).flipped);
    assert_int_equal(engine.direction, CVD_AS_IS);
}

static void it_needs_a_thousand_rows_and_leave(void **state)
{
    (void)state;
    struct direction_engine engine;
    struct calibration_training few = training_of(0, 0.1);
    few.n = 999;
    direction_init(&engine, true);
    assert_false(direction_boundary(&engine, &few).flipped);
    direction_init(&engine, false); /* eval.auto_flip off */
    assert_false(at(&engine, 0, 0.1).flipped);
    direction_init(&engine, true);
    assert_true(direction_lock(&engine, true).locked_changed);
    assert_false(at(&engine, 0, 0.1).flipped);
    assert_false(direction_lock(&engine, true).locked_changed);
    assert_true(direction_lock(&engine, false).locked_changed);
    assert_true(at(&engine, 0, 0.1).flipped);
}

static void it_rests_for_six_hours(void **state)
{
    (void)state;
    struct direction_engine engine;
    direction_init(&engine, true);
    assert_true(at(&engine, 1, 0.3).flipped);
    struct calibration_training early = training_of(7, 0.7);
    early.boundary_ms--;
    assert_false(direction_boundary(&engine, &early).flipped);
    assert_true(at(&engine, 7, 0.7).flipped);
    assert_int_equal(engine.flips, 2);
}

static void the_third_turn_within_a_day_locks(void **state)
{
    (void)state;
    struct direction_engine engine;
    direction_init(&engine, true);
    assert_true(at(&engine, 0, 0.3).flipped);
    assert_true(at(&engine, 6, 0.7).flipped);
    struct direction_change day_later = at(&engine, 24, 0.3); /* the first is a whole day ago */
    assert_true(day_later.flipped && !day_later.locked_changed);
    struct direction_change third = at(&engine, 30 - 1 + 1, 0.7); /* 6, 24, 30: a day from 6 to 30 */
    assert_true(third.flipped && !third.locked_changed);
    struct direction_change within = at(&engine, 36, 0.3); /* 24, 30, 36 */
    assert_true(within.flipped && within.locked_changed && engine.locked);
    assert_false(at(&engine, 48, 0.7).flipped);
    direction_lock(&engine, false);
    assert_true(at(&engine, 48, 0.7).flipped);
}

static void its_state_survives(void **state)
{
    (void)state;
    struct direction_engine engine, again;
    struct buffer saved;
    struct reader in;
    direction_init(&engine, true);
    at(&engine, 0, 0.3);
    at(&engine, 6, 0.7);
    buffer_init(&saved, 0);
    direction_save(&engine, &saved);
    direction_init(&again, true);
    reader_init(&in, saved.data, saved.length);
    direction_load(&again, &in);
    assert_int_equal(reader_done(&in), STATUS_OK);
    assert_int_equal(again.flips, 2);
    assert_false(at(&again, 11, 0.3).flipped);
    assert_true(at(&again, 12, 0.3).locked_changed);
    saved.data[4] = 7; /* no direction */
    reader_init(&in, saved.data, saved.length);
    direction_load(&again, &in);
    assert_true(in.failed);
    assert_int_equal(again.flips, 0);
    buffer_finish(&saved);
}

/* --- with its incidents --- */

struct told {
    int count;
    struct event_row rows[8];
};

static void take(void *context, struct event_row *event)
{
    struct told *told = context;
    told->rows[told->count++] = *event;
}

static void control(struct evaluation *evaluation, struct told *told, int decision, int64_t ts_ms)
{
    struct control_row row = {.ts_ms = ts_ms, .action = CONTROL_INPUT, .decision = (int8_t)decision};
    evaluation_control(evaluation, &row, &(struct evaluation_sink){.context = told, .incident = take});
}

static void every_lock_and_unlock_is_an_incident(void **state)
{
    (void)state;
    struct evaluation evaluation;
    struct told told = {0};
    struct calibration_config config = calibration_config_default();
    evaluation_init(&evaluation, &config, false);
    control(&evaluation, &told, DECISION_LOCK_DIRECTION, BEGIN_MS);
    control(&evaluation, &told, DECISION_LOCK_DIRECTION, BEGIN_MS + 1); /* is locked: nothing changes */
    control(&evaluation, &told, DECISION_UNLOCK_DIRECTION, BEGIN_MS);
    control(&evaluation, &told, DECISION_SLICE_WEIGHT, BEGIN_MS);
    control(&evaluation, &told, DECISION_SUSPEND_CALIBRATION, BEGIN_MS);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.rows[0].event_type, EVENT_INCIDENT);
    assert_int_equal(told.rows[0].channel, CHANNEL_CVD);
    assert_int_equal(told.rows[0].ts_ms, BEGIN_MS);
    assert_string_equal(told.rows[0].meta_json,
                        "{\"by\":\"control\",\"cvd_direction\":\"as_is\","
                        "\"effective_ts_ms\":1700000000000,\"rule\":\"direction_locked\"}");
    assert_int_equal(told.rows[0].ordinal, 1);
    assert_int_equal(told.rows[1].ordinal, 2); /* of the same millisecond: another row_id */
    assert_non_null(strstr(told.rows[1].meta_json, "\"rule\":\"direction_unlocked\""));
    assert_int_equal(calibration_state(evaluation.calibration), CALIBRATION_SUSPENDED);
    control(&evaluation, &told, DECISION_RESUME_CALIBRATION, BEGIN_MS);
    assert_int_equal(calibration_state(evaluation.calibration), CALIBRATION_NONE);
    control(&evaluation, &told, DECISION_LOCK_DIRECTION, 0); /* before the first item: holds without a row */
    assert_int_equal(told.count, 2);
    assert_true(evaluation.direction.locked);
    evaluation_finish(&evaluation);
}

/* A market that falls whenever z_cvd is high, one row and one book a second. */
static void feed_second(struct evaluation *evaluation, struct told *told, int64_t i)
{
    int64_t ts_ms = BEGIN_MS + i * 1000;
    double phase = (double)(i % 20) / 20;
    double mid = 100 + (phase < 0.5 ? phase : 1 - phase);
    calibration_feed_book(evaluation->calibration, ts_ms, mid);
    evaluation_advance(evaluation, ts_ms, &(struct evaluation_sink){.context = told, .incident = take});
    struct feature_row row = {.ts_ms = ts_ms, .mid = mid, .fusion_score = mid - 100, .z_cvd = mid - 100};
    calibration_feed_row(evaluation->calibration, &row, NULL);
}

static void a_boundary_that_turns_it_says_from_when(void **state)
{
    (void)state;
    struct evaluation evaluation;
    struct told told = {0};
    struct calibration_config config = {.step_ms = 1000,
                                        .train_ms = 2000000,
                                        .test_ms = 100000,
                                        .rule = {.horizon_ms = 10000, .tol_ms = 1500},
                                        .wants_auc = true};
    evaluation_init(&evaluation, &config, true);
    int64_t i = 0;
    for (; told.count == 0 && i < 3000; i++)
        feed_second(&evaluation, &told, i);
    assert_int_equal(told.count, 1);
    assert_int_equal(evaluation.direction.direction, CVD_FLIPPED);
    int64_t boundary_ms = told.rows[0].ts_ms; /* the row on the boundary itself is the first one it acts on */
    assert_int_equal(boundary_ms % 100000, 0);
    char meta[256];
    snprintf(meta, sizeof meta,
             "{\"by\":\"rule\",\"cvd_direction\":\"flipped\",\"effective_ts_ms\":%lld,"
             "\"rule\":\"direction_changed\"}",
             (long long)boundary_ms);
    assert_string_equal(told.rows[0].meta_json, meta);
    /* The first boundary with 1,000 rows whose labels were decided: not one before. */
    assert_true(boundary_ms - BEGIN_MS >= 1000 * 1000 + 11500 && boundary_ms - BEGIN_MS < 1250 * 1000);
    for (; i < 3000; i++)
        feed_second(&evaluation, &told, i);
    assert_int_equal(told.count, 1); /* now it is right */
    evaluation_finish(&evaluation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_turns_only_for_a_gain_of_more_than_four_hundredths),
        cmocka_unit_test(it_needs_a_thousand_rows_and_leave),
        cmocka_unit_test(it_rests_for_six_hours),
        cmocka_unit_test(the_third_turn_within_a_day_locks),
        cmocka_unit_test(its_state_survives),
        cmocka_unit_test(every_lock_and_unlock_is_an_incident),
        cmocka_unit_test(a_boundary_that_turns_it_says_from_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
