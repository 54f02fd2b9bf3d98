// links: config base
#include "config_test.h"

/* Keys and defaults of the specification, in its words; what is derived appears with its default for the simulator. */
static const char *const SPECIFIED[] = {
    "schema_version=1",
    "config_tag=dev",
    "run.symbols=BTCUSDT,ETHUSDT",
    "run.enable=harvest,signal,broker,report",
    "run.sink=jsonl",
    "run.minutes=30",
    "run.run_id=",
    "run.debug=false",
    "run.output_dir=./runtime",
    "run.data_root=./data",
    "run.artifacts_dir=./artifacts",
    "run.logs_dir=./logs",
    "run.state_dir=./state",
    "run.input_mode=raw",
    "run.input_dir=",
    "run.replay_mode=0",
    "run.replay_speed=0",
    "harvest.venue=simulator",
    "harvest.market=usdm",
    "harvest.url_mode=combined",
    "harvest.book_source=diff",
    "harvest.depth_stream=@depth@100ms",
    "harvest.trade_stream=auto",
    "harvest.on_full=wait",
    "simulator.captures=",
    "simulator.speed=1",
    "simulator.start=recorded",
    "simulator.seed=1",
    "simulator.symbols=",
    "simulator.rate=50",
    "simulator.flow_strength=0.5",
    "simulator.size_sigma=0",
    "simulator.tls=false",
    "simulator.port=0",
    "simulator.host=127.0.0.1",
    "journal.durability=process",
    "journal.max_mb=2048",
    "journal.max_age_s=86400",
    "journal.state_interval_ms=1000",
    "bus.transport=ipc",
    "bus.dir=./runtime/bus",
    "bus.high_water_mark=20000",
    "bus.curve_dir=./state/keys",
    "bus.listen_address=0.0.0.0",
    "bus.port=5670",
    "bus.hosts=",
    "scale.harvest=1",
    "scale.features=1",
    "scale.signal=1",
    "driver=process",
    "docker.socket=/var/run/docker.sock",
    "report.http_address=127.0.0.1",
    "report.http_port=8080",
    "harvest.public_url=",
    "harvest.market_url=",
    "harvest.combined_url=",
    "harvest.rest_url=",
    "harvest.region=default",
    "harvest.ping_interval_s=20",
    "harvest.pong_timeout_s=10",
    "harvest.backoff_initial_ms=1000",
    "harvest.backoff_factor=2",
    "harvest.backoff_cap_ms=60000",
    "harvest.backoff_jitter=0.2",
    "harvest.backoff_reset_s=300",
    "harvest.trade_idle_s=150",
    "harvest.book_idle_s=180",
    "harvest.max_connection_h=23.5",
    "harvest.backfill=true",
    "archive.rotate_s=60",
    "archive.max_rows=50000",
    "archive.compact_hourly=true",
    "archive.quality_interval_s=21600",
    "archive.duckdb_memory_mb=192",
    "archive.duckdb_threads=2",
    "sink.sqlite_batch_n=500",
    "sink.sqlite_flush_ms=500",
    "sink.fsync_every_n=50",
    "sink.fsync_interval_ms=200",
    "sink.max_shards=5000",
    "sink.max_file_mb=200",
    "broker.sample_rate=0.2",
    "broker.slippage_bps=1",
    "broker.fee_bps=2",
    "broker.order_qty=0.001",
    "report.interval_s=60",
    "report.tz=UTC",
    "health.tick_s=10",
    "health.min_growth_window_seconds=60",
    "health.min_growth_count=1",
    "health.heartbeat_ms=200",
    "health.heartbeat_timeout_ms=500",
    "supervisor.profile=fast",
    "supervisor.ready_timeout_s=120",
    "supervisor.ready_backoff_s=10,30",
    "supervisor.stop_timeout_s=2",
    "limits.max_rss_mb=600",
    "limits.max_open_files=256",
    "limits.min_disk_free_gb=10",
    "export.type=none",
    "export.url=",
    "export.job=signal_reporter",
    "export.interval_s=60",
    "export.timeout_s=5",
    "export.attempts=3",
    "export.influx_url=",
    "export.influx_org=",
    "export.influx_bucket=",
    "export.influx_db=",
    "eval.gate_window_s=7200",
    "eval.display_window_s=600",
    "eval.train_s=7200",
    "eval.test_s=1800",
    "eval.merge_tol_ms=2000",
    "canary.auc_min=0.58",
    "canary.ece_max=0.1",
    "canary.brier_min_pct=5",
    "canary.merge_p99_max_ms=2000",
    "canary.match_min=0.8",
    "canary.p1_timeout_s=1800",
    "canary.hours=24",
    "harvest.watermark_ms=50",
    "harvest.dedup_lru=8192",
    "harvest.max_clock_skew_ms=0",
    "harvest.qty_field=q",
    "ofi.mode=cks",
    "ofi.levels=5",
    "ofi.weights=0.4,0.25,0.2,0.1,0.05",
    "ofi.z_window=100",
    "ofi.ema_alpha=0.3",
    "ofi.z_clip=3",
    "ofi.gap_reset_ms=2000",
    "ofi.reset_on_day_change=true",
    "ofi.std_floor=0.0001",
    "ofi.soft_clip_k=0",
    "cvd.profile=s3",
    "cvd.winsor_limit=8",
    "cvd.mad_multiplier=1.8",
    "cvd.scale_fast_weight=0.2",
    "cvd.half_life_sec=600",
    "cvd.half_life_fast_sec=60",
    "cvd.half_life_trades=0",
    "cvd.half_life_fast_trades=0",
    "cvd.freeze_min=50",
    "cvd.ewma_init=debiased",
    "cvd.z_mode=delta",
    "cvd.scale_mode=hybrid",
    "cvd.mad_window_trades=200",
    "cvd.mad_scale_factor=1.4826",
    "cvd.soft_freeze_ms=4000",
    "cvd.hard_freeze_ms=5000",
    "cvd.tps_ref=1.5",
    "cvd.boost_gamma=0.7",
    "cvd.weight_beta=1",
    "cvd.ema_alpha=0.2",
    "cvd.z_window=150",
    "cvd.warmup_min=3",
    "features.grid_ms=100",
    "features.max_age_ms=5000",
    "fusion.profile=rc1",
    "fusion.fuse_buy=0.95",
    "fusion.fuse_strong_buy=1.7",
    "fusion.fuse_sell=-0.95",
    "fusion.fuse_strong_sell=-1.7",
    "fusion.min_consistency=0.12",
    "fusion.strong_min_consistency=0.45",
    "fusion.z_clip=4",
    "fusion.max_lag_ms=250",
    "fusion.hysteresis_exit=0.6",
    "fusion.cooldown_ms=300",
    "fusion.min_consecutive=1",
    "fusion.min_warmup_samples=10",
    "fusion.w_ofi=0.6",
    "fusion.w_cvd=0.4",
    "fusion.weights_active=null",
    "fusion.gate=0",
    "fusion.flip_rearm_margin=0.05",
    "fusion.adaptive_cooldown_k=0.6",
    "fusion.min_cooldown_ms=120",
    "fusion.hold_ttl_ms=60000",
    "fusion.boost_consistency=0.7",
    "fusion.boost_factor=0.8",
    "fusion.throttle_consistency=0.3",
    "fusion.compat_v13=false",
    "divergence.step_ms=1000",
    "divergence.swing_l=12",
    "divergence.min_separation=6",
    "divergence.cooldown_ms=1000",
    "divergence.warmup_min=100",
    "divergence.max_lag_ms=300",
    "divergence.reset_gap_ms=10000",
    "divergence.hold_ms=1000",
    "divergence.z_hi=1.5",
    "divergence.z_mid=0.7",
    "divergence.z_limit=5",
    "divergence.cons_min=0.3",
    "divergence.weights.zmag=0.35",
    "divergence.weights.pivot=0.25",
    "divergence.weights.agree=0.25",
    "divergence.weights.consistency=0.15",
    "divergence.strength.weak=35",
    "divergence.strength.normal=50",
    "divergence.strength.strong=70",
    "divergence.tie_rule=first",
    "events.anomaly_z_ofi=3",
    "events.anomaly_z_cvd=2.5",
    "events.price_jump=0.05",
    "events.rearm_ms=10000",
    "strategy_mode.enabled=true",
    "strategy_mode.mode=auto",
    "strategy_mode.combine=market",
    "strategy_mode.step_ms=10000",
    "strategy_mode.lookback_ms=60000",
    "strategy_mode.min_active_windows=2",
    "strategy_mode.min_quiet_windows=4",
    "strategy_mode.min_dwell_ms=60000",
    "strategy_mode.market.min_trades_per_min=30",
    "strategy_mode.market.min_quotes_per_sec=5",
    "strategy_mode.market.max_spread_bps=5",
    "strategy_mode.market.min_volatility_bps=4",
    "strategy_mode.market.min_volume_usd=200000",
    "strategy_mode.schedule.timezone=Asia/Tokyo",
    "strategy_mode.schedule.weekdays=",
    "strategy_mode.schedule.holidays=",
    "strategy_mode.schedule.windows=",
    "signal.dedupe_ms=100",
    "signal.spread_bps_cap=20",
    "signal.lag_cap_sec=3",
    "signal.weak_threshold=0.15",
    "signal.thresholds.normal.buy=0.6",
    "signal.thresholds.normal.strong=1.2",
    "signal.thresholds.active.buy=0.5",
    "signal.thresholds.active.strong=1",
    "signal.thresholds.quiet.buy=0.7",
    "signal.thresholds.quiet.strong=1.4",
    "signal.consistency_min.normal=0.12",
    "signal.consistency_min.active=0.1",
    "signal.consistency_min.quiet=0.15",
    "signal.activity.active_min_tps=3",
    "signal.activity.normal_min_tps=1",
    "eval.horizons_s=60,180,300,900",
    "eval.primary_horizon_s=60",
    "eval.tol_ms=1500",
    "eval.step_ms=1000",
    "eval.price=mid",
    "eval.auto_flip=false",
};

