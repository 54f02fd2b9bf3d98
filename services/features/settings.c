#include "settings.h"

#include <string.h>

static int choice(const struct config *config, const char *symbol, const char *key, const char *const *names)
{
    const char *text = config_symbol_text(config, symbol, key);
    return enum_from_name(names, text, strlen(text));
}

static void ofi_settings(const struct config *config, const char *symbol, struct ofi_config *out)
{
    struct config_list weights = config_list(config, "ofi.weights");
    out->mode = choice(config, symbol, "ofi.mode", OFI_MODE_NAMES);
    out->levels = (int)config_i64(config, "ofi.levels");
    out->weight_count = weights.count < BOOK_LEVELS_MAX ? (int)weights.count : BOOK_LEVELS_MAX;
    for (int i = 0; i < out->weight_count; i++)
        out->weights[i] = weights.numbers[i];
    out->z_window = (int)config_i64(config, "ofi.z_window");
    out->ema_alpha = config_f64(config, "ofi.ema_alpha");
    out->z_clip = config_f64(config, "ofi.z_clip");
    out->gap_reset_ms = config_i64(config, "ofi.gap_reset_ms");
    out->reset_on_day_change = config_bool(config, "ofi.reset_on_day_change");
    out->std_floor = config_f64(config, "ofi.std_floor");
    out->soft_clip_k = config_f64(config, "ofi.soft_clip_k");
}

static void cvd_settings(const struct config *config, const char *symbol, struct cvd_config *out)
{
    out->z_mode = choice(config, symbol, "cvd.z_mode", CVD_Z_MODE_NAMES);
    out->scale_mode = choice(config, symbol, "cvd.scale_mode", CVD_SCALE_MODE_NAMES);
    out->ewma_init = choice(config, symbol, "cvd.ewma_init", CVD_EWMA_INIT_NAMES);
    out->winsor_limit = config_symbol_f64(config, symbol, "cvd.winsor_limit");
    out->mad_multiplier = config_symbol_f64(config, symbol, "cvd.mad_multiplier");
    out->mad_scale_factor = config_symbol_f64(config, symbol, "cvd.mad_scale_factor");
    out->mad_window_trades = (int)config_symbol_i64(config, symbol, "cvd.mad_window_trades");
    out->scale_fast_weight = config_symbol_f64(config, symbol, "cvd.scale_fast_weight");
    out->half_life_sec = config_symbol_f64(config, symbol, "cvd.half_life_sec");
    out->half_life_fast_sec = config_symbol_f64(config, symbol, "cvd.half_life_fast_sec");
    out->half_life_trades = (double)config_symbol_i64(config, symbol, "cvd.half_life_trades");
    out->half_life_fast_trades = (double)config_symbol_i64(config, symbol, "cvd.half_life_fast_trades");
    out->freeze_min = (int)config_symbol_i64(config, symbol, "cvd.freeze_min");
    out->soft_freeze_ms = config_symbol_i64(config, symbol, "cvd.soft_freeze_ms");
    out->hard_freeze_ms = config_symbol_i64(config, symbol, "cvd.hard_freeze_ms");
    out->tps_ref = config_symbol_f64(config, symbol, "cvd.tps_ref");
    out->boost_gamma = config_symbol_f64(config, symbol, "cvd.boost_gamma");
    out->weight_beta = config_symbol_f64(config, symbol, "cvd.weight_beta");
    out->ema_alpha = config_symbol_f64(config, symbol, "cvd.ema_alpha");
    out->z_window = (int)config_symbol_i64(config, symbol, "cvd.z_window");
    out->warmup_min = (int)config_symbol_i64(config, symbol, "cvd.warmup_min");
}

static void fusion_settings(const struct config *config, struct fusion_config *out)
{
    out->fuse_buy = config_f64(config, "fusion.fuse_buy");
    out->fuse_strong_buy = config_f64(config, "fusion.fuse_strong_buy");
    out->fuse_sell = config_f64(config, "fusion.fuse_sell");
    out->fuse_strong_sell = config_f64(config, "fusion.fuse_strong_sell");
    out->min_consistency = config_f64(config, "fusion.min_consistency");
    out->strong_min_consistency = config_f64(config, "fusion.strong_min_consistency");
    out->z_clip = config_f64(config, "fusion.z_clip");
    out->max_lag_ms = config_i64(config, "fusion.max_lag_ms");
    out->hysteresis_exit = config_f64(config, "fusion.hysteresis_exit");
    out->cooldown_ms = config_i64(config, "fusion.cooldown_ms");
    out->min_consecutive = (int)config_i64(config, "fusion.min_consecutive");
    out->min_warmup_samples = (int)config_i64(config, "fusion.min_warmup_samples");
    out->w_ofi = config_f64(config, "fusion.w_ofi");
    out->w_cvd = config_f64(config, "fusion.w_cvd");
    out->has_weights_active = !config_is_null(config, "fusion.weights_active");
    if (out->has_weights_active) {
        struct config_list weights = config_list(config, "fusion.weights_active");
        out->weights_active_ofi = weights.numbers[0];
        out->weights_active_cvd = weights.numbers[1];
    }
    out->gate = config_f64(config, "fusion.gate");
    out->flip_rearm_margin = config_f64(config, "fusion.flip_rearm_margin");
    out->adaptive_cooldown_k = config_f64(config, "fusion.adaptive_cooldown_k");
    out->min_cooldown_ms = config_i64(config, "fusion.min_cooldown_ms");
    out->hold_ttl_ms = config_i64(config, "fusion.hold_ttl_ms");
    out->boost_consistency = config_f64(config, "fusion.boost_consistency");
    out->boost_factor = config_f64(config, "fusion.boost_factor");
    out->throttle_consistency = config_f64(config, "fusion.throttle_consistency");
    out->compat_v13 = config_bool(config, "fusion.compat_v13");
}

