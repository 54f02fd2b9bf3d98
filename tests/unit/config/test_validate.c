// links: config base
/* Rules between keys: each with a configuration that breaks it. */
#include "config_test.h"

static void validate(const char *yaml, const char *complaints)
{
    struct config *config = load_good(yaml);
    struct config_errors errors;
    struct buffer text;
    config_errors_init(&errors);
    buffer_init(&text, 0);
    enum status status = config_validate(config, &errors);
    config_errors_print(&errors, &text);
    char expected[2048];
    snprintf(expected, sizeof expected, "%s%s", complaints, *complaints ? "\n" : "");
    assert_string_equal(buffer_text(&text), expected);
    assert_int_equal(status == STATUS_OK, *complaints == 0);
    buffer_finish(&text);
    config_errors_finish(&errors);
    config_destroy(config);
}

static void defaults_are_valid(void **state)
{
    (void)state;
    validate("", "");
    validate("harvest: {venue: binance}", "");
    validate("harvest: {venue: binance, market: coinm}", "");
    validate("harvest: {venue: binance, market: spot}", "");
    validate("harvest: {venue: binance, url_mode: combined}", "");
    validate("cvd: {profile: step16}", "");
    validate("fusion: {profile: oct22}", "");
    validate("supervisor: {profile: conservative}", "");
}

static void engines_rules_hold(void **state)
{
    (void)state;
    validate("ofi: {levels: 2, weights: [0, -1, 5]}",
             "test.yaml:1:27: ofi.weights: the first 2 weights have no positive sum");
    validate("cvd: {soft_freeze_ms: 6000}",
             "test.yaml:1:23: cvd.soft_freeze_ms: must not be above hard_freeze_ms");
    validate("cvd: {per_symbol: {BTCUSDT: {soft_freeze_ms: 6000}}}",
             "test.yaml:1:46: cvd.per_symbol.BTCUSDT.soft_freeze_ms: must not be above hard_freeze_ms");
    validate("cvd: {profile: step16, half_life_sec: 300}",
             "test.yaml:1:39: cvd.half_life_sec: has no effect while half_life_trades is above 0 (profile "
             "step16 sets "
             "it); set both half_life_trades keys to 0");
    validate("cvd: {half_life_trades: 300}",
             "test.yaml:1:25: cvd.half_life_trades: and half_life_fast_trades must be "
             "both 0 or both above 0");
    validate("fusion: {w_ofi: 0, w_cvd: 0}",
             "test.yaml:1:17: fusion.w_ofi: fusion.w_ofi and fusion.w_cvd must have a sum above 0");
    validate("fusion: {weights_active: [0, 0]}",
             "test.yaml:1:26: fusion.weights_active: must have a sum above 0");
    validate(
        "fusion: {fuse_buy: 2}",
        "test.yaml:1:20: fusion.fuse_buy: fusion.fuse_buy (2) must be below fusion.fuse_strong_buy (1.7)\n"
        "built-in: fusion.fuse_strong_sell: fusion.fuse_strong_sell (-1.7) must be below fusion.fuse_sell "
        "(-2)");
    validate("fusion: {min_consistency: 0.5}",
             "test.yaml:1:27: fusion.min_consistency: fusion.min_consistency (0.5) must not be above "
             "fusion.strong_min_consistency (0.45)");
    validate("eval: {step_ms: 150}",
             "test.yaml:1:17: eval.step_ms: must be a multiple of features.grid_ms (100)");
    validate("divergence: {step_ms: 150}",
             "test.yaml:1:23: divergence.step_ms: must be a multiple of features.grid_ms (100)");
    validate("divergence: {strength: {weak: 60}}",
             "test.yaml:1:31: divergence.strength.weak: divergence.strength.weak "
             "(60) must not be above divergence.strength.normal (50)");
    validate(
        "divergence: {z_hi: 0.5}",
        "test.yaml:1:20: divergence.z_hi: divergence.z_mid (0.7) must not be above divergence.z_hi (0.5)");
    validate(
        "signal: {thresholds: {quiet: {buy: 1.5}}}",
        "test.yaml:1:36: signal.thresholds.quiet.buy: signal.thresholds.quiet.buy (1.5) must not be above "
        "signal.thresholds.quiet.strong (1.4)");
    validate("signal: {activity: {normal_min_tps: 4}}",
             "test.yaml:1:37: signal.activity.normal_min_tps: signal.activity.normal_min_tps (4) must not be "
             "above "
             "signal.activity.active_min_tps (3)");
    validate("eval: {primary_horizon_s: 30}",
             "test.yaml:1:27: eval.primary_horizon_s: must be one of eval.horizons_s");
}

