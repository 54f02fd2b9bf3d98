#include "strategy_mode.h"

#include "base/memory.h"
#include "market/state.h"

#include <math.h>
#include <stdlib.h>

enum { STATE_TAG = 0x444f4d53, NO_TRANSITION = -1 };

const char *const STRATEGY_FORCE_NAMES[] = {"auto", "force_active", "force_quiet", NULL};
const char *const STRATEGY_COMBINE_NAMES[] = {"market", "schedule", "and", "or", NULL};

struct strategy_mode_engine {
    struct strategy_mode_config config;
    int mode; /* enum strategy_mode */
    int64_t last_transition_ms;
    /* "The last n wants are all true" is a run of n or more. */
    int64_t wants;
    int64_t run_true;
    int64_t run_false;
    int64_t market_unknown;
};

struct strategy_mode_config strategy_mode_config_default(void)
{
    return (struct strategy_mode_config){
        .enabled = true,
        .mode = STRATEGY_AUTO,
        .combine = COMBINE_MARKET,
        .step_ms = 10000,
        .lookback_ms = 60000,
        .min_active_windows = 2,
        .min_quiet_windows = 4,
        .min_dwell_ms = 60000,
        .market =
            {
                .min_trades_per_min = 30,
                .min_quotes_per_sec = 5,
                .max_spread_bps = 5,
                .min_volatility_bps = 4,
                .min_volume_usd = 200000,
            },
        .schedule = schedule_config_default(),
    };
}