static void events_settings(const struct config *config, struct events_config *out)
{
    out->anomaly_z_ofi = config_f64(config, "events.anomaly_z_ofi");
    out->anomaly_z_cvd = config_f64(config, "events.anomaly_z_cvd");
    out->price_jump = config_f64(config, "events.price_jump");
    out->rearm_ms = config_i64(config, "events.rearm_ms");
}

static void evaluation_settings(const struct config *config, struct features_config *out)
{
    out->auto_flip = config_bool(config, "eval.auto_flip");
    out->calibration = (struct calibration_config){
        .step_ms = config_i64(config, "eval.step_ms"),
        .train_ms = config_i64(config, "eval.train_s") * 1000,
        .test_ms = config_i64(config, "eval.test_s") * 1000,
        .rule = {.horizon_ms = config_i64(config, "eval.primary_horizon_s") * 1000,
                 .tol_ms = config_i64(config, "eval.tol_ms")},
        .wants_auc = out->auto_flip,
    };
}

typedef enum status schedule_add(struct schedule_config *config, const char *text, struct error *error);

static enum status add_all(const struct config *config, const char *key, schedule_add *add,
                           struct schedule_config *out, struct error *error)
{
    struct config_list list = config_list(config, key);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < list.count; i++)
        status = add(out, list.texts[i], error);
    return status;
}

static enum status schedule_settings(const struct config *config, const struct zone *zone,
                                     struct schedule_config *out, struct error *error)
{
    memset(out, 0, sizeof *out);
    memcpy(out->timezone, zone->name, sizeof out->timezone);
    out->zone = zone;
    enum status status = add_all(config, "strategy_mode.schedule.weekdays", schedule_add_weekday, out, error);
    if (status == STATUS_OK)
        status = add_all(config, "strategy_mode.schedule.holidays", schedule_add_holiday, out, error);
    if (status == STATUS_OK)
        status = add_all(config, "strategy_mode.schedule.windows", schedule_add_window, out, error);
    return status;
}

static enum status strategy_settings(const struct config *config, const struct zone *zone,
                                     struct strategy_mode_config *out, struct error *error)
{
    out->enabled = config_bool(config, "strategy_mode.enabled");
    out->mode = choice(config, NULL, "strategy_mode.mode", STRATEGY_FORCE_NAMES);
    out->combine = choice(config, NULL, "strategy_mode.combine", STRATEGY_COMBINE_NAMES);
    out->step_ms = config_i64(config, "strategy_mode.step_ms");
    out->lookback_ms = config_i64(config, "strategy_mode.lookback_ms");
    out->min_active_windows = (int)config_i64(config, "strategy_mode.min_active_windows");
    out->min_quiet_windows = (int)config_i64(config, "strategy_mode.min_quiet_windows");
    out->min_dwell_ms = config_i64(config, "strategy_mode.min_dwell_ms");
    out->market.min_trades_per_min = config_f64(config, "strategy_mode.market.min_trades_per_min");
    out->market.min_quotes_per_sec = config_f64(config, "strategy_mode.market.min_quotes_per_sec");
    out->market.max_spread_bps = config_f64(config, "strategy_mode.market.max_spread_bps");
    out->market.min_volatility_bps = config_f64(config, "strategy_mode.market.min_volatility_bps");
    out->market.min_volume_usd = config_f64(config, "strategy_mode.market.min_volume_usd");
    return schedule_settings(config, zone, &out->schedule, error);
}

enum status features_settings(const struct config *config, const char *symbol, const struct zone *zone,
                              struct features_config *out, struct error *error)
{
    *out = features_config_default();
    out->grid_ms = config_i64(config, "features.grid_ms");
    out->max_age_ms = config_i64(config, "features.max_age_ms");
    out->active_min_tps = config_f64(config, "signal.activity.active_min_tps");
    out->normal_min_tps = config_f64(config, "signal.activity.normal_min_tps");
    ofi_settings(config, symbol, &out->ofi);
    cvd_settings(config, symbol, &out->cvd);
    fusion_settings(config, &out->fusion);
    events_settings(config, &out->events);
    evaluation_settings(config, out);
    enum status status = strategy_settings(config, zone, &out->strategy_mode, error);
    return status == STATUS_OK ? features_config_check(out, error) : status;
}
