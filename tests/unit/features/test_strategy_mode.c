// links: features evaluate market proto base cmocka
/* StrategyMode (algorithms.md §7, golden.md §6), its schedule and the time zones behind it. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/random.h"
#include "market_rows.h"
#include "services/features/strategy_mode.h"

#include <stdlib.h>

static const struct strategy_inputs ACTIVE = {
    .trades_per_min = 30, .quotes_per_sec = 5, .spread_bps = 5, .volatility_bps = 4, .volume_usd = 200000};

static struct strategy_mode_config plain_config(void)
{
    struct strategy_mode_config config = strategy_mode_config_default();
    struct error error;
    assert_int_equal(strategy_mode_config_check(&config, &error), STATUS_OK);
    return config;
}

/* One boundary with an active or a quiet market; returns the row. */
static struct strategy_state_row boundary(struct strategy_mode_engine *engine, int64_t c, bool active,
                                          struct mode_change *out_change, bool *out_changed)
{
    struct strategy_state_row row;
    struct strategy_inputs inputs = ACTIVE;
    if (!active)
        inputs.trades_per_min = 29;
    *out_changed = strategy_mode_engine_boundary(engine, c, &inputs, &row, out_change);
    return row;
}

static void golden_wants_and_dwell(void **state)
{
    (void)state;
    const char wants[] = "FTTTFFFFFF";
    struct strategy_mode_config config = plain_config();
    struct strategy_mode_engine *engine = strategy_mode_engine_create(&config);
    for (int i = 0; i < 10; i++) {
        struct mode_change change;
        bool changed;
        struct strategy_state_row row = boundary(engine, 10000 * i, wants[i] == 'T', &change, &changed);
        int mode = i >= 2 && i < 8 ? MODE_ACTIVE : MODE_QUIET;
        assert_int_equal(row.mode, mode);
        assert_int_equal(strategy_mode_engine_mode(engine), mode);
        assert_int_equal(row.market_active, wants[i] == 'T');
        assert_int_equal(row.history_size, i < 4 ? i + 1 : 4);
        assert_true(row.last_transition_ms == (i < 2 ? FIELD_NULL_I64 : i < 8 ? 20000 : 80000));
        assert_int_equal(changed, i == 2 || i == 8);
        if (changed) {
            assert_string_equal(change.reason, i == 2 ? "market" : "hysteresis");
            assert_int_equal(change.from, i == 2 ? MODE_QUIET : MODE_ACTIVE);
            assert_int_equal(change.to, mode);
            assert_int_equal(change.ts_ms, 10000 * i);
        }
    }
    strategy_mode_engine_destroy(engine);
}

static void every_limit_is_inclusive_and_each_counts(void **state)
{
    (void)state;
    struct strategy_mode_config config = plain_config();
    for (int broken = -1; broken < 5; broken++) {
        struct strategy_mode_engine *engine = strategy_mode_engine_create(&config);
        struct strategy_inputs inputs = ACTIVE;
        double *values[] = {&inputs.trades_per_min, &inputs.quotes_per_sec, &inputs.volatility_bps,
                            &inputs.volume_usd, &inputs.spread_bps};
        if (broken >= 0)
            *values[broken] *= broken == 4 ? 1.0001 : 0.9999;
        struct strategy_state_row row;
        struct mode_change change;
        strategy_mode_engine_boundary(engine, 10000, &inputs, &row, &change);
        assert_int_equal(row.market_active, broken < 0);
        assert_int_equal(row.market_unknown, 0);
        strategy_mode_engine_destroy(engine);
    }
}

