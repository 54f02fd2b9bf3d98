#include "canary_actions.h"

#include "base/crash_point.h"
#include "base/json.h"
#include "base/memory.h"
#include "metrics.h"
#include "orchestrator/canary/document.h"
#include "orchestrator/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 1000, P1_LATE_MS = 120000 };

static const char WHO[] = "canary";

/* action: a decision as it stands in the evaluation's file. */
struct action {
    const char *symbol, *rule, *metric, *action, *control; /* control NULL: no control input follows */
    int64_t number, minute_ms, undoes;
    bool fired;
    double before, value, measured; /* before: what `control` was until then; both NaN: it is no number */
};

static void complain(const struct error *error)
{
    log_event(LOG_ERROR, "write_error", "reason=\"%s\"", error->text);
}

static void list_path(const struct run *run, char out_path[PATH_BYTES])
{
    incidents_path(config_text(run->config, "run.artifacts_dir"), out_path);
}

/* --- how far they have come --- */

static void file_path(const struct run *run, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "run_logs/canary_actions_%s.json",
              run->run_id);
}

static struct canary_carried *carried_of(struct run *run, const char *symbol)
{
    struct canary_watch *watch = &run->canary;
    for (size_t i = 0; i < watch->carried_count; i++)
        if (strcmp(watch->carried[i].symbol, symbol) == 0)
            return &watch->carried[i];
    watch->carried = memory_resize(watch->carried, (watch->carried_count + 1) * sizeof *watch->carried);
    struct canary_carried *carried = &watch->carried[watch->carried_count++];
    *carried = (struct canary_carried){.number = 0};
    snprintf(carried->symbol, sizeof carried->symbol, "%s", symbol);
    return carried;
}

void canary_actions_write(struct run *run)
{
    const struct canary_watch *watch = &run->canary;
    struct error error = {{0}};
    char path[PATH_BYTES];
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "run_id", run->run_id);
    json_key_bool(&json, "refused", watch->refused);
    json_key(&json, "carried");
    json_object_begin(&json);
    for (size_t i = 0; i < watch->carried_count; i++)
        json_key_i64(&json, watch->carried[i].symbol, watch->carried[i].number);
    json_object_end(&json);
    json_object_end(&json);
    file_path(run, path);
    if (document_write(path, &text, &error) != STATUS_OK)
        complain(&error); /* then an orchestrator that follows carries some of them out again, to no effect */
    buffer_finish(&text);
}

void canary_actions_open(struct run *run)
{
    size_t index, count;
    yyjson_val *key, *number;
    yyjson_doc *document = NULL;
    char path[PATH_BYTES];
    file_path(run, path);
    if (!run->adopted || document_read(path, &document, NULL) != STATUS_OK)
        return;
    yyjson_val *root = yyjson_doc_get_root(document);
    run->canary.refused = yyjson_get_bool(yyjson_obj_get(root, "refused"));
    yyjson_obj_foreach(yyjson_obj_get(root, "carried"), index, count, key, number)
    {
        if (yyjson_get_len(key) < SYMBOL_BYTES)
            carried_of(run, yyjson_get_str(key))->number = yyjson_get_sint(number);
    }
    yyjson_doc_free(document);
}

/* --- the next one --- */

static double number_of(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_num(value) ? yyjson_get_num(value) : NAN;
}

static const char *text_of(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text ? text : "";
}

static struct action action_of(const char *symbol, yyjson_val *decision)
{
    return (struct action){.symbol = symbol,
                           .rule = text_of(decision, "rule"),
                           .metric = text_of(decision, "metric"),
                           .action = text_of(decision, "action"),
                           .control = yyjson_get_str(yyjson_obj_get(decision, "control")),
                           .number = yyjson_get_sint(yyjson_obj_get(decision, "number")),
                           .minute_ms = yyjson_get_sint(yyjson_obj_get(decision, "minute_ms")),
                           .undoes = yyjson_get_sint(yyjson_obj_get(decision, "undoes")),
                           .fired = yyjson_get_bool(yyjson_obj_get(decision, "fired")),
                           .value = number_of(decision, "value"),
                           .measured = number_of(decision, "measured")};
}

/* value_before: what the last decision about the same control input made it, or the run began with. */
static double value_before(const struct run *run, yyjson_val *decisions, size_t index, const char *control)
{
    while (index-- > 0) {
        yyjson_val *decision = yyjson_arr_get(decisions, index);
        if (strcmp(text_of(decision, "control"), control) == 0)
            return number_of(decision, "value");
    }
    return strcmp(control, "slice_weight") == 0 ? 1 : (double)config_i64(run->config, "eval.merge_tol_ms");
}

