#include "decision.h"

#include "base/clock.h"
#include "market/state.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { STATE_TAG = 0x43454453, SCHEMA_VERSION = 1 };

struct signal_config signal_config_default(void)
{
    return (struct signal_config){
        .dedupe_ms = 100,
        .spread_bps_cap = 20,
        .lag_cap_sec = 3.0,
        .weak_threshold = 0.15,
        .active_min_tps = 3,
        .normal_min_tps = 1,
        .consistency_min = {[REGIME_NORMAL] = 0.12, [REGIME_ACTIVE] = 0.10, [REGIME_QUIET] = 0.15},
        .thresholds =
            {[REGIME_NORMAL] = {0.6, 1.2}, [REGIME_ACTIVE] = {0.5, 1.0}, [REGIME_QUIET] = {0.7, 1.4}},
    };
}

static enum status check_regime(const struct signal_config *config, int regime, struct error *error)
{
    const struct signal_thresholds *thresholds = &config->thresholds[regime];
    const char *name = REGIME_NAMES[regime];
    if (!(config->consistency_min[regime] >= 0 && config->consistency_min[regime] <= 1))
        return error_set(error, STATUS_INVALID, "signal.consistency_min.%s: must be 0 to 1", name);
    if (!(thresholds->buy >= 0 && thresholds->buy < 1e6))
        return error_set(error, STATUS_INVALID, "signal.thresholds.%s.buy: must not be negative", name);
    if (!(thresholds->strong >= 0 && thresholds->strong < 1e6))
        return error_set(error, STATUS_INVALID, "signal.thresholds.%s.strong: must not be negative", name);
    return STATUS_OK;
}