/* Lesson 12: nothing is ever substituted for a missing input. */
static void a_missing_input_makes_the_market_unknown_and_never_active(void **state)
{
    (void)state;
    struct strategy_mode_config config = plain_config();
    struct strategy_mode_engine *engine = strategy_mode_engine_create(&config);
    for (int missing = 0; missing < 6; missing++) {
        struct strategy_inputs inputs = ACTIVE;
        double *values[] = {&inputs.trades_per_min, &inputs.quotes_per_sec, &inputs.volatility_bps,
                            &inputs.volume_usd, &inputs.spread_bps};
        if (missing < 5)
            *values[missing] = NAN;
        else
            inputs.young = true;
        struct strategy_state_row row;
        struct mode_change change;
        assert_false(strategy_mode_engine_boundary(engine, 10000 * (missing + 1), &inputs, &row, &change));
        assert_int_equal(row.market_unknown, 1);
        assert_int_equal(row.market_active, 0);
        assert_int_equal(row.mode, MODE_QUIET);
        assert_int_equal(isnan(row.spread_bps), missing == 4);
    }
    assert_int_equal(strategy_mode_engine_market_unknown(engine), 6);
    strategy_mode_engine_destroy(engine);
}

/* Lesson 28: the forced modes are recognised, anything else is a configuration error. */
static void forced_modes_hold_from_the_first_boundary_and_unknown_ones_are_refused(void **state)
{
    (void)state;
    struct strategy_mode_config config = plain_config();
    struct mode_change change;
    struct error error;
    bool changed;
    config.mode = enum_from_name(STRATEGY_FORCE_NAMES, "force_active", 12);
    struct strategy_mode_engine *engine = strategy_mode_engine_create(&config);
    struct strategy_state_row row = boundary(engine, 10000, false, &change, &changed);
    assert_true(changed);
    assert_string_equal(change.reason, "manual");
    assert_int_equal(row.mode, MODE_ACTIVE);
    for (int i = 2; i < 30; i++)
        assert_int_equal(boundary(engine, 10000 * i, false, &change, &changed).mode, MODE_ACTIVE);
    strategy_mode_engine_destroy(engine);

    config.mode = enum_from_name(STRATEGY_FORCE_NAMES, "force_quiet", 11);
    engine = strategy_mode_engine_create(&config);
    for (int i = 1; i < 30; i++)
        assert_int_equal(boundary(engine, 10000 * i, true, &change, &changed).mode, MODE_QUIET);
    strategy_mode_engine_destroy(engine);

    config.mode = enum_from_name(STRATEGY_FORCE_NAMES, "forced_active", 13);
    assert_int_equal(strategy_mode_config_check(&config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "strategy_mode.mode"));
}

/* Lesson 26: empty windows with a schedule that decides are an error. */
static void an_empty_schedule_that_decides_is_a_configuration_error(void **state)
{
    (void)state;
    struct strategy_mode_config config = plain_config();
    struct error error;
    for (int combine = COMBINE_SCHEDULE; combine <= COMBINE_OR; combine++) {
        config.combine = combine;
        assert_int_equal(strategy_mode_config_check(&config, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "strategy_mode.schedule.windows"));
    }
    assert_int_equal(schedule_add_window(&config.schedule, "09:00-17:00", &error), STATUS_OK);
    assert_int_equal(strategy_mode_config_check(&config, &error), STATUS_OK);
}

static void combine_decides_who_must_agree(void **state)
{
    (void)state;
    static const bool EXPECTED[4][4] = {/* market×schedule: 00 01 10 11 */
                                        [COMBINE_MARKET] = {0, 0, 1, 1},
                                        [COMBINE_SCHEDULE] = {0, 1, 0, 1},
                                        [COMBINE_AND] = {0, 0, 0, 1},
                                        [COMBINE_OR] = {0, 1, 1, 1}};
    struct error error;
    for (int combine = COMBINE_MARKET; combine <= COMBINE_OR; combine++) {
        for (int both = 0; both < 4; both++) {
            struct strategy_mode_config config = plain_config();
            config.combine = combine;
            config.min_active_windows = 1;
            const char *window = both & 1 ? "00:00-24:00" : "23:59-24:00";
            assert_int_equal(schedule_add_window(&config.schedule, window, &error), STATUS_OK);
            struct strategy_mode_engine *engine = strategy_mode_engine_create(&config);
            struct mode_change change = {0};
            bool changed;
            struct strategy_state_row row = boundary(engine, 10000, both & 2, &change, &changed);
            assert_int_equal(row.mode == MODE_ACTIVE, EXPECTED[combine][both]);
            assert_int_equal(row.schedule_active, both & 1);
            if (changed)
                assert_string_equal(change.reason,
                                    (both & 1) && combine != COMBINE_MARKET ? "schedule" : "market");
            strategy_mode_engine_destroy(engine);
        }
    }
}

