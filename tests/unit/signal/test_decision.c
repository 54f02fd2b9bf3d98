// links: signal market proto base cmocka
/* The golden table of golden.md §5 and the rules of algorithms.md §8. */
#include "base/random.h"
#include "proto/frame.h"
#include "services/signal/decision.h"
#include "tests/support/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define EPOCH_MS INT64_C(1700000000000)

static struct signal_config plain_config(void)
{
    struct signal_config config = signal_config_default();
    struct error error;
    strcpy(config.run_id, "run-1");
    strcpy(config.symbol, "BTCUSDT");
    assert_int_equal(signal_config_check(&config, &error), STATUS_OK);
    return config;
}

static struct signal_decision plain_decision(void)
{
    struct signal_config config = plain_config();
    struct signal_decision decision;
    signal_decision_init(&decision, &config);
    return decision;
}

/* A row without regime, as foreign data has it: the tps rule decides. */
static struct feature_row feature_of(int64_t ts_ms, double score, double tps)
{
    struct feature_row row;
    message_clear(&feature_message, &row);
    row.ts_ms = ts_ms;
    row.source = ts_ms / 10;
    row.fusion_score = score;
    row.regime = FIELD_NULL_ENUM;
    row.tps = tps;
    row.consistency = 0.5;
    row.spread_bps = 1;
    row.lag_sec = 0.05;
    row.best_bid = 99.5;
    row.best_ask = 100.5;
    row.warmup = 0;
    return row;
}

struct golden {
    double score, tps, spread_bps, lag_sec, consistency;
    int warmup;
    const char *codes;
    int regime, type, confirm;
    const char *guard;
};

static const struct golden GOLDEN[] = {
    {.7, 2, 1, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_BUY, 1, ""},
    {1.2, 2, 1, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_STRONG_BUY, 1, ""},
    {1.3, 2, 1, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_STRONG_BUY, 1, ""},
    {-.6, 2, 1, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_SELL, 1, ""},
    {-1.2, 2, 1, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_STRONG_SELL, 1, ""},
    {.59, 2, 1, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_NEUTRAL, 0, "below_threshold"},
    {.1, 2, 1, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_NEUTRAL, 0, "weak_signal"},
    {.9, 2, 20.0, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_BUY, 1, ""},
    {.9, 2, 20.01, .05, .5, 0, "", REGIME_NORMAL, SIGNAL_PENDING, 0, "spread"},
    {.9, 2, 1, 3.5, .05, 1, "", REGIME_NORMAL, SIGNAL_PENDING, 0, "warmup,lag,low_consistency"},
    {.9, 2, 1, .05, 0, 0, "", REGIME_NORMAL, SIGNAL_PENDING, 0, "low_consistency"},
    {.55, 5, 1, .05, .5, 0, "", REGIME_ACTIVE, SIGNAL_BUY, 1, ""},
    {.65, .2, 1, .05, .5, 0, "", REGIME_QUIET, SIGNAL_NEUTRAL, 0, "below_threshold"},
    {.9, 2, 1, .05, .5, 0, "lag_exceeded", REGIME_NORMAL, SIGNAL_PENDING, 0, "reason:lag_exceeded"},
    {.1, NAN, 1, .05, .5, 1, "stale_cvd,lag_exceeded", REGIME_NORMAL, SIGNAL_NEUTRAL, 0,
     "warmup,reason:stale_cvd,reason:lag_exceeded"},
};

static void golden_decisions(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    for (size_t i = 0; i < sizeof GOLDEN / sizeof GOLDEN[0]; i++) {
        const struct golden *golden = &GOLDEN[i];
        struct feature_row feature = feature_of(EPOCH_MS + 1000 * (int64_t)i, golden->score, golden->tps);
        struct signal_row row;
        feature.spread_bps = golden->spread_bps;
        feature.lag_sec = golden->lag_sec;
        feature.consistency = golden->consistency;
        feature.warmup = (int8_t)golden->warmup;
        strcpy(feature.reason_codes, golden->codes);
        assert_true(signal_decision_feed(&decision, &feature, &row));
        assert_int_equal(row.regime, golden->regime);
        assert_int_equal(row.signal_type, golden->type);
        assert_int_equal(row.confirm, golden->confirm);
        assert_string_equal(row.guard_reason, golden->guard);
        assert_int_equal(row.gating, *golden->guard && strcmp(golden->guard, "below_threshold") != 0);
        assert_true(row.score == golden->score);
        assert_int_equal(row.seq, i + 1);
        assert_string_equal(row.run_id, "run-1");
        assert_string_equal(row.symbol, "BTCUSDT");
        assert_int_equal(row.schema_version, 1);
        assert_true(row.best_bid == 99.5 && row.best_ask == 100.5);
        assert_int_equal(row.source, feature.source);
    }
    assert_int_equal(decision.counters.processed, sizeof GOLDEN / sizeof GOLDEN[0]);
    assert_int_equal(decision.counters.confirmed, 7);
    assert_int_equal(decision.counters.pending, 4);
}

