#include "cvd.h"

#include "market/state.h"
#include "market/window.h"

const char *const CVD_Z_MODE_NAMES[] = {"delta", "level", NULL};
const char *const CVD_SCALE_MODE_NAMES[] = {"hybrid", "ewma", NULL};
const char *const CVD_EWMA_INIT_NAMES[] = {"debiased", "first", NULL};

struct cvd_config cvd_config_default(void)
{
    return (struct cvd_config){
        .z_mode = CVD_Z_DELTA,
        .scale_mode = CVD_SCALE_HYBRID,
        .ewma_init = CVD_EWMA_DEBIASED,
        .winsor_limit = 8.0,
        .mad_multiplier = 1.80,
        .mad_scale_factor = 1.4826,
        .mad_window_trades = 200,
        .scale_fast_weight = 0.20,
        .half_life_sec = 600,
        .half_life_fast_sec = 0,
        .half_life_trades = 0,
        .half_life_fast_trades = 0,
        .freeze_min = 50,
        .soft_freeze_ms = 4000,
        .hard_freeze_ms = 5000,
        .tps_ref = 1.5,
        .boost_gamma = 0.7,
        .weight_beta = 1.0,
        .ema_alpha = 0.2,
        .z_window = 150,
        .warmup_min = 3,
    };
}

/* One range of one key; `above` excludes the lower end. */
struct range {
    const char *key;
    double value;
    double low;
    double high;
    bool above;
};

static enum status check_range(const struct range *range, struct error *error)
{
    bool enough = range->above ? range->value > range->low : range->value >= range->low;
    if (enough && range->value <= range->high)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID, "cvd.%s: must be %s %g and at most %g", range->key,
                     range->above ? "above" : "at least", range->low, range->high);
}

enum status cvd_config_check(const struct cvd_config *config, struct error *error)
{
    const struct range ranges[] = {
        {"z_mode", config->z_mode, CVD_Z_DELTA, CVD_Z_LEVEL, false},
        {"scale_mode", config->scale_mode, CVD_SCALE_HYBRID, CVD_SCALE_EWMA, false},
        {"ewma_init", config->ewma_init, CVD_EWMA_DEBIASED, CVD_EWMA_FIRST, false},
        {"winsor_limit", config->winsor_limit, 0, 1e9, true},
        {"mad_multiplier", config->mad_multiplier, 0, 1e6, false},
        {"mad_scale_factor", config->mad_scale_factor, 0, 1e6, false},
        {"mad_window_trades", config->mad_window_trades, 1, WINDOW_LIMIT_MAX, false},
        {"scale_fast_weight", config->scale_fast_weight, -1e6, 1e6, false},
        {"half_life_sec", config->half_life_sec, 0, 1e9, true},
        {"half_life_fast_sec", config->half_life_fast_sec, 0, 1e9, false},
        {"half_life_trades", config->half_life_trades, 0, 1e9, false},
        {"half_life_fast_trades", config->half_life_fast_trades, 0, 1e9, false},
        {"freeze_min", config->freeze_min, 1, 1e9, false},
        {"soft_freeze_ms", (double)config->soft_freeze_ms, 0, 1e12, false},
        {"hard_freeze_ms", (double)config->hard_freeze_ms, 0, 1e12, false},
        {"tps_ref", config->tps_ref, 0, 1e9, true},
        {"boost_gamma", config->boost_gamma, 0, 10, false},
        {"weight_beta", config->weight_beta, 0, 10, false},
        {"ema_alpha", config->ema_alpha, 0, 1, true},
        {"z_window", config->z_window, 1, WINDOW_LIMIT_MAX, false},
        {"warmup_min", config->warmup_min, 1, 1e9, false},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        enum status status = check_range(&ranges[i], error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
