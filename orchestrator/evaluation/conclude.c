/* The final report: what the newest evaluation of every gate comes to, and what it stands on. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "canary_report.h"
#include "orchestrator/canary/incidents.h"
#include "orchestrator/canary/rollback.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HOUR_LENGTH_MS = 3600000, MINUTE_LENGTH_MS = 60000 };

static const char *recommendation(enum canary_verdict verdict)
{
    static const char *const WORDS[] = {
        [CANARY_PASS] = "advance", [CANARY_FAIL] = "roll_back", [CANARY_UNKNOWN] = "hold"};
    return WORDS[verdict];
}

/* hours_of: the shortest symbol's; each is judged by itself. */
static double hours_of(const struct canary_report *report)
{
    double hours = INFINITY;
    for (size_t i = 0; i < report->symbol_count; i++) {
        const struct symbol_report *symbol = &report->symbols[i];
        double covered =
            symbol->minutes
                ? (double)(symbol->last_end_ms - symbol->first_end_ms + MINUTE_LENGTH_MS) / HOUR_LENGTH_MS
                : 0;
        hours = covered < hours ? covered : hours;
    }
    return isinf(hours) ? 0 : hours;
}

/* is_later: opened by a gate of a run that followed this one: it is measured while this one is concluded. */
static bool is_later(const struct canary_report *report, const struct incident *incident)
{
    char run_id[INCIDENT_CAUSE_BYTES];
    snprintf(run_id, sizeof run_id, "%.*s", (int)strcspn(incident->cause, " "), incident->cause);
    return *run_id && rollback_follows(report->run_id, run_id);
}

/* incidents_open_p1: also how many there are in all. */
static bool incidents_open_p1(const struct canary_report *report, int64_t *out_count, int64_t *out_all)
{
    struct incidents incidents;
    char path[PATH_BYTES];
    incidents_path(report->artifacts_dir, path);
    if (incidents_read(path, &incidents, NULL) != STATUS_OK)
        return false;
    *out_count = *out_all = 0;
    for (size_t i = 0; i < incidents.count; i++) {
        const struct incident *incident = &incidents.items[i];
        if (is_later(report, incident))
            continue;
        *out_all += 1;
        *out_count += !incident->closed_ms && strcmp(incident->severity, "P1") == 0;
    }
    incidents_finish(&incidents);
    return true;
}

struct canary_conclusion canary_report_conclude(const struct canary_report *report)
{
    struct canary_conclusion conclusion = {.verdict = CANARY_PASS,
                                           .hours = hours_of(report),
                                           .hours_needed = config_f64(report->config, "canary.hours")};
    int64_t steps = 0; /* each has an incident, if there was an orchestrator that opened it */
    conclusion.incidents_known = incidents_open_p1(report, &conclusion.open_p1, &conclusion.incidents);
    for (size_t i = 0; i < report->symbol_count; i++)
        for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++) {
            const struct canary_gate_state *state = &report->symbols[i].gates[gate].state;
            conclusion.verdict =
                canary_worse(conclusion.verdict, state->known ? state->verdict : CANARY_UNKNOWN);
            steps += state->step;
        }
    conclusion.open_p1 = steps > conclusion.open_p1 ? steps : conclusion.open_p1;
    if (conclusion.open_p1)
        conclusion.verdict = CANARY_FAIL;
    if (!conclusion.incidents_known || conclusion.hours < conclusion.hours_needed)
        conclusion.verdict = CANARY_UNKNOWN;
    return conclusion;
}

/* --- files --- */

enum status report_put(const struct canary_report *report, const char *name, const struct buffer *text,
                       struct error *error)
{
    char path[PATH_BYTES];
    path_join(path, report->folder, "%s", name);
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text->data, text->length, false);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}

static void window_json(const struct canary_report *report, const struct canary_conclusion *conclusion,
                        struct json *json)
{
    int64_t from_ms = INT64_MAX, to_ms = INT64_MIN;
    for (size_t i = 0; i < report->symbol_count; i++) {
        const struct symbol_report *symbol = &report->symbols[i];
        if (symbol->minutes && symbol->first_end_ms - MINUTE_LENGTH_MS < from_ms)
            from_ms = symbol->first_end_ms - MINUTE_LENGTH_MS;
        if (symbol->minutes && symbol->last_end_ms > to_ms)
            to_ms = symbol->last_end_ms;
    }
    json_key(json, "window");
    json_object_begin(json);
    if (from_ms < to_ms) {
        json_key_i64(json, "from_ms", from_ms);
        json_key_i64(json, "to_ms", to_ms);
    }
    json_key_f64(json, "hours", conclusion->hours);
    json_key_f64(json, "hours_needed", conclusion->hours_needed);
    json_object_end(json);
}