static void a_missing_score_is_made_of_the_two_z(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct feature_row feature = feature_of(EPOCH_MS, NAN, 2);
    struct signal_row row;
    feature.z_ofi = NAN;
    feature.z_cvd = -.4367943154662559;
    assert_true(signal_decision_feed(&decision, &feature, &row));
    assert_true(fabs(row.score - -.1747177261865024) < 1e-15);
    assert_int_equal(row.signal_type, SIGNAL_NEUTRAL);
    assert_string_equal(row.guard_reason, "below_threshold");
    assert_true(isnan(row.z_ofi));
}

static void close_rows_are_dropped_and_time_never_goes_back(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    static const struct {
        int64_t after_ms;
        int accepted;
    } STEPS[] = {{0, 1},   {0, 0},   {99, 0},    {100, 1}, {50, 0},
                 {150, 0}, {200, 1}, {10000, 1}, {300, 0}, {10100, 1}};
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        struct feature_row feature = feature_of(EPOCH_MS + STEPS[i].after_ms, 1, 2);
        struct signal_row row;
        assert_int_equal(signal_decision_feed(&decision, &feature, &row), STEPS[i].accepted);
    }
    assert_int_equal(decision.last_seq, 5);
    assert_int_equal(decision.counters.deduplicated, 3);
    assert_int_equal(decision.counters.late_feature_row, 2);
}

/* Lesson 12: a missing consistency, spread or lag is never made up. */
static void incomplete_rows_are_rejected_and_counted(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct signal_row row;
    for (int broken = 0; broken < 5; broken++) {
        struct feature_row feature = feature_of(EPOCH_MS, 1, 2);
        if (broken == 0)
            feature.spread_bps = NAN;
        if (broken == 1)
            feature.lag_sec = NAN;
        if (broken == 2)
            feature.consistency = NAN;
        if (broken == 3)
            feature.warmup = FIELD_NULL_BOOL;
        if (broken == 4)
            feature.ts_ms = 0;
        assert_false(signal_decision_feed(&decision, &feature, &row));
    }
    assert_int_equal(decision.counters.bad_feature_row, 5);
    assert_int_equal(decision.last_ts_ms, 0);
    assert_int_equal(decision.last_seq, 0);
}

static void the_regime_of_the_row_comes_before_the_tps_rule(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct feature_row feature = feature_of(EPOCH_MS, .65, 50);
    struct signal_row row;
    feature.regime = REGIME_QUIET;
    assert_true(signal_decision_feed(&decision, &feature, &row));
    assert_int_equal(row.regime, REGIME_QUIET);
    assert_string_equal(row.guard_reason, "below_threshold");
}

static void slice_weights_act_on_active_rows_only(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct signal_row row;
    signal_decision_set_slice_weight(&decision, 0.5);
    struct feature_row active = feature_of(EPOCH_MS, 1.2, 5), normal = feature_of(EPOCH_MS + 1000, 1.2, 2);
    assert_true(signal_decision_feed(&decision, &active, &row));
    assert_true(row.score == 0.6);
    assert_int_equal(row.signal_type, SIGNAL_BUY);
    assert_true(signal_decision_feed(&decision, &normal, &row));
    assert_true(row.score == 1.2);
    signal_decision_set_slice_weight(&decision, 0);
    struct feature_row suspended = feature_of(EPOCH_MS + 2000, -1.2, 5);
    strcpy(suspended.reason_codes, "lag_exceeded");
    assert_true(signal_decision_feed(&decision, &suspended, &row));
    assert_true(row.score == 0 && !signbit(row.score));
    assert_string_equal(row.guard_reason, "weak_signal,reason:lag_exceeded,reason:slice_suspended");
    struct feature_row quiet = feature_of(EPOCH_MS + 3000, 1.5, 0.2);
    assert_true(signal_decision_feed(&decision, &quiet, &row));
    assert_int_equal(row.signal_type, SIGNAL_STRONG_BUY);
}

