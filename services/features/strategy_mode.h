/* strategy_mode: is the market of one symbol worth acting on, decided at every boundary c (algorithms.md §7)? */
#pragma once

#include "base/buffer.h"
#include "proto/strategy_state.h"
#include "schedule.h"

#include <stdbool.h>
#include <stdint.h>

/* strategy_mode.mode */
enum strategy_force { STRATEGY_AUTO, STRATEGY_FORCE_ACTIVE, STRATEGY_FORCE_QUIET };
extern const char *const STRATEGY_FORCE_NAMES[];

/* strategy_mode.combine */
enum strategy_combine { COMBINE_MARKET, COMBINE_SCHEDULE, COMBINE_AND, COMBINE_OR };
extern const char *const STRATEGY_COMBINE_NAMES[];

/* strategy_market_config: the keys strategy_mode.market.* */
struct strategy_market_config {
    double min_trades_per_min;
    double min_quotes_per_sec;
    double max_spread_bps;
    double min_volatility_bps;
    double min_volume_usd;
};

/* strategy_mode_config: the keys strategy_mode.* */
struct strategy_mode_config {
    bool enabled;
    int mode;    /* enum strategy_force */
    int combine; /* enum strategy_combine */
    int64_t step_ms;
    int64_t lookback_ms;
    int min_active_windows;
    int min_quiet_windows;
    int64_t min_dwell_ms;
    struct strategy_market_config market;
    struct schedule_config schedule;
};

struct strategy_mode_config strategy_mode_config_default(void);

/* strategy_mode_config_check: STATUS_INVALID with a sentence that names the key. */
enum status strategy_mode_config_check(const struct strategy_mode_config *config,
                                       struct error *error) MUST_USE;

/* strategy_inputs: over (c - lookback_ms, c]; NaN = not computable. `young` = less than lookback_ms since the symbol's
 * first event. */
struct strategy_inputs {
    double trades_per_min;
    double quotes_per_sec;
    double spread_bps;
    double volatility_bps;
    double volume_usd;
    bool young;
};

/* mode_change: what the log event mode_changed says. */
struct mode_change {
    int64_t ts_ms;
    int from;           /* enum strategy_mode */
    int to;             /* enum strategy_mode */
    const char *reason; /* "market", "schedule", "hysteresis" or "manual" */
};

struct strategy_mode_engine;

/* strategy_mode_engine_create: the config must have passed strategy_mode_config_check. */
struct strategy_mode_engine *strategy_mode_engine_create(const struct strategy_mode_config *config);
void strategy_mode_engine_destroy(struct strategy_mode_engine *engine);

/* strategy_mode_engine_boundary: one closed window; boundaries must come in ascending order. Writes every field of
 * *out_row but source. Returns true, with *out_change written, when the mode changed. */
bool strategy_mode_engine_boundary(struct strategy_mode_engine *engine, int64_t boundary_ms,
                                   const struct strategy_inputs *inputs, struct strategy_state_row *out_row,
                                   struct mode_change *out_change);

/* strategy_mode_engine_mode: the mode in force, enum strategy_mode. */
int strategy_mode_engine_mode(const struct strategy_mode_engine *engine);
int64_t
strategy_mode_engine_market_unknown(const struct strategy_mode_engine *engine); /* boundaries, counted */

/* strategy_mode_engine_save, strategy_mode_engine_load: the whole state. A load that fails (in->failed) leaves the
 * engine as created. */
void strategy_mode_engine_save(const struct strategy_mode_engine *engine, struct buffer *out);
void strategy_mode_engine_load(struct strategy_mode_engine *engine, struct reader *in);
