#include "cvd.h"

#include "base/memory.h"
#include "market/state.h"
#include "market/statistics.h"
#include "market/timeline.h"
#include "market/window.h"

#include <math.h>
#include <stdlib.h>

enum {
    STATE_TAG = 0x31445643,
    RATE_WINDOW_MS = 60000,
    DIAGNOSTICS_ROWS = 1000,
    MAD_TRADES_MIN = 50,
    TICK_REPEATS_MAX = 5, /* equal prices in a row that still inherit the last side */
    TICK_SILENCE_MAX_MS = 2000,
    SILENCED_AFTER_SOFT_GAP = 2,
    SILENCED_AFTER_HARD_GAP = 3,
};

static const double SCALE_MIN = 1e-9;
static const double FLOOR_TOLERANCE = 1e-6;
static const double TPS_MIN = 0.2; /* below this the boost grows no further */

/* mean: an exponential mean. debiased: numerator/denominator (N, D); first: the mean itself over 1. */
struct mean {
    double numerator;
    double denominator;
};

struct cvd_engine {
    struct cvd_config config;
    double cvd;
    double ema_cvd;
    int64_t trades; /* with a row */
    int64_t previous_ts_ms;
    struct mean fast;
    struct mean slow;
    struct value_window *deltas; /* the MAD buffer */
    struct timeline rate;        /* T of the last 60 s */
    struct value_window *levels; /* cvd values, level mode only */
    int64_t silenced;            /* trades still without a z after a gap ("freeze") */
    struct decimal last_price;
    int64_t last_price_ts_ms;
    int64_t last_side; /* 1 buy, -1 sell, 0 none yet */
    int64_t tick_repeats;
    int64_t bad_points;
    struct value_window *recent_z; /* diagnostics: of the last rows with a z_raw */
    struct value_window *recent_scale;
    struct value_window *recent_floor;
};

struct cvd_engine *cvd_engine_create(const struct cvd_config *config)
{
    struct cvd_engine *engine = memory_allocate(sizeof *engine);
    engine->config = *config;
    engine->config.scale_fast_weight = statistics_clamp(config->scale_fast_weight, 0, 1);
    if (config->half_life_fast_sec <= 0)
        engine->config.half_life_fast_sec = config->half_life_sec / 10;
    engine->deltas = value_window_create((size_t)config->mad_window_trades, true);
    if (config->z_mode == CVD_Z_LEVEL)
        engine->levels = value_window_create((size_t)config->z_window, false);
    engine->recent_z = value_window_create(DIAGNOSTICS_ROWS, false);
    engine->recent_scale = value_window_create(DIAGNOSTICS_ROWS, false);
    engine->recent_floor = value_window_create(DIAGNOSTICS_ROWS, false);
    engine->last_price = decimal_null();
    timeline_init(&engine->rate, 1);
    return engine;
}

void cvd_engine_destroy(struct cvd_engine *engine)
{
    if (!engine)
        return;
    value_window_destroy(engine->deltas);
    value_window_destroy(engine->levels);
    value_window_destroy(engine->recent_z);
    value_window_destroy(engine->recent_scale);
    value_window_destroy(engine->recent_floor);
    timeline_finish(&engine->rate);
    free(engine);
}

/* The side a price movement suggests; 0 when it suggests none (§3.1 rule 3). */
static int64_t side_by_tick(struct cvd_engine *engine, const struct trade_row *trade)
{
    if (decimal_is_null(engine->last_price))
        return 0;
    int movement = decimal_compare(trade->price, engine->last_price);
    if (movement != 0) {
        engine->tick_repeats = 0;
        return movement > 0 ? 1 : -1;
    }
    if (engine->tick_repeats >= TICK_REPEATS_MAX ||
        trade->ts_ms - engine->last_price_ts_ms > TICK_SILENCE_MAX_MS)
        return 0;
    engine->tick_repeats += engine->last_side != 0;
    return engine->last_side;
}

/* CVD_ROW with the signed side, or why there is none. */
static enum cvd_outcome side_of(struct cvd_engine *engine, const struct trade_row *trade, int64_t *out_side)
{
    if (decimal_is_null(trade->qty) || trade->qty.units <= 0)
        return CVD_INVALID_QTY;
    if (decimal_is_null(trade->price) || trade->price.units <= 0)
        return CVD_INVALID_PRICE;
    if (trade->is_buyer_maker == FIELD_NULL_BOOL) {
        *out_side = side_by_tick(engine, trade);
    } else {
        *out_side = trade->is_buyer_maker ? -1 : 1;
        engine->tick_repeats = 0;
    }
    engine->last_price = trade->price;
    engine->last_price_ts_ms = trade->ts_ms;
    if (*out_side == 0)
        return CVD_SIDE_UNKNOWN;
    engine->last_side = *out_side;
    return CVD_ROW;
}