static void a_slice_weight_in_the_stream_acts_from_there_on(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct signal_row row;
    struct control_row control = {.action = CONTROL_INPUT, .decision = DECISION_SLICE_WEIGHT, .value = 0.25};
    struct feature_row before = feature_of(EPOCH_MS, 2, 5), behind = feature_of(EPOCH_MS + 1000, 2, 5);
    assert_true(signal_decision_feed(&decision, &before, &row));
    assert_true(row.score == 2);
    signal_decision_control(&decision, &control);
    assert_true(signal_decision_feed(&decision, &behind, &row));
    assert_true(row.score == 0.5);
    control.value = 7; /* no weight: whoever sent it */
    signal_decision_control(&decision, &control);
    control =
        (struct control_row){.decision = DECISION_ADJUST_MERGE_TOL, .value = 0}; /* not for this stage */
    signal_decision_control(&decision, &control);
    assert_true(decision.slice_weight_active == 0.25);
}

static void created_at_is_the_event_time(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct feature_row feature = feature_of(EPOCH_MS + 7, 1, 2);
    struct signal_row row;
    assert_true(signal_decision_feed(&decision, &feature, &row));
    assert_string_equal(row.created_at, "2023-11-14T22:13:20.007Z");
}

static void a_flood_of_codes_is_cut_at_whole_entries(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct feature_row feature = feature_of(EPOCH_MS, 1, 2);
    struct signal_row row;
    for (size_t i = 0; i + 1 < sizeof feature.reason_codes; i++)
        feature.reason_codes[i] = i % 2 ? ',' : 'a';
    feature.reason_codes[sizeof feature.reason_codes - 1] = 0;
    assert_true(signal_decision_feed(&decision, &feature, &row));
    size_t length = strlen(row.guard_reason);
    assert_true(length < sizeof row.guard_reason && length > 200);
    assert_string_equal(row.guard_reason + length - 9, ",reason:a");
}

static void every_unconfirmed_row_has_a_reason(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision();
    struct random random;
    random_seed(&random, 14);
    for (int i = 0; i < 20000; i++) {
        struct feature_row feature =
            feature_of(EPOCH_MS + 100 * i, random_normal(&random), 8 * random_unit(&random));
        struct signal_row row;
        feature.consistency = random_unit(&random) * 0.5;
        feature.spread_bps = 25 * random_unit(&random);
        feature.lag_sec = 4 * random_unit(&random);
        feature.warmup = random_below(&random, 10) == 0;
        assert_true(signal_decision_feed(&decision, &feature, &row));
        assert_int_equal(row.confirm, row.guard_reason[0] == 0);
        assert_true(!row.confirm || !row.gating);
        assert_int_equal(row.confirm, row.signal_type != SIGNAL_PENDING && row.signal_type != SIGNAL_NEUTRAL);
    }
    assert_int_equal(decision.last_seq, 20000);
}

static void saved_and_loaded_it_goes_on_without_a_hole(void **state)
{
    (void)state;
    struct signal_decision decision = plain_decision(), other = plain_decision();
    struct signal_row row, resumed;
    struct buffer saved;
    struct reader in;
    for (int i = 0; i < 10; i++) {
        struct feature_row feature = feature_of(EPOCH_MS + 100 * i, 1, 2);
        signal_decision_feed(&decision, &feature, &row);
    }
    signal_decision_set_slice_weight(&decision, 0.5);
    buffer_init(&saved, 0);
    signal_decision_save(&decision, &saved);
    reader_init(&in, saved.data, saved.length);
    assert_int_equal(signal_decision_load(&other, &in), STATUS_OK);
    assert_int_equal(reader_done(&in), STATUS_OK);
    for (int i = 9; i < 30; i++) {
        struct feature_row feature = feature_of(EPOCH_MS + 100 * i, i / 10.0, 5);
        bool accepted = signal_decision_feed(&decision, &feature, &row);
        assert_int_equal(signal_decision_feed(&other, &feature, &resumed), accepted);
        if (accepted)
            assert_same_row(&signal_message, &row, &resumed);
    }
    assert_memory_equal(&decision.counters, &other.counters, sizeof other.counters);
    reader_init(&in, saved.data, saved.length - 3);
    assert_int_equal(signal_decision_load(&other, &in), STATUS_MALFORMED);
    assert_int_equal(other.last_seq, 0);
    buffer_finish(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_decisions),
        cmocka_unit_test(a_missing_score_is_made_of_the_two_z),
        cmocka_unit_test(close_rows_are_dropped_and_time_never_goes_back),
        cmocka_unit_test(incomplete_rows_are_rejected_and_counted),
        cmocka_unit_test(the_regime_of_the_row_comes_before_the_tps_rule),
        cmocka_unit_test(slice_weights_act_on_active_rows_only),
        cmocka_unit_test(a_slice_weight_in_the_stream_acts_from_there_on),
        cmocka_unit_test(created_at_is_the_event_time),
        cmocka_unit_test(a_flood_of_codes_is_cut_at_whole_entries),
        cmocka_unit_test(every_unconfirmed_row_has_a_reason),
        cmocka_unit_test(saved_and_loaded_it_goes_on_without_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