static enum status check_market(const struct strategy_market_config *market, struct error *error)
{
    const struct {
        const char *key;
        double value;
    } limits[] = {
        {"min_trades_per_min", market->min_trades_per_min},
        {"min_quotes_per_sec", market->min_quotes_per_sec},
        {"max_spread_bps", market->max_spread_bps},
        {"min_volatility_bps", market->min_volatility_bps},
        {"min_volume_usd", market->min_volume_usd},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (!(limits[i].value >= 0 && limits[i].value < 1e18))
            return error_set(error, STATUS_INVALID, "strategy_mode.market.%s: must not be negative",
                             limits[i].key);
    return STATUS_OK;
}

enum status strategy_mode_config_check(const struct strategy_mode_config *config, struct error *error)
{
    if (config->mode < STRATEGY_AUTO || config->mode > STRATEGY_FORCE_QUIET)
        return error_set(error, STATUS_INVALID,
                         "strategy_mode.mode: must be auto, force_active or force_quiet");
    if (config->combine < COMBINE_MARKET || config->combine > COMBINE_OR)
        return error_set(error, STATUS_INVALID, "strategy_mode.combine: must be market, schedule, and, or");
    if (config->step_ms < 1 || config->step_ms > 86400000)
        return error_set(error, STATUS_INVALID, "strategy_mode.step_ms: must be 1 to 86400000");
    if (config->lookback_ms < 1 || config->lookback_ms > 86400000)
        return error_set(error, STATUS_INVALID, "strategy_mode.lookback_ms: must be 1 to 86400000");
    if (config->min_active_windows < 1 || config->min_active_windows > 1000000)
        return error_set(error, STATUS_INVALID, "strategy_mode.min_active_windows: must be 1 to 1000000");
    if (config->min_quiet_windows < 1 || config->min_quiet_windows > 1000000)
        return error_set(error, STATUS_INVALID, "strategy_mode.min_quiet_windows: must be 1 to 1000000");
    if (config->min_dwell_ms < 0 || config->min_dwell_ms > EVENT_TIME_MAX_MS)
        return error_set(error, STATUS_INVALID, "strategy_mode.min_dwell_ms: must not be negative");
    if (config->combine != COMBINE_MARKET && config->schedule.window_count == 0)
        return error_set(error, STATUS_INVALID,
                         "strategy_mode.schedule.windows: must not be empty when strategy_mode.combine is %s",
                         STRATEGY_COMBINE_NAMES[config->combine]);
    return check_market(&config->market, error);
}

static void set_cold(struct strategy_mode_engine *engine)
{
    *engine = (struct strategy_mode_engine){
        .config = engine->config, .mode = MODE_QUIET, .last_transition_ms = NO_TRANSITION};
}

struct strategy_mode_engine *strategy_mode_engine_create(const struct strategy_mode_config *config)
{
    struct strategy_mode_engine *engine = memory_allocate(sizeof *engine);
    engine->config = *config;
    set_cold(engine);
    return engine;
}

void strategy_mode_engine_destroy(struct strategy_mode_engine *engine)
{
    free(engine);
}

static bool market_is_unknown(const struct strategy_inputs *inputs)
{
    return inputs->young || isnan(inputs->trades_per_min) || isnan(inputs->quotes_per_sec) ||
           isnan(inputs->spread_bps) || isnan(inputs->volatility_bps) || isnan(inputs->volume_usd);
}

/* A comparison with NaN is false, but "unknown" is also decided and counted by itself. */
static bool market_is_active(const struct strategy_market_config *limits,
                             const struct strategy_inputs *inputs)
{
    return !market_is_unknown(inputs) && inputs->trades_per_min >= limits->min_trades_per_min &&
           inputs->quotes_per_sec >= limits->min_quotes_per_sec &&
           inputs->spread_bps <= limits->max_spread_bps &&
           inputs->volatility_bps >= limits->min_volatility_bps &&
           inputs->volume_usd >= limits->min_volume_usd;
}

static bool combined(int combine, bool market, bool schedule)
{
    switch (combine) {
    case COMBINE_SCHEDULE: return schedule;
    case COMBINE_AND: return market && schedule;
    case COMBINE_OR: return market || schedule;
    default: return market;
    }
}

static void count_want(struct strategy_mode_engine *engine, bool want)
{
    engine->wants++;
    engine->run_true = want ? engine->run_true + 1 : 0;
    engine->run_false = want ? 0 : engine->run_false + 1;
}

/* Steps 5 and 6: the mode from this boundary on, with the reason if it is another one. */
static int next_mode(const struct strategy_mode_engine *engine, int64_t boundary_ms, bool schedule,
                     const char **out_reason)
{
    const struct strategy_mode_config *config = &engine->config;
    *out_reason = "manual";
    if (config->mode != STRATEGY_AUTO)
        return config->mode == STRATEGY_FORCE_ACTIVE ? MODE_ACTIVE : MODE_QUIET;
    bool dwelt = engine->last_transition_ms == NO_TRANSITION ||
                 boundary_ms - engine->last_transition_ms >= config->min_dwell_ms;
    if (engine->mode == MODE_QUIET && dwelt && engine->run_true >= config->min_active_windows) {
        *out_reason = schedule && config->combine != COMBINE_MARKET ? "schedule" : "market";
        return MODE_ACTIVE;
    }
    if (engine->mode == MODE_ACTIVE && dwelt && engine->run_false >= config->min_quiet_windows) {
        *out_reason = "hysteresis";
        return MODE_QUIET;
    }
    return engine->mode;
}

static bool change_mode(struct strategy_mode_engine *engine, int64_t boundary_ms, bool schedule,
                        struct mode_change *out_change)
{
    const char *reason;
    int mode = next_mode(engine, boundary_ms, schedule, &reason);
    if (mode == engine->mode)
        return false;
    *out_change =
        (struct mode_change){.ts_ms = boundary_ms, .from = engine->mode, .to = mode, .reason = reason};
    engine->mode = mode;
    engine->last_transition_ms = boundary_ms;
    return true;
}

static int32_t history_size(const struct strategy_mode_engine *engine)
{
    const struct strategy_mode_config *config = &engine->config;
    int larger = config->min_active_windows > config->min_quiet_windows ? config->min_active_windows
                                                                        : config->min_quiet_windows;
    return (int32_t)(engine->wants < larger ? engine->wants : larger);
}

bool strategy_mode_engine_boundary(struct strategy_mode_engine *engine, int64_t boundary_ms,
                                   const struct strategy_inputs *inputs, struct strategy_state_row *out_row,
                                   struct mode_change *out_change)
{
    bool unknown = market_is_unknown(inputs);
    bool market = market_is_active(&engine->config.market, inputs);
    bool schedule = schedule_is_active(&engine->config.schedule, boundary_ms);
    engine->market_unknown += unknown;
    count_want(engine, combined(engine->config.combine, market, schedule));
    bool changed = change_mode(engine, boundary_ms, schedule, out_change);
    *out_row = (struct strategy_state_row){
        .ts_ms = boundary_ms,
        .mode = (int8_t)engine->mode,
        .trades_per_min = inputs->trades_per_min,
        .quotes_per_sec = inputs->quotes_per_sec,
        .spread_bps = inputs->spread_bps,
        .volatility_bps = inputs->volatility_bps,
        .volume_usd = inputs->volume_usd,
        .schedule_active = schedule,
        .market_active = market,
        .market_unknown = unknown,
        .history_size = history_size(engine),
        .last_transition_ms =
            engine->last_transition_ms == NO_TRANSITION ? FIELD_NULL_I64 : engine->last_transition_ms,
    };
    return changed;
}

int strategy_mode_engine_mode(const struct strategy_mode_engine *engine)
{
    return engine->mode;
}

int64_t strategy_mode_engine_market_unknown(const struct strategy_mode_engine *engine)
{
    return engine->market_unknown;
}

void strategy_mode_engine_save(const struct strategy_mode_engine *engine, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    buffer_append_i64(out, engine->mode);
    buffer_append_i64(out, engine->last_transition_ms);
    buffer_append_i64(out, engine->wants);
    buffer_append_i64(out, engine->run_true);
    buffer_append_i64(out, engine->run_false);
    buffer_append_i64(out, engine->market_unknown);
}

void strategy_mode_engine_load(struct strategy_mode_engine *engine, struct reader *in)
{
    state_expect(in, STATE_TAG);
    engine->mode = (int)state_take_between(in, MODE_ACTIVE, MODE_QUIET);
    engine->last_transition_ms = state_take_between(in, NO_TRANSITION, EVENT_TIME_MAX_MS);
    engine->wants = state_take_count(in);
    engine->run_true = state_take_count(in);
    engine->run_false = state_take_count(in);
    engine->market_unknown = state_take_count(in);
    if (in->failed)
        set_cold(engine);
}