static void every_specified_key_is_there_with_its_default(void **state)
{
    (void)state;
    struct config *config = config_create();
    struct buffer text;
    buffer_init(&text, 0);
    for (size_t i = 0; i < sizeof SPECIFIED / sizeof *SPECIFIED; i++) {
        const char *equal = strchr(SPECIFIED[i], '=');
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)(equal - SPECIFIED[i]), SPECIFIED[i]);
        if (!config_key_find(key))
            fail_msg("%s is not in the schema", key);
        buffer_clear(&text);
        config_value_text(config, key, &text);
        if (strcmp(buffer_text(&text), equal + 1) != 0)
            fail_msg("%s: default %s, specified %s", key, buffer_text(&text), equal + 1);
    }
    buffer_finish(&text);
    config_destroy(config);
}

static void the_defaults_in_the_table_are_those_that_hold(void **state)
{
    (void)state;
    struct config *config = config_create();
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        struct config *given = config_create();
        struct error error = {""};
        if (config_set(given, key->name, key->standard, ORIGIN_ENVIRONMENT, &error) != STATUS_OK)
            fail_msg("%s", error.text);
        struct buffer left, right;
        buffer_init(&left, 0);
        buffer_init(&right, 0);
        config_value_text(config, key->name, &left);
        config_value_text(given, key->name, &right);
        assert_string_equal(buffer_text(&left), buffer_text(&right));
        buffer_finish(&left);
        buffer_finish(&right);
        config_destroy(given);
    }
    config_destroy(config);
}

