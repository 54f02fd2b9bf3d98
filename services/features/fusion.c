#include "fusion.h"

#include "base/memory.h"
#include "market/state.h"
#include "market/statistics.h"
#include "market/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATE_TAG = 0x31535546,
    SCORE_HISTORY = 300,
    SCORE_HISTORY_MIN = 30,
    NO_TIME = 0, /* grid times are positive */
};

static const double Z_ZERO = 1e-9;
static const double SCORE_SIGMA_MIN = 1e-6;

/* Reasons in the order in which the steps of §5 can give them; a row's text lists its bits in this order. */
enum reason {
    REASON_INVALID_INPUT = 1 << 0,
    REASON_WARMUP = 1 << 1,
    REASON_LAG_EXCEEDED = 1 << 2,
    REASON_OFI_ONLY = 1 << 3,
    REASON_CVD_ONLY = 1 << 4,
    REASON_FLIP_REARM = 1 << 5,
    REASON_COOLDOWN = 1 << 6,
    REASON_HYSTERESIS = 1 << 7,
    REASON_BOOST = 1 << 8,
    REASON_THROTTLE = 1 << 9,
    REASON_MIN_DURATION = 1 << 10,
};

static const char *const REASON_NAMES[] = {
    "invalid_input", "warmup",   "lag_exceeded",    "degraded_ofi_only", "degraded_cvd_only",
    "flip_rearm",    "cooldown", "hysteresis_hold", "consistency_boost", "low_consistency_throttle",
    "min_duration",
};

struct fusion_engine {
    struct fusion_config config;
    struct fusion_counters counters;
    struct value_window *scores; /* valid, not warm-up */
    int64_t valid;
    int64_t streak;
    int64_t last_emit_ms; /* NO_TIME before the first */
    int64_t direction;    /* stored: 1 buy, -1 sell, 0 none */
    int last_raw;         /* enum fusion_signal */
    int last_signal;      /* enum fusion_signal */
};

/* update: what the steps hand on to each other. */
struct update {
    const struct fusion_input *input;
    double z_ofi; /* clipped */
    double z_cvd; /* clipped, direction applied */
    double score;
    double consistency;
    bool degraded;
    bool kept; /* held or boosted: step 13 lets it pass */
    int raw;
    int signal;
    unsigned reasons;
};

struct fusion_engine *fusion_engine_create(const struct fusion_config *config)
{
    struct fusion_engine *engine = memory_allocate(sizeof *engine);
    engine->config = *config;
    engine->scores = value_window_create(SCORE_HISTORY, false);
    return engine;
}

void fusion_engine_destroy(struct fusion_engine *engine)
{
    if (!engine)
        return;
    value_window_destroy(engine->scores);
    free(engine);
}

double fusion_dispersion(double z_ofi, double z_cvd)
{
    return fabs(z_ofi - z_cvd);
}

int32_t fusion_sign_agree(double z_ofi, double z_cvd)
{
    if (isnan(z_ofi) || isnan(z_cvd))
        return FIELD_NULL_I32;
    if (fabs(z_ofi) < Z_ZERO || fabs(z_cvd) < Z_ZERO)
        return 0;
    return (z_ofi > 0) == (z_cvd > 0) ? 1 : -1;
}

static int sign_of_signal(int signal)
{
    switch (signal) {
    case FUSION_BUY:
    case FUSION_STRONG_BUY: return 1;
    case FUSION_SELL:
    case FUSION_STRONG_SELL: return -1;
    default: return 0;
    }
}

static int signal_of(int sign, bool strong)
{
    if (sign > 0)
        return strong ? FUSION_STRONG_BUY : FUSION_BUY;
    return strong ? FUSION_STRONG_SELL : FUSION_SELL;
}

/* The weights of an update that is not degraded. */
static void set_weights(const struct fusion_engine *engine, int regime, struct fusion_row *row)
{
    const struct fusion_config *config = &engine->config;
    bool active = config->has_weights_active && regime == REGIME_ACTIVE;
    double ofi = active ? config->weights_active_ofi : config->w_ofi;
    double cvd = active ? config->weights_active_cvd : config->w_cvd;
    row->w_ofi = ofi / (ofi + cvd);
    row->w_cvd = cvd / (ofi + cvd);
}

