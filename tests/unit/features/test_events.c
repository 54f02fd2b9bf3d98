// links: features evaluate market proto base cmocka
/* anomaly_z and price_anomaly (algorithms.md §6.4). */
#include "market_rows.h"
#include "services/features/events.h"

static struct events_engine engine_of(struct events_config config)
{
    struct events_engine engine;
    struct error error;
    assert_int_equal(events_config_check(&config, &error), STATUS_OK);
    events_init(&engine, &config);
    return engine;
}

static void anomaly_z_fires_on_rising_and_rearms_after_its_time(void **state)
{
    (void)state;
    static const struct {
        int64_t after_ms;
        double ofi, cvd;
        int fires;
    } STEPS[] = {
        {0, 1, 1, 0},
        {100, 3.0, 2.5, 0},
        {200, -3.1, 0, 1},
        {300, 5, 5, 0},
        {400, 0, 0, 0},
        {500, 4, 0, 0},
        /* rising, but not armed */ {10100, 0, 0, 0},
        {10199, 4, 0, 0},
        {10200, 4, 0, 0},
        {10300, NAN, NAN, 0},
        {10400, NAN, 2.6, 1},
        {20300, 0, NAN, 0},
        {20400, 0, -2.6, 1},
    };
    struct events_engine engine = engine_of(events_config_default());
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        struct event_row row;
        bool fired = events_grid_row(&engine, EPOCH_MS + STEPS[i].after_ms, STEPS[i].ofi, STEPS[i].cvd, &row);
        if (fired != STEPS[i].fires)
            fail_msg("step %zu: fired %d", i, fired);
        if (!fired)
            continue;
        assert_int_equal(row.event_type, EVENT_ANOMALY_Z);
        assert_int_equal(row.detected_ts_ms, row.ts_ms);
        assert_int_equal(row.direction, DIRECTION_NEUTRAL);
        assert_int_equal(row.channel, fabs(STEPS[i].ofi) > 3 ? CHANNEL_OFI : CHANNEL_CVD);
        assert_true(row.pivot_ts_ms == FIELD_NULL_I64);
        assert_no_value(row.event_score);
        assert_int_equal(row.strength, FIELD_NULL_ENUM);
        assert_int_equal(row.ordinal, 1);
    }
}

static void anomaly_meta_is_canonical_json_with_nulls(void **state)
{
    (void)state;
    struct events_engine engine = engine_of(events_config_default());
    struct event_row row;
    assert_true(events_grid_row(&engine, EPOCH_MS, NAN, -2.75, &row));
    assert_string_equal(row.meta_json, "{\"ofi_z_raw\":null,\"z_raw\":-2.75}");
}

static void price_anomaly_compares_with_the_trade_before(void **state)
{
    (void)state;
    struct events_engine engine = engine_of(events_config_default());
    struct event_row row;
    assert_false(events_trade(&engine, EPOCH_MS, 100, &row));
    assert_false(events_trade(&engine, EPOCH_MS + 1, 104.9, &row));
    assert_true(events_trade(&engine, EPOCH_MS + 2, 80, &row));
    assert_int_equal(row.event_type, EVENT_PRICE_ANOMALY);
    assert_int_equal(row.channel, CHANNEL_TRADE);
    assert_int_equal(row.ts_ms, EPOCH_MS + 2);
    assert_string_equal(row.meta_json, "{\"change\":-0.23736892278360344,\"price\":80,\"price_prev\":104.9}");
    assert_true(events_trade(&engine, EPOCH_MS + 3, 100, &row)); /* each one, no re-arm time */
    assert_string_equal(row.meta_json, "{\"change\":0.25,\"price\":100,\"price_prev\":80}");
}

static void anomalies_of_one_millisecond_are_numbered(void **state)
{
    (void)state;
    struct events_engine engine = engine_of(events_config_default());
    struct event_row row;
    events_trade(&engine, EPOCH_MS, 100, &row);
    for (int i = 1; i <= 4; i++) {
        assert_true(events_trade(&engine, EPOCH_MS, i % 2 ? 200 : 100, &row));
        assert_int_equal(row.ordinal, i);
    }
    assert_true(events_trade(&engine, EPOCH_MS + 5, 200, &row));
    assert_int_equal(row.ordinal, 1);
    assert_true(events_trade(&engine, EPOCH_MS, 100, &row)); /* a late one goes on counting */
    assert_int_equal(row.ordinal, 5);
}

static void saved_and_loaded_it_goes_on_alike(void **state)
{
    (void)state;
    struct events_engine engine = engine_of(events_config_default()),
                         other = engine_of(events_config_default());
    struct event_row row, resumed;
    struct buffer saved;
    struct reader in;
    events_trade(&engine, EPOCH_MS, 100, &row);
    events_trade(&engine, EPOCH_MS, 200, &row);
    events_grid_row(&engine, EPOCH_MS, 5, 5, &row);
    buffer_init(&saved, 0);
    events_save(&engine, &saved);
    reader_init(&in, saved.data, saved.length);
    events_load(&other, &in);
    assert_int_equal(reader_done(&in), STATUS_OK);
    assert_true(events_trade(&engine, EPOCH_MS, 100, &row));
    assert_true(events_trade(&other, EPOCH_MS, 100, &resumed));
    assert_same_row(&event_message, &row, &resumed);
    assert_int_equal(resumed.ordinal, 2);
    assert_false(events_grid_row(&other, EPOCH_MS + 100, 5, 5, &resumed));
    buffer_finish(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anomaly_z_fires_on_rising_and_rearms_after_its_time),
        cmocka_unit_test(anomaly_meta_is_canonical_json_with_nulls),
        cmocka_unit_test(price_anomaly_compares_with_the_trade_before),
        cmocka_unit_test(anomalies_of_one_millisecond_are_numbered),
        cmocka_unit_test(saved_and_loaded_it_goes_on_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
