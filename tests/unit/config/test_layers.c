// links: config base
/* Which value holds: command line > environment > file > profile > built-in, symbols' own first. */
#include "config_test.h"

/* variables: a small environment, "NAME=value" texts ending with NULL. */
static const char *lookup(void *context, const char *name)
{
    for (const char *const *pair = context; *pair; pair++)
        if (strncmp(*pair, name, strlen(name)) == 0 && (*pair)[strlen(name)] == '=')
            return *pair + strlen(name) + 1;
    return NULL;
}

static enum status load_environment(struct config *config, const char *const *pairs,
                                    struct buffer *out_errors)
{
    struct config_errors errors;
    config_errors_init(&errors);
    enum status status = config_load_environment(config, lookup, (void *)pairs, &errors);
    config_errors_print(&errors, out_errors);
    config_errors_finish(&errors);
    return status;
}

static void environment_good(struct config *config, const char *const *pairs)
{
    struct buffer errors;
    buffer_init(&errors, 0);
    if (load_environment(config, pairs, &errors) != STATUS_OK)
        fail_msg("unexpected: %s", buffer_text(&errors));
    buffer_finish(&errors);
}

static void layers_go_in_order(void **state)
{
    (void)state;
    static const char *const VARIABLES[] = {"MAD_MULTIPLIER=3", NULL};
    struct config *config = config_create();
    assert_true(config_f64(config, "cvd.mad_multiplier") == 1.8);
    assert_int_equal(config_origin_of(config, "cvd.mad_multiplier"), ORIGIN_PROFILE);
    assert_int_equal(config_origin_of(config, "cvd.tps_ref"), ORIGIN_BUILT_IN);
    config_destroy(config);

    config = load_good("cvd: {mad_multiplier: 2, profile: step16}\n");
    assert_true(config_f64(config, "cvd.mad_multiplier") == 2);
    assert_int_equal(config_origin_of(config, "cvd.mad_multiplier"), ORIGIN_FILE);
    environment_good(config, VARIABLES);
    assert_true(config_f64(config, "cvd.mad_multiplier") == 3);
    assert_int_equal(config_origin_of(config, "cvd.mad_multiplier"), ORIGIN_ENVIRONMENT);
    assert_string_equal(config_place(config, "cvd.mad_multiplier"), "environment variable MAD_MULTIPLIER");
    set(config, "cvd.mad_multiplier", "4");
    assert_true(config_f64(config, "cvd.mad_multiplier") == 4);
    assert_int_equal(config_origin_of(config, "cvd.mad_multiplier"), ORIGIN_CLI);

    /* The order of loading does not matter. */
    environment_good(config, VARIABLES);
    assert_true(config_f64(config, "cvd.mad_multiplier") == 4);
    config_destroy(config);
}

static void profiles_choose_columns(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        double winsor_limit, mad_multiplier, fast_weight, half_life_sec, fast_sec;
        int64_t trades, fast_trades, freeze_min;
        const char *ewma_init;
    } EXPECTED[] = {
        {"s3", 8, 1.8, 0.2, 600, 60, 0, 0, 50, "debiased"},
        {"step16", 8, 1.47, 0.325, 600, 60, 300, 80, 50, "debiased"},
        {"v2_class", 2, 1.7, 0.3, 600, 60, 0, 0, 20, "first"},
        {"v2_btc", 1.9, 1.75, 0.3, 600, 60, 0, 0, 20, "first"},
        {"v2_eth", 2.3, 1.7, 0.3, 600, 60, 0, 0, 20, "first"},
    };
    for (size_t i = 0; i < sizeof EXPECTED / sizeof *EXPECTED; i++) {
        struct config *config = config_create();
        set(config, "cvd.profile", EXPECTED[i].profile);
        assert_true(config_f64(config, "cvd.winsor_limit") == EXPECTED[i].winsor_limit);
        assert_true(config_f64(config, "cvd.mad_multiplier") == EXPECTED[i].mad_multiplier);
        assert_true(config_f64(config, "cvd.scale_fast_weight") == EXPECTED[i].fast_weight);
        assert_true(config_f64(config, "cvd.half_life_sec") == EXPECTED[i].half_life_sec);
        assert_true(config_f64(config, "cvd.half_life_fast_sec") == EXPECTED[i].fast_sec);
        assert_int_equal(config_i64(config, "cvd.half_life_trades"), EXPECTED[i].trades);
        assert_int_equal(config_i64(config, "cvd.half_life_fast_trades"), EXPECTED[i].fast_trades);
        assert_int_equal(config_i64(config, "cvd.freeze_min"), EXPECTED[i].freeze_min);
        assert_string_equal(config_text(config, "cvd.ewma_init"), EXPECTED[i].ewma_init);
        config_destroy(config);
    }
}