/* Step 4: too far apart in time, so the larger z speaks alone. */
static void degrade(struct fusion_engine *engine, struct update *update, struct fusion_row *row)
{
    bool ofi = fabs(update->z_ofi) >= fabs(update->z_cvd);
    update->degraded = true;
    update->reasons |= REASON_LAG_EXCEEDED | (ofi ? REASON_OFI_ONLY : REASON_CVD_ONLY);
    row->w_ofi = ofi;
    row->w_cvd = !ofi;
    engine->counters.lag_exceeded++;
    engine->counters.downgrades++;
}

/* Steps 5 and 6. */
static void score_update(const struct fusion_engine *engine, struct update *update, struct fusion_row *row)
{
    const struct fusion_config *config = &engine->config;
    row->comp_ofi = row->w_ofi * update->z_ofi + 0.0; /* never -0 */
    row->comp_cvd = row->w_cvd * update->z_cvd + 0.0;
    update->score = row->comp_ofi + row->comp_cvd;
    if (config->gate > 0 && fabs(update->score) <= config->gate)
        update->score = 0;
    if (update->degraded)
        update->consistency = config->compat_v13 ? 1.0 : config->min_consistency;
    else if (fusion_sign_agree(update->z_ofi, update->z_cvd) == 1)
        update->consistency =
            fmin(fabs(update->z_ofi), fabs(update->z_cvd)) / fmax(fabs(update->z_ofi), fabs(update->z_cvd));
}

static bool treated_as_degraded(const struct fusion_engine *engine, const struct update *update)
{
    return update->degraded && !engine->config.compat_v13;
}

/* thresholds: of one side, as magnitudes. */
struct thresholds {
    double normal;
    double strong;
};

static struct thresholds thresholds_of(const struct fusion_config *config, int sign)
{
    if (sign > 0)
        return (struct thresholds){config->fuse_buy, config->fuse_strong_buy};
    return (struct thresholds){-config->fuse_sell, -config->fuse_strong_sell};
}

/* Step 7: strict inequalities. */
static int raw_signal(const struct fusion_engine *engine, const struct update *update)
{
    const struct fusion_config *config = &engine->config;
    double size = fabs(update->score);
    int sign = update->score > 0 ? 1 : -1;
    struct thresholds thresholds = thresholds_of(config, sign);
    if (treated_as_degraded(engine, update))
        return size > thresholds.normal ? signal_of(sign, false) : FUSION_NEUTRAL;
    if (size > thresholds.strong && update->consistency > config->strong_min_consistency)
        return signal_of(sign, true);
    if (size > thresholds.normal && update->consistency > config->min_consistency)
        return signal_of(sign, false);
    return FUSION_NEUTRAL;
}

/* Steps 8 and 9. */
static void count_streak(struct fusion_engine *engine, const struct update *update)
{
    if (update->raw == FUSION_NEUTRAL)
        engine->streak = 0;
    else
        engine->streak = update->raw == engine->last_raw ? engine->streak + 1 : 1;
    engine->last_raw = update->raw;
    bool hold_expired = engine->last_emit_ms != NO_TIME &&
                        update->input->ts_ms - engine->last_emit_ms > engine->config.hold_ttl_ms;
    if (hold_expired && !engine->config.compat_v13)
        engine->last_signal = FUSION_NEUTRAL;
}

/* The side whose thresholds step 10 uses: that of the raw signal, else of the score. */
static struct thresholds cooldown_thresholds(const struct fusion_engine *engine, const struct update *update)
{
    int sign = sign_of_signal(update->raw);
    if (sign == 0)
        sign = update->score < 0 ? -1 : 1;
    return thresholds_of(&engine->config, engine->config.compat_v13 ? 1 : sign);
}

/* The cooldown shortened by the strength of the score, in ms. */
static double effective_cooldown_ms(struct fusion_engine *engine, const struct update *update)
{
    const struct fusion_config *config = &engine->config;
    struct thresholds thresholds = cooldown_thresholds(engine, update);
    double beyond = fabs(update->score) - thresholds.normal, range = thresholds.strong - thresholds.normal;
    double strength = 0;
    if (beyond >= 0)
        strength = range > 0 ? statistics_clamp(beyond / range, 0, 1) : 1;
    double cooldown_ms = (double)config->cooldown_ms;
    double effective_ms =
        fmax((double)config->min_cooldown_ms, cooldown_ms * (1 - config->adaptive_cooldown_k * strength));
    if (effective_ms < cooldown_ms)
        engine->counters.adaptive_cooldown_used++;
    return effective_ms;
}

