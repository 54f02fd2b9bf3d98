/* fusion: one score and one decision from the z of OFI and of CVD, once per grid row (algorithms.md §5). */
#pragma once

#include "base/buffer.h"
#include "proto/fusion.h"

#include <stdbool.h>
#include <stdint.h>

/* fusion_config: the keys fusion.*; the sell thresholds are negative, by default the buy side mirrored. */
struct fusion_config {
    double fuse_buy;
    double fuse_strong_buy;
    double fuse_sell;
    double fuse_strong_sell;
    double min_consistency;
    double strong_min_consistency;
    double z_clip; /* σ */
    int64_t max_lag_ms;
    double hysteresis_exit;
    int64_t cooldown_ms;
    int min_consecutive;
    int min_warmup_samples;
    double w_ofi;
    double w_cvd;
    bool has_weights_active; /* weights_active given: used while the regime is active */
    double weights_active_ofi;
    double weights_active_cvd;
    double gate; /* 0 = off */
    double flip_rearm_margin;
    double adaptive_cooldown_k;
    int64_t min_cooldown_ms;
    int64_t hold_ttl_ms;
    double boost_consistency;
    double boost_factor;
    double throttle_consistency;
    bool compat_v13; /* for the golden tables only */
};

/* fusion_config_default: profile rc1. */
struct fusion_config fusion_config_default(void);

/* fusion_config_check: STATUS_INVALID with a sentence that names the key. */
enum status fusion_config_check(const struct fusion_config *config, struct error *error) MUST_USE;

/* fusion_input: z are NaN when there is none; z_cvd is before the direction is applied. */
struct fusion_input {
    int64_t ts_ms; /* g */
    double z_ofi;
    double z_cvd;
    int direction; /* enum cvd_direction */
    int64_t lag_ms;
    int regime; /* enum regime */
};

struct fusion_counters {
    int64_t total_updates;
    int64_t warmup_returns;
    int64_t invalid_inputs;
    int64_t lag_exceeded;
    int64_t downgrades;
    int64_t cooldown_blocks;
    int64_t min_duration_blocks;
    int64_t flip_rearm;
    int64_t adaptive_cooldown_used;
};

struct fusion_engine;

/* fusion_engine_create: the config must have passed fusion_config_check. */
struct fusion_engine *fusion_engine_create(const struct fusion_config *config);
void fusion_engine_destroy(struct fusion_engine *engine);

/* fusion_engine_update: writes every field of *out_row but source; proba is null and calibration_state none
 * (calibration.h knows them). Returns
 * whether the update was degraded for its lag (reason lag_exceeded). */
bool fusion_engine_update(struct fusion_engine *engine, const struct fusion_input *input,
                          struct fusion_row *out_row);

struct fusion_counters fusion_engine_counters(const struct fusion_engine *engine);

/* fusion_dispersion, fusion_sign_agree: two figures of the z, null when either is (§4). */
double fusion_dispersion(double z_ofi, double z_cvd);
int32_t fusion_sign_agree(double z_ofi, double z_cvd);

/* fusion_engine_save, fusion_engine_load: the whole state. A load that fails (in->failed) leaves the engine as
 * created. */
void fusion_engine_save(const struct fusion_engine *engine, struct buffer *out);
void fusion_engine_load(struct fusion_engine *engine, struct reader *in);
