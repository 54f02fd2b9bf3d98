/* validate: rules between keys. Each has its sentence, which the manual prints. */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool text_is(const struct config *config, const char *key, const char *text)
{
    return strcmp(config_text(config, key), text) == 0;
}

/* as_number: a number key of either type. */
static double as_number(const struct config *config, const char *symbol, const char *key)
{
    struct config_value value = config_symbol_get(config, symbol, key);
    return value.type == CONFIG_I64 ? (double)value.integer : value.number;
}

#define COMPLAIN(config, errors, key, ...) \
    config_errors_add(errors, config_place(config, key), key, __VA_ARGS__)

/* not_above: small ≤ large. The complaint stands at the one that a person wrote. */
static void not_above(const struct config *config, const char *small, const char *large,
                      struct config_errors *errors)
{
    double low = as_number(config, NULL, small), high = as_number(config, NULL, large);
    if (low <= high)
        return;
    bool second = config_origin_of(config, large) > config_origin_of(config, small);
    COMPLAIN(config, errors, second ? large : small, "%s (%.15g) must not be above %s (%.15g)", small, low,
             large, high);
}

static void check_ofi_weights(const struct config *config, struct config_errors *errors)
{
    struct config_list weights = config_list(config, "ofi.weights");
    size_t levels = (size_t)config_i64(config, "ofi.levels");
    double sum = 0;
    for (size_t i = 0; i < weights.count && i < levels; i++)
        sum += weights.numbers[i] > 0 ? weights.numbers[i] : 0;
    if (!(sum > 0))
        COMPLAIN(config, errors, "ofi.weights", "the first %zu weights have no positive sum", levels);
}

/* complain_own: at a symbol's own key, or the common one when `symbol` is NULL. */
static void complain_own(const struct config *config, const char *symbol, const char *name,
                         const char *reason, struct config_errors *errors)
{
    char path[KEY_PATH_BYTES];
    const struct config_key *key = config_key_find(name);
    key_path(key, symbol, path);
    config_errors_add(errors, config_find(config, symbol, key).place, path, "%s", reason);
}

static void check_cvd_one(const struct config *config, const char *symbol, struct config_errors *errors)
{
    int64_t trades = config_symbol_i64(config, symbol, "cvd.half_life_trades");
    int64_t fast_trades = config_symbol_i64(config, symbol, "cvd.half_life_fast_trades");
    enum config_origin by_time = config_find(config, symbol, config_key_find("cvd.half_life_sec")).origin;
    if (config_symbol_i64(config, symbol, "cvd.soft_freeze_ms") >
        config_symbol_i64(config, symbol, "cvd.hard_freeze_ms"))
        complain_own(config, symbol, "cvd.soft_freeze_ms", "must not be above hard_freeze_ms", errors);
    if (!config->frozen && trades > 0 && by_time > ORIGIN_PROFILE)
        complain_own(config, symbol, "cvd.half_life_sec",
                     "has no effect while half_life_trades is above 0 (profile step16 sets it); set both "
                     "half_life_trades keys to 0",
                     errors);
    if ((trades > 0) != (fast_trades > 0))
        complain_own(config, symbol, "cvd.half_life_trades",
                     "and half_life_fast_trades must be both 0 or both above 0", errors);
}

static void check_cvd(const struct config *config, struct config_errors *errors)
{
    size_t count;
    const char **symbols = config_symbols(config, &count);
    check_cvd_one(config, NULL, errors);
    for (size_t i = 0; i < count; i++)
        check_cvd_one(config, symbols[i], errors);
    free(symbols);
}

static void check_fusion_weights(const struct config *config, struct config_errors *errors)
{
    if (!(config_f64(config, "fusion.w_ofi") + config_f64(config, "fusion.w_cvd") > 0))
        COMPLAIN(config, errors, "fusion.w_ofi", "fusion.w_ofi and fusion.w_cvd must have a sum above 0");
    if (config_is_null(config, "fusion.weights_active"))
        return;
    struct config_list active = config_list(config, "fusion.weights_active");
    if (!(active.numbers[0] + active.numbers[1] > 0))
        COMPLAIN(config, errors, "fusion.weights_active", "must have a sum above 0");
}

static void check_below(const struct config *config, const char *small, const char *large,
                        struct config_errors *errors)
{
    double low = as_number(config, NULL, small), high = as_number(config, NULL, large);
    if (low >= high)
        COMPLAIN(config, errors,
                 config_origin_of(config, large) > config_origin_of(config, small) ? large : small,
                 "%s (%.15g) must be below %s (%.15g)", small, low, large, high);
}

static void check_fusion_thresholds(const struct config *config, struct config_errors *errors)
{
    check_below(config, "fusion.fuse_buy", "fusion.fuse_strong_buy", errors);
    check_below(config, "fusion.fuse_strong_sell", "fusion.fuse_sell", errors);
    not_above(config, "fusion.min_consistency", "fusion.strong_min_consistency", errors);
}

