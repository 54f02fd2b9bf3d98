/* artifacts/run_logs/canary_<run>.json: where the evaluation of a run has come to. The next one goes on from there, and the orchestrator reads
 * what the gates have decided. Lost, damaged or of another configuration it is made again from the rows. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "canary_report.h"
#include "orchestrator/canary/document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRESS_VERSION = 1, DECISIONS_MAX = 100000 };

void progress_path(const struct config *config, const char *run_id, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(config, "run.artifacts_dir"), "run_logs/canary_%s.json", run_id);
}

/* configuration_hash: of all that figures and gates depend on. */
static void configuration_hash(const struct config *config, char out[SHA256_HEX_BYTES])
{
    struct buffer text;
    buffer_init(&text, 0);
    config_fingerprint(config, out);
    buffer_append_text(&text, out);
    config_json_section(config, "eval", &text);
    config_json_section(config, "canary", &text);
    sha256_hex(text.data, text.length, out);
    buffer_finish(&text);
}

/* --- writing --- */

/* gate_kept: with all that the next evaluation goes on from. */
static void gate_kept(const struct symbol_report *symbol, enum canary_gate gate, struct json *json)
{
    const struct judged *judged = &symbol->gates[gate];
    const struct canary_gate_state *state = &judged->state;
    json_object_begin(json);
    gate_json(judged, gate, json);
    json_key_i64(json, "verdict", state->verdict);
    json_key_bool(json, "known", state->known);
    json_key_i64(json, "failing", state->failing);
    json_key_i64(json, "passing", state->passing);
    json_key_i64(json, "step", state->step);
    json_key(json, "opened");
    json_array_begin(json);
    for (size_t i = 0; i < CANARY_STEPS_MAX; i++)
        json_i64(json, judged->opened[i]);
    json_array_end(json);
    json_object_end(json);
}

static void decision_json(const struct decision *decision, struct json *json)
{
    json_object_begin(json);
    json_key_i64(json, "number", decision->number);
    json_key_i64(json, "minute_ms", decision->minute_ms);
    json_key_i64(json, "gate", decision->gate);
    json_key_text(json, "rule", canary_gate_rule(decision->gate)->id);
    json_key_text(json, "metric", canary_gate_rule(decision->gate)->metric);
    json_key_bool(json, "fired", decision->fired);
    json_key_i64(json, "undoes", decision->undoes);
    json_key_text(json, "action", decision->action);
    json_key_text(json, "control", decision->control);
    json_key_f64(json, "value", decision->value);
    json_key_f64(json, "measured", decision->measured);
    json_object_end(json);
}

/* figures_json: of the primary horizon, but for the AUC of the active slice, which is the gate's: of the best one. */
static void figures_json(const struct symbol_report *symbol, size_t primary, struct json *json)
{
    double figures[FIGURES];
    figures_of(&symbol->newest[primary], figures);
    figures[0] = symbol->gates[CANARY_AUC].measured;
    json_key(json, "figures");
    json_object_begin(json);
    for (size_t i = 0; i < FIGURES; i++)
        json_key_f64(json, FIGURE_NAMES[i], figures[i]);
    json_key_f64(json, "direction_flips_24h", symbol->gates[CANARY_DIRECTION].measured);
    json_key_f64(json, "slice_weight_active", judge_weight(symbol));
    json_object_end(json);
}

static void symbol_json(const struct symbol_report *symbol, size_t primary, struct json *json)
{
    json_object_begin(json);
    json_key_text(json, "symbol", symbol->symbol);
    json_key_i64(json, "first_ms", symbol->first_ms);
    json_key_i64(json, "first_end_ms", symbol->first_end_ms);
    json_key_i64(json, "last_end_ms", symbol->last_end_ms);
    json_key_i64(json, "minutes", symbol->minutes);
    json_key_i64(json, "direction", symbol->direction);
    json_key(json, "flips_ms");
    json_array_begin(json);
    for (size_t i = 0; i < symbol->flip_count; i++)
        json_i64(json, symbol->flips_ms[i]);
    json_array_end(json);
    json_key_i64(json, "tol_before_ms", symbol->tolerance.before_ms);
    json_key_i64(json, "tol_now_ms", symbol->tolerance.now_ms);
    json_key_i64(json, "tol_since_ms", symbol->tolerance.since_ms);
    json_key_i64(json, "next_fit_ms", symbol->next_fit_ms);
    json_key_i64(json, "checks", symbol->checks);
    json_key_i64(json, "slo", symbol->slo);
    json_key(json, "gates");
    json_array_begin(json);
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++)
        gate_kept(symbol, gate, json);
    json_array_end(json);
    json_key(json, "decisions");
    json_array_begin(json);
    for (size_t i = 0; i < symbol->decision_count; i++)
        decision_json(&symbol->decisions[i], json);
    json_array_end(json);
    figures_json(symbol, primary, json);
    json_object_end(json);
}

