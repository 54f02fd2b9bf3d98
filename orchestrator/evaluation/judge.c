/* The gates of a minute, and what a gate that fires or recovers decides (operations.md §14.1). */
#include "base/memory.h"
#include "canary_report.h"

#include <math.h>

enum { TOLERANCE_STEP_MS = 500, TOLERANCE_MOST_MS = 2500, FLIPS_ALLOWED = 2 };
enum { WEIGHT_STEPS = CANARY_STEPS_MAX + 1 };

/* best_auc: the gate passes with one horizon. */
static void best_auc(const struct canary_report *report, const struct measures *by_horizon,
                     struct judged *out)
{
    out->measured = NAN;
    out->n = 0;
    for (size_t h = 0; h < report->horizon_count; h++) {
        const struct auc *active = &by_horizon[h].slices[SLICE_ACTIVE];
        if (isnan(active->value) || active->value <= out->measured)
            continue;
        out->measured = active->value;
        out->n = active->n;
    }
}

void judge_thresholds(const struct config *config, struct judged gates[CANARY_GATES])
{
    gates[CANARY_AUC].threshold = config_f64(config, "canary.auc_min");
    gates[CANARY_ECE].threshold = config_f64(config, "canary.ece_max");
    gates[CANARY_PLATT].threshold = 0;
    gates[CANARY_BRIER].threshold = config_f64(config, "canary.brier_min_pct");
    gates[CANARY_MERGE].threshold = (double)config_i64(config, "canary.merge_p99_max_ms");
    gates[CANARY_MATCH].threshold = config_f64(config, "canary.match_min");
    gates[CANARY_DIRECTION].threshold = FLIPS_ALLOWED;
}

static void figures_take(const struct canary_report *report, struct symbol_report *symbol,
                         const struct measures *primary)
{
    struct judged *gates = symbol->gates;
    best_auc(report, symbol->newest, &gates[CANARY_AUC]);
    gates[CANARY_ECE].measured = primary->ece;
    gates[CANARY_PLATT].measured = primary->platt_test;
    gates[CANARY_BRIER].measured = primary->brier_improvement_pct;
    gates[CANARY_MERGE].measured = primary->merge.p99;
    gates[CANARY_MATCH].measured = primary->merge.match_rate;
    gates[CANARY_DIRECTION].measured =
        primary->direction == SERIES_UNKNOWN ? NAN : (double)symbol->flip_count;
    for (enum canary_gate gate = CANARY_ECE; gate <= CANARY_BRIER; gate++)
        gates[gate].n = isnan(primary->platt_test) ? 0 : (int64_t)primary->platt_test;
    gates[CANARY_MERGE].n = primary->merge.n_rows;
    gates[CANARY_MATCH].n = gates[CANARY_DIRECTION].n = primary->merge.n_total;
}

/* --- decisions --- */

double judge_weight(const struct symbol_report *symbol)
{
    static const double WEIGHTS[WEIGHT_STEPS] = {1, 0.5, 0};
    return WEIGHTS[symbol->gates[CANARY_AUC].state.step];
}

static void control_set(struct decision *decision, const char *control, double value)
{
    decision->control = control;
    decision->value = value;
}

/* suspend: two gates can hold a calibration; it goes on when both have let go. */
static void suspend(const struct symbol_report *symbol, struct decision *decision)
{
    enum canary_gate other = decision->gate == CANARY_ECE ? CANARY_PLATT : CANARY_ECE;
    if (symbol->gates[other].state.step)
        return;
    control_set(decision, decision->fired ? "suspend_calibration" : "resume_calibration", NAN);
}

/* widen: the tolerance holds for seconds from the end of the minute on; only the first step changes it. */
static void widen(struct symbol_report *symbol, const struct series_settings *settings,
                  struct decision *decision)
{
    int64_t raised_ms = settings->merge_tol_ms + TOLERANCE_STEP_MS;
    raised_ms = raised_ms < TOLERANCE_MOST_MS ? raised_ms : TOLERANCE_MOST_MS;
    raised_ms = raised_ms > settings->merge_tol_ms ? raised_ms : settings->merge_tol_ms;
    int64_t now_ms = symbol->gates[CANARY_MERGE].state.step ? raised_ms : settings->merge_tol_ms;
    if (now_ms == symbol->tolerance.now_ms)
        return;
    symbol->tolerance = (struct tolerance){symbol->tolerance.now_ms, now_ms, decision->minute_ms};
    control_set(decision, "adjust_merge_tol", (double)now_ms);
}

static void control_of(struct symbol_report *symbol, const struct series_settings *settings,
                       struct decision *decision)
{
    switch (decision->gate) {
    case CANARY_AUC: control_set(decision, "slice_weight", judge_weight(symbol)); return;
    case CANARY_ECE:
    case CANARY_PLATT: suspend(symbol, decision); return;
    case CANARY_MERGE: widen(symbol, settings, decision); return;
    case CANARY_DIRECTION:
        control_set(decision, decision->fired ? "lock_direction" : "unlock_direction", NAN);
        return;
    default: return; /* canary_brier, canary_match: for people */
    }
}

static void decide(struct symbol_report *symbol, const struct series_settings *settings,
                   enum canary_gate gate, enum canary_event event, int64_t minute_ms)
{
    struct judged *judged = &symbol->gates[gate];
    bool fired = event == CANARY_FIRED;
    int step = judged->state.step - fired; /* index of the step that came or went */
    symbol->decisions = memory_grow(symbol->decisions, &symbol->decision_capacity, symbol->decision_count + 1,
                                    sizeof *symbol->decisions);
    struct decision *decision = &symbol->decisions[symbol->decision_count++];
    *decision = (struct decision){.number = (int64_t)symbol->decision_count,
                                  .minute_ms = minute_ms,
                                  .gate = gate,
                                  .fired = fired,
                                  .action = canary_gate_rule(gate)->actions[step],
                                  .value = NAN,
                                  .measured = judged->measured};
    if (fired)
        judged->opened[step] = decision->number;
    else
        decision->undoes = judged->opened[step];
    judged->fired += fired;
    judged->recovered += !fired;
    control_of(symbol, settings, decision);
}

enum canary_verdict judge_minute(const struct canary_report *report, struct symbol_report *symbol,
                                 const struct series_settings *settings, bool is_matured)
{
    const struct measures *primary = &symbol->newest[series_primary(settings)];
    enum canary_verdict worst = CANARY_PASS;
    figures_take(report, symbol, primary);
    if (!is_matured && symbol->gates[CANARY_PLATT].measured == 0)
        symbol->gates[CANARY_PLATT].measured =
            NAN; /* nothing to calibrate with yet is no calibration that failed */
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++) {
        const struct canary_gate_rule *rule = canary_gate_rule(gate);
        struct judged *judged = &symbol->gates[gate];
        enum canary_verdict verdict = canary_compare(rule->op, judged->measured, judged->threshold);
        enum canary_event event = canary_gate_evaluate(rule, &judged->state, verdict, is_matured);
        if (event != CANARY_NOTHING)
            decide(symbol, settings, gate, event, primary->end_ms);
        worst = canary_worse(worst, verdict);
    }
    return worst;
}