static void fusion_profiles_choose_columns(void **state)
{
    (void)state;
    struct config *config = config_create();
    set(config, "fusion.profile", "harvest2");
    assert_true(config_f64(config, "fusion.fuse_strong_buy") == 2);
    assert_true(config_f64(config, "fusion.fuse_strong_sell") == -2);
    assert_true(config_f64(config, "fusion.fuse_sell") == -1.2);
    assert_int_equal(config_i64(config, "fusion.cooldown_ms"), 300);
    set(config, "fusion.profile", "oct22");
    assert_int_equal(config_i64(config, "fusion.max_lag_ms"), 300);
    assert_true(config_f64(config, "fusion.strong_min_consistency") == 0.7);
    set(config, "fusion.profile", "conservative");
    assert_int_equal(config_i64(config, "fusion.min_warmup_samples"), 30);
    assert_true(config_f64(config, "fusion.z_clip") == 5);
    set(config, "fusion.fuse_buy", "1");
    assert_true(config_f64(config, "fusion.fuse_sell") == -1);
    set(config, "fusion.fuse_sell", "-0.5");
    assert_true(config_f64(config, "fusion.fuse_sell") == -0.5);
    config_destroy(config);
}

static void restart_profiles_choose_columns(void **state)
{
    (void)state;
    struct config *config = config_create();
    assert_int_equal(config_i64(config, "supervisor.max_restarts"), 5);
    assert_int_equal(config_i64(config, "supervisor.progress_restarts"), 20);
    set(config, "supervisor.profile", "conservative");
    assert_int_equal(config_i64(config, "supervisor.max_restarts"), 2);
    assert_int_equal(config_i64(config, "supervisor.progress_restarts"), 0);
    assert_int_equal(config_i64(config, "supervisor.backoff_initial_ms"), 10000);
    assert_true(config_f64(config, "supervisor.backoff_factor") == 3);
    set(config, "supervisor.max_restarts", "7");
    assert_int_equal(config_i64(config, "supervisor.max_restarts"), 7);
    config_destroy(config);
}

/* algorithms §0.3: own value > value > own profile's > profile's. */
static void symbols_go_before_all(void **state)
{
    (void)state;
    struct config *config = load_good("cvd:\n"
                                      "  winsor_limit: 5\n"
                                      "  per_symbol:\n"
                                      "    BTCUSDT: {mad_multiplier: 2.5, profile: v2_btc}\n"
                                      "    ETHUSDT: {profile: v2_eth, winsor_limit: 6}\n");
    assert_true(config_symbol_f64(config, "BTCUSDT", "cvd.mad_multiplier") == 2.5);
    assert_true(config_symbol_f64(config, "BTCUSDT", "cvd.winsor_limit") == 5); /* value beats own profile */
    assert_true(config_symbol_f64(config, "BTCUSDT", "cvd.scale_fast_weight") == 0.3);
    assert_int_equal(config_symbol_i64(config, "BTCUSDT", "cvd.freeze_min"), 20);
    assert_string_equal(config_symbol_text(config, "BTCUSDT", "cvd.ewma_init"), "first");
    assert_int_equal(config_symbol_choice(config, "BTCUSDT", "cvd.profile"), 3);
    assert_true(config_symbol_f64(config, "ETHUSDT", "cvd.winsor_limit") == 6);
    assert_true(config_symbol_f64(config, "ETHUSDT", "cvd.mad_multiplier") == 1.7);
    assert_true(config_symbol_f64(config, "XRPUSDT", "cvd.mad_multiplier") == 1.8);
    assert_true(config_symbol_f64(config, NULL, "cvd.mad_multiplier") == 1.8);
    assert_int_equal(config_symbol_i64(config, "BTCUSDT", "ofi.levels"), 5);
    set(config, "cvd.mad_multiplier", "9");
    assert_true(config_symbol_f64(config, "BTCUSDT", "cvd.mad_multiplier") == 2.5);
    assert_true(config_symbol_f64(config, "ETHUSDT", "cvd.mad_multiplier") == 9);
    set(config, "cvd.per_symbol.BTCUSDT.mad_multiplier", "3");
    assert_true(config_symbol_f64(config, "BTCUSDT", "cvd.mad_multiplier") == 3);
    config_destroy(config);
}

