// links: features evaluate market proto base cmocka
/* The rules of algorithms.md §3. */
#include "cvd_fixture.h"

#include "base/random.h"
#include "market/statistics.h"
#include "market_rows.h"
#include "services/features/cvd.h"

#include <stdlib.h>

/* Lesson 20 in one picture: a first trade a thousand times too large is forgotten when the warm-up ends. */
static void a_huge_first_trade_does_not_fix_the_scale(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct cvd_row row;
    for (int i = 0; i <= 900; i++) {
        struct trade_row trade = trade_of(EPOCH_MS + 500 * i, i, 100, i == 0 ? 1000 : 1 + i % 3, i % 2);
        cvd_engine_feed(engine, &trade, &row);
        if (i == 49)
            assert_true(row.ewma_slow < 50); /* 600 s half-life: seeding with it would give 970 */
    }
    cvd_engine_destroy(engine);
}

/* A market of exponential waits and log-normal sizes; returns the share |z_raw| > 2. */
static double tail_share(double tps, uint64_t seed)
{
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct random random;
    struct cvd_row row;
    random_seed(&random, seed);
    int64_t t = EPOCH_MS, above = 0, count = 0;
    for (int i = 0; i < 20000; i++) {
        t += (int64_t)random_exponential(&random, 1000 / tps);
        struct trade_row trade =
            trade_of(t, i, 100, 1e-8 + exp(random_normal(&random)), (int)random_below(&random, 2));
        cvd_engine_feed(engine, &trade, &row);
        if (isnan(row.z_raw))
            continue;
        count++;
        above += fabs(row.z_raw) > 2;
    }
    cvd_engine_destroy(engine);
    assert_true(count > 1000);
    return (double)above / (double)count;
}

/* Lesson 21: P(|z| > 2) ≤ 8 % in quiet hours and in busy ones. */
static void tails_stay_bounded_in_quiet_and_busy_hours(void **state)
{
    (void)state;
    double quiet = tail_share(0.25, 21), busy = tail_share(6, 21);
    print_message("P(|z| > 2): quiet %.4f, busy %.4f\n", quiet, busy);
    assert_true(quiet > 0 && quiet <= 0.08);
    assert_true(busy > 0 && busy <= 0.08);
}

/* Lesson 18: what the scale was made of is in the row and changes. */
static void diagnostics_are_part_of_the_row_and_not_constants(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_row rows[GOLDEN_TRADES];
    golden_rows(&config, rows);
    int distinct = 0;
    for (int i = 50; i < GOLDEN_TRADES; i++) {
        distinct += rows[i].scale != rows[i - 1].scale;
        assert_true(isfinite(rows[i].sigma_floor) && isfinite(rows[i].ewma_mix) && isfinite(rows[i].boost));
        assert_agrees(rows[i].scale, fmax(fmax(rows[i].ewma_mix, rows[i].sigma_floor), 1e-9));
        if (!isnan(rows[i].z_raw))
            assert_agrees(rows[i].z_cvd, statistics_clamp(rows[i].z_raw, -8, 8));
    }
    assert_true(distinct > 10);
}

