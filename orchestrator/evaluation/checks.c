/* selfcheck_<n>.json: every six hours of event time from a symbol's first minute on: how the primary horizon's score and its calibration have
 * done in them, and how far the ROC curve has moved within a day. */
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "canary_report.h"
#include "curves.h"
#include "evaluate/probability.h"
#include "orchestrator/canary/document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE_LENGTH_MS = 60000, CHECK_LENGTH_MS = CHECK_HOURS * 3600000, CHECK_NUMBER_MAX = 10000 };

/* check: one symbol's. */
struct check {
    int64_t number, from_ms, to_ms;
    struct auc all, slices[SLICE_COUNT];
    double ece;
    struct curve_point roc[CURVE_POINTS], precision[CURVE_POINTS];
    struct reliability_bin bins[RELIABILITY_BINS];
    struct fit fit; /* of the last test window that began in it */
    int64_t scored;
    double moved;
};

static int64_t end_of(const struct symbol_report *symbol, int64_t number)
{
    return floor_multiple(symbol->first_ms, MINUTE_LENGTH_MS) + number * (int64_t)CHECK_LENGTH_MS;
}

int64_t checks_due_ms(const struct symbol_report *symbol, const struct series_settings *settings)
{
    int64_t matured_ms = end_of(symbol, symbol->checks + 1) + settings->primary_ms + settings->tol_ms;
    return floor_multiple(matured_ms + MINUTE_LENGTH_MS - 1, MINUTE_LENGTH_MS);
}

int64_t checks_from_ms(const struct symbol_report *symbol, const struct series_settings *settings)
{
    return end_of(symbol, symbol->checks) - settings->train_ms - settings->test_ms;
}

/* --- measuring --- */

static struct auc auc_of(const struct asking *asking, int64_t horizon_ms, struct measure_scratch *scratch)
{
    struct gathered rows = measure_gather(asking, scratch);
    return auc_measure(scratch->scores, scratch->labels, rows.n,
                       label_outcomes(scratch->t_ms, rows.n, horizon_ms), scratch->work);
}

static struct check check_make(const struct symbol_report *symbol, const struct series *series,
                               const struct series_settings *settings, struct measure_scratch *scratch)
{
    size_t horizon = series_primary(settings);
    int64_t horizon_ms = settings->horizons_ms[horizon];
    struct check check = {.number = symbol->checks + 1,
                          .from_ms = end_of(symbol, symbol->checks),
                          .to_ms = end_of(symbol, symbol->checks + 1)};
    struct asking asking = {
        .series = series, .horizon = horizon, .from_ms = check.from_ms, .to_ms = check.to_ms};
    for (enum slice slice = 0; slice < SLICE_COUNT; slice++) {
        asking.slice = (int)slice;
        check.slices[slice] = auc_of(&asking, horizon_ms, scratch);
    }
    asking.slice = ANY_SLICE;
    check.all = auc_of(&asking, horizon_ms, scratch);
    curve_roc(scratch->scores, scratch->labels, (size_t)check.all.n, check.roc);
    curve_precision(scratch->scores, scratch->labels, (size_t)check.all.n, check.precision);
    asking.calibrated = true;
    struct gathered rows = measure_gather(&asking, scratch);
    check.scored = (int64_t)rows.n;
    check.ece = expected_calibration_error(scratch->probabilities, scratch->labels, rows.n);
    curve_reliability(scratch->probabilities, scratch->labels, rows.n, check.bins);
    check.fit = fit_make(series, settings, horizon, floor_multiple(check.to_ms - 1, settings->test_ms));
    return check;
}

/* --- the day before --- */

static void file_name(int64_t number, char out_name[64])
{
    snprintf(out_name, 64, "selfcheck_%lld.json", (long long)number);
}

/* tpr_read: the curve of an earlier check. */
static bool tpr_read(yyjson_val *check, double out[CURVE_POINTS])
{
    yyjson_val *points = yyjson_obj_get(check, "roc_points");
    for (size_t k = 0; k < CURVE_POINTS; k++) {
        yyjson_val *tpr = yyjson_obj_get(yyjson_arr_get(points, k), "tpr");
        if (!yyjson_is_num(tpr))
            return false;
        out[k] = yyjson_get_num(tpr);
    }
    return true;
}

