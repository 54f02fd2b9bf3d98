// links: features evaluate market proto base cmocka
/* The golden table of golden.md §3 and the rules of algorithms.md §5. */
#include "base/random.h"
#include "market_rows.h"
#include "services/features/fusion.h"

static struct fusion_row update(struct fusion_engine *engine, double z_ofi, double z_cvd, int64_t ts_ms,
                                int64_t lag_ms)
{
    struct fusion_input input = {.ts_ms = ts_ms,
                                 .z_ofi = z_ofi,
                                 .z_cvd = z_cvd,
                                 .direction = CVD_AS_IS,
                                 .lag_ms = lag_ms,
                                 .regime = REGIME_QUIET};
    struct fusion_row row;
    fusion_engine_update(engine, &input, &row);
    return row;
}

/* An engine behind its warm-up: ten calls (0.1, 0.1) that say nothing. */
static struct fusion_engine *warm_engine(const struct fusion_config *config)
{
    struct error error;
    assert_int_equal(fusion_config_check(config, &error), STATUS_OK);
    struct fusion_engine *engine = fusion_engine_create(config);
    for (int i = 0; i < config->min_warmup_samples; i++) {
        struct fusion_row row = update(engine, 0.1, 0.1, 1900000 + 100 * i, 0);
        assert_agrees(row.score, 0);
        assert_agrees(row.consistency, 0);
        assert_int_equal(row.signal, FUSION_NEUTRAL);
        assert_int_equal(row.warmup, 1);
        assert_string_equal(row.reason_codes, "warmup");
    }
    return engine;
}

struct golden {
    double z_ofi, z_cvd;
    int64_t ts_ms, lag_ms;
    double score, consistency;
    int signal;
    const char *reasons;
};

#define SEVEN_NINTHS (0.7 / 0.9)

static const struct golden COMPAT[] = {
    {2.0, 1.5, 2000000, 0, 1.80, 0.75, FUSION_STRONG_BUY, ""},
    {2.0, 1.5, 2000050, 0, 1.80, 0.75, FUSION_NEUTRAL, "cooldown"},
    {2.0, 1.5, 2000200, 0, 1.80, 0.75, FUSION_STRONG_BUY, ""},
    {2.0, 1.9, 2010000, 0, 1.96, 0.95, FUSION_STRONG_BUY, ""},
    {1.0, 0.9, 2011000, 0, 0.96, 0.90, FUSION_STRONG_BUY, "hysteresis_hold"},
    {0.9, 0.7, 2012000, 0, 0.82, SEVEN_NINTHS, FUSION_BUY, "consistency_boost"},
    {-2.0, -1.8, 2012100, 0, -1.92, 0.90, FUSION_STRONG_SELL, "flip_rearm"},
    {3.0, 0.2, 2020000, 0, 1.88, 0.2 / 3.0, FUSION_NEUTRAL, ""},
    {3.0, 0.2, 2021000, 500, 3.00, 1.0, FUSION_STRONG_BUY, "lag_exceeded,degraded_ofi_only,flip_rearm"},
    {0.2, -3.0, 2022000, 500, -3.00, 1.0, FUSION_STRONG_SELL, "lag_exceeded,degraded_cvd_only,flip_rearm"},
    {5.0, 5.0, 2030000, 0, 4.00, 1.0, FUSION_STRONG_BUY, "flip_rearm"},
    {0.8, 0.8, 2040000, 0, 0.80, 1.0, FUSION_BUY, "consistency_boost"},
    {1.2, -1.2, 2050000, 0, 0.24, 0, FUSION_NEUTRAL, ""},
    {NAN, 1.0, 2060000, 0, 0, 0, FUSION_NEUTRAL, "invalid_input"},
};

static void check_row(const struct fusion_row *row, const struct golden *golden)
{
    if (row->signal != golden->signal || strcmp(row->reason_codes, golden->reasons) != 0)
        fail_msg("at %lld: %s (%s), should be %s (%s)", (long long)golden->ts_ms,
                 FUSION_SIGNAL_NAMES[row->signal], row->reason_codes, FUSION_SIGNAL_NAMES[golden->signal],
                 golden->reasons);
    assert_agrees(row->score, golden->score);
    assert_agrees(row->consistency, golden->consistency);
    assert_int_equal(row->ts_ms, golden->ts_ms);
    assert_int_equal(row->lag_ms, golden->lag_ms);
    assert_int_equal(row->warmup, 0);
    assert_int_equal(row->calibration_state, CALIBRATION_NONE);
    assert_no_value(row->proba);
}

static void feed_golden(struct fusion_engine *engine, const struct golden *golden)
{
    struct fusion_row row = update(engine, golden->z_ofi, golden->z_cvd, golden->ts_ms, golden->lag_ms);
    check_row(&row, golden);
}