/* Lesson 19: each trade counts once, also those of one millisecond. */
static void the_sum_of_deltas_is_the_sum_of_signed_quantities(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct random random;
    random_seed(&random, 19);
    int64_t signed_units = 0, t = EPOCH_MS;
    double deltas = 0;
    struct cvd_row row = {0};
    for (int i = 0; i < 5000; i++) {
        t += (int64_t)random_below(&random, 3);
        struct trade_row trade = trade_of(t, i, 100, (double)(1 + random_below(&random, 5000)) / 1000,
                                          (int)random_below(&random, 2));
        double before = row.cvd;
        assert_int_equal(cvd_engine_feed(engine, &trade, &row), CVD_ROW);
        assert_agrees(row.cvd, before + row.delta);
        signed_units += trade.is_buyer_maker ? -trade.qty.units : trade.qty.units;
        deltas += row.delta;
    }
    assert_true(fabs(deltas - (double)signed_units / 1e8) < 1e-6);
    assert_true(fabs(row.cvd - (double)signed_units / 1e8) < 1e-6);
    cvd_engine_destroy(engine);
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double naive_mad(const double *values, int count)
{
    double sorted[200], deviations[200];
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    double median = count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
    for (int i = 0; i < count; i++)
        deviations[i] = fabs(sorted[i] - median);
    qsort(deviations, (size_t)count, sizeof *deviations, compare_doubles);
    return count % 2 ? deviations[count / 2] : (deviations[count / 2 - 1] + deviations[count / 2]) / 2;
}

static void the_floor_uses_the_exact_mad_of_the_last_200_at_every_trade(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct random random;
    double deltas[2000];
    random_seed(&random, 22);
    for (int i = 0; i < 2000; i++) {
        struct trade_row trade =
            trade_of(EPOCH_MS + 300 * i, i, 100, (double)(1 + random_below(&random, 40)) / 8,
                     (int)random_below(&random, 2));
        struct cvd_row row;
        cvd_engine_feed(engine, &trade, &row);
        deltas[i] = row.delta;
        if (i < 49)
            continue;
        int count = i + 1 < 200 ? i + 1 : 200;
        double floor = 1.4826 * naive_mad(deltas + i + 1 - count, count) * 1.8 * row.boost;
        assert_true(row.sigma_floor == floor);
    }
    cvd_engine_destroy(engine);
}

static void the_rate_counts_the_last_minute_and_a_lone_trade_is_no_rate(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    config.freeze_min = 1;
    struct cvd_engine *engine = cvd_engine_create(&config);
    static const struct {
        int64_t after_ms;
        double tps;
    } STEPS[] = {{0, 0},
                 {30000, 2 / 60.0},
                 {60000, 2 / 60.0},
                 {89999, 3 / 60.0},
                 {90000, 3 / 60.0},
                 {90500, 4 / 60.0},
                 {300000, 0},
                 {250000, 2 / 60.0}};
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        struct trade_row trade = trade_of(EPOCH_MS + STEPS[i].after_ms, (int64_t)i, 100, 1, 0);
        struct cvd_row row;
        cvd_engine_feed(engine, &trade, &row);
        assert_agrees(row.tps, STEPS[i].tps);
    }
    cvd_engine_destroy(engine);
}

static void invalid_trades_give_no_row_and_a_bad_point(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct cvd_row row;
    struct trade_row no_quantity = trade_of(EPOCH_MS, 1, 100, 0, 0);
    struct trade_row negative = trade_of(EPOCH_MS, 1, 100, -1, 0);
    struct trade_row no_price = trade_of(EPOCH_MS, 1, 0, 1, 0);
    struct trade_row null_price = trade_of(EPOCH_MS, 1, 100, 1, 0);
    null_price.price = decimal_null();
    assert_int_equal(cvd_engine_feed(engine, &no_quantity, &row), CVD_INVALID_QTY);
    assert_int_equal(cvd_engine_feed(engine, &negative, &row), CVD_INVALID_QTY);
    assert_int_equal(cvd_engine_feed(engine, &no_price, &row), CVD_INVALID_PRICE);
    assert_int_equal(cvd_engine_feed(engine, &null_price, &row), CVD_INVALID_PRICE);
    assert_int_equal(cvd_engine_bad_points(engine), 4);
    struct trade_row good = trade_of(EPOCH_MS, 1, 100, 1, 0);
    assert_int_equal(cvd_engine_feed(engine, &good, &row), CVD_ROW);
    assert_agrees(row.cvd, 1);
    cvd_engine_destroy(engine);
}