static void saved_and_loaded_anywhere_it_goes_on_alike(void **state)
{
    (void)state;
    struct strategy_mode_config config = plain_config();
    struct random random;
    uint64_t seed = 70;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int round = 0; round < 20; round++) {
        struct strategy_mode_engine *engine = strategy_mode_engine_create(&config);
        struct strategy_mode_engine *other = strategy_mode_engine_create(&config);
        int cut = (int)random_below(&random, 300);
        bool active = false, changed;
        struct mode_change change;
        for (int i = 1; i <= 300; i++) {
            active = random_below(&random, 5) ? active : !active;
            struct strategy_state_row row = boundary(engine, 10000 * i, active, &change, &changed);
            if (i > cut) {
                struct strategy_state_row resumed = boundary(other, 10000 * i, active, &change, &changed);
                assert_same_row(&strategy_state_message, &row, &resumed);
            }
            if (i != cut)
                continue;
            struct buffer saved;
            struct reader in;
            buffer_init(&saved, 0);
            strategy_mode_engine_save(engine, &saved);
            reader_init(&in, saved.data, saved.length);
            strategy_mode_engine_load(other, &in);
            assert_int_equal(reader_done(&in), STATUS_OK);
            buffer_finish(&saved);
        }
        strategy_mode_engine_destroy(engine);
        strategy_mode_engine_destroy(other);
    }
}

/* --- the schedule --- */

/* Epoch milliseconds of a UTC date and time. */
static int64_t utc(int year, int month, int day, int hour, int minute)
{
    return ((civil_days(year, month, day) * 24 + hour) * 60 + minute) * INT64_C(60000);
}

static struct schedule_config schedule_of(const struct zone *zone, const char *window)
{
    struct schedule_config config = schedule_config_default();
    struct error error;
    config.zone = zone;
    assert_int_equal(schedule_add_window(&config, window, &error), STATUS_OK);
    return config;
}

static void windows_include_their_start_and_exclude_their_end(void **state)
{
    (void)state;
    struct schedule_config config = schedule_of(NULL, "09:00-17:30");
    assert_false(schedule_is_active(&config, utc(2024, 8, 8, 9, 0) - 1));
    assert_true(schedule_is_active(&config, utc(2024, 8, 8, 9, 0)));
    assert_true(schedule_is_active(&config, utc(2024, 8, 8, 17, 30) - 1));
    assert_false(schedule_is_active(&config, utc(2024, 8, 8, 17, 30)));
}

static void a_window_past_midnight_belongs_to_the_day_it_starts_on(void **state)
{
    (void)state;
    struct schedule_config config = schedule_of(NULL, "22:00-03:00");
    struct error error;
    assert_int_equal(schedule_add_weekday(&config, "fri", &error), STATUS_OK);
    assert_int_equal(schedule_add_holiday(&config, "2024-08-16", &error), STATUS_OK);
    assert_true(schedule_is_active(&config, utc(2024, 8, 9, 22, 0)));  /* Friday */
    assert_true(schedule_is_active(&config, utc(2024, 8, 10, 2, 59))); /* Saturday morning is Friday's */
    assert_false(schedule_is_active(&config, utc(2024, 8, 10, 3, 0)));
    assert_false(schedule_is_active(&config, utc(2024, 8, 9, 2, 0))); /* Thursday's */
    assert_false(schedule_is_active(&config, utc(2024, 8, 10, 22, 0)));
    assert_false(schedule_is_active(&config, utc(2024, 8, 16, 23, 0))); /* holiday */
    assert_false(schedule_is_active(&config, utc(2024, 8, 17, 1, 0)));  /* still that holiday's */
}