static bool is_flip(const struct fusion_engine *engine, const struct update *update)
{
    int sign = sign_of_signal(update->raw);
    double threshold = cooldown_thresholds(engine, update).normal;
    return sign != 0 && engine->direction != 0 && engine->direction != sign &&
           fabs(update->score) >= threshold * (1 + engine->config.flip_rearm_margin);
}

/* Step 10: true when the cooldown blocks the update. */
static bool cooldown_blocks(struct fusion_engine *engine, struct update *update)
{
    int64_t elapsed_ms = update->input->ts_ms - engine->last_emit_ms;
    bool cooling = engine->last_emit_ms != NO_TIME && elapsed_ms < engine->config.cooldown_ms;
    bool flip = is_flip(engine, update) && (cooling || engine->config.compat_v13);
    if (flip) {
        update->reasons |= REASON_FLIP_REARM;
        engine->counters.flip_rearm++;
    }
    if (!cooling)
        return false;
    double effective_ms = effective_cooldown_ms(engine, update);
    if (flip || update->raw == FUSION_NEUTRAL || (double)elapsed_ms >= effective_ms)
        return false;
    update->signal = FUSION_NEUTRAL;
    update->reasons |= REASON_COOLDOWN;
    engine->counters.cooldown_blocks++;
    return true;
}

/* Step 12, first part: what was said before is held while the score stays beyond h. */
static void hold(const struct fusion_engine *engine, struct update *update)
{
    double h = engine->config.hysteresis_exit + 0.5 * fmax(0, update->consistency - 0.3);
    int last = engine->last_signal, last_sign = sign_of_signal(last);
    if (last_sign == 0 || !((double)last_sign * update->score > h))
        return;
    bool strong_weakens = (last == FUSION_STRONG_BUY && update->signal == FUSION_BUY) ||
                          (last == FUSION_STRONG_SELL && update->signal == FUSION_SELL);
    if (!strong_weakens && update->signal != FUSION_NEUTRAL)
        return;
    update->signal = last;
    update->kept = true;
    update->reasons |= REASON_HYSTERESIS;
}

/* Step 12, the rest. */
static void boost_or_throttle(const struct fusion_engine *engine, struct update *update)
{
    const struct fusion_config *config = &engine->config;
    bool agree = update->consistency > config->boost_consistency;
    int sign = update->score > 0 ? 1 : -1;
    double lowered = config->boost_factor * thresholds_of(config, sign).normal;
    if (agree && update->signal == FUSION_NEUTRAL && fabs(update->score) > lowered) {
        update->signal = signal_of(sign, false);
        update->kept = true;
        update->reasons |= REASON_BOOST;
    }
    if (update->consistency < config->throttle_consistency && update->signal != FUSION_NEUTRAL) {
        update->signal = FUSION_NEUTRAL;
        update->reasons |= REASON_THROTTLE;
    }
}

/* Steps 7 to 14. */
static void decide(struct fusion_engine *engine, struct update *update)
{
    update->raw = raw_signal(engine, update);
    count_streak(engine, update);
    if (cooldown_blocks(engine, update))
        return;
    if (update->raw != FUSION_NEUTRAL)
        engine->direction = sign_of_signal(update->raw);
    update->signal = update->raw;
    if (!treated_as_degraded(engine, update)) {
        hold(engine, update);
        boost_or_throttle(engine, update);
    }
    if (update->signal == FUSION_NEUTRAL)
        return;
    if (engine->streak < engine->config.min_consecutive && !update->kept) {
        update->signal = FUSION_NEUTRAL;
        update->reasons |= REASON_MIN_DURATION;
        engine->counters.min_duration_blocks++;
        return;
    }
    engine->last_emit_ms = update->input->ts_ms;
    engine->last_signal = update->signal;
}

/* score_z: against the scores before this one. */
static double standardise_score(const struct fusion_engine *engine, double score)
{
    const struct value_window *scores = engine->scores;
    if (scores->count < SCORE_HISTORY_MIN)
        return FIELD_NULL_F64;
    double mean = statistics_mean(scores->values, scores->count);
    double sigma = statistics_sigma(scores->values, scores->count, mean);
    return (score - mean) / (sigma > SCORE_SIGMA_MIN ? sigma : SCORE_SIGMA_MIN);
}

