#include "canary_watch.h"

#include "canary_actions.h"
#include "canary_files.h"
#include "metrics.h"
#include "orchestrator/alerts/alerts.h"
#include "orchestrator/canary/document.h"
#include "orchestrator/canary/gate_steps.h"
#include "orchestrator/export/figure.h"
#include "orchestrator/manifest/accounting.h"
#include "orchestrator/run.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* LATE_MS: the archive writes a minute a moment behind its end. REST: of an evaluation's own length. */
enum { MINUTE_MS = 60000, LATE_MS = 5000, REST = 4, REST_LEAST_MS = 200, REAP_MS = 100, NAME_BYTES = 96 };

static const char DONE_WITHOUT[] = "";

static bool watches(const struct run *run)
{
    return run->gates == GATES_CANARY && run->phase == PHASE_FEEDING &&
           ((run->choice.enabled | run->choice.implied) & module_bit(MODULE_ARCHIVE));
}

/* --- what the newest evaluation says --- */

static void state_read(struct run *run)
{
    char path[PATH_BYTES];
    yyjson_doc *document = NULL;
    path_join(path, config_text(run->config, "run.artifacts_dir"), "run_logs/canary_%s.json", run->run_id);
    if (document_read(path, &document, NULL) != STATUS_OK)
        return;
    if (yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "run_id"), run->run_id)) {
        yyjson_doc_free(run->canary.document);
        run->canary.document = document;
    } else {
        yyjson_doc_free(document);
    }
}

void canary_watch_open(struct run *run)
{
    if (run->gates != GATES_CANARY)
        return;
    canary_actions_open(run);
    if (run->adopted)
        state_read(run);
}

void canary_watch_close(struct run *run)
{
    yyjson_doc_free(run->canary.document);
    free(run->canary.carried);
    run->canary = (struct canary_watch){0};
}

/* --- evaluating --- */

static void begin(struct run *run, int64_t event_ms)
{
    struct canary_watch *watch = &run->canary;
    const char *words[] = {"evaluation", "--live",    "--effective", RUN_EFFECTIVE_PATH,
                           "--run-id",   run->run_id, NULL};
    canary_files_processes(run);
    watch->minute_ms = event_ms / MINUTE_MS * MINUTE_MS;
    watch->begun_ms = watch->rest_ms = run_now_ms(run);
    watch->begun_wall_ms = clock_wall_ms(&run->clock);
    watch->pid = accounting_start(run, "canary", words);
}

static void tell(struct run *run, int code)
{
    int64_t took_ms = run_now_ms(run) - run->canary.begun_ms;
    bool measured = code == 0 || code == 3;
    feed_emit(&run->feed, measured ? LOG_INFO : LOG_WARNING, "canary", "",
              FEED_FIELDS(NUMBER("exit_code", code), NUMBER("took_ms", took_ms)));
}