static void the_fast_half_life_follows_the_slow_one(void **state)
{
    (void)state;
    struct config *config = load_good("cvd:\n"
                                      "  half_life_sec: 300\n"
                                      "  per_symbol:\n"
                                      "    BTCUSDT: {half_life_sec: 100}\n"
                                      "    ETHUSDT: {profile: v2_eth}\n");
    assert_true(config_f64(config, "cvd.half_life_fast_sec") == 30);
    assert_true(config_symbol_f64(config, "BTCUSDT", "cvd.half_life_fast_sec") == 10);
    assert_true(config_symbol_f64(config, "ETHUSDT", "cvd.half_life_fast_sec") == 60);
    config_destroy(config);
}

static void derived_values_follow_the_venue(void **state)
{
    (void)state;
    struct config *config = config_create();
    assert_string_equal(config_text(config, "harvest.url_mode"), "combined");
    assert_string_equal(config_text(config, "harvest.on_full"), "wait");
    assert_int_equal(config_i64(config, "harvest.max_clock_skew_ms"), 0);
    assert_string_equal(config_text(config, "harvest.rest_url"), "");
    set(config, "harvest.venue", "binance");
    assert_string_equal(config_text(config, "harvest.url_mode"), "routed");
    assert_string_equal(config_text(config, "harvest.on_full"), "drop");
    assert_int_equal(config_i64(config, "harvest.max_clock_skew_ms"), 60000);
    assert_int_equal(config_origin_of(config, "harvest.max_clock_skew_ms"), ORIGIN_BUILT_IN);
    assert_string_equal(config_text(config, "harvest.public_url"), "wss://fstream.binance.com/public");
    assert_string_equal(config_text(config, "harvest.market_url"), "wss://fstream.binance.com/market");
    assert_string_equal(config_text(config, "harvest.rest_url"), "https://fapi.binance.com");
    set(config, "harvest.market", "spot");
    assert_string_equal(config_text(config, "harvest.rest_url"), "https://api.binance.com");
    set(config, "harvest.on_full", "wait");
    assert_string_equal(config_text(config, "harvest.on_full"), "wait");
    assert_int_equal(config_i64(config, "run.replay_mode"), 0);
    set(config, "run.input_mode", "preview");
    assert_int_equal(config_i64(config, "run.replay_mode"), 1);
    set(config, "run.output_dir", "/srv/run");
    assert_string_equal(config_text(config, "bus.dir"), "/srv/run/bus");
    set(config, "run.state_dir", "/srv/state");
    assert_string_equal(config_text(config, "bus.curve_dir"), "/srv/state/keys");
    config_destroy(config);
}

static void export_is_on_when_type_and_url_are_set(void **state)
{
    (void)state;
    static const char *const PUSH[] = {"TIMESERIES_TYPE=prometheus", "TIMESERIES_URL=http://localhost:9091",
                                       NULL};
    static const char *const OFF[] = {"TIMESERIES_ENABLED=0", NULL};
    static const char *const INFLUX[] = {"TIMESERIES_TYPE=influxdb", "INFLUX_URL=http://localhost:8086",
                                         NULL};
    struct config *config = config_create();
    assert_false(config_bool(config, "export.enabled"));
    environment_good(config, PUSH);
    assert_true(config_bool(config, "export.enabled"));
    environment_good(config, OFF);
    assert_false(config_bool(config, "export.enabled"));
    config_destroy(config);
    config = config_create();
    environment_good(config, INFLUX);
    assert_true(config_bool(config, "export.enabled"));
    config_destroy(config);
}

static void variables_mean_what_is_specified(void **state)
{
    (void)state;
    static const char *const VARIABLES[] = {
        "RUN_HOURS=1.5", "SYMBOLS=BTCUSDT, XRPUSDT", "PAPER_ENABLE=0",
        "V13_SINK=dual", "V13_REPLAY_MODE=1",        "WS_ENDPOINT=wss://fstream.binance.com",
        "Z_MODE=level",  "UNRELATED=${x}",           NULL,
    };
    struct config *config = config_create();
    set(config, "harvest.venue", "binance");
    environment_good(config, VARIABLES);
    assert_true(config_f64(config, "run.minutes") == 90);
    assert_int_equal(config_list(config, "run.symbols").count, 2);
    assert_string_equal(config_list(config, "run.symbols").texts[1], "XRPUSDT");
    assert_false(config_bool(config, "broker.paper_enable"));
    assert_string_equal(config_text(config, "run.sink"), "dual");
    assert_int_equal(config_i64(config, "run.replay_mode"), 1);
    assert_string_equal(config_text(config, "harvest.url_mode"), "combined");
    assert_string_equal(config_text(config, "harvest.combined_url"), "wss://fstream.binance.com");
    assert_string_equal(config_text(config, "cvd.z_mode"), "level");
    config_destroy(config);
}