static void check_counters(const struct fusion_engine *engine, int flips)
{
    struct fusion_counters counters = fusion_engine_counters(engine);
    assert_int_equal(counters.total_updates, 24);
    assert_int_equal(counters.warmup_returns, 10);
    assert_int_equal(counters.invalid_inputs, 1);
    assert_int_equal(counters.lag_exceeded, 2);
    assert_int_equal(counters.downgrades, 2);
    assert_int_equal(counters.cooldown_blocks, 1);
    assert_int_equal(counters.min_duration_blocks, 0);
    assert_int_equal(counters.flip_rearm, flips);
    assert_int_equal(counters.adaptive_cooldown_used, 3);
}

enum { GOLDEN_ROWS = sizeof COMPAT / sizeof COMPAT[0] };

static void golden_table_of_compat_v13(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    config.compat_v13 = true;
    struct fusion_engine *engine = warm_engine(&config);
    for (int i = 0; i < GOLDEN_ROWS; i++)
        feed_golden(engine, &COMPAT[i]);
    check_counters(engine, 4);
    fusion_engine_destroy(engine);
}

/* The rows of the table as the default sees them. */
static struct golden default_row(int i)
{
    struct golden row = COMPAT[i];
    if (row.ts_ms == 2021000) {
        row.consistency = 0.12;
        row.signal = FUSION_BUY;
        row.reasons = "lag_exceeded,degraded_ofi_only";
    } else if (row.ts_ms == 2022000) {
        row.consistency = 0.12;
        row.signal = FUSION_SELL;
        row.reasons = "lag_exceeded,degraded_cvd_only";
    } else if (row.ts_ms == 2030000) {
        row.reasons = "";
    }
    return row;
}

static void golden_table_of_the_default(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    struct fusion_engine *engine = warm_engine(&config);
    for (int i = 0; i < GOLDEN_ROWS; i++) {
        struct golden row = default_row(i);
        feed_golden(engine, &row);
    }
    check_counters(engine, 1);
    fusion_engine_destroy(engine);
}

static void golden_rows_around_the_end_of_a_hold(void **state)
{
    (void)state;
    for (int compat = 0; compat < 2; compat++) {
        struct fusion_config config = fusion_config_default();
        config.compat_v13 = compat;
        struct fusion_engine *engine = warm_engine(&config);
        const struct golden held = {0.9, 0.4, 2041000, 0, 0.70, 0.4 / 0.9, FUSION_BUY, "hysteresis_hold"};
        const struct golden expired = {1.0, 0.32, 2111000, 0, 0.728, 0.32, FUSION_NEUTRAL, ""};
        const struct golden still = {1.0, 0.32, 2111000, 0, 0.728, 0.32, FUSION_BUY, "hysteresis_hold"};
        for (int i = 0; i < GOLDEN_ROWS; i++) {
            struct golden row = compat ? COMPAT[i] : default_row(i);
            if (row.ts_ms == 2060000)
                feed_golden(engine, compat ? &still : &expired);
            row.ts_ms += row.ts_ms == 2060000 ? 100000 : 0;
            feed_golden(engine, &row);
            if (row.ts_ms == 2040000)
                feed_golden(engine, &held);
        }
        fusion_engine_destroy(engine);
    }
}

static void components_add_up_and_name_the_weights_used(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    config.w_ofi = 3;
    config.w_cvd = 1;
    config.has_weights_active = true;
    config.weights_active_ofi = 0.7;
    config.weights_active_cvd = 0.3;
    struct fusion_engine *engine = warm_engine(&config);
    struct fusion_row row = update(engine, 9.0, -2.0, 2000000, 0);
    assert_agrees(row.w_ofi, 0.75);
    assert_agrees(row.w_cvd, 0.25);
    assert_agrees(row.comp_ofi, 3.0); /* clipped at 4 */
    assert_agrees(row.comp_cvd, -0.5);
    assert_agrees(row.dispersion, 11.0);
    assert_int_equal(row.sign_agree, -1);
    struct fusion_input active = {.ts_ms = 2001000, .z_ofi = 1, .z_cvd = 1, .regime = REGIME_ACTIVE};
    fusion_engine_update(engine, &active, &row);
    assert_agrees(row.w_ofi, 0.7);
    assert_agrees(row.w_cvd, 0.3);
    row = update(engine, 1.0, -2.0, 2002000, 251);
    assert_agrees(row.w_ofi, 0);
    assert_agrees(row.w_cvd, 1);
    assert_agrees(row.comp_ofi, 0);
    assert_false(signbit(row.comp_ofi));
    row = update(engine, 2.0, -2.0, 2003000, 251);
    assert_agrees(row.score, 2.0); /* a tie goes to OFI */
    row = update(engine, 1.0, NAN, 2004000, 0);
    assert_agrees(row.comp_ofi, 0);
    assert_no_value(row.dispersion);
    assert_int_equal(row.sign_agree, FIELD_NULL_I32);
    fusion_engine_destroy(engine);
}