static double mean_update(struct mean *mean, int ewma_init, bool first_trade, double alpha, double value)
{
    if (ewma_init == CVD_EWMA_FIRST) {
        mean->numerator = first_trade ? value : mean->numerator + alpha * (value - mean->numerator);
        mean->denominator = 1;
    } else {
        mean->numerator = (1 - alpha) * mean->numerator + alpha * value;
        mean->denominator = (1 - alpha) * mean->denominator + alpha;
    }
    return mean->denominator > 0 ? mean->numerator / mean->denominator : 0;
}

static double alpha_of(double dt_sec, double half_life_sec, double half_life_trades)
{
    return half_life_trades > 0 ? 1 - exp2(-1 / half_life_trades) : 1 - exp2(-dt_sec / half_life_sec);
}

/* §3.2 steps 1 and 2. */
static void update_means(struct cvd_engine *engine, int64_t ts_ms, struct cvd_row *row)
{
    const struct cvd_config *config = &engine->config;
    bool first = engine->trades == 1;
    double dt_sec = first ? 1.0 : (double)(ts_ms - engine->previous_ts_ms) / 1000.0;
    if (dt_sec < 0.001)
        dt_sec = 0.001;
    double alpha_fast = alpha_of(dt_sec, config->half_life_fast_sec, config->half_life_fast_trades);
    double alpha_slow = alpha_of(dt_sec, config->half_life_sec, config->half_life_trades);
    row->ewma_fast = mean_update(&engine->fast, config->ewma_init, first, alpha_fast, fabs(row->delta));
    row->ewma_slow = mean_update(&engine->slow, config->ewma_init, first, alpha_slow, fabs(row->delta));
}

/* §3.2 step 3. Entries are kept by time, so that a late trade is dropped when its own time says so. */
static void update_windows(struct cvd_engine *engine, int64_t ts_ms, double delta)
{
    value_window_push(engine->deltas, delta);
    timeline_insert(&engine->rate, &ts_ms);
    timeline_drop_until(&engine->rate, ts_ms - RATE_WINDOW_MS);
}

static double sigma_mad(const struct cvd_engine *engine)
{
    size_t needed = (size_t)(engine->config.mad_window_trades / 5);
    if (needed < MAD_TRADES_MIN)
        needed = MAD_TRADES_MIN;
    if (engine->deltas->count < needed)
        return 0;
    return engine->config.mad_scale_factor *
           statistics_mad_sorted(engine->deltas->sorted, engine->deltas->count);
}

/* §3.2 step 5. */
static void compute_scale(const struct cvd_engine *engine, struct cvd_row *row)
{
    const struct cvd_config *config = &engine->config;
    row->tps = engine->rate.count < 2 ? 0 : (double)engine->rate.count / 60;
    double busy = pow(row->tps / config->tps_ref, config->weight_beta);
    double weight_fast = config->scale_fast_weight * (busy < 1 ? busy : 1);
    row->ewma_mix = weight_fast * row->ewma_fast + (1 - weight_fast) * row->ewma_slow;
    double boost = pow(config->tps_ref / (row->tps > TPS_MIN ? row->tps : TPS_MIN), config->boost_gamma);
    row->boost = boost > 1 ? boost : 1;
    if (config->scale_mode == CVD_SCALE_EWMA) {
        row->sigma_floor = 0;
        row->floor_used = 0;
        row->scale = row->ewma_slow > SCALE_MIN ? row->ewma_slow : SCALE_MIN;
        return;
    }
    row->sigma_floor = sigma_mad(engine) * config->mad_multiplier * row->boost;
    row->floor_used = row->sigma_floor >= row->ewma_mix * (1 - FLOOR_TOLERANCE);
    double larger = row->ewma_mix > row->sigma_floor ? row->ewma_mix : row->sigma_floor;
    row->scale = larger > SCALE_MIN ? larger : SCALE_MIN;
}