static void malformed_variables_are_named(void **state)
{
    (void)state;
    static const char *const VARIABLES[] = {"RUN_HOURS=two",
                                            "V13_SINK=",
                                            "SQLITE_FLUSH_MS=20",
                                            "MAD_MULTIPLIER=1e9",
                                            "RUN_ID=${RUN_ID}",
                                            "INFLUX_TOKEN=secret\x01",
                                            NULL};
    struct config *config = config_create();
    struct buffer errors;
    buffer_init(&errors, 0);
    assert_int_equal(load_environment(config, VARIABLES, &errors), STATUS_INVALID);
    assert_string_equal(
        buffer_text(&errors),
        "environment variable V13_SINK: run.sink: must be one of jsonl, sqlite, dual, not ``\n"
        "environment variable RUN_HOURS: run.minutes: must be a number from 0 to 1000000 (min), not `two`\n"
        "environment variable RUN_ID: run.run_id: holds a placeholder (`${RUN_ID}`); nothing is expanded "
        "here, write "
        "the value\n"
        "environment variable MAD_MULTIPLIER: cvd.mad_multiplier: must be a number from 0 to 1000, not "
        "`1000000000`\n"
        "environment variable SQLITE_FLUSH_MS: sink.sqlite_flush_ms: must be 0 (every row) or 50 to 5000\n"
        "environment variable INFLUX_TOKEN: export.influx_token: is not a well-formed text\n");
    buffer_finish(&errors);
    config_destroy(config);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct config *config = config_create();
    struct error error = {""};
    assert_int_equal(config_set(config, "ofi.level", "3", ORIGIN_CLI, &error), STATUS_INVALID);
    assert_string_equal(error.text, "ofi.level: there is no such key; did you mean ofi.levels?");
    assert_int_equal(config_set(config, "ofi.levels", "three", ORIGIN_CLI, &error), STATUS_INVALID);
    assert_string_equal(error.text, "ofi.levels: must be a whole number from 1 to 20, not `three`");
    assert_int_equal(config_set(config, "run.symbols", "BTCUSDT,,", ORIGIN_CLI, &error), STATUS_INVALID);
    assert_int_equal(config_set(config, "export.influx_token", "x", ORIGIN_CLI, &error), STATUS_INVALID);
    assert_int_equal(config_set(config, "run.data_root", "a\xff", ORIGIN_CLI, &error), STATUS_INVALID);
    assert_int_equal(
        config_set(config, "run.minutes", "99999999999999999999999999999999999999999", ORIGIN_CLI, &error),
        STATUS_INVALID);
    assert_int_equal(config_set(config, "simulator.seed", "99999999999999999999", ORIGIN_CLI, &error),
                     STATUS_INVALID);
    assert_int_equal(config_i64(config, "ofi.levels"), 5);
    set(config, "run.enable", "");
    assert_int_equal(config_list(config, "run.enable").count, 0);
    static const char *const CAPTURES[] = {"a,b", "c"};
    assert_int_equal(config_set_texts(config, "simulator.captures", CAPTURES, 2, ORIGIN_CLI, &error),
                     STATUS_OK);
    assert_int_equal(config_list(config, "simulator.captures").count, 2);
    assert_int_equal(config_set_texts(config, "run.sink", CAPTURES, 1, ORIGIN_CLI, &error), STATUS_INVALID);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_go_in_order),
        cmocka_unit_test(profiles_choose_columns),
        cmocka_unit_test(fusion_profiles_choose_columns),
        cmocka_unit_test(restart_profiles_choose_columns),
        cmocka_unit_test(symbols_go_before_all),
        cmocka_unit_test(the_fast_half_life_follows_the_slow_one),
        cmocka_unit_test(derived_values_follow_the_venue),
        cmocka_unit_test(export_is_on_when_type_and_url_are_set),
        cmocka_unit_test(variables_mean_what_is_specified),
        cmocka_unit_test(malformed_variables_are_named),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