static size_t primary_of(const struct canary_report *report)
{
    struct series_settings settings;
    series_settings_take(report->config, report->symbol_count ? report->symbols[0].symbol : "", &settings);
    return series_primary(&settings);
}

enum status progress_write(const struct canary_report *report, const struct canary_conclusion *conclusion,
                           const char *path, struct error *error)
{
    char hash[SHA256_HEX_BYTES];
    struct buffer text;
    struct json json;
    configuration_hash(report->config, hash);
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_i64(&json, "version", PROGRESS_VERSION);
    json_key_text(&json, "run_id", report->run_id);
    json_key_text(&json, "configuration", hash);
    json_key_text(&json, "verdict", CANARY_VERDICT_NAMES[conclusion->verdict]);
    json_key_f64(&json, "hours", conclusion->hours);
    json_key(&json, "symbols");
    json_array_begin(&json);
    for (size_t i = 0; i < report->symbol_count; i++)
        symbol_json(&report->symbols[i], primary_of(report), &json);
    json_array_end(&json);
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length, false);
    buffer_finish(&text);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}

/* --- reading --- */

static int64_t whole(yyjson_val *object, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(object, name));
}

static double number(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_num(value) ? yyjson_get_num(value) : NAN;
}

static bool gate_read(yyjson_val *object, const struct canary_gate_rule *rule, struct judged *out)
{
    struct canary_gate_state *state = &out->state;
    out->measured = number(object, "measured");
    out->n = whole(object, "n");
    out->fired = whole(object, "fired");
    out->recovered = whole(object, "recovered");
    for (size_t i = 0; i < CANARY_STEPS_MAX; i++)
        out->opened[i] = yyjson_get_sint(yyjson_arr_get(yyjson_obj_get(object, "opened"), i));
    *state = (struct canary_gate_state){.failing = (int)whole(object, "failing"),
                                        .passing = (int)whole(object, "passing"),
                                        .step = (int)whole(object, "step"),
                                        .known = yyjson_get_bool(yyjson_obj_get(object, "known")),
                                        .verdict = (enum canary_verdict)whole(object, "verdict")};
    return yyjson_equals_str(yyjson_obj_get(object, "id"), rule->id) && state->step >= 0 &&
           state->step <= CANARY_STEPS_MAX && state->verdict <= CANARY_UNKNOWN;
}

/* constant: the action or control that a text names; their texts live as long as the program. */
static const char *control_named(yyjson_val *text)
{
    static const char *const CONTROLS[] = {"slice_weight",   "suspend_calibration", "resume_calibration",
                                           "lock_direction", "unlock_direction",    "adjust_merge_tol"};
    for (size_t i = 0; i < sizeof CONTROLS / sizeof *CONTROLS; i++)
        if (yyjson_equals_str(text, CONTROLS[i]))
            return CONTROLS[i];
    return NULL;
}

static const char *action_named(enum canary_gate gate, yyjson_val *text)
{
    for (size_t i = 0; i < CANARY_STEPS_MAX; i++)
        if (canary_gate_rule(gate)->actions[i] && yyjson_equals_str(text, canary_gate_rule(gate)->actions[i]))
            return canary_gate_rule(gate)->actions[i];
    return NULL;
}

static bool decisions_read(yyjson_val *list, struct symbol_report *out)
{
    size_t index, count;
    yyjson_val *object;
    if (yyjson_arr_size(list) > DECISIONS_MAX)
        return false;
    out->decisions =
        memory_grow(NULL, &out->decision_capacity, yyjson_arr_size(list) + 1, sizeof *out->decisions);
    yyjson_arr_foreach(list, index, count, object)
    {
        struct decision *decision = &out->decisions[out->decision_count++];
        int64_t gate = whole(object, "gate");
        if (gate < 0 || gate >= CANARY_GATES)
            return false;
        *decision = (struct decision){.number = whole(object, "number"),
                                      .minute_ms = whole(object, "minute_ms"),
                                      .gate = (enum canary_gate)gate,
                                      .fired = yyjson_get_bool(yyjson_obj_get(object, "fired")),
                                      .undoes = whole(object, "undoes"),
                                      .control = control_named(yyjson_obj_get(object, "control")),
                                      .value = number(object, "value"),
                                      .measured = number(object, "measured")};
        decision->action = action_named(decision->gate, yyjson_obj_get(object, "action"));
        if (decision->number != (int64_t)index + 1 || !decision->action)
            return false;
    }
    return true;
}