/* slices_json: of the primary horizon. */
static void slices_json(const struct canary_report *report, struct json *json)
{
    struct series_settings settings;
    json_key(json, "slices");
    json_array_begin(json);
    for (size_t i = 0; i < report->symbol_count; i++) {
        const struct symbol_report *symbol = &report->symbols[i];
        series_settings_take(report->config, symbol->symbol, &settings);
        const struct measures *m = &symbol->newest[series_primary(&settings)];
        for (enum slice slice = 0; symbol->minutes && slice < SLICE_COUNT; slice++) {
            json_object_begin(json);
            json_key_text(json, "slice", SLICE_NAMES[slice]);
            json_key_text(json, "symbol", symbol->symbol);
            json_key_i64(json, "n", m->slices[slice].n);
            json_key_f64(json, "auc", m->slices[slice].value);
            json_key_f64(json, "delta_auc", m->slices[slice].value - m->all);
            json_key_f64(json, "ece", m->slice_ece[slice]);
            json_object_end(json);
        }
    }
    json_array_end(json);
}

static void calibration_json(const struct canary_report *report, struct json *json)
{
    struct series_settings settings;
    json_key(json, "calibration");
    json_array_begin(json);
    for (size_t i = 0; i < report->symbol_count; i++) {
        const struct symbol_report *symbol = &report->symbols[i];
        series_settings_take(report->config, symbol->symbol, &settings);
        const struct measures *m = &symbol->newest[series_primary(&settings)];
        bool known = symbol->minutes && m->state != SERIES_UNKNOWN;
        json_object_begin(json);
        json_key_text(json, "symbol", symbol->symbol);
        json_key_text(json, "state", known ? CALIBRATION_STATE_NAMES[m->state] : NULL);
        json_key_f64(json, "ece", symbol->minutes ? m->ece : NAN);
        json_key_f64(json, "brier", symbol->minutes ? m->brier : NAN);
        json_key_f64(json, "brier_improvement_pct", symbol->minutes ? m->brier_improvement_pct : NAN);
        json_key_f64(json, "platt_train_samples", symbol->minutes ? m->platt_train : NAN);
        json_key_f64(json, "platt_test_samples", symbol->minutes ? m->platt_test : NAN);
        json_object_end(json);
    }
    json_array_end(json);
}

static void incidents_json(const struct canary_conclusion *conclusion, struct json *json)
{
    json_key(json, "incidents");
    json_object_begin(json);
    json_key_f64(json, "total", conclusion->incidents_known ? (double)conclusion->incidents : NAN);
    json_key_f64(json, "open_p1", conclusion->incidents_known ? (double)conclusion->open_p1 : NAN);
    json_object_end(json);
}

static void final_json(const struct canary_report *report, const struct canary_conclusion *conclusion,
                       struct buffer *out)
{
    static const char *const EVIDENCE[] = {"metrics_timeseries.csv",  "slices_overview.csv",
                                           "calibration_summary.csv", "merge_time_diff_ms.csv",
                                           "monitoring_report.json",  "incidents.json"};
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "run_tag", report->run_tag);
    json_key_text(&json, "run_id", report->run_id);
    json_key_text(&json, "config_fingerprint", report->fingerprint);
    json_key(&json, "cvd_direction");
    json_object_begin(&json);
    for (size_t i = 0; i < report->symbol_count; i++) {
        uint8_t direction = report->symbols[i].newest[0].direction;
        bool known = report->symbols[i].minutes && direction != SERIES_UNKNOWN;
        json_key_text(&json, report->symbols[i].symbol, known ? CVD_DIRECTION_NAMES[direction] : NULL);
    }
    json_object_end(&json);
    window_json(report, conclusion, &json);
    report_gates_json(report, "slo", &json);
    slices_json(report, &json);
    calibration_json(report, &json);
    incidents_json(conclusion, &json);
    if (conclusion->incidents_known)
        json_key_i64(&json, "open_p1", conclusion->open_p1);
    else
        json_key_null(&json, "open_p1");
    json_key_text(&json, "verdict", CANARY_VERDICT_NAMES[conclusion->verdict]);
    json_key_text(&json, "release_recommendation", recommendation(conclusion->verdict));
    json_key(&json, "evidence");
    json_array_begin(&json);
    for (size_t i = 0; i < sizeof EVIDENCE / sizeof *EVIDENCE; i++)
        json_text(&json, EVIDENCE[i]);
    json_array_end(&json);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}