static void a_flipped_direction_turns_the_cvd_round(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    struct fusion_engine *engine = warm_engine(&config);
    struct fusion_row row;
    struct fusion_input input = {.ts_ms = 2000000, .z_ofi = 2, .z_cvd = -1.5, .direction = CVD_FLIPPED};
    fusion_engine_update(engine, &input, &row);
    assert_agrees(row.score, 1.8);
    assert_agrees(row.consistency, 0.75);
    assert_int_equal(row.cvd_direction, CVD_FLIPPED);
    fusion_engine_destroy(engine);
}

static void thresholds_are_strict(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    config.w_ofi = config.w_cvd = 1;
    config.fuse_buy = 1;
    config.fuse_strong_buy = 2;
    config.fuse_sell = -1;
    config.fuse_strong_sell = -2;
    config.boost_consistency = 1;
    struct fusion_engine *engine = warm_engine(&config);
    assert_int_equal(update(engine, 1, 1, 2000000, 0).signal, FUSION_NEUTRAL);
    assert_int_equal(update(engine, -1, -1, 2100000, 0).signal, FUSION_NEUTRAL);
    assert_int_equal(update(engine, 2, 2, 2200000, 0).signal, FUSION_BUY);
    assert_int_equal(update(engine, -2, -2, 2300000, 0).signal, FUSION_SELL);
    assert_int_equal(update(engine, -2.001, -2, 2400000, 0).signal, FUSION_STRONG_SELL);
    fusion_engine_destroy(engine);
}

static void sides_may_have_thresholds_of_their_own(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    config.fuse_sell = -2.5;
    config.fuse_strong_sell = -3.5;
    config.boost_factor = 1;
    struct fusion_engine *engine = warm_engine(&config);
    assert_int_equal(update(engine, -2, -2, 2000000, 0).signal, FUSION_NEUTRAL);
    assert_int_equal(update(engine, -3, -3, 2100000, 0).signal, FUSION_SELL);
    assert_int_equal(update(engine, 2, 2, 2200000, 0).signal, FUSION_STRONG_BUY);
    fusion_engine_destroy(engine);
}

static void min_consecutive_delays_but_lets_held_signals_pass(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    config.min_consecutive = 2;
    struct fusion_engine *engine = warm_engine(&config);
    struct fusion_row row = update(engine, 2, 1.5, 2000000, 0);
    assert_int_equal(row.signal, FUSION_NEUTRAL);
    assert_string_equal(row.reason_codes, "min_duration");
    assert_int_equal(update(engine, 2, 1.5, 2000400, 0).signal, FUSION_STRONG_BUY);
    row = update(engine, 1.0, 0.5, 2001000, 0); /* 0.8: neutral, but above h = 0.7 */
    assert_int_equal(row.signal, FUSION_STRONG_BUY);
    assert_string_equal(row.reason_codes, "hysteresis_hold");
    assert_int_equal(fusion_engine_counters(engine).min_duration_blocks, 1);
    fusion_engine_destroy(engine);
}

static void cooldown_and_hold_end_at_their_exact_times(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    struct fusion_engine *engine = warm_engine(&config);
    assert_int_equal(update(engine, 2, 1.5, 2000000, 0).signal, FUSION_STRONG_BUY);
    assert_int_equal(update(engine, 2, 1.5, 2000300, 0).signal, FUSION_STRONG_BUY);
    assert_int_equal(fusion_engine_counters(engine).adaptive_cooldown_used,
                     0); /* 300 ms are no cooldown any more */
    assert_int_equal(update(engine, 2, 1.5, 2000419, 0).signal, FUSION_NEUTRAL);
    assert_int_equal(update(engine, 2, 1.5, 2000420, 0).signal,
                     FUSION_STRONG_BUY); /* 120 ms at full strength */
    struct fusion_row held = update(engine, 1.0, 0.5, 2060420, 0);
    assert_string_equal(held.reason_codes, "hysteresis_hold"); /* exactly hold_ttl_ms later */
    assert_int_equal(update(engine, 1.0, 0.5, 2120421, 0).signal, FUSION_NEUTRAL);
    fusion_engine_destroy(engine);
}

static void low_consistency_is_throttled(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    struct fusion_engine *engine = warm_engine(&config);
    struct fusion_row row = update(engine, 3, 0.6, 2000000, 0); /* consistency 0.2: enough for buy */
    assert_int_equal(row.signal, FUSION_NEUTRAL);
    assert_string_equal(row.reason_codes, "low_consistency_throttle");
    fusion_engine_destroy(engine);
}