static void a_missing_side_follows_the_price_and_then_the_last_side(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    static const struct {
        int64_t after_ms;
        double price;
        double delta; /* 0 = no row */
    } STEPS[] = {
        {0, 100, 0},   {10, 101, 1},   {20, 100, -1},  {30, 100, -1},  {40, 100, -1},
        {50, 100, -1}, {60, 100, -1},  {70, 100, -1},  {80, 100, 0},   {90, 100, 0},
        {100, 101, 1}, {2100, 101, 1}, {4101, 101, 0}, {4201, 101, 1}, {4301, 99, -1},
    };
    struct cvd_row row;
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        struct trade_row trade = trade_of(EPOCH_MS + STEPS[i].after_ms, (int64_t)i, STEPS[i].price, 1, 0);
        trade.is_buyer_maker = FIELD_NULL_BOOL;
        enum cvd_outcome outcome = cvd_engine_feed(engine, &trade, &row);
        assert_int_equal(outcome, STEPS[i].delta == 0 ? CVD_SIDE_UNKNOWN : CVD_ROW);
        if (outcome != CVD_ROW)
            continue;
        assert_agrees(row.delta, STEPS[i].delta);
        assert_int_equal(row.side_source, SIDE_TICK);
    }
    assert_int_equal(cvd_engine_bad_points(engine), 4);
    cvd_engine_destroy(engine);
}

static void gaps_in_the_warm_up_do_not_silence(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    for (int i = 0; i < 60; i++) {
        int64_t t = EPOCH_MS + 400 * i + (i > 40 ? 20000 : 0);
        struct trade_row trade = trade_of(t, i, 100, 1 + i % 4, i % 2);
        struct cvd_row row;
        cvd_engine_feed(engine, &trade, &row);
        assert_int_equal(row.frozen, 0);
        assert_int_equal(isnan(row.z_cvd), i < 49);
    }
    cvd_engine_destroy(engine);
}

static void a_gap_of_exactly_the_limit_silences_the_smaller_number(void **state)
{
    (void)state;
    static const struct {
        int64_t gap_ms;
        int silenced;
    } GAPS[] = {{4000, 0}, {4001, 2}, {5000, 2}, {5001, 3}};
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct cvd_row row;
    int64_t t = EPOCH_MS, id = 0;
    for (size_t i = 0; i < sizeof GAPS / sizeof GAPS[0]; i++) {
        int silenced = 0;
        for (int k = 0; k < 60; k++) {
            t += k == 0 && i > 0 ? 0 : 400;
            struct trade_row trade = trade_of(t, ++id, 100, 1 + k % 4, k % 2);
            cvd_engine_feed(engine, &trade, &row);
        }
        t += GAPS[i].gap_ms;
        for (int k = 0; k < 10; k++, t += 400) {
            struct trade_row trade = trade_of(t, ++id, 100, 1 + k % 4, k % 2);
            cvd_engine_feed(engine, &trade, &row);
            silenced += row.frozen;
        }
        assert_int_equal(silenced, GAPS[i].silenced);
    }
    cvd_engine_destroy(engine);
}

static void a_scale_of_nothing_gives_no_z(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct cvd_row row;
    for (int i = 0; i < 60; i++) {
        struct trade_row trade = trade_of(EPOCH_MS + 400 * i, i, 100, 1, i % 2);
        trade.qty = (struct decimal){.units = 1, .exponent = 11};
        cvd_engine_feed(engine, &trade, &row);
    }
    assert_int_equal(row.std_zero, 1);
    assert_true(row.scale == 1e-9);
    assert_no_value(row.z_raw);
    cvd_engine_destroy(engine);
}

static void half_lives_in_trades_do_not_look_at_the_clock(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default(); /* profile step16 */
    config.mad_multiplier = 1.47;
    config.scale_fast_weight = 0.325;
    config.half_life_trades = 300;
    config.half_life_fast_trades = 80;
    struct cvd_engine *slow = cvd_engine_create(&config), *quick = cvd_engine_create(&config);
    double n_fast = 0, d_fast = 0, alpha = 1 - exp2(-1 / 80.0);
    for (int i = 0; i < 200; i++) {
        struct trade_row first = trade_of(EPOCH_MS + 3000 * i, i, 100, 1 + i % 7, i % 3 == 0);
        struct trade_row second = trade_of(EPOCH_MS + 10 * i, i, 100, 1 + i % 7, i % 3 == 0);
        struct cvd_row row, other;
        cvd_engine_feed(slow, &first, &row);
        cvd_engine_feed(quick, &second, &other);
        n_fast = (1 - alpha) * n_fast + alpha * (1 + i % 7);
        d_fast = (1 - alpha) * d_fast + alpha;
        assert_true(row.ewma_fast == other.ewma_fast && row.ewma_slow == other.ewma_slow);
        assert_agrees(row.ewma_fast, n_fast / d_fast);
    }
    cvd_engine_destroy(slow);
    cvd_engine_destroy(quick);
}