static void check_grid_multiple(const struct config *config, const char *key, struct config_errors *errors)
{
    int64_t grid_ms = config_i64(config, "features.grid_ms");
    if (config_i64(config, key) % grid_ms != 0)
        COMPLAIN(config, errors, key, "must be a multiple of features.grid_ms (%lld)", (long long)grid_ms);
}

static void check_grid(const struct config *config, struct config_errors *errors)
{
    check_grid_multiple(config, "divergence.step_ms", errors);
    check_grid_multiple(config, "eval.step_ms", errors);
}

static void check_divergence(const struct config *config, struct config_errors *errors)
{
    not_above(config, "divergence.strength.weak", "divergence.strength.normal", errors);
    not_above(config, "divergence.strength.normal", "divergence.strength.strong", errors);
    not_above(config, "divergence.z_mid", "divergence.z_hi", errors);
}

static void check_schedule(const struct config *config, struct config_errors *errors)
{
    if (!text_is(config, "strategy_mode.combine", "market") &&
        config_list(config, "strategy_mode.schedule.windows").count == 0)
        COMPLAIN(config, errors, "strategy_mode.combine",
                 "is %s, but strategy_mode.schedule.windows is empty: it would never be active",
                 config_text(config, "strategy_mode.combine"));
}

/* time_zone_exists: UTC needs no file. */
static bool time_zone_exists(const char *name)
{
    const char *folder = getenv("TZDIR");
    char path[PATH_BYTES];
    struct stat found;
    if (strcmp(name, "UTC") == 0)
        return true;
    path_join(path, folder && *folder ? folder : "/usr/share/zoneinfo", "%s", name);
    return !strstr(name, "..") && stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

static void check_time_zone(const struct config *config, const char *key, struct config_errors *errors)
{
    if (!time_zone_exists(config_text(config, key)))
        COMPLAIN(config, errors, key, "this machine knows no time zone %s (package tzdata)",
                 config_text(config, key));
}

static void check_time_zones(const struct config *config, struct config_errors *errors)
{
    static const char ZONE[] = "strategy_mode.schedule.timezone";
    check_time_zone(config, "report.tz", errors);
    if (!text_is(config, "strategy_mode.combine", "market") ||
        config_origin_of(config, ZONE) > ORIGIN_PROFILE)
        check_time_zone(config, ZONE, errors);
}

static void check_signal(const struct config *config, struct config_errors *errors)
{
    not_above(config, "signal.thresholds.normal.buy", "signal.thresholds.normal.strong", errors);
    not_above(config, "signal.thresholds.active.buy", "signal.thresholds.active.strong", errors);
    not_above(config, "signal.thresholds.quiet.buy", "signal.thresholds.quiet.strong", errors);
    not_above(config, "signal.activity.normal_min_tps", "signal.activity.active_min_tps", errors);
}

enum { TRAINING_ROWS_MAX = 100000 };

static void check_training(const struct config *config, struct config_errors *errors)
{
    int64_t train_ms = config_i64(config, "eval.train_s") * 1000,
            step_ms = config_i64(config, "eval.step_ms");
    if ((train_ms + step_ms - 1) / step_ms > TRAINING_ROWS_MAX)
        COMPLAIN(config, errors, "eval.train_s", "must not hold more than %d rows of eval.step_ms (%lld ms)",
                 TRAINING_ROWS_MAX, (long long)step_ms);
}

static void check_horizon(const struct config *config, struct config_errors *errors)
{
    struct config_list horizons = config_list(config, "eval.horizons_s");
    for (size_t i = 0; i < horizons.count; i++)
        if (horizons.integers[i] == config_i64(config, "eval.primary_horizon_s"))
            return;
    COMPLAIN(config, errors, "eval.primary_horizon_s", "must be one of eval.horizons_s");
}

static void check_input(const struct config *config, struct config_errors *errors)
{
    if (text_is(config, "run.input_mode", "preview") && !*config_text(config, "run.input_dir"))
        COMPLAIN(config, errors, "run.input_mode", "is preview, which needs run.input_dir");
    if (text_is(config, "run.input_mode", "preview") && config_i64(config, "run.replay_mode") == 0)
        COMPLAIN(config, errors, "run.replay_mode", "must be 1 when run.input_mode is preview");
}

static void check_spot(const struct config *config, struct config_errors *errors)
{
    if (!text_is(config, "harvest.market", "spot"))
        return;
    if (!text_is(config, "harvest.book_source", "diff"))
        COMPLAIN(config, errors, "harvest.book_source",
                 "must be diff on the spot market, whose partial books have no time");
    if (!text_is(config, "harvest.qty_field", "q"))
        COMPLAIN(config, errors, "harvest.qty_field", "must be q on the spot market");
}

static void check_backoff(const struct config *config, struct config_errors *errors)
{
    not_above(config, "harvest.backoff_initial_ms", "harvest.backoff_cap_ms", errors);
    not_above(config, "supervisor.backoff_initial_ms", "supervisor.backoff_cap_ms", errors);
}

static void check_heartbeat(const struct config *config, struct config_errors *errors)
{
    check_below(config, "health.heartbeat_ms", "health.heartbeat_timeout_ms", errors);
}

static void check_ports(const struct config *config, struct config_errors *errors)
{
    int64_t port = config_i64(config, "simulator.port");
    if (port != 0 && port == config_i64(config, "report.http_port"))
        COMPLAIN(config, errors, "simulator.port", "is also report.http_port");
}

static void check_export(const struct config *config, struct config_errors *errors)
{
    bool influx2 = text_is(config, "export.type", "influxdb"),
         influx1 = text_is(config, "export.type", "influxdb1");
    if (!config_bool(config, "export.enabled"))
        return;
    if (text_is(config, "export.type", "none"))
        COMPLAIN(config, errors, "export.enabled", "is true, but export.type is none");
    else if (!*config_text(config, "export.url") &&
             !((influx1 || influx2) && *config_text(config, "export.influx_url")))
        COMPLAIN(config, errors, "export.enabled", "is true, but there is no URL to export to");
    if (influx2 &&
        (!*config_text(config, "export.influx_org") || !*config_text(config, "export.influx_bucket")))
        COMPLAIN(config, errors, "export.type",
                 "is influxdb, which needs export.influx_org and export.influx_bucket");
    if (influx1 && !*config_text(config, "export.influx_db"))
        COMPLAIN(config, errors, "export.type", "is influxdb1, which needs export.influx_db");
}

static void check_time_scale(const struct config *config, struct config_errors *errors)
{
    if (config_f64(config, "run.time_scale") != 1 && !text_is(config, "harvest.venue", "simulator"))
        COMPLAIN(config, errors, "run.time_scale",
                 "must be 1 with a real venue, whose time nobody can scale");
}

static const struct config_rule RULES[] = {
    {check_ofi_weights, "the first ofi.levels of ofi.weights have a positive sum"},
    {check_cvd,
     "cvd.soft_freeze_ms ≤ cvd.hard_freeze_ms; cvd.half_life_trades and cvd.half_life_fast_trades are both 0 "
     "or both above it, and cvd.half_life_sec is not set beside them (each symbol by itself)"},
    {check_fusion_weights, "fusion.w_ofi + fusion.w_cvd > 0, and so fusion.weights_active"},
    {check_fusion_thresholds,
     "fusion.fuse_buy < fusion.fuse_strong_buy, fusion.fuse_strong_sell < fusion.fuse_sell, "
     "fusion.min_consistency ≤ fusion.strong_min_consistency"},
    {check_grid, "divergence.step_ms and eval.step_ms are multiples of features.grid_ms"},
    {check_divergence, "divergence.strength weak ≤ normal ≤ strong; divergence.z_mid ≤ divergence.z_hi"},
    {check_schedule, "strategy_mode.schedule.windows is not empty unless strategy_mode.combine is market"},
    {check_time_zones,
     "the machine knows report.tz, and strategy_mode.schedule.timezone when it is used or set"},
    {check_signal, "signal.thresholds buy ≤ strong in each regime; signal.activity normal ≤ active"},
    {check_horizon, "eval.primary_horizon_s is one of eval.horizons_s"},
    {check_training, "eval.train_s holds at most 100000 rows of eval.step_ms"},
    {check_input, "preview mode has run.input_dir and run.replay_mode 1"},
    {check_hosts,
     "all addresses in use belong to harvest.market and to one environment: live, test or loopback; with "
     "the simulator none is Binance's"},
    {check_spot, "the spot market has harvest.book_source diff and harvest.qty_field q"},
    {check_backoff, "backoff_initial_ms ≤ backoff_cap_ms, in harvest and supervisor"},
    {check_heartbeat, "health.heartbeat_ms < health.heartbeat_timeout_ms"},
    {check_time_scale, "run.time_scale is 1 unless harvest.venue is simulator"},
    {check_ports, "simulator.port and report.http_port differ"},
    {check_export, "an export that is enabled has a type, a URL, and what its type needs"},
};

size_t config_rule_count(void)
{
    return sizeof RULES / sizeof *RULES;
}

const struct config_rule *config_rule_at(size_t index)
{
    return &RULES[index];
}

enum status config_validate(const struct config *config, struct config_errors *errors)
{
    size_t before = errors->count + errors->not_kept;
    for (size_t i = 0; i < config_rule_count(); i++)
        RULES[i].check(config, errors);
    return errors->count + errors->not_kept == before ? STATUS_OK : STATUS_INVALID;
}