static void the_gate_swallows_small_scores(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    config.gate = 0.5;
    struct fusion_engine *engine = warm_engine(&config);
    assert_agrees(update(engine, 0.5, 0.5, 2000000, 0).score, 0);
    assert_agrees(update(engine, 0.6, 0.6, 2001000, 0).score, 0.6);
    fusion_engine_destroy(engine);
}

static void score_z_is_against_the_300_scores_before(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    struct fusion_engine *engine = warm_engine(&config);
    double scores[400];
    int count = 0;
    for (int i = 0; i < 400; i++) {
        double z = (7 * i % 11 - 5) / 4.0;
        struct fusion_row invalid = update(engine, NAN, z, 2000000 + 200 * i, 0);
        assert_no_value(invalid.score_z);
        struct fusion_row row = update(engine, z, z / 2, 2000100 + 200 * i, 0);
        int used = count < 300 ? count : 300;
        double mean = 0, square = 0;
        for (int k = count - used; k < count; k++)
            mean += scores[k];
        mean /= used;
        for (int k = count - used; k < count; k++)
            square += (scores[k] - mean) * (scores[k] - mean);
        if (used < 30)
            assert_no_value(row.score_z);
        else
            assert_agrees(row.score_z, (row.score - mean) / fmax(sqrt(square / (used - 1)), 1e-6));
        scores[count++] = row.score;
    }
    fusion_engine_destroy(engine);
}

static void invalid_input_changes_nothing_else(void **state)
{
    (void)state;
    struct fusion_config config = fusion_config_default();
    struct fusion_engine *engine = warm_engine(&config), *other = warm_engine(&config);
    struct random random;
    random_seed(&random, 50);
    for (int i = 0; i < 500; i++) {
        double z_ofi = 2 * random_normal(&random), z_cvd = 2 * random_normal(&random);
        int64_t lag_ms = (int64_t)random_below(&random, 300);
        update(engine, i % 2 ? NAN : z_ofi, i % 2 ? z_cvd : NAN, 2000000 + 100 * i, lag_ms);
        struct fusion_row row = update(engine, z_ofi, z_cvd, 2000050 + 100 * i, lag_ms);
        struct fusion_row same = update(other, z_ofi, z_cvd, 2000050 + 100 * i, lag_ms);
        assert_same_row(&fusion_message, &row, &same);
    }
    fusion_engine_destroy(engine);
    fusion_engine_destroy(other);
}

static void saved_and_loaded_anywhere_it_goes_on_bit_for_bit(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = 51;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int round = 0; round < 20; round++) {
        struct fusion_config config = fusion_config_default();
        config.compat_v13 = round % 4 == 3;
        struct fusion_engine *engine = fusion_engine_create(&config), *other = fusion_engine_create(&config);
        int cut = (int)random_below(&random, 800);
        for (int i = 0; i < 800; i++) {
            double z_ofi = random_below(&random, 20) ? 2 * random_normal(&random) : NAN;
            double z_cvd = z_ofi * 0.7 + random_normal(&random);
            int64_t lag_ms = (int64_t)random_below(&random, 300);
            struct fusion_row row = update(engine, z_ofi, z_cvd, 2000000 + 100 * i, lag_ms);
            if (i > cut) {
                struct fusion_row resumed = update(other, z_ofi, z_cvd, 2000000 + 100 * i, lag_ms);
                assert_same_row(&fusion_message, &row, &resumed);
            }
            if (i != cut)
                continue;
            struct buffer saved;
            struct reader in;
            buffer_init(&saved, 0);
            fusion_engine_save(engine, &saved);
            reader_init(&in, saved.data, saved.length);
            fusion_engine_load(other, &in);
            assert_int_equal(reader_done(&in), STATUS_OK);
            buffer_finish(&saved);
        }
        struct fusion_counters counters = fusion_engine_counters(engine),
                               resumed = fusion_engine_counters(other);
        assert_memory_equal(&counters, &resumed, sizeof counters);
        fusion_engine_destroy(engine);
        fusion_engine_destroy(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_table_of_compat_v13),
        cmocka_unit_test(golden_table_of_the_default),
        cmocka_unit_test(golden_rows_around_the_end_of_a_hold),
        cmocka_unit_test(components_add_up_and_name_the_weights_used),
        cmocka_unit_test(a_flipped_direction_turns_the_cvd_round),
        cmocka_unit_test(thresholds_are_strict),
        cmocka_unit_test(sides_may_have_thresholds_of_their_own),
        cmocka_unit_test(min_consecutive_delays_but_lets_held_signals_pass),
        cmocka_unit_test(cooldown_and_hold_end_at_their_exact_times),
        cmocka_unit_test(low_consistency_is_throttled),
        cmocka_unit_test(the_gate_swallows_small_scores),
        cmocka_unit_test(score_z_is_against_the_300_scores_before),
        cmocka_unit_test(invalid_input_changes_nothing_else),
        cmocka_unit_test(saved_and_loaded_anywhere_it_goes_on_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
