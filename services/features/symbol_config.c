#include "symbol.h"

struct features_config features_config_default(void)
{
    return (struct features_config){
        .grid_ms = 100,
        .max_age_ms = 5000,
        .ofi = ofi_config_default(),
        .cvd = cvd_config_default(),
        .fusion = fusion_config_default(),
        .events = events_config_default(),
        .strategy_mode = strategy_mode_config_default(),
        .calibration = calibration_config_default(),
        .active_min_tps = 3,
        .normal_min_tps = 1,
    };
}

enum status features_config_check(const struct features_config *config, struct error *error)
{
    struct grid_config grid = {.grid_ms = config->grid_ms, .max_age_ms = config->max_age_ms};
    enum status status = grid_config_check(&grid, error);
    if (status == STATUS_OK)
        status = ofi_config_check(&config->ofi, error);
    if (status == STATUS_OK)
        status = cvd_config_check(&config->cvd, error);
    if (status == STATUS_OK)
        status = fusion_config_check(&config->fusion, error);
    if (status == STATUS_OK)
        status = events_config_check(&config->events, error);
    if (status == STATUS_OK)
        status = strategy_mode_config_check(&config->strategy_mode, error);
    if (status == STATUS_OK)
        status = calibration_config_check(&config->calibration, config->grid_ms, error);
    return status;
}
