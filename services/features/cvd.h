/* cvd: cumulative volume delta of one symbol and the z of each trade's signed quantity (algorithms.md §3).
 *
 * The z divides by a scale that mixes two exponential means of |Δ| with a floor from the median absolute deviation,
 * raised in quiet hours. The order of operations is §3.2's. */
#pragma once

#include "base/buffer.h"
#include "proto/cvd.h"
#include "proto/trade.h"

#include <stdbool.h>
#include <stdint.h>

enum cvd_z_mode { CVD_Z_DELTA, CVD_Z_LEVEL };
extern const char *const CVD_Z_MODE_NAMES[];

enum cvd_scale_mode { CVD_SCALE_HYBRID, CVD_SCALE_EWMA };
extern const char *const CVD_SCALE_MODE_NAMES[];

enum cvd_ewma_init { CVD_EWMA_DEBIASED, CVD_EWMA_FIRST };
extern const char *const CVD_EWMA_INIT_NAMES[];

/* cvd_config: the keys cvd.* */
struct cvd_config {
    int z_mode;     /* enum cvd_z_mode */
    int scale_mode; /* enum cvd_scale_mode */
    int ewma_init;  /* enum cvd_ewma_init */
    double winsor_limit;
    double mad_multiplier;
    double mad_scale_factor;
    int mad_window_trades;
    double scale_fast_weight; /* clamped to 0…1 */
    double half_life_sec;
    double half_life_fast_sec;    /* 0 = half_life_sec/10 */
    double half_life_trades;      /* above 0: the slow half-life counts trades, not seconds */
    double half_life_fast_trades; /* above 0: the fast one */
    int freeze_min;               /* trades */
    int64_t soft_freeze_ms;
    int64_t hard_freeze_ms;
    double tps_ref;
    double boost_gamma;
    double weight_beta;
    double ema_alpha;
    int z_window;   /* level mode only */
    int warmup_min; /* level mode only */
};

/* cvd_config_default: profile s3. */
struct cvd_config cvd_config_default(void);

/* cvd_config_check: STATUS_INVALID with a sentence that names the key. */
enum status cvd_config_check(const struct cvd_config *config, struct error *error) MUST_USE;

/* What became of a trade. Without a row nothing but bad_points and, for CVD_SIDE_UNKNOWN, the price is kept. */
enum cvd_outcome {
    CVD_ROW,
    CVD_INVALID_QTY,
    CVD_INVALID_PRICE,
    CVD_SIDE_UNKNOWN, /* side missing and the tick rule has no answer */
    CVD_OUTCOME_COUNT,
};

/* cvd_diagnostics: of the last 1000 rows with a z_raw (§3.3); NaN without any. */
struct cvd_diagnostics {
    int64_t count;
    double clipped_rate; /* share |z_raw| > winsor_limit */
    double abs_z_p50;
    double abs_z_p95;
    double abs_z_p99;
    double abs_z_gt2; /* share |z_raw| > 2 */
    double abs_z_gt3;
    double floor_hit_rate;
    double scale_median;
};

struct cvd_engine;

/* cvd_engine_create: the config must have passed cvd_config_check. */
struct cvd_engine *cvd_engine_create(const struct cvd_config *config);
void cvd_engine_destroy(struct cvd_engine *engine);

/* cvd_engine_feed: one trade (rows with is_market = 0 are not fed). With CVD_ROW every field of *out_row is written
 * but source and regime, which are the caller's; otherwise it is untouched. */
enum cvd_outcome cvd_engine_feed(struct cvd_engine *engine, const struct trade_row *trade,
                                 struct cvd_row *out_row);

int64_t cvd_engine_bad_points(const struct cvd_engine *engine);
void cvd_engine_diagnostics(const struct cvd_engine *engine, struct cvd_diagnostics *out);

/* cvd_engine_save, cvd_engine_load: the whole state. A load that fails (in->failed) leaves the engine as created. */
void cvd_engine_save(const struct cvd_engine *engine, struct buffer *out);
void cvd_engine_load(struct cvd_engine *engine, struct reader *in);
