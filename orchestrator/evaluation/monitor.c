/* monitoring_report.json: the newest evaluation of every gate. monitoring_dashboard.json: what a page about a canary shows. */
#include "base/json.h"
#include "canary_report.h"

#include <math.h>

void gate_json(const struct judged *judged, enum canary_gate gate, struct json *json)
{
    const struct canary_gate_rule *rule = canary_gate_rule(gate);
    json_key_text(json, "id", rule->id);
    json_key_text(json, "metric", rule->metric);
    json_key_f64(json, "measured", judged->measured);
    json_key_text(json, "op", rule->op);
    json_key_f64(json, "threshold", judged->threshold);
    json_key_i64(json, "n", judged->n);
    json_key_i64(json, "fired", judged->fired);
    json_key_i64(json, "recovered", judged->recovered);
}

/* gate_told: as people and programs are told. */
static void gate_told(const struct symbol_report *symbol, enum canary_gate gate, struct json *json)
{
    const struct judged *judged = &symbol->gates[gate];
    const struct canary_gate_rule *rule = canary_gate_rule(gate);
    const struct canary_gate_state *state = &judged->state;
    json_object_begin(json);
    json_key_text(json, "symbol", symbol->symbol);
    gate_json(judged, gate, json);
    json_key_text(json, "verdict", CANARY_VERDICT_NAMES[state->known ? state->verdict : CANARY_UNKNOWN]);
    json_key_i64(json, "failing_minutes", state->failing);
    json_key_text(json, "action_due", state->step ? rule->actions[state->step - 1] : NULL);
    json_object_end(json);
}

void report_gates_json(const struct canary_report *report, const char *key, struct json *json)
{
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < report->symbol_count; i++)
        for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++)
            gate_told(&report->symbols[i], gate, json);
    json_array_end(json);
}

void report_monitoring_json(const struct canary_report *report, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "run_id", report->run_id);
    json_key(&json, "minutes");
    json_object_begin(&json);
    for (size_t i = 0; i < report->symbol_count; i++)
        json_key_i64(&json, report->symbols[i].symbol, report->symbols[i].minutes);
    json_object_end(&json);
    report_gates_json(report, "gates", &json);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}

/* --- the dashboard --- */

static const struct panel {
    const char *title, *metric, *unit;
    enum canary_gate gate; /* whose threshold it has; CANARY_GATES: none */
} PANELS[] = {
    {"AUC of the active slice", "fusion_auc_active", "", CANARY_AUC},
    {"AUC of the active slice, ten minutes", "fusion_auc_active_10m", "", CANARY_GATES},
    {"Calibration error", "ece", "", CANARY_ECE},
    {"Samples in the test window", "platt_test_samples", "rows", CANARY_PLATT},
    {"Brier improvement", "brier_improvement_pct", "%", CANARY_BRIER},
    {"Merge time difference, 99th percentile", "merge_time_diff_ms_p99", "ms", CANARY_MERGE},
    {"Match rate", "match_rate", "", CANARY_MATCH},
    {"Changes of direction in a day", "direction_flips_24h", "", CANARY_DIRECTION},
    {"Weight of the active slice", "slice_weight_active", "", CANARY_GATES},
    {"Hit rate of the strongest 5 %", "topk_hit_rate_5p", "", CANARY_GATES},
    {"Scale floor hit rate", "sigma_floor_hit_rate", "", CANARY_GATES},
    {"Winsor hit rate", "winsor_hit_rate", "", CANARY_GATES},
    {"Share of |z| > 2", "p_abs_z_gt2", "", CANARY_GATES},
    {"Share of |z| > 3", "p_abs_z_gt3", "", CANARY_GATES},
    {"CVD scale, median", "cvd_scale_median", "base", CANARY_GATES},
    {"Trades received", "recv_rate_tps", "1/s", CANARY_GATES},
    {"Minutes without a trade", "empty_minute_share", "", CANARY_GATES},
    {"Duplicates", "dedup_hits_total", "", CANARY_GATES},
    {"Write delay", "parquet_flush_sec", "s", CANARY_GATES},
};

static double threshold_of(const struct canary_report *report, enum canary_gate gate)
{
    return gate < CANARY_GATES && report->symbol_count ? report->symbols[0].gates[gate].threshold : NAN;
}

void report_dashboard_json(const struct canary_report *report, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_array_begin(&json);
    for (size_t i = 0; i < sizeof PANELS / sizeof *PANELS; i++) {
        json_object_begin(&json);
        json_key_text(&json, "title", PANELS[i].title);
        json_key_text(&json, "metric", PANELS[i].metric);
        json_key_text(&json, "unit", PANELS[i].unit);
        json_key_f64(&json, "threshold", threshold_of(report, PANELS[i].gate));
        json_object_end(&json);
    }
    json_array_end(&json);
    buffer_append_byte(out, '\n');
}
