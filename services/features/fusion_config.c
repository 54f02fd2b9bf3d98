#include "fusion.h"

struct fusion_config fusion_config_default(void)
{
    return (struct fusion_config){
        .fuse_buy = 0.95,
        .fuse_strong_buy = 1.70,
        .fuse_sell = -0.95,
        .fuse_strong_sell = -1.70,
        .min_consistency = 0.12,
        .strong_min_consistency = 0.45,
        .z_clip = 4.0,
        .max_lag_ms = 250,
        .hysteresis_exit = 0.6,
        .cooldown_ms = 300,
        .min_consecutive = 1,
        .min_warmup_samples = 10,
        .w_ofi = 0.6,
        .w_cvd = 0.4,
        .gate = 0,
        .flip_rearm_margin = 0.05,
        .adaptive_cooldown_k = 0.6,
        .min_cooldown_ms = 120,
        .hold_ttl_ms = 60000,
        .boost_consistency = 0.7,
        .boost_factor = 0.8,
        .throttle_consistency = 0.3,
    };
}

struct range {
    const char *key;
    double value;
    double low;
    double high;
};

static enum status check_weights(double ofi, double cvd, const char *keys, struct error *error)
{
    if (ofi >= 0 && cvd >= 0 && ofi + cvd > 0 && ofi + cvd < 1e9)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID, "fusion.%s: weights must not be negative and not both 0", keys);
}

enum status fusion_config_check(const struct fusion_config *config, struct error *error)
{
    const struct range ranges[] = {
        {"fuse_buy", config->fuse_buy, 0, 1e6},
        {"fuse_strong_buy", config->fuse_strong_buy, 0, 1e6},
        {"fuse_sell", config->fuse_sell, -1e6, 0},
        {"fuse_strong_sell", config->fuse_strong_sell, -1e6, 0},
        {"min_consistency", config->min_consistency, 0, 1},
        {"strong_min_consistency", config->strong_min_consistency, 0, 1},
        {"z_clip", config->z_clip, 1e-9, 1e6},
        {"max_lag_ms", (double)config->max_lag_ms, 0, 1e12},
        {"hysteresis_exit", config->hysteresis_exit, 0, 1e6},
        {"cooldown_ms", (double)config->cooldown_ms, 0, 1e12},
        {"min_consecutive", config->min_consecutive, 0, 1e9},
        {"min_warmup_samples", config->min_warmup_samples, 0, 1e9},
        {"gate", config->gate, 0, 1e6},
        {"flip_rearm_margin", config->flip_rearm_margin, 0, 1e6},
        {"adaptive_cooldown_k", config->adaptive_cooldown_k, 0, 1},
        {"min_cooldown_ms", (double)config->min_cooldown_ms, 0, 1e12},
        {"hold_ttl_ms", (double)config->hold_ttl_ms, 0, 1e12},
        {"boost_consistency", config->boost_consistency, 0, 1},
        {"boost_factor", config->boost_factor, 0, 1e6},
        {"throttle_consistency", config->throttle_consistency, 0, 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return error_set(error, STATUS_INVALID, "fusion.%s: must be at least %g and at most %g",
                             ranges[i].key, ranges[i].low, ranges[i].high);
    enum status status = check_weights(config->w_ofi, config->w_cvd, "w_ofi, fusion.w_cvd", error);
    if (status == STATUS_OK && config->has_weights_active)
        status =
            check_weights(config->weights_active_ofi, config->weights_active_cvd, "weights_active", error);
    return status;
}