/* file_read_own: a check's file of this run; NULL: there is none. */
static yyjson_doc *file_read_own(const struct canary_report *report, int64_t number)
{
    yyjson_doc *document = NULL;
    char path[PATH_BYTES], name[64];
    file_name(number, name);
    path_join(path, report->folder, "%s", name);
    if (!report->goes_on || document_read(path, &document, NULL) != STATUS_OK)
        return NULL;
    if (yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "run_id"), report->run_id))
        return document;
    yyjson_doc_free(document);
    return NULL;
}

static yyjson_val *of_symbol(yyjson_val *root, const char *symbol)
{
    size_t index, count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(root, "symbols"), index, count,
                       entry) if (yyjson_equals_str(yyjson_obj_get(entry, "symbol"), symbol)) return entry;
    return NULL;
}

/* earlier: the check a day before: one that has just been made, or that stands in its file. */
static bool earlier(const struct canary_report *report, const char *symbol, int64_t number,
                    double out[CURVE_POINTS])
{
    yyjson_doc *document = NULL;
    bool found = false;
    for (size_t i = 0; i < report->check_count && !found; i++) {
        struct self_check *made = &report->checks[i];
        if (made->number != number || strcmp(made->symbol, symbol) != 0)
            continue;
        document = yyjson_read((const char *)made->json.data, made->json.length, 0);
        found = tpr_read(yyjson_doc_get_root(document), out);
        yyjson_doc_free(document);
    }
    if (found)
        return true;
    document = file_read_own(report, number);
    found = tpr_read(of_symbol(yyjson_doc_get_root(document), symbol), out);
    yyjson_doc_free(document);
    return found;
}

static double moved(const struct canary_report *report, const char *symbol, const struct check *check)
{
    double before[CURVE_POINTS], most = 0;
    if (check->number <= CHECKS_A_DAY || isnan(check->roc[0].y) ||
        !earlier(report, symbol, check->number - CHECKS_A_DAY, before))
        return NAN;
    for (size_t k = 0; k < CURVE_POINTS; k++)
        most = fmax(most, fabs(check->roc[k].y - before[k]));
    return most;
}

/* --- writing --- */

static void points_json(struct json *json, const char *key, const char *x, const char *y,
                        const struct curve_point points[CURVE_POINTS])
{
    json_key(json, key);
    json_array_begin(json);
    for (size_t k = 0; k < CURVE_POINTS; k++) {
        json_object_begin(json);
        json_key_f64(json, x, points[k].x);
        json_key_f64(json, y, points[k].y);
        json_object_end(json);
    }
    json_array_end(json);
}

static void bins_json(struct json *json, const struct check *check)
{
    json_key(json, "reliability_bins");
    json_array_begin(json);
    for (size_t bin = 0; bin < RELIABILITY_BINS; bin++) {
        json_object_begin(json);
        json_key_i64(json, "n", check->bins[bin].n);
        json_key_f64(json, "mean_p", check->bins[bin].mean_p);
        json_key_f64(json, "mean_y", check->bins[bin].mean_y);
        json_object_end(json);
    }
    json_array_end(json);
}

static void slices_json(struct json *json, const struct check *check)
{
    json_key(json, "delta_auc");
    json_object_begin(json);
    for (enum slice slice = 0; slice < SLICE_COUNT; slice++)
        json_key_f64(json, SLICE_NAMES[slice], check->slices[slice].value - check->all.value);
    json_key_f64(json, "active_minus_quiet",
                 check->slices[SLICE_ACTIVE].value - check->slices[SLICE_QUIET].value);
    json_object_end(json);
}

static enum canary_verdict verdict_of(const struct canary_report *report, const struct check *check)
{
    return canary_worse(
        canary_compare(">=", check->slices[SLICE_ACTIVE].value, config_f64(report->config, "canary.auc_min")),
        canary_compare("<=", check->ece, config_f64(report->config, "canary.ece_max")));
}