static bool symbol_read(yyjson_val *object, struct symbol_report *out)
{
    yyjson_val *flips = yyjson_obj_get(object, "flips_ms"), *gates = yyjson_obj_get(object, "gates");
    bool good = yyjson_equals_str(yyjson_obj_get(object, "symbol"), out->symbol) &&
                yyjson_arr_size(gates) == CANARY_GATES && yyjson_arr_size(flips) <= FLIPS_MAX;
    if (!good)
        return false;
    out->first_ms = whole(object, "first_ms");
    out->first_end_ms = whole(object, "first_end_ms");
    out->last_end_ms = whole(object, "last_end_ms");
    out->minutes = whole(object, "minutes");
    out->direction = (uint8_t)whole(object, "direction");
    out->flip_count = yyjson_arr_size(flips);
    for (size_t i = 0; i < out->flip_count; i++)
        out->flips_ms[i] = yyjson_get_sint(yyjson_arr_get(flips, i));
    out->tolerance = (struct tolerance){whole(object, "tol_before_ms"), whole(object, "tol_now_ms"),
                                        whole(object, "tol_since_ms")};
    out->next_fit_ms = whole(object, "next_fit_ms");
    out->checks = whole(object, "checks");
    out->slo = (enum canary_verdict)whole(object, "slo");
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++)
        good = good && gate_read(yyjson_arr_get(gates, gate), canary_gate_rule(gate), &out->gates[gate]);
    return good && out->slo <= CANARY_UNKNOWN && decisions_read(yyjson_obj_get(object, "decisions"), out);
}

/* --- tables --- */

struct keeping {
    const struct canary_report *report;
    int64_t rows; /* kept */
    bool by_fit;  /* rows of test windows */
};

/* keeps: rows of minutes, or of test windows, that the progress knows: the table may be newer than it. */
static bool keeps(void *context, int64_t time_ms, const char *symbol)
{
    struct keeping *keeping = context;
    for (size_t i = 0; i < keeping->report->symbol_count; i++) {
        const struct symbol_report *one = &keeping->report->symbols[i];
        bool known = keeping->by_fit ? time_ms < one->next_fit_ms : time_ms <= one->last_end_ms;
        if (strcmp(one->symbol, symbol) != 0)
            continue;
        keeping->rows += known;
        return known;
    }
    return false;
}

static bool table_fits(struct canary_report *report, struct table *table, const char *name, int64_t rows,
                       bool by_fit)
{
    struct keeping keeping = {.report = report, .by_fit = by_fit};
    char path[PATH_BYTES];
    path_join(path, report->folder, "%s", name);
    return table_read(table, path, keeps, &keeping) && keeping.rows == rows;
}

/* fits_made: test windows summed up so far. */
static int64_t fits_made(const struct symbol_report *symbol, int64_t test_ms)
{
    int64_t first_ms = floor_multiple(symbol->first_ms, test_ms) + test_ms;
    return symbol->next_fit_ms ? (symbol->next_fit_ms - first_ms) / test_ms : 0;
}

static bool tables_fit(struct canary_report *report)
{
    int64_t minutes = 0, fits = 0, test_ms = 1000 * config_i64(report->config, "eval.test_s");
    for (size_t i = 0; i < report->symbol_count; i++) {
        minutes += report->symbols[i].minutes;
        fits += fits_made(&report->symbols[i], test_ms);
    }
    return table_fits(report, &report->timeseries, "metrics_timeseries.csv",
                      minutes * (int64_t)report->horizon_count, false) &&
           table_fits(report, &report->merges, "merge_time_diff_ms.csv", minutes * MERGE_SIGNALS, false) &&
           table_fits(report, &report->calibrations, "calibration_summary.csv", fits, true);
}

static bool all_read(struct canary_report *report, yyjson_val *root)
{
    char hash[SHA256_HEX_BYTES];
    yyjson_val *symbols = yyjson_obj_get(root, "symbols");
    configuration_hash(report->config, hash);
    bool good = whole(root, "version") == PROGRESS_VERSION &&
                yyjson_equals_str(yyjson_obj_get(root, "run_id"), report->run_id) &&
                yyjson_equals_str(yyjson_obj_get(root, "configuration"), hash) &&
                yyjson_arr_size(symbols) == report->symbol_count;
    for (size_t i = 0; good && i < report->symbol_count; i++)
        good = symbol_read(yyjson_arr_get(symbols, i), &report->symbols[i]);
    return good && tables_fit(report);
}

bool progress_read(struct canary_report *report, const char *path)
{
    yyjson_doc *document = NULL;
    if (document_read(path, &document, NULL) != STATUS_OK)
        return false;
    bool good = all_read(report, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return good;
}