static void rows_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        assert_int_equal(config_key_index(key), i); /* no name twice */
        assert_non_null(key->unit);
        assert_true(key->meaning && *key->meaning);
        assert_true(strlen(key->name) < 100);
        bool number = key->type == CONFIG_I64 || key->type == CONFIG_F64;
        if (number && !(key->minimum <= key->maximum && (key->minimum != 0 || key->maximum != 0)))
            fail_msg("%s has no range", key->name);
        if (key->type >= CONFIG_I64_LIST)
            assert_true(key->count_max >= 1 && key->count_max <= CONFIG_LIST_MAX);
        assert_int_equal(key->derive != NULL, key->rule != NULL);
        if (key->flags & CONFIG_SECRET)
            assert_true((key->flags & CONFIG_OPERATIONAL) && key->environment);
        if (key->environment_scale != 0)
            assert_int_equal(key->type, CONFIG_F64);
    }
}

static void sections_stand_together_and_have_titles(void **state)
{
    (void)state;
    size_t at = 0;
    for (size_t s = 0; s < config_section_count(); s++) {
        const char *section = config_section_at(s)->name;
        size_t length = strlen(section), before = at;
        while (at < config_key_count()) {
            const char *name = config_key_at(at)->name, *dot = strchr(name, '.');
            size_t own = dot ? (size_t)(dot - name) : 0;
            if (own != length || strncmp(name, section, length) != 0)
                break;
            at++;
        }
        if (at == before)
            fail_msg("section %s has no keys where it should", section);
    }
    assert_int_equal(at, config_key_count());
}