static void check_json(const struct canary_report *report, const struct symbol_report *symbol,
                       const struct check *check, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "symbol", symbol->symbol);
    json_key_i64(&json, "window_start_ms", check->from_ms);
    json_key_i64(&json, "window_end_ms", check->to_ms);
    json_key_i64(&json, "n", check->all.n);
    json_key_f64(&json, "auc", check->all.value);
    json_key_f64(&json, "auc_active", check->slices[SLICE_ACTIVE].value);
    json_key_f64(&json, "ece", check->ece);
    points_json(&json, "roc_points", "fpr", "tpr", check->roc);
    points_json(&json, "pr_points", "recall", "precision", check->precision);
    bins_json(&json, check);
    json_key_i64(&json, "platt_train_samples", check->fit.n);
    json_key_i64(&json, "platt_test_samples", check->scored);
    slices_json(&json, check);
    json_key_f64(&json, "max_abs_delta_tpr", check->moved);
    json_key_text(&json, "verdict", CANARY_VERDICT_NAMES[verdict_of(report, check)]);
    json_object_end(&json);
}

void checks_add(struct canary_report *report, struct symbol_report *symbol, const struct series *series,
                const struct series_settings *settings, int64_t end_ms, struct measure_scratch *scratch)
{
    while (checks_due_ms(symbol, settings) <= end_ms) {
        struct check check = check_make(symbol, series, settings, scratch);
        check.moved = moved(report, symbol->symbol, &check);
        report->checks = memory_grow(report->checks, &report->check_capacity, report->check_count + 1,
                                     sizeof *report->checks);
        struct self_check *made = &report->checks[report->check_count++];
        *made = (struct self_check){.number = check.number, .symbol = symbol->symbol};
        buffer_init(&made->json, 0);
        check_json(report, symbol, &check, &made->json);
        symbol->checks++;
    }
}

/* entry_write: a symbol's part of a file: made now, or standing in the file already. */
static const struct self_check *made_of(const struct canary_report *report, int64_t number,
                                        const char *symbol)
{
    for (size_t i = 0; i < report->check_count; i++)
        if (report->checks[i].number == number && strcmp(report->checks[i].symbol, symbol) == 0)
            return &report->checks[i];
    return NULL;
}

static void entry_write(const struct canary_report *report, int64_t number, const char *symbol,
                        yyjson_val *old, struct json *json, enum canary_verdict *worst)
{
    const struct self_check *made = made_of(report, number, symbol);
    yyjson_doc *document = made ? yyjson_read((const char *)made->json.data, made->json.length, 0) : NULL;
    yyjson_val *entry = made ? yyjson_doc_get_root(document) : of_symbol(old, symbol);
    char *text = entry ? yyjson_val_write(entry, 0, NULL) : NULL;
    yyjson_val *verdict = yyjson_obj_get(entry, "verdict");
    if (made)
        json_raw(json, (const char *)made->json.data, made->json.length);
    else if (text)
        json_raw(json, text, strlen(text));
    if (entry)
        *worst = canary_worse(*worst, yyjson_equals_str(verdict, "PASS")   ? CANARY_PASS
                                      : yyjson_equals_str(verdict, "FAIL") ? CANARY_FAIL
                                                                           : CANARY_UNKNOWN);
    free(text);
    yyjson_doc_free(document);
}

static enum status file_write(const struct canary_report *report, int64_t number, struct error *error)
{
    enum canary_verdict worst = CANARY_PASS;
    yyjson_doc *old = file_read_own(report, number);
    struct buffer text;
    struct json json;
    char name[64];
    file_name(number, name);
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_i64(&json, "number", number);
    json_key_text(&json, "run_id", report->run_id);
    json_key(&json, "symbols");
    json_array_begin(&json);
    for (size_t i = 0; i < report->symbol_count; i++)
        entry_write(report, number, report->symbols[i].symbol, yyjson_doc_get_root(old), &json, &worst);
    json_array_end(&json);
    json_key_text(&json, "verdict", CANARY_VERDICT_NAMES[worst]);
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    enum status status = report_put(report, name, &text, error);
    buffer_finish(&text);
    yyjson_doc_free(old);
    return status;
}

enum status checks_write(const struct canary_report *report, struct error *error)
{
    enum status status = STATUS_OK;
    for (int64_t number = 1; status == STATUS_OK && number <= CHECK_NUMBER_MAX; number++) {
        bool any = false;
        for (size_t i = 0; i < report->check_count && !any; i++)
            any = report->checks[i].number == number;
        if (any)
            status = file_write(report, number, error);
    }
    return status;
}