/* §3.2 step 7: true while the trade is silenced. `gap_ms` is negative for a late trade. */
static bool silence_after_gap(struct cvd_engine *engine, int64_t gap_ms)
{
    int64_t needed = 0;
    if (gap_ms > engine->config.hard_freeze_ms)
        needed = SILENCED_AFTER_HARD_GAP;
    else if (gap_ms > engine->config.soft_freeze_ms)
        needed = SILENCED_AFTER_SOFT_GAP;
    if (needed > engine->silenced)
        engine->silenced = needed;
    if (engine->silenced == 0)
        return false;
    engine->silenced--;
    return true;
}

static void remember_diagnostics(struct cvd_engine *engine, const struct cvd_row *row)
{
    value_window_push(engine->recent_z, row->z_raw);
    value_window_push(engine->recent_scale, row->scale);
    value_window_push(engine->recent_floor, row->floor_used == 1);
}

static void set_z(struct cvd_engine *engine, struct cvd_row *row, double z_raw)
{
    double limit = engine->config.winsor_limit;
    row->z_raw = z_raw;
    row->z_cvd = statistics_clamp(z_raw, -limit, limit);
    remember_diagnostics(engine, row);
}

/* §3.2. */
static void standardise_delta(struct cvd_engine *engine, struct cvd_row *row)
{
    bool first = engine->trades == 1;
    int64_t gap_ms = first ? 0 : row->ts_ms - engine->previous_ts_ms;
    update_means(engine, row->ts_ms, row);
    update_windows(engine, row->ts_ms, row->delta);
    if (engine->trades < engine->config.freeze_min) {
        row->warmup = 1;
        return;
    }
    compute_scale(engine, row);
    if (row->scale <= SCALE_MIN) {
        row->std_zero = 1;
        return;
    }
    if (silence_after_gap(engine, gap_ms)) {
        row->frozen = 1;
        return;
    }
    set_z(engine, row, row->delta / row->scale);
}

/* z_mode level: against the last values of cvd before this one. */
static void standardise_level(struct cvd_engine *engine, struct cvd_row *row)
{
    const struct value_window *levels = engine->levels;
    size_t needed = (size_t)(engine->config.z_window / 5);
    if (needed < (size_t)engine->config.warmup_min)
        needed = (size_t)engine->config.warmup_min;
    if (levels->count < needed) {
        row->warmup = 1;
    } else {
        double mean = statistics_mean(levels->values, levels->count);
        row->scale = statistics_sigma_population(levels->values, levels->count, mean);
        row->std_zero = row->scale <= SCALE_MIN;
        set_z(engine, row, row->std_zero ? 0 : (row->cvd - mean) / row->scale);
    }
    value_window_push(engine->levels, row->cvd);
}

static struct cvd_row row_without_values(const struct trade_row *trade)
{
    return (struct cvd_row){
        .ts_ms = trade->ts_ms,
        .agg_trade_id = trade->agg_trade_id,
        .z_raw = FIELD_NULL_F64,
        .z_cvd = FIELD_NULL_F64,
        .scale = FIELD_NULL_F64,
        .sigma_floor = FIELD_NULL_F64,
        .floor_used = FIELD_NULL_BOOL,
        .ewma_fast = FIELD_NULL_F64,
        .ewma_slow = FIELD_NULL_F64,
        .ewma_mix = FIELD_NULL_F64,
        .boost = FIELD_NULL_F64,
        .tps = FIELD_NULL_F64,
        .side_source = trade->is_buyer_maker == FIELD_NULL_BOOL ? SIDE_TICK : SIDE_VENUE,
    };
}

enum cvd_outcome cvd_engine_feed(struct cvd_engine *engine, const struct trade_row *trade,
                                 struct cvd_row *out_row)
{
    int64_t side = 0;
    enum cvd_outcome outcome = side_of(engine, trade, &side);
    if (outcome != CVD_ROW) {
        engine->bad_points++;
        return outcome;
    }
    struct cvd_row row = row_without_values(trade);
    engine->trades++;
    row.delta = (double)side * decimal_double(trade->qty);
    row.cvd = engine->cvd += row.delta;
    double alpha = engine->config.ema_alpha;
    engine->ema_cvd = engine->trades == 1 ? row.cvd : alpha * row.cvd + (1 - alpha) * engine->ema_cvd;
    row.ema_cvd = engine->ema_cvd;
    if (engine->config.z_mode == CVD_Z_LEVEL)
        standardise_level(engine, &row);
    else
        standardise_delta(engine, &row);
    engine->previous_ts_ms = trade->ts_ms;
    *out_row = row;
    return CVD_ROW;
}

int64_t cvd_engine_bad_points(const struct cvd_engine *engine)
{
    return engine->bad_points;
}