static void final_markdown(const struct canary_report *report, const struct canary_conclusion *conclusion,
                           struct buffer *out)
{
    char measured[32];
    buffer_format(
        out, "# Canary%s%s\n\nVerdict **%s**: %s. Run %s, configuration %.16s, %.2f of %.2f hours, open P1: ",
        *report->run_tag ? " " : "", report->run_tag, CANARY_VERDICT_NAMES[conclusion->verdict],
        recommendation(conclusion->verdict), report->run_id, report->fingerprint, conclusion->hours,
        conclusion->hours_needed);
    if (conclusion->incidents_known)
        buffer_format(out, "%lld.\n\n", (long long)conclusion->open_p1);
    else
        buffer_append_text(out, "not known.\n\n");
    buffer_append_text(out, "| gate | symbol | measured | must be | n | verdict | fired | action due |\n"
                            "|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->symbol_count; i++)
        for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++) {
            const struct judged *judged = &report->symbols[i].gates[gate];
            const struct canary_gate_rule *rule = canary_gate_rule(gate);
            snprintf(measured, sizeof measured, isnan(judged->measured) ? "not measured" : "%.6g",
                     judged->measured);
            buffer_format(
                out, "| %s | %s | %s | %s %.6g | %lld | %s | %lld | %s |\n", rule->id,
                report->symbols[i].symbol, measured, rule->op, judged->threshold, (long long)judged->n,
                CANARY_VERDICT_NAMES[judged->state.known ? judged->state.verdict : CANARY_UNKNOWN],
                (long long)judged->fired, judged->state.step ? rule->actions[judged->state.step - 1] : "");
        }
}

static enum status put_table(const struct canary_report *report, const char *name, const struct table *table,
                             struct error *error)
{
    struct buffer text;
    buffer_init(&text, 0);
    table_text(table, &text);
    enum status status = report_put(report, name, &text, error);
    buffer_finish(&text);
    return status;
}

static void monitoring(const struct canary_report *report, const struct canary_conclusion *conclusion,
                       struct buffer *out)
{
    (void)conclusion;
    report_monitoring_json(report, out);
}

static void dashboard(const struct canary_report *report, const struct canary_conclusion *conclusion,
                      struct buffer *out)
{
    (void)conclusion;
    report_dashboard_json(report, out);
}

enum status canary_report_write(struct canary_report *report, const struct canary_conclusion *conclusion,
                                struct error *error)
{
    static const struct {
        const char *name;
        void (*make)(const struct canary_report *report, const struct canary_conclusion *conclusion,
                     struct buffer *out);
    } FILES[] = {{"monitoring_report.json", monitoring},
                 {"monitoring_dashboard.json", dashboard},
                 {"T+0_final_report.json", final_json},
                 {"T+0_final_report.md", final_markdown}};
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = put_table(report, "metrics_timeseries.csv", &report->timeseries, error);
    status = status == STATUS_OK ? report_put(report, "slices_overview.csv", &report->slices, error) : status;
    status =
        status == STATUS_OK ? put_table(report, "merge_time_diff_ms.csv", &report->merges, error) : status;
    status = status == STATUS_OK ? put_table(report, "calibration_summary.csv", &report->calibrations, error)
                                 : status;
    status = status == STATUS_OK ? checks_write(report, error) : status;
    for (size_t i = 0; status == STATUS_OK && i < sizeof FILES / sizeof *FILES; i++) {
        buffer_clear(&text);
        FILES[i].make(report, conclusion, &text);
        status = report_put(report, FILES[i].name, &text, error);
    }
    buffer_finish(&text);
    return status;
}
