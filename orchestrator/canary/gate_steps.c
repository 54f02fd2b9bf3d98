#include "gate_steps.h"

#include <math.h>
#include <string.h>

const char *const CANARY_VERDICT_NAMES[] = {"PASS", "FAIL", "UNKNOWN", NULL};

static const struct canary_gate_rule RULES[CANARY_GATES] = {
    [CANARY_AUC] = {"canary_auc", "fusion_auc_active", ">=", 10, {"reduce_weight", "suspend_slice"}},
    [CANARY_ECE] = {"canary_ece", "ece", "<=", 10, {"suspend_calibration"}},
    [CANARY_PLATT] = {"canary_platt", "platt_test_samples", ">", 10, {"suspend_calibration"}},
    [CANARY_BRIER] = {"canary_brier", "brier_improvement_pct", ">=", 10, {"report"}},
    [CANARY_MERGE] = {"canary_merge", "merge_time_diff_ms_p99", "<=", 5, {"adjust_merge_tol", "investigate"}},
    [CANARY_MATCH] = {"canary_match", "match_rate", ">=", 5, {"investigate"}},
    [CANARY_DIRECTION] = {"canary_direction", "direction_flips_24h", "<=", 1, {"lock_direction"}},
};

const struct canary_gate_rule *canary_gate_rule(enum canary_gate gate)
{
    return &RULES[gate];
}

static bool has_step(const struct canary_gate_rule *rule, int step)
{
    return step < CANARY_STEPS_MAX && rule->actions[step];
}

static enum canary_event failed(const struct canary_gate_rule *rule, struct canary_gate_state *state)
{
    state->passing = 0;
    state->failing++;
    if (state->failing < rule->period_minutes || !has_step(rule, state->step))
        return CANARY_NOTHING;
    state->failing = 0;
    state->step++;
    return CANARY_FIRED;
}

static enum canary_event passed(struct canary_gate_state *state)
{
    state->failing = 0;
    state->passing++;
    if (state->step == 0 || state->passing < CANARY_RECOVERY_MINUTES)
        return CANARY_NOTHING;
    state->passing = 0;
    state->step--;
    return CANARY_RECOVERED;
}

enum canary_event canary_gate_evaluate(const struct canary_gate_rule *rule, struct canary_gate_state *state,
                                       enum canary_verdict verdict, bool matured)
{
    state->verdict = verdict;
    state->known = state->known || verdict != CANARY_UNKNOWN;
    if (verdict == CANARY_PASS)
        return passed(state);
    if (verdict == CANARY_FAIL || matured)
        return failed(rule, state);
    state->failing = state->passing = 0; /* not known yet: neither row goes on */
    return CANARY_NOTHING;
}

enum canary_verdict canary_compare(const char *op, double measured, double threshold)
{
    if (isnan(measured))
        return CANARY_UNKNOWN;
    bool holds = strcmp(op, ">=") == 0   ? measured >= threshold
                 : strcmp(op, "<=") == 0 ? measured <= threshold
                                         : measured > threshold;
    return holds ? CANARY_PASS : CANARY_FAIL;
}

enum canary_verdict canary_worse(enum canary_verdict one, enum canary_verdict other)
{
    if (one == CANARY_FAIL || other == CANARY_FAIL)
        return CANARY_FAIL;
    return one == CANARY_UNKNOWN || other == CANARY_UNKNOWN ? CANARY_UNKNOWN : CANARY_PASS;
}