static double share_above(const double *sorted, size_t count, double limit)
{
    size_t above = 0;
    for (size_t i = count; i > 0 && sorted[i - 1] > limit; i--)
        above++;
    return (double)above / (double)count;
}

void cvd_engine_diagnostics(const struct cvd_engine *engine, struct cvd_diagnostics *out)
{
    size_t count = engine->recent_z->count;
    double sorted[DIAGNOSTICS_ROWS];
    for (size_t i = 0; i < count; i++)
        sorted[i] = fabs(engine->recent_z->values[i]);
    statistics_sort(sorted, count);
    *out = (struct cvd_diagnostics){
        .count = (int64_t)count,
        .abs_z_p50 = statistics_quantile_sorted(sorted, count, 0.5),
        .abs_z_p95 = statistics_quantile_sorted(sorted, count, 0.95),
        .abs_z_p99 = statistics_quantile_sorted(sorted, count, 0.99),
        .clipped_rate = share_above(sorted, count, engine->config.winsor_limit),
        .abs_z_gt2 = share_above(sorted, count, 2),
        .abs_z_gt3 = share_above(sorted, count, 3),
        .floor_hit_rate = statistics_mean(engine->recent_floor->values, count),
    };
    for (size_t i = 0; i < count; i++)
        sorted[i] = engine->recent_scale->values[i];
    statistics_sort(sorted, count);
    out->scale_median = statistics_median_sorted(sorted, count);
}

static void save_mean(const struct mean *mean, struct buffer *out)
{
    buffer_append_f64(out, mean->numerator);
    buffer_append_f64(out, mean->denominator);
}

static void load_mean(struct mean *mean, struct reader *in)
{
    mean->numerator = state_take_number(in);
    mean->denominator = state_take_number(in);
    if (mean->denominator != 0 && !(mean->denominator > 1e-15 && mean->denominator < 2))
        in->failed = true;
}

void cvd_engine_save(const struct cvd_engine *engine, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    buffer_append_f64(out, engine->cvd);
    buffer_append_f64(out, engine->ema_cvd);
    buffer_append_i64(out, engine->trades);
    buffer_append_i64(out, engine->previous_ts_ms);
    save_mean(&engine->fast, out);
    save_mean(&engine->slow, out);
    value_window_save(engine->deltas, out);
    timeline_save(&engine->rate, out);
    if (engine->levels)
        value_window_save(engine->levels, out);
    buffer_append_i64(out, engine->silenced);
    buffer_append_i64(out, engine->last_price.units);
    buffer_append_i64(out, engine->last_price.exponent);
    buffer_append_i64(out, engine->last_price_ts_ms);
    buffer_append_i64(out, engine->last_side);
    buffer_append_i64(out, engine->tick_repeats);
    buffer_append_i64(out, engine->bad_points);
    value_window_save(engine->recent_z, out);
    value_window_save(engine->recent_scale, out);
    value_window_save(engine->recent_floor, out);
}

static void set_cold(struct cvd_engine *engine)
{
    struct cvd_engine *fresh = cvd_engine_create(&engine->config);
    struct cvd_engine old = *engine;
    *engine = *fresh;
    *fresh = old;
    cvd_engine_destroy(fresh);
}

void cvd_engine_load(struct cvd_engine *engine, struct reader *in)
{
    state_expect(in, STATE_TAG);
    engine->cvd = state_take_number(in);
    engine->ema_cvd = state_take_number(in);
    engine->trades = state_take_count(in);
    engine->previous_ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    load_mean(&engine->fast, in);
    load_mean(&engine->slow, in);
    value_window_load(engine->deltas, in);
    timeline_load(&engine->rate, in);
    if (engine->levels)
        value_window_load(engine->levels, in);
    engine->silenced = state_take_between(in, 0, SILENCED_AFTER_HARD_GAP);
    engine->last_price.units = reader_i64(in);
    engine->last_price.exponent = (int32_t)state_take_between(in, 0, DECIMAL_EXPONENT_MAX);
    engine->last_price_ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    engine->last_side = state_take_between(in, -1, 1);
    engine->tick_repeats = state_take_between(in, 0, TICK_REPEATS_MAX);
    engine->bad_points = state_take_count(in);
    value_window_load(engine->recent_z, in);
    value_window_load(engine->recent_scale, in);
    value_window_load(engine->recent_floor, in);
    if (engine->recent_scale->count != engine->recent_z->count ||
        engine->recent_floor->count != engine->recent_z->count)
        in->failed = true;
    if (in->failed)
        set_cold(engine);
}