static void write_reasons(unsigned reasons, char out_text[REASONS_BYTES])
{
    size_t length = 0;
    for (size_t i = 0; i < sizeof REASON_NAMES / sizeof REASON_NAMES[0]; i++) {
        if (!(reasons >> i & 1))
            continue;
        size_t bytes = strlen(REASON_NAMES[i]);
        if (length > 0)
            out_text[length++] = ',';
        memcpy(out_text + length, REASON_NAMES[i], bytes);
        length += bytes;
    }
    out_text[length] = 0;
}

/* Steps 3 to 14. */
static void fuse(struct fusion_engine *engine, struct update *update, struct fusion_row *row)
{
    const struct fusion_input *input = update->input;
    double clip = engine->config.z_clip;
    double direction = input->direction == CVD_FLIPPED ? -1 : 1;
    update->z_ofi = statistics_clamp(input->z_ofi, -clip, clip);
    update->z_cvd = statistics_clamp(direction * input->z_cvd, -clip, clip);
    if (input->lag_ms > engine->config.max_lag_ms)
        degrade(engine, update, row);
    score_update(engine, update, row);
    decide(engine, update);
    row->score = update->score;
    row->consistency = update->consistency;
    row->signal = (int8_t)update->signal;
    row->score_z = standardise_score(engine, update->score);
    value_window_push(engine->scores, update->score);
}

bool fusion_engine_update(struct fusion_engine *engine, const struct fusion_input *input,
                          struct fusion_row *out_row)
{
    struct update update = {.input = input, .signal = FUSION_NEUTRAL};
    int needed = engine->config.min_warmup_samples;
    *out_row = (struct fusion_row){
        .ts_ms = input->ts_ms,
        .score_z = FIELD_NULL_F64,
        .regime = (int8_t)input->regime,
        .signal = FUSION_NEUTRAL,
        .dispersion = fusion_dispersion(input->z_ofi, input->z_cvd),
        .sign_agree = fusion_sign_agree(input->z_ofi, input->z_cvd),
        .lag_ms = input->lag_ms,
        .proba = FIELD_NULL_F64,
        .calibration_state = CALIBRATION_NONE,
        .cvd_direction = (int8_t)input->direction,
    };
    set_weights(engine, input->regime, out_row);
    engine->counters.total_updates++;
    if (isnan(input->z_ofi) || isnan(input->z_cvd)) {
        update.reasons = REASON_INVALID_INPUT;
        engine->counters.invalid_inputs++;
    } else if (++engine->valid <= needed) {
        update.reasons = REASON_WARMUP;
        engine->counters.warmup_returns++;
    } else {
        fuse(engine, &update, out_row);
    }
    out_row->warmup = engine->valid <= needed;
    write_reasons(update.reasons, out_row->reason_codes);
    return update.degraded;
}

struct fusion_counters fusion_engine_counters(const struct fusion_engine *engine)
{
    return engine->counters;
}

/* The counters as one array of words. */
enum { COUNTER_WORDS = sizeof(struct fusion_counters) / sizeof(int64_t) };

void fusion_engine_save(const struct fusion_engine *engine, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    value_window_save(engine->scores, out);
    buffer_append(out, &engine->counters, sizeof engine->counters);
    buffer_append_i64(out, engine->valid);
    buffer_append_i64(out, engine->streak);
    buffer_append_i64(out, engine->last_emit_ms);
    buffer_append_i64(out, engine->direction);
    buffer_append_i64(out, engine->last_raw);
    buffer_append_i64(out, engine->last_signal);
}

void fusion_engine_load(struct fusion_engine *engine, struct reader *in)
{
    int64_t counters[COUNTER_WORDS];
    state_expect(in, STATE_TAG);
    value_window_load(engine->scores, in);
    for (size_t i = 0; i < COUNTER_WORDS; i++)
        counters[i] = state_take_count(in);
    memcpy(&engine->counters, counters, sizeof counters);
    engine->valid = state_take_count(in);
    engine->streak = state_take_count(in);
    engine->last_emit_ms = state_take_between(in, NO_TIME, EVENT_TIME_MAX_MS);
    engine->direction = state_take_between(in, -1, 1);
    engine->last_raw = (int)state_take_between(in, FUSION_NEUTRAL, FUSION_STRONG_SELL);
    engine->last_signal = (int)state_take_between(in, FUSION_NEUTRAL, FUSION_STRONG_SELL);
    if (!in->failed)
        return;
    value_window_clear(engine->scores);
    engine->counters = (struct fusion_counters){0};
    engine->valid = engine->streak = engine->last_emit_ms = engine->direction = 0;
    engine->last_raw = engine->last_signal = FUSION_NEUTRAL;
}