/* next: the oldest decision of the first symbol that has one which is not carried out. */
static bool next(struct run *run, struct action *out)
{
    size_t index, count;
    yyjson_val *root = yyjson_doc_get_root(run->canary.document), *object;
    yyjson_arr_foreach(yyjson_obj_get(root, "symbols"), index, count, object)
    {
        const char *symbol = text_of(object, "symbol");
        yyjson_val *decisions = yyjson_obj_get(object, "decisions");
        int64_t done = strlen(symbol) < SYMBOL_BYTES ? carried_of(run, symbol)->number : INT64_MAX;
        if (done >= (int64_t)yyjson_arr_size(decisions))
            continue;
        *out = action_of(symbol, yyjson_arr_get(decisions, (size_t)done));
        out->before = isnan(out->value)
                          ? NAN
                          : value_before(run, decisions, (size_t)done, out->control ? out->control : "");
        return true;
    }
    return false;
}

/* --- incidents --- */

static void cause_make(const struct run *run, const char *symbol, int64_t number,
                       char out[INCIDENT_CAUSE_BYTES])
{
    char name[128];
    snprintf(name, sizeof name, "%s %s %lld", run->run_id, symbol, (long long)number);
    size_t length = strlen(name),
           start = length < INCIDENT_CAUSE_BYTES ? 0 : length - INCIDENT_CAUSE_BYTES + 1;
    snprintf(out, INCIDENT_CAUSE_BYTES, "%s", name + start); /* what tells two of them apart is at the end */
}

static void incident_fill(const struct run *run, const struct action *action, const char *remark,
                          struct incident *out)
{
    char value[F64_TEXT_BYTES];
    *out = (struct incident){.opened_ms = clock_wall_ms(&run->clock), .event_ms = action->minute_ms};
    f64_text(action->measured, value);
    snprintf(out->severity, sizeof out->severity, "P1");
    snprintf(out->rule, sizeof out->rule, "%.63s", action->rule);
    snprintf(out->who, sizeof out->who, "%s", WHO);
    snprintf(out->why, sizeof out->why, "%s: %.63s was %s for the whole of its period%s", action->symbol,
             action->metric, isnan(action->measured) ? "not measured" : value, remark);
    snprintf(out->action, sizeof out->action, "%.63s", action->action);
    snprintf(out->fingerprint_from, sizeof out->fingerprint_from, "%s", run->fingerprint);
    cause_make(run, action->symbol, action->number, out->cause);
    metrics_before(run, out);
    struct incident_metric *metric = &out->metrics[out->metric_count++];
    *metric = (struct incident_metric){.before = action->measured, .after = NAN};
    snprintf(metric->name, sizeof metric->name, "%.63s", action->metric);
}

/* open_once: unless an orchestrator before this one has. */
static void open_once(struct run *run, const struct action *action, const char *remark)
{
    struct incidents incidents;
    struct incident incident;
    struct error error = {{0}};
    char path[PATH_BYTES];
    list_path(run, path);
    incident_fill(run, action, remark, &incident);
    enum status status = incidents_read(path, &incidents, &error);
    bool there = status == STATUS_OK && incident_of_cause(&incidents, incident.cause);
    if (status == STATUS_OK)
        incidents_finish(&incidents);
    if (status == STATUS_OK && !there)
        status = incidents_open(path, &incident, &error);
    if (status != STATUS_OK)
        complain(&error);
    run->canary.p1_known = false;
}

struct closing {
    const struct run *run;
    const struct action *action;
};

static void close_one(struct incident *incident, const void *context)
{
    const struct closing *closing = context;
    for (size_t i = 0; i < incident->metric_count; i++)
        if (strcmp(incident->metrics[i].name, closing->action->metric) == 0)
            incident->metrics[i].after = closing->action->measured;
    if (!incident->closed_ms)
        incident->closed_ms = clock_wall_ms(&closing->run->clock);
}

/* find_incident: "" when there is none of this action, or the one it takes back. */
static enum status find_incident(const struct run *run, const struct action *action,
                                 char out_id[INCIDENT_ID_BYTES], struct error *error)
{
    struct incidents incidents;
    char path[PATH_BYTES], cause[INCIDENT_CAUSE_BYTES];
    list_path(run, path);
    cause_make(run, action->symbol, action->fired ? action->number : action->undoes, cause);
    *out_id = 0;
    enum status status = incidents_read(path, &incidents, error);
    if (status != STATUS_OK)
        return status;
    const struct incident *incident = incident_of_cause(&incidents, cause);
    if (incident)
        memcpy(out_id, incident->id, INCIDENT_ID_BYTES);
    incidents_finish(&incidents);
    return STATUS_OK;
}