static void scale_mode_ewma_has_no_floor(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    config.scale_mode = CVD_SCALE_EWMA;
    struct cvd_row rows[GOLDEN_TRADES];
    golden_rows(&config, rows);
    for (int i = 49; i < GOLDEN_TRADES; i++) {
        assert_true(rows[i].scale == rows[i].ewma_slow);
        assert_true(rows[i].sigma_floor == 0);
        assert_int_equal(rows[i].floor_used, 0);
    }
}

static void z_mode_level_measures_against_the_values_before(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    config.z_mode = CVD_Z_LEVEL;
    config.z_window = 20;
    struct cvd_row rows[GOLDEN_TRADES];
    golden_rows(&config, rows);
    assert_int_equal(rows[3].warmup, 1);
    assert_int_equal(rows[4].warmup, 0);
    double levels[20];
    for (int i = 0; i < 20; i++)
        levels[i] = rows[80 + i].cvd;
    double mean = statistics_mean(levels, 20), sigma = statistics_sigma_population(levels, 20, mean);
    assert_agrees(rows[100].z_raw, (rows[100].cvd - mean) / sigma);
    assert_agrees(rows[100].scale, sigma);
}

static void a_late_trade_counts_with_the_smallest_distance(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    config.freeze_min = 1;
    struct cvd_engine *engine = cvd_engine_create(&config), *other = cvd_engine_create(&config);
    struct cvd_row row, same;
    for (int i = 0; i < 80; i++) {
        struct trade_row trade = trade_of(EPOCH_MS + 400 * i, i, 100, 1 + i % 4, i % 2);
        cvd_engine_feed(engine, &trade, &row);
        cvd_engine_feed(other, &trade, &same);
    }
    struct trade_row late = trade_of(EPOCH_MS + 400 * 79 - 7000, 80, 100, 2, 0);
    struct trade_row same_time = trade_of(EPOCH_MS + 400 * 79, 80, 100, 2, 0);
    cvd_engine_feed(engine, &late, &row);
    cvd_engine_feed(other, &same_time, &same);
    assert_true(row.ewma_slow == same.ewma_slow);
    assert_int_equal(row.frozen, 0);
    cvd_engine_destroy(engine);
    cvd_engine_destroy(other);
}

static void diagnostics_describe_the_last_thousand_rows(void **state)
{
    (void)state;
    struct cvd_config config = cvd_config_default();
    struct cvd_engine *engine = cvd_engine_create(&config);
    struct cvd_diagnostics diagnostics;
    struct random random;
    double z[3000], scales[1000];
    int count = 0;
    cvd_engine_diagnostics(engine, &diagnostics);
    assert_int_equal(diagnostics.count, 0);
    assert_no_value(diagnostics.scale_median);
    assert_no_value(diagnostics.abs_z_p50);
    assert_no_value(diagnostics.floor_hit_rate);
    random_seed(&random, 33);
    for (int i = 0; i < 3000; i++) {
        struct trade_row trade = trade_of(EPOCH_MS + 300 * i, i, 100, 1e-6 + exp(2 * random_normal(&random)),
                                          (int)random_below(&random, 2));
        struct cvd_row row;
        cvd_engine_feed(engine, &trade, &row);
        if (isnan(row.z_raw))
            continue;
        z[count] = fabs(row.z_raw);
        scales[count++ % 1000] = row.scale;
    }
    double *last = z + count - 1000;
    int above_2 = 0, clipped = 0;
    for (int i = 0; i < 1000; i++) {
        above_2 += last[i] > 2;
        clipped += last[i] > 8;
    }
    qsort(last, 1000, sizeof *last, compare_doubles);
    qsort(scales, 1000, sizeof *scales, compare_doubles);
    cvd_engine_diagnostics(engine, &diagnostics);
    assert_int_equal(diagnostics.count, 1000);
    assert_true(clipped > 0);
    assert_agrees(diagnostics.abs_z_gt2, above_2 / 1000.0);
    assert_agrees(diagnostics.clipped_rate, clipped / 1000.0);
    assert_agrees(diagnostics.abs_z_p50, last[499] + 0.5 * (last[500] - last[499]));
    assert_agrees(diagnostics.scale_median, (scales[499] + scales[500]) / 2);
    cvd_engine_destroy(engine);
}