static void malformed_schedules_are_refused_with_the_key(void **state)
{
    (void)state;
    static const char *const WINDOWS[] = {"9:00-17:00",  "09:00",       "09:60-10:00",  "24:00-01:00",
                                          "09:00-24:01", "09:00-09:00", "09:00-17:00x", ""};
    static const char *const DATES[] = {"2024-02-30", "2023-02-29", "2024-13-01",
                                        "24-01-01",   "2024-00-10", "x"};
    struct schedule_config config = schedule_config_default();
    struct error error;
    for (size_t i = 0; i < sizeof WINDOWS / sizeof WINDOWS[0]; i++) {
        assert_int_equal(schedule_add_window(&config, WINDOWS[i], &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "strategy_mode.schedule.windows"));
    }
    for (size_t i = 0; i < sizeof DATES / sizeof DATES[0]; i++)
        assert_int_equal(schedule_add_holiday(&config, DATES[i], &error), STATUS_INVALID);
    assert_int_equal(schedule_add_holiday(&config, "2024-02-29", &error), STATUS_OK);
    assert_int_equal(schedule_add_weekday(&config, "Monday", &error), STATUS_INVALID);
    assert_int_equal(config.window_count, 0);
    assert_int_equal(config.holiday_count, 1);
}

static struct zone load_zone(const char *name)
{
    struct zone zone;
    struct error error = {0};
    if (zone_load(name, &zone, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return zone;
}

static void a_schedule_follows_the_local_clock(void **state)
{
    (void)state;
    struct zone tokyo = load_zone("Asia/Tokyo"), new_york = load_zone("America/New_York");
    struct schedule_config config = schedule_of(&tokyo, "09:00-10:00");
    assert_true(schedule_is_active(&config, utc(2024, 8, 8, 0, 30)));
    assert_false(schedule_is_active(&config, utc(2024, 8, 8, 9, 30)));
    config = schedule_of(&new_york, "09:30-16:00");
    assert_true(schedule_is_active(&config, utc(2024, 7, 1, 13, 30)));
    assert_false(schedule_is_active(&config, utc(2024, 1, 2, 13, 30)));
    assert_true(schedule_is_active(&config, utc(2024, 1, 2, 14, 30)));
    zone_finish(&tokyo);
    zone_finish(&new_york);
}

static void zones_change_at_their_moments_in_the_table_and_behind_it(void **state)
{
    (void)state;
    struct zone new_york = load_zone("America/New_York"), sydney = load_zone("Australia/Sydney");
    struct zone tokyo = load_zone("Asia/Tokyo"), utc_zone = load_zone("UTC");
    static const int YEARS[] = {2024, 2100, 2393};
    static const int MARCH[] = {10, 14, 14}, NOVEMBER[] = {3, 7, 7}; /* second and first Sunday */
    static const int APRIL[] = {7, 4, 4}, OCTOBER[] = {6, 3, 3};     /* first Sundays */
    for (int i = 0; i < 3; i++) {
        int64_t spring = utc(YEARS[i], 3, MARCH[i], 7, 0) / 1000,
                autumn = utc(YEARS[i], 11, NOVEMBER[i], 6, 0) / 1000;
        assert_int_equal(zone_offset_sec(&new_york, spring - 1), -5 * 3600);
        assert_int_equal(zone_offset_sec(&new_york, spring), -4 * 3600);
        assert_int_equal(zone_offset_sec(&new_york, autumn - 1), -4 * 3600);
        assert_int_equal(zone_offset_sec(&new_york, autumn), -5 * 3600);
        int64_t april = utc(YEARS[i], 4, APRIL[i], 3, 0) / 1000 - 11 * 3600;
        int64_t october = utc(YEARS[i], 10, OCTOBER[i], 2, 0) / 1000 - 10 * 3600;
        assert_int_equal(zone_offset_sec(&sydney, april - 1), 11 * 3600);
        assert_int_equal(zone_offset_sec(&sydney, april), 10 * 3600);
        assert_int_equal(zone_offset_sec(&sydney, october - 1), 10 * 3600);
        assert_int_equal(zone_offset_sec(&sydney, october), 11 * 3600);
    }
    assert_int_equal(zone_offset_sec(&tokyo, utc(2024, 8, 8, 0, 0) / 1000), 9 * 3600);
    assert_int_equal(zone_offset_sec(&tokyo, utc(1949, 7, 1, 0, 0) / 1000), 10 * 3600);
    assert_int_equal(zone_offset_sec(&utc_zone, 0), 0);
    zone_finish(&new_york);
    zone_finish(&sydney);
    zone_finish(&tokyo);
    zone_finish(&utc_zone);
}

static void unknown_zones_are_configuration_errors(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"Asia/Atlantis", "../../etc/passwd", "/etc/localtime", "Asia", "",
                                        "Asia//Tokyo",   "tzdata.zi"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        struct zone zone;
        struct error error = {0};
        assert_int_equal(zone_load(NAMES[i], &zone, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "strategy_mode.schedule.timezone"));
    }
}

static void damaged_zone_files_are_refused_or_harmless(void **state)
{
    (void)state;
    struct buffer content;
    struct random random;
    uint64_t seed = 71;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    buffer_init(&content, ZONE_FILE_BYTES_MAX);
    assert_int_equal(file_read("/usr/share/zoneinfo/America/New_York", &content), STATUS_OK);
    for (size_t length = 0; length < content.length; length++) {
        struct zone zone;
        assert_int_equal(zone_parse(content.data, length, "x", &zone), STATUS_MALFORMED);
    }
    for (int i = 0; i < 20000; i++) {
        size_t at = random_below(&random, i % 2 ? 100 : content.length);
        uint8_t kept = content.data[at];
        content.data[at] = (uint8_t)random_u64(&random);
        struct zone zone;
        if (zone_parse(content.data, content.length, "x", &zone) == STATUS_OK) {
            for (int64_t year = 1800; year < 2500; year += 50)
                assert_true(labs(zone_offset_sec(&zone, utc((int)year, 6, 1, 0, 0) / 1000)) <= 26 * 3600);
            zone_finish(&zone);
        }
        content.data[at] = kept;
    }
    buffer_finish(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_wants_and_dwell),
        cmocka_unit_test(every_limit_is_inclusive_and_each_counts),
        cmocka_unit_test(a_missing_input_makes_the_market_unknown_and_never_active),
        cmocka_unit_test(forced_modes_hold_from_the_first_boundary_and_unknown_ones_are_refused),
        cmocka_unit_test(an_empty_schedule_that_decides_is_a_configuration_error),
        cmocka_unit_test(combine_decides_who_must_agree),
        cmocka_unit_test(saved_and_loaded_anywhere_it_goes_on_alike),
        cmocka_unit_test(windows_include_their_start_and_exclude_their_end),
        cmocka_unit_test(a_window_past_midnight_belongs_to_the_day_it_starts_on),
        cmocka_unit_test(malformed_schedules_are_refused_with_the_key),
        cmocka_unit_test(a_schedule_follows_the_local_clock),
        cmocka_unit_test(zones_change_at_their_moments_in_the_table_and_behind_it),
        cmocka_unit_test(unknown_zones_are_configuration_errors),
        cmocka_unit_test(damaged_zone_files_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