static void close_undone(struct run *run, const struct action *action)
{
    const struct closing closing = {run, action};
    struct error error = {{0}};
    char path[PATH_BYTES], id[INCIDENT_ID_BYTES];
    list_path(run, path);
    enum status status = find_incident(run, action, id, &error);
    if (status == STATUS_OK && *id)
        status = metrics_after(run, path, id, &error);
    if (status == STATUS_OK && *id)
        status = incidents_change(path, id, close_one, &closing, &error);
    if (status != STATUS_OK)
        complain(&error);
    run->canary.p1_known = false;
}

/* --- carrying out --- */

static const char *event_of(const struct action *action)
{
    if (!action->control)
        return "canary";
    return strcmp(action->control, "slice_weight") == 0 ? "slice_weight"
           : strstr(action->control, "calibration")     ? "calibration"
           : strstr(action->control, "direction")       ? "direction"
                                                        : "merge_tolerance";
}

/* SWITCHES: control inputs that are no numbers: what they were before, and are now. */
static const struct {
    const char *control, *before, *now;
} SWITCHES[] = {{"suspend_calibration", "on", "off"},
                {"resume_calibration", "off", "on"},
                {"lock_direction", "unlocked", "locked"},
                {"unlock_direction", "locked", "unlocked"}};

/* change_texts: both "" when no control input follows. */
static void change_texts(const struct action *action, char out_before[F64_TEXT_BYTES],
                         char out_now[F64_TEXT_BYTES])
{
    *out_before = *out_now = 0;
    if (!isnan(action->value)) {
        f64_text(action->before, out_before);
        f64_text(action->value, out_now);
        return;
    }
    for (size_t i = 0; action->control && i < sizeof SWITCHES / sizeof *SWITCHES; i++)
        if (strcmp(action->control, SWITCHES[i].control) == 0) {
            snprintf(out_before, F64_TEXT_BYTES, "%s", SWITCHES[i].before);
            snprintf(out_now, F64_TEXT_BYTES, "%s", SWITCHES[i].now);
        }
}

static void tell(struct run *run, const struct action *action)
{
    char before[F64_TEXT_BYTES], now[F64_TEXT_BYTES], cause[INCIDENT_CAUSE_BYTES], id[INCIDENT_ID_BYTES];
    struct error unread;
    change_texts(action, before, now);
    (void)!find_incident(run, action, id, &unread);
    cause_make(run, action->symbol, action->fired ? action->number : action->undoes, cause);
    feed_emit(&run->feed, action->fired ? LOG_ERROR : LOG_INFO, event_of(action), "",
              FEED_FIELDS(TEXT("rule", action->rule), TEXT("symbol", action->symbol),
                          TEXT("state", action->fired ? "fired" : "recovered"),
                          TEXT("action", action->action),
                          TEXT("control", action->control ? action->control : ""), TEXT("old", before),
                          TEXT("new", now), NUMBER("effective_ts_ms", action->minute_ms),
                          TEXT("incident", id), TEXT("cause", cause)));
    console_say(&run->console, "canary: %s of %s %s: %s%s", action->rule, action->symbol,
                action->fired ? "fired" : "recovered", action->fired ? "" : "takes back ", action->action);
}

static void finish(struct run *run, const struct action *action)
{
    if (!action->fired)
        close_undone(run, action);
    tell(run, action);
    run->canary.control[0] = 0;
    carried_of(run, action->symbol)->number = action->number;
    crash_point("canary_told");
    canary_actions_write(run);
    crash_point("canary_carried");
}

/* send: false: not now. */
static bool send(struct run *run, const struct action *action)
{
    char id[CANARY_ID_BYTES], why[256];
    const char *given;
    struct error error = {{0}};
    snprintf(id, sizeof id, "canary-%s-%lld", action->symbol, (long long)action->number);
    snprintf(why, sizeof why, "%s %s at %lld", action->rule, action->fired ? "fired" : "recovered",
             (long long)action->minute_ms);
    const struct control_wish wish = {.decision = action->control,
                                      .symbol = action->symbol,
                                      .value = action->value,
                                      .who = WHO,
                                      .why = why,
                                      .id = id};
    enum status status = control_inputs_add(run, &wish, &given, &error);
    if (status == STATUS_OK)
        snprintf(run->canary.control, sizeof run->canary.control, "%s", id);
    else
        log_event(LOG_WARNING, "canary", "id=%s reason=\"%s\"", id, error.text);
    return status == STATUS_OK;
}

/* advance: true: another step can follow at once. */
static bool advance(struct run *run)
{
    struct canary_watch *watch = &run->canary;
    struct action action;
    if (!next(run, &action))
        return false;
    if (*watch->control) {
        const struct control_input *input = control_inputs_find(run, watch->control);
        if (input && input->state == CONTROL_INPUT_OPEN)
            return false;
        crash_point("canary_committed");
        finish(run, &action); /* one that was refused is told by control_inputs; its incident stays open */
        return true;
    }
    if (action.fired)
        open_once(run, &action, "");
    crash_point("canary_incident");
    if (!action.control) {
        finish(run, &action);
        return true;
    }
    if (!send(run, &action))
        watch->retry_ms = run_now_ms(run) + RETRY_MS;
    return false;
}