static void schedule_rules_hold(void **state)
{
    (void)state;
    validate("strategy_mode: {combine: or}", "test.yaml:1:26: strategy_mode.combine: is or, but "
                                             "strategy_mode.schedule.windows is empty: it would never "
                                             "be active");
    validate("strategy_mode: {combine: and, schedule: {windows: [\"09:00-10:00\"], timezone: Nowhere/Land}}",
             "test.yaml:1:78: strategy_mode.schedule.timezone: this machine knows no time zone Nowhere/Land "
             "(package "
             "tzdata)");
    validate("strategy_mode: {schedule: {timezone: Asia}}",
             "test.yaml:1:38: strategy_mode.schedule.timezone: this machine knows no time zone Asia (package "
             "tzdata)");
    validate("report: {tz: Mars}",
             "test.yaml:1:14: report.tz: this machine knows no time zone Mars (package tzdata)");
    validate("report: {tz: UTC}", "");
}

static void hosts_are_not_mixed(void **state)
{
    (void)state;
    validate("harvest: {venue: binance, rest_url: https://testnet.binancefuture.com}",
             "test.yaml:1:37: harvest.rest_url: testnet.binancefuture.com is a test host, but "
             "harvest.market_url is a "
             "live host (fstream.binance.com); a run has one environment, set both");
    validate("harvest: {venue: binance, rest_url: \"https://api.binance.com\"}",
             "test.yaml:1:37: harvest.rest_url: api.binance.com serves spot, but harvest.market is usdm");
    validate(
        "harvest: {venue: binance, market: spot, url_mode: combined, combined_url: "
        "wss://fstream.binance.com}",
        "test.yaml:1:75: harvest.combined_url: fstream.binance.com serves usdm, but harvest.market is spot");
    validate("harvest: {venue: binance, public_url: ws://127.0.0.1:9}",
             "test.yaml:1:39: harvest.public_url: 127.0.0.1 is a loopback host, but harvest.market_url is a "
             "live host "
             "(fstream.binance.com); a run has one environment, set both");
    validate("harvest: {venue: binance, url_mode: combined, combined_url: ws://127.0.0.1:9, rest_url: "
             "http://localhost:9}",
             "");
    validate("harvest: {venue: binance, combined_url: ws://127.0.0.1:9}", ""); /* not used */
    validate("harvest: {venue: binance, rest_url: \"\"}",
             "test.yaml:1:37: harvest.rest_url: must not be empty with harvest.venue binance");
    validate("harvest: {combined_url: wss://fstream.binance.com}",
             "test.yaml:1:25: harvest.combined_url: is on fstream.binance.com, which is Binance; with "
             "harvest.venue "
             "simulator leave it out");
    validate("harvest: {combined_url: ws://simulator:9443, rest_url: http://simulator:9443}", "");
}

static void other_rules_hold(void **state)
{
    (void)state;
    validate("run: {input_mode: preview}",
             "test.yaml:1:19: run.input_mode: is preview, which needs run.input_dir");
    validate("run: {input_mode: preview, input_dir: x, replay_mode: 0}",
             "test.yaml:1:55: run.replay_mode: must be 1 when run.input_mode is preview");
    validate("harvest: {market: spot, book_source: partial, qty_field: nq}",
             "test.yaml:1:38: harvest.book_source: must be diff on the spot market, whose partial books have "
             "no time\n"
             "test.yaml:1:58: harvest.qty_field: must be q on the spot market");
    validate("harvest: {backoff_cap_ms: 500}",
             "test.yaml:1:27: harvest.backoff_cap_ms: harvest.backoff_initial_ms (1000) must not be above "
             "harvest.backoff_cap_ms (500)");
    validate("health: {heartbeat_timeout_ms: 200}",
             "test.yaml:1:32: health.heartbeat_timeout_ms: health.heartbeat_ms (200) must be below "
             "health.heartbeat_timeout_ms (200)");
    validate("simulator: {port: 8080}", "test.yaml:1:19: simulator.port: is also report.http_port");
    validate("export: {enabled: true}", "test.yaml:1:19: export.enabled: is true, but export.type is none");
    validate("export: {enabled: true, type: prometheus}",
             "test.yaml:1:19: export.enabled: is true, but there is no URL to export to");
    validate(
        "export: {type: influxdb, influx_url: http://x}",
        "test.yaml:1:16: export.type: is influxdb, which needs export.influx_org and export.influx_bucket");
    validate("export: {type: influxdb1, url: http://x}",
             "test.yaml:1:16: export.type: is influxdb1, which needs export.influx_db");
    validate("export: {type: influxdb1, url: http://x, influx_db: y}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_valid),  cmocka_unit_test(engines_rules_hold),
        cmocka_unit_test(schedule_rules_hold), cmocka_unit_test(hosts_are_not_mixed),
        cmocka_unit_test(other_rules_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