static void reap(struct run *run)
{
    struct canary_watch *watch = &run->canary;
    int status = 0;
    pid_t got = waitpid(watch->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return;
    int64_t rest_ms = REST * (run_now_ms(run) - watch->begun_ms);
    watch->pid = 0;
    watch->rest_ms = run_now_ms(run) + (rest_ms > REST_LEAST_MS ? rest_ms : REST_LEAST_MS);
    tell(run, got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    state_read(run);
    canary_files_processes(run);
    watch->ended_begun_wall_ms = watch->begun_wall_ms;
}

static int64_t newest_event_ms(const struct run *run)
{
    int64_t event_ms = metrics_event_ms(run);
    return event_ms == INT64_MIN ? 0 : event_ms - LATE_MS;
}

void canary_watch_step(struct run *run)
{
    struct canary_watch *watch = &run->canary;
    if (watch->pid)
        reap(run);
    if (!watches(run))
        return;
    int64_t event_ms = newest_event_ms(run);
    if (!watch->pid && event_ms - watch->minute_ms >= MINUTE_MS && run_now_ms(run) >= watch->rest_ms)
        begin(run, event_ms);
    canary_actions_step(run);
}

int64_t canary_watch_due_ms(const struct run *run)
{
    const struct canary_watch *watch = &run->canary;
    if (watch->pid)
        return run_now_ms(run) + REAP_MS;
    if (!watches(run))
        return NEVER_MS;
    int64_t due_ms = canary_actions_due_ms(run);
    bool waits = newest_event_ms(run) - watch->minute_ms >= MINUTE_MS;
    return waits && watch->rest_ms < due_ms ? watch->rest_ms : due_ms;
}

void canary_watch_end(struct run *run)
{
    struct canary_watch *watch = &run->canary;
    if (!watch->pid)
        return;
    kill(watch->pid, SIGKILL);
    while (waitpid(watch->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    watch->pid = 0;
}

void canary_watch_settle(struct run *run)
{
    state_read(run);
    canary_actions_settle(run);
    if (!*run->behind) /* else the processes are the next run's */
        canary_files_processes(run);
}

/* --- telling others --- */

static yyjson_val *symbols_of(const struct run *run)
{
    return yyjson_obj_get(yyjson_doc_get_root(run->canary.document), "symbols");
}

static const char *text_of(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text ? text : DONE_WITHOUT;
}

static double number_of(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_num(value) ? yyjson_get_num(value) : NAN;
}

/* gate_each: `take` gets every gate of every symbol. */
typedef void gate_take(void *context, const char *symbol, yyjson_val *gate);

static void gate_each(const struct run *run, gate_take *take, void *context)
{
    size_t index, count, number, gates;
    yyjson_val *symbol, *gate;
    yyjson_arr_foreach(symbols_of(run), index, count, symbol)
    {
        yyjson_arr_foreach(yyjson_obj_get(symbol, "gates"), number, gates, gate)
            take(context, text_of(symbol, "symbol"), gate);
    }
}

static void gate_json(void *context, const char *symbol, yyjson_val *gate)
{
    struct json *json = context;
    size_t verdict = (size_t)yyjson_get_uint(yyjson_obj_get(gate, "verdict"));
    bool known = yyjson_get_bool(yyjson_obj_get(gate, "known")) && verdict <= CANARY_UNKNOWN;
    json_object_begin(json);
    json_key_text(json, "id", text_of(gate, "id"));
    json_key_text(json, "symbol", symbol);
    json_key_f64(json, "measured", number_of(gate, "measured"));
    json_key_text(json, "op", text_of(gate, "op"));
    json_key_f64(json, "threshold", number_of(gate, "threshold"));
    json_key_text(json, "verdict", CANARY_VERDICT_NAMES[known ? verdict : CANARY_UNKNOWN]);
    json_key_i64(json, "step", yyjson_get_sint(yyjson_obj_get(gate, "step")));
    json_object_end(json);
}

void canary_watch_json(const struct run *run, struct json *json)
{
    if (run->gates != GATES_CANARY) {
        json_null(json);
        return;
    }
    yyjson_val *root = yyjson_doc_get_root(run->canary.document);
    json_object_begin(json);
    json_key_text(json, "state", run->canary.pid ? "measuring" : root ? "measured" : "not measured yet");
    json_key_text(json, "verdict", root ? text_of(root, "verdict") : CANARY_VERDICT_NAMES[CANARY_UNKNOWN]);
    json_key_f64(json, "hours", number_of(root, "hours"));
    json_key(json, "gates");
    json_array_begin(json);
    gate_each(run, gate_json, json);
    json_array_end(json);
    json_object_end(json);
}

static void alert_take(void *context, const char *symbol, yyjson_val *gate)
{
    for (enum canary_gate known = 0; known < CANARY_GATES; known++) /* a figure's name is a constant */
        if (yyjson_equals_str(yyjson_obj_get(gate, "id"), canary_gate_rule(known)->id))
            alert_figure_add(context, canary_gate_rule(known)->id, symbol, number_of(gate, "step"));
}

void canary_watch_alert_figures(const struct run *run, struct alert_figures *out_figures)
{
    gate_each(run, alert_take, out_figures);
}

/* figure_each: `take` gets every figure of every symbol that was measured. */
typedef void figure_take(void *context, const char *symbol, const char *name, double value);

static void figure_each(const struct run *run, figure_take *take, void *context)
{
    size_t index, count, number, figures;
    yyjson_val *symbol, *key, *value;
    yyjson_arr_foreach(symbols_of(run), index, count, symbol)
    {
        yyjson_obj_foreach(yyjson_obj_get(symbol, "figures"), number, figures, key, value)
        {
            if (yyjson_is_num(value))
                take(context, text_of(symbol, "symbol"), yyjson_get_str(key), yyjson_get_num(value));
        }
    }
}

static void export_take(void *context, const char *symbol, const char *name, double value)
{
    export_add(context, name, "symbol", symbol, value);
}

void canary_watch_export_figures(const struct run *run, struct export_figures *out_figures)
{
    figure_each(run, export_take, out_figures);
}

static void gauge_take(void *context, const char *symbol, const char *name, double value)
{
    char key[NAME_BYTES];
    snprintf(key, sizeof key, "canary_%.48s/canary/%.32s", name, symbol);
    json_key_f64(context, key, value);
}

static void step_take(void *context, const char *symbol, yyjson_val *gate)
{
    char key[NAME_BYTES];
    snprintf(key, sizeof key, "%.48s_step/canary/%.32s", text_of(gate, "id"), symbol);
    json_key_f64(context, key, number_of(gate, "step"));
}

/* not_measured: what rules and panels ask for is there all the same. */
static void not_measured(struct json *json)
{
    char key[NAME_BYTES];
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++) {
        snprintf(key, sizeof key, "%s_step", canary_gate_rule(gate)->id);
        json_key_null(json, key);
        snprintf(key, sizeof key, "canary_%s", canary_gate_rule(gate)->metric);
        json_key_null(json, key);
    }
}

void canary_watch_gauges(const struct run *run, struct json *json)
{
    if (!run->canary.document)
        not_measured(json);
    figure_each(run, gauge_take, json);
    gate_each(run, step_take, json);
}