/* --- what stays open --- */

static bool leads_back(const struct run *run, const struct incident *incident)
{
    return !incident->closed_ms && strcmp(incident->severity, "P1") == 0 &&
           strncmp(incident->rule, "canary_", 7) == 0 && incident->opened_ms >= run->started_wall_ms &&
           strcmp(incident->fingerprint_from, run->fingerprint) == 0;
}

/* oldest_open: its opening and its name; 0: none. */
static int64_t oldest_open_ms(const struct run *run, char out_text[128])
{
    struct incidents incidents;
    struct error error = {{0}};
    char path[PATH_BYTES];
    int64_t oldest_ms = 0;
    list_path(run, path);
    if (incidents_read(path, &incidents, &error) != STATUS_OK) {
        complain(&error);
        return 0;
    }
    for (size_t i = 0; i < incidents.count; i++) {
        const struct incident *incident = &incidents.items[i];
        if (!leads_back(run, incident) || (oldest_ms && incident->opened_ms >= oldest_ms))
            continue;
        oldest_ms = incident->opened_ms;
        snprintf(out_text, 128, "%s (%s)", incident->id, incident->rule);
    }
    incidents_finish(&incidents);
    return oldest_ms;
}

static int64_t timeout_ms(const struct run *run)
{
    return config_wall_ms(run->config, (double)config_i64(run->config, "canary.p1_timeout_s") * 1000.0);
}

static void p1_look(struct run *run)
{
    char text[128];
    int64_t opened_ms = oldest_open_ms(run, text);
    run->canary.p1_due_ms = opened_ms ? opened_ms + timeout_ms(run) : 0;
    run->canary.p1_known = true;
}

/* go_back: asked for once: where there is no way back, waiting makes none. */
static void go_back(struct run *run)
{
    struct rollback record;
    struct error error = {{0}};
    char text[128] = "", why[256];
    if (!oldest_open_ms(run, text)) {
        run->canary.p1_known = false;
        return;
    }
    snprintf(why, sizeof why, "%s was not closed within canary.p1_timeout_s", text);
    enum status status = rolling_back_begin(run, NULL, WHO, why, "P1", &record, &error);
    if (status == STATUS_OK)
        return;
    run->canary.refused = status != STATUS_CONFLICT;
    run->canary.retry_ms = run_now_ms(run) + RETRY_MS;
    canary_actions_write(run); /* before anybody hears of it: who follows us must not ask again */
    log_event(LOG_ERROR, "rollback", "state=refused why=\"%s\" reason=\"%s\"", why, error.text);
    console_say(&run->console, "canary: %s, and there is no way back: %s", why, error.text);
}

/* p1_is_due: an evaluation that was begun behind the deadline may have closed it; if none comes, it is waited for no longer than two minutes. */
static bool p1_is_due(const struct run *run)
{
    const struct canary_watch *watch = &run->canary;
    int64_t wall_ms = clock_wall_ms(&run->clock);
    if (!watch->p1_due_ms || watch->refused || wall_ms < watch->p1_due_ms)
        return false;
    return watch->ended_begun_wall_ms >= watch->p1_due_ms ||
           wall_ms >= watch->p1_due_ms + config_wall_ms(run->config, P1_LATE_MS);
}

void canary_actions_step(struct run *run)
{
    struct canary_watch *watch = &run->canary;
    if (run_now_ms(run) < watch->retry_ms)
        return;
    while (run->phase == PHASE_FEEDING && advance(run))
        ;
    if (!watch->p1_known)
        p1_look(run);
    if (run->phase == PHASE_FEEDING && p1_is_due(run))
        go_back(run);
}

int64_t canary_actions_due_ms(const struct run *run)
{
    const struct canary_watch *watch = &run->canary;
    int64_t now_ms = run_now_ms(run);
    if (watch->retry_ms > now_ms)
        return watch->retry_ms;
    if (!watch->p1_due_ms || watch->refused)
        return NEVER_MS;
    int64_t left_ms = watch->p1_due_ms - clock_wall_ms(&run->clock);
    return now_ms + (left_ms > RETRY_MS ? left_ms : RETRY_MS);
}

void canary_actions_settle(struct run *run)
{
    struct action action;
    while (next(run, &action)) {
        if (action.fired)
            open_once(run, &action, "; the feed was closed before anything could follow");
        finish(run, &action);
    }
}