static void saved_and_loaded_anywhere_it_goes_on_bit_for_bit(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = 23;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int round = 0; round < 20; round++) {
        struct cvd_config config = round % 2 ? config_v2_class() : cvd_config_default();
        config.z_mode = round % 5 == 4 ? CVD_Z_LEVEL : CVD_Z_DELTA;
        struct cvd_engine *engine = cvd_engine_create(&config), *other = cvd_engine_create(&config);
        int cut = (int)random_below(&random, 1500);
        int64_t t = EPOCH_MS;
        for (int i = 0; i < 1500; i++) {
            t += random_below(&random, 40) ? (int64_t)random_below(&random, 900) - 50 : 6000;
            struct trade_row trade = trade_of(t, i, 100, (double)(1 + random_below(&random, 900)) / 100,
                                              (int)random_below(&random, 3) - 1);
            struct cvd_row row = {0}, resumed = {0};
            enum cvd_outcome outcome = cvd_engine_feed(engine, &trade, &row);
            if (i > cut) {
                assert_int_equal(cvd_engine_feed(other, &trade, &resumed), outcome);
                assert_same_row(&cvd_message, &row, &resumed);
            }
            if (i != cut)
                continue;
            struct buffer saved, again;
            struct reader in;
            buffer_init(&saved, 0);
            buffer_init(&again, 0);
            cvd_engine_save(engine, &saved);
            reader_init(&in, saved.data, saved.length);
            cvd_engine_load(other, &in);
            assert_int_equal(reader_done(&in), STATUS_OK);
            cvd_engine_save(other, &again);
            assert_int_equal(saved.length, again.length);
            assert_memory_equal(saved.data, again.data, saved.length);
            buffer_finish(&saved);
            buffer_finish(&again);
        }
        cvd_engine_destroy(engine);
        cvd_engine_destroy(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_huge_first_trade_does_not_fix_the_scale),
        cmocka_unit_test(tails_stay_bounded_in_quiet_and_busy_hours),
        cmocka_unit_test(diagnostics_are_part_of_the_row_and_not_constants),
        cmocka_unit_test(the_sum_of_deltas_is_the_sum_of_signed_quantities),
        cmocka_unit_test(the_floor_uses_the_exact_mad_of_the_last_200_at_every_trade),
        cmocka_unit_test(the_rate_counts_the_last_minute_and_a_lone_trade_is_no_rate),
        cmocka_unit_test(invalid_trades_give_no_row_and_a_bad_point),
        cmocka_unit_test(a_missing_side_follows_the_price_and_then_the_last_side),
        cmocka_unit_test(gaps_in_the_warm_up_do_not_silence),
        cmocka_unit_test(a_gap_of_exactly_the_limit_silences_the_smaller_number),
        cmocka_unit_test(a_scale_of_nothing_gives_no_z),
        cmocka_unit_test(half_lives_in_trades_do_not_look_at_the_clock),
        cmocka_unit_test(scale_mode_ewma_has_no_floor),
        cmocka_unit_test(z_mode_level_measures_against_the_values_before),
        cmocka_unit_test(a_late_trade_counts_with_the_smallest_distance),
        cmocka_unit_test(diagnostics_describe_the_last_thousand_rows),
        cmocka_unit_test(saved_and_loaded_anywhere_it_goes_on_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