static void profile_rows_name_keys_and_selectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_profile_row_count(); i++) {
        const struct config_profile_row *row = config_profile_row_at(i);
        const struct config_key *selector = config_key_find(row->selector);
        assert_non_null(config_key_find(row->key));
        assert_non_null(selector);
        size_t columns = 0;
        while (selector->choices[columns])
            columns++;
        for (size_t column = columns; column < CONFIG_PROFILES_MAX; column++)
            assert_null(row->values[column]);
    }
}

static void environment_is_the_specified_list(void **state)
{
    (void)state;
    static const char *const EXPECTED[] = {
        "V13_SINK run.sink",
        "V13_OUTPUT_DIR run.output_dir",
        "PAPER_ENABLE broker.paper_enable",
        "RUN_ID run.run_id",
        "V13_INPUT_MODE run.input_mode",
        "V13_INPUT_DIR run.input_dir",
        "V13_REPLAY_MODE run.replay_mode",
        "SQLITE_BATCH_N sink.sqlite_batch_n",
        "SQLITE_FLUSH_MS sink.sqlite_flush_ms",
        "FSYNC_EVERY_N sink.fsync_every_n",
        "BROKER_SAMPLE_RATE broker.sample_rate",
        "REPORT_TZ report.tz",
        "SYMBOLS run.symbols",
        "RUN_HOURS run.minutes",
        "PARQUET_ROTATE_SEC archive.rotate_s",
        "WSS_PING_INTERVAL harvest.ping_interval_s",
        "DEDUP_LRU harvest.dedup_lru",
        "Z_MODE cvd.z_mode",
        "SCALE_MODE cvd.scale_mode",
        "MAD_MULTIPLIER cvd.mad_multiplier",
        "SCALE_FAST_WEIGHT cvd.scale_fast_weight",
        "HALF_LIFE_SEC cvd.half_life_sec",
        "WINSOR_LIMIT cvd.winsor_limit",
        "TIMESERIES_TYPE export.type",
        "TIMESERIES_URL export.url",
        "INFLUX_URL export.influx_url",
        "INFLUX_ORG export.influx_org",
        "INFLUX_BUCKET export.influx_bucket",
        "INFLUX_DB export.influx_db",
        "INFLUX_TOKEN export.influx_token",
        "TIMESERIES_ENABLED export.enabled",
        "WS_ENDPOINT harvest.url_mode",
        "WS_REGION harvest.region",
    };
    const struct config_environment_variable *rows;
    size_t count = config_environment_variables(&rows);
    assert_int_equal(count, sizeof EXPECTED / sizeof *EXPECTED);
    for (size_t i = 0; i < count; i++) {
        char line[128];
        snprintf(line, sizeof line, "%s %s", rows[i].name, rows[i].key);
        size_t at = 0;
        while (at < count && strcmp(EXPECTED[at], line) != 0)
            at++;
        if (at == count)
            fail_msg("%s is not specified", line);
    }
}

static void options_set_keys(void **state)
{
    (void)state;
    assert_string_equal(config_option_key("--sink"), "run.sink");
    assert_string_equal(config_option_key("--symbols"), "run.symbols");
    assert_string_equal(config_option_key("--input-dir"), "run.input_dir");
    assert_null(config_option_key("--gates"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_specified_key_is_there_with_its_default),
        cmocka_unit_test(the_defaults_in_the_table_are_those_that_hold),
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(sections_stand_together_and_have_titles),
        cmocka_unit_test(profile_rows_name_keys_and_selectors),
        cmocka_unit_test(environment_is_the_specified_list),
        cmocka_unit_test(options_set_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