enum status signal_config_check(const struct signal_config *config, struct error *error)
{
    if (config->dedupe_ms < 0 || config->dedupe_ms > EVENT_TIME_MAX_MS)
        return error_set(error, STATUS_INVALID, "signal.dedupe_ms: must not be negative");
    if (!(config->spread_bps_cap >= 0 && config->spread_bps_cap < 1e9))
        return error_set(error, STATUS_INVALID, "signal.spread_bps_cap: must not be negative");
    if (!(config->lag_cap_sec >= 0 && config->lag_cap_sec < 1e9))
        return error_set(error, STATUS_INVALID, "signal.lag_cap_sec: must not be negative");
    if (!(config->weak_threshold >= 0 && config->weak_threshold < 1e6))
        return error_set(error, STATUS_INVALID, "signal.weak_threshold: must not be negative");
    if (!(config->active_min_tps >= 0) || !(config->normal_min_tps >= 0))
        return error_set(error, STATUS_INVALID, "signal.activity: trade rates must not be negative");
    for (int regime = 0; regime < REGIME_COUNT; regime++) {
        enum status status = check_regime(config, regime, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

void signal_decision_init(struct signal_decision *decision, const struct signal_config *config)
{
    *decision = (struct signal_decision){.config = *config, .slice_weight_active = 1};
}

void signal_decision_set_slice_weight(struct signal_decision *decision, double weight)
{
    assert(weight >= 0 && weight <= 1);
    decision->slice_weight_active = weight;
}

void signal_decision_control(struct signal_decision *decision, const struct control_row *control)
{
    if (control->decision == DECISION_SLICE_WEIGHT &&
        control_check(control->decision, control->value, NULL) == STATUS_OK)
        signal_decision_set_slice_weight(decision, control->value);
}

/* Step 1. */
static bool is_complete(const struct feature_row *feature)
{
    return event_time_valid(feature->ts_ms) && isfinite(feature->spread_bps) && isfinite(feature->lag_sec) &&
           isfinite(feature->consistency) && (feature->warmup == 0 || feature->warmup == 1);
}

/* The regime of the row; foreign rows have none and get the tps rule. */
static int regime_of(const struct signal_config *config, const struct feature_row *feature)
{
    if (feature->regime >= REGIME_ACTIVE && feature->regime <= REGIME_QUIET)
        return feature->regime;
    if (!isfinite(feature->tps))
        return REGIME_NORMAL;
    if (feature->tps >= config->active_min_tps)
        return REGIME_ACTIVE;
    return feature->tps >= config->normal_min_tps ? REGIME_NORMAL : REGIME_QUIET;
}

static double or_zero(double value)
{
    return isfinite(value) ? value : 0;
}

/* Step 3. */
static double score_of(const struct signal_decision *decision, const struct feature_row *feature, int regime)
{
    double score = feature->fusion_score;
    if (!isfinite(score))
        score = 0.6 * or_zero(feature->z_ofi) + 0.4 * or_zero(feature->z_cvd);
    if (regime == REGIME_ACTIVE)
        score *= decision->slice_weight_active;
    return score + 0.0; /* never -0 */
}

/* reasons: a comma-joined list in a row's text. An entry that does not fit is left out whole. */
struct reasons {
    char *text;
    size_t length;
};

static void add_reason(struct reasons *reasons, const char *prefix, const char *code, size_t code_bytes)
{
    size_t prefix_bytes = strlen(prefix), comma = reasons->length > 0;
    if (reasons->length + comma + prefix_bytes + code_bytes >= REASONS_BYTES)
        return;
    if (comma)
        reasons->text[reasons->length++] = ',';
    memcpy(reasons->text + reasons->length, prefix, prefix_bytes);
    memcpy(reasons->text + reasons->length + prefix_bytes, code, code_bytes);
    reasons->length += prefix_bytes + code_bytes;
    reasons->text[reasons->length] = 0;
}

static void add_named(struct reasons *reasons, bool holds, const char *name)
{
    if (holds)
        add_reason(reasons, "", name, strlen(name));
}

/* reason:<code> for every entry of a comma-joined list. */
static void add_codes(struct reasons *reasons, const char *codes)
{
    while (*codes) {
        size_t bytes = strcspn(codes, ",");
        if (bytes > 0)
            add_reason(reasons, "reason:", codes, bytes);
        codes += bytes + (codes[bytes] == ',');
    }
}

static struct signal_gate gate_above(const char *name, double value, double limit)
{
    return (struct signal_gate){name, ">", value, limit, value > limit};
}

static struct signal_gate gate_below(const char *name, double value, double limit)
{
    return (struct signal_gate){name, "<", value, limit, value < limit};
}

void signal_decision_gates(const struct signal_decision *decision, const struct feature_row *feature,
                           int regime, double score, struct signal_gate out_gates[SIGNAL_GATES])
{
    const struct signal_config *config = &decision->config;
    bool warmup = feature->warmup == 1;
    out_gates[0] = (struct signal_gate){"warmup", "=", warmup, 1, warmup};
    out_gates[1] = gate_above("spread", feature->spread_bps, config->spread_bps_cap);
    out_gates[2] = gate_above("lag", feature->lag_sec, config->lag_cap_sec);
    out_gates[3] = gate_below("low_consistency", feature->consistency, config->consistency_min[regime]);
    out_gates[4] = gate_below("weak_signal", fabs(score), config->weak_threshold);
    out_gates[4].closed = out_gates[4].closed && !warmup; /* a score in warm-up is no signal at all */
}

/* Step 4. */
static void collect_reasons(const struct signal_decision *decision, const struct feature_row *feature,
                            int regime, double score, struct reasons *reasons)
{
    struct signal_gate gates[SIGNAL_GATES];
    signal_decision_gates(decision, feature, regime, score, gates);
    for (size_t i = 0; i < SIGNAL_GATES; i++)
        add_named(reasons, gates[i].closed, gates[i].name);
    add_codes(reasons, feature->reason_codes);
    if (regime == REGIME_ACTIVE && decision->slice_weight_active == 0)
        add_codes(reasons, "slice_suspended");
}

/* Steps 5 to 8. */
static void decide(const struct signal_thresholds *thresholds, struct reasons *reasons,
                   struct signal_row *row)
{
    double score = row->score;
    int candidate = score >= thresholds->buy ? 1 : score <= -thresholds->buy ? -1 : 0;
    row->gating = reasons->length > 0;
    row->confirm = candidate != 0 && !row->gating;
    if (candidate == 0)
        row->signal_type = SIGNAL_NEUTRAL;
    else if (row->gating)
        row->signal_type = SIGNAL_PENDING;
    else if (candidate > 0)
        row->signal_type = score >= thresholds->strong ? SIGNAL_STRONG_BUY : SIGNAL_BUY;
    else
        row->signal_type = score <= -thresholds->strong ? SIGNAL_STRONG_SELL : SIGNAL_SELL;
    if (!row->confirm && !row->gating)
        add_named(reasons, true, "below_threshold");
}

static void write_row(struct signal_decision *decision, const struct feature_row *feature,
                      struct signal_row *row)
{
    const struct signal_config *config = &decision->config;
    struct reasons reasons = {.text = row->guard_reason};
    int regime = regime_of(config, feature);
    *row = (struct signal_row){
        .seq = ++decision->last_seq,
        .ts_ms = feature->ts_ms,
        .score = score_of(decision, feature, regime),
        .z_ofi = feature->z_ofi,
        .z_cvd = feature->z_cvd,
        .consistency = feature->consistency,
        .regime = (int8_t)regime,
        .div_type = feature->div_type,
        .best_bid = feature->best_bid,
        .best_ask = feature->best_ask,
        .schema_version = SCHEMA_VERSION,
        .source = feature->source,
    };
    memcpy(row->run_id, config->run_id, sizeof row->run_id);
    memcpy(row->symbol, config->symbol, sizeof row->symbol);
    time_iso_ms(feature->ts_ms, row->created_at);
    collect_reasons(decision, feature, regime, row->score, &reasons);
    decide(&config->thresholds[regime], &reasons, row);
}

bool signal_decision_feed(struct signal_decision *decision, const struct feature_row *feature,
                          struct signal_row *out_row)
{
    struct signal_counters *counters = &decision->counters;
    counters->processed++;
    if (!is_complete(feature)) {
        counters->bad_feature_row++;
        return false;
    }
    if (decision->last_ts_ms && feature->ts_ms < decision->last_ts_ms + decision->config.dedupe_ms) {
        if (feature->ts_ms < decision->last_ts_ms)
            counters->late_feature_row++;
        else
            counters->deduplicated++;
        return false;
    }
    decision->last_ts_ms = feature->ts_ms;
    write_row(decision, feature, out_row);
    counters->signals++;
    counters->confirmed += out_row->confirm;
    counters->pending += out_row->signal_type == SIGNAL_PENDING;
    return true;
}

void signal_decision_save(const struct signal_decision *decision, struct buffer *out)
{
    const struct signal_counters *counters = &decision->counters;
    state_begin(out, STATE_TAG);
    buffer_append_i64(out, decision->last_ts_ms);
    buffer_append_i64(out, decision->last_seq);
    buffer_append_f64(out, decision->slice_weight_active);
    buffer_append_i64(out, counters->processed);
    buffer_append_i64(out, counters->signals);
    buffer_append_i64(out, counters->confirmed);
    buffer_append_i64(out, counters->pending);
    buffer_append_i64(out, counters->deduplicated);
    buffer_append_i64(out, counters->late_feature_row);
    buffer_append_i64(out, counters->bad_feature_row);
}

enum status signal_decision_load(struct signal_decision *decision, struct reader *in)
{
    struct signal_config config = decision->config;
    struct signal_counters *counters = &decision->counters;
    state_expect(in, STATE_TAG);
    decision->last_ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    decision->last_seq = state_take_count(in);
    decision->slice_weight_active = state_take_number(in);
    counters->processed = state_take_count(in);
    counters->signals = state_take_count(in);
    counters->confirmed = state_take_count(in);
    counters->pending = state_take_count(in);
    counters->deduplicated = state_take_count(in);
    counters->late_feature_row = state_take_count(in);
    counters->bad_feature_row = state_take_count(in);
    if (!in->failed && decision->slice_weight_active >= 0 && decision->slice_weight_active <= 1)
        return STATUS_OK;
    in->failed = true;
    signal_decision_init(decision, &config);
    return STATUS_MALFORMED;
}
