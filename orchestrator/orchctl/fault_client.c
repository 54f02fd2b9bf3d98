#include "fault_client.h"

#include "base/clock.h"
#include "base/json.h"
#include "injury/order.h"
#include "orchestrator/faults/fault.h"
#include "orchestrator/faults/faults.h"
#include "orchestrator/manifest/evidence.h"
#include "orchestrator/supervision/signal_name.h"
#include "place.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GLANCE_MS = 50, MARGIN_MS = 5000 };

static int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

enum status duration_read(const char *text, int64_t *out_ms, struct error *error)
{
    static const struct {
        const char *unit;
        double ms;
    } UNITS[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}};
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof UNITS / sizeof *UNITS; i++)
        if (strcmp(end, UNITS[i].unit) == 0 && value >= 0 && value * UNITS[i].ms <= 3600000) {
            *out_ms = (int64_t)(value * UNITS[i].ms + 0.5);
            return STATUS_OK;
        }
    return error_set(error, STATUS_INVALID, "'%.40s' is no duration; write 500ms, 2s or 1m (at most an hour)",
                     text);
}

/* --- asking --- */

/* EXACT: whole numbers up to here are what was written. */
static const double EXACT = 9007199254740992.0;

/* number_read: *out_value stays as it is when there is no text. */
static enum status number_read(const char *name, const char *text, bool whole, double *out_value,
                               struct error *error)
{
    char *end;
    errno = 0;
    double value = text ? strtod(text, &end) : 0;
    if (!text)
        return STATUS_OK;
    if (end == text || *end || errno || !isfinite(value) ||
        (whole && (value != floor(value) || fabs(value) > EXACT)))
        return error_set(error, STATUS_INVALID, "%s: '%.40s' is no %snumber", name, text,
                         whole ? "whole " : "");
    *out_value = value;
    return STATUS_OK;
}

static enum status number_add(struct json *json, const char *name, const char *text, bool whole,
                              struct error *error)
{
    double value = 0;
    enum status status = number_read(name, text, whole, &value, error);
    if (status != STATUS_OK || !text)
        return status;
    if (whole)
        json_key_i64(json, name, (int64_t)value);
    else
        json_key_f64(json, name, value);
    return STATUS_OK;
}

static enum status arguments_write(const struct fault_asked *asked, struct buffer *out, struct error *error)
{
    struct json json;
    int64_t ttl_ms = 0;
    enum status status = asked->lasts ? duration_read(asked->lasts, &ttl_ms, error) : STATUS_OK;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "kind", asked->kind);
    json_key_text(&json, "name", asked->target);
    if (asked->lasts)
        json_key_i64(&json, "ttl_ms", ttl_ms);
    if (asked->link)
        json_key_text(&json, "link", asked->link);
    if (asked->signal)
        json_key_text(&json, "signal", asked->signal);
    if (asked->force)
        json_key_i64(&json, "force", 1);
    status = status == STATUS_OK ? number_add(&json, "share", asked->share, false, error) : status;
    status = status == STATUS_OK ? number_add(&json, "count", asked->count, true, error) : status;
    status = status == STATUS_OK ? number_add(&json, "seed", asked->seed, true, error) : status;
    status = status == STATUS_OK ? number_add(&json, "amount", asked->amount, true, error) : status;
    json_object_end(&json);
    return status;
}

/* numbers_read: those of the command line, the kind's own where nothing is said. */
static enum status numbers_read(const struct fault_asked *asked, struct injury_order *order,
                                struct error *error)
{
    const struct injury_row *row = injury_row(order->kind);
    const double unlimited = 0;
    double count = unlimited, seed = 0, amount = (double)row->amount_default;
    order->share = row->share_default;
    enum status status = number_read("share", asked->share, false, &order->share, error);
    if (status == STATUS_OK)
        status = number_read("count", asked->count, true, &count, error);
    if (status == STATUS_OK)
        status = number_read("seed", asked->seed, true, &seed, error);
    if (status == STATUS_OK)
        status = number_read("amount", asked->amount, true, &amount, error);
    if (status == STATUS_OK && asked->count && count < 1)
        status = error_set(error, STATUS_INVALID,
                           "count %s: must be at least 1; without it there is no limit", asked->count);
    order->count = (int64_t)count;
    order->seed = (int64_t)seed;
    order->amount = (int64_t)amount;
    return status;
}

enum status fault_check(const struct fault_asked *asked, struct error *error)
{
    struct injury_order order = {
        .id = 1, .kind = injury_kind_of(asked->kind), .ttl_ms = INJURY_TTL_MS_DEFAULT};
    char names[512];
    injury_kind_names(~0u, names, sizeof names);
    if (order.kind == INJURY_KIND_COUNT)
        return error_set(error, STATUS_INVALID, "there is no fault '%.40s'; there are: %s", asked->kind,
                         names);
    if (asked->signal && order.kind != INJURY_KILL)
        return error_set(error, STATUS_INVALID, "%s: takes no signal", asked->kind);
    if (asked->signal && !signal_number_of(asked->signal))
        return error_set(error, STATUS_INVALID, "signal %.40s: there is no such signal", asked->signal);
    if (asked->link && strlen(asked->link) >= sizeof order.link)
        return error_set(error, STATUS_INVALID, "link %.40s…: no process is called so", asked->link);
    snprintf(order.link, sizeof order.link, "%s", asked->link ? asked->link : "");
    enum status status = asked->lasts ? duration_read(asked->lasts, &order.ttl_ms, error) : STATUS_OK;
    if (status == STATUS_OK && asked->share && injury_row(order.kind)->share_default <= 0)
        status = error_set(error, STATUS_INVALID, "%s: takes no share", asked->kind);
    if (status == STATUS_OK)
        status = numbers_read(asked, &order, error);
    return status == STATUS_OK ? injury_order_check(&order, error) : status;
}

/* wait_steady: STATUS_AGAIN names what was not steady when the time was over. */
static enum status wait_steady(struct client *client, int64_t wait_ms, struct error *error)
{
    int64_t until_ms = now_ms() + wait_ms;
    for (;;) {
        yyjson_doc *reply;
        enum status status = client_ask(client, "steady", "{}", &reply, error);
        if (status != STATUS_OK)
            return status;
        yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
        bool steady = yyjson_is_true(yyjson_obj_get(result, "steady"));
        if (!steady)
            (void)!error_set(error, STATUS_AGAIN,
                             "the pipeline is not steady, so nothing was injected (--force does it all the "
                             "same): %s",
                             member_text(result, "reason"));
        yyjson_doc_free(reply);
        if (steady || now_ms() >= until_ms)
            return steady ? STATUS_OK : STATUS_AGAIN;
        client_wait(client, GLANCE_MS);
    }
}

/* target_known: STATUS_NOT_FOUND before anything is waited for: nobody becomes steady for a name that nobody has. */
static enum status target_known(struct client *client, const char *target, struct error *error)
{
    static const char OTHER_WORDS[] = "health: ";
    struct buffer arguments;
    struct json json;
    yyjson_doc *reply = NULL;
    if (strcmp(target, FAULT_OWN_NAME) == 0)
        return STATUS_OK;
    buffer_init(&arguments, 0);
    json_init(&json, &arguments);
    json_object_begin(&json);
    json_key_text(&json, "name", target);
    json_object_end(&json);
    enum status status = client_ask(client, "health", buffer_text(&arguments), &reply, error);
    buffer_finish(&arguments);
    yyjson_doc_free(reply);
    if (status == STATUS_OK || strncmp(error->text, OTHER_WORDS, strlen(OTHER_WORDS)) != 0)
        return status;
    struct error said = *error; /* the user asked for a fault, not for anybody's health */
    return error_set(error, status, "fault: %s", said.text + strlen(OTHER_WORDS));
}

enum status fault_ask(struct client *client, const struct fault_asked *asked, struct fault_group *out_group,
                      struct error *error)
{
    struct buffer arguments;
    yyjson_doc *reply = NULL;
    buffer_init(&arguments, 0);
    int64_t steady_ms = FAULT_STEADY_MS;
    enum status status = arguments_write(asked, &arguments, error);
    if (status == STATUS_OK && asked->steady)
        status = duration_read(asked->steady, &steady_ms, error);
    if (status == STATUS_OK)
        status = target_known(client, asked->target, error);
    if (status == STATUS_OK && !asked->force)
        status = wait_steady(client, steady_ms, error);
    if (status == STATUS_OK)
        status = client_ask(client, "fault", buffer_text(&arguments), &reply, error);
    buffer_finish(&arguments);
    if (status != STATUS_OK)
        return status;
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    *out_group = (struct fault_group){.first = yyjson_get_sint(yyjson_obj_get(result, "fault")),
                                      .count = 1 + yyjson_arr_size(yyjson_obj_get(result, "more"))};
    yyjson_doc_free(reply);
    return STATUS_OK;
}

/* --- watching --- */

static void text_take(yyjson_val *object, const char *member, char *out_text, size_t size)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, member));
    snprintf(out_text, size, "%s", text ? text : "");
}

static void seen_take(yyjson_val *fault, struct fault_seen *seen)
{
    yyjson_val *recovery = yyjson_obj_get(fault, "recovery_ms");
    *seen = (struct fault_seen){
        .id = yyjson_get_sint(yyjson_obj_get(fault, "id")),
        .touched = yyjson_get_sint(yyjson_obj_get(fault, "touched")),
        .late_ms = yyjson_is_int(yyjson_obj_get(fault, "late_ms"))
                       ? yyjson_get_sint(yyjson_obj_get(fault, "late_ms"))
                       : -1,
        .restarts = yyjson_get_sint(yyjson_obj_get(fault, "restart_count_after")) -
                    yyjson_get_sint(yyjson_obj_get(fault, "restart_count_before")),
        .recovery_ms = yyjson_is_num(recovery) ? yyjson_get_num(recovery) : NAN,
        .recovered = yyjson_is_str(yyjson_obj_get(fault, "healthy_at")),
        .failed = yyjson_equals_str(yyjson_obj_get(fault, "verdict"), "FAIL"),
    };
    text_take(fault, "kind", seen->kind, sizeof seen->kind);
    text_take(fault, "process", seen->process, sizeof seen->process);
    text_take(fault, "end", seen->end, sizeof seen->end);
    text_take(fault, "reason", seen->reason, sizeof seen->reason);
    seen->refused = strcmp(seen->end, "refused") == 0 || strcmp(seen->end, "unanswered") == 0;
}

static enum status look(struct client *client, int64_t id, struct fault_seen *out_seen, struct error *error)
{
    char arguments[40];
    yyjson_doc *reply;
    snprintf(arguments, sizeof arguments, "{\"id\":%lld}", (long long)id);
    enum status status = client_ask(client, "fault_list", arguments, &reply, error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *faults = yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(reply), "result"), "faults");
    yyjson_val *fault = yyjson_arr_get_first(faults);
    if (fault)
        seen_take(fault, out_seen);
    yyjson_doc_free(reply);
    return fault ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "there is no fault %lld", (long long)id);
}

/* seen_add: one more of the same wish. What is said in words stays the first's, unless another was refused or lasts. */
static void seen_add(struct fault_seen *seen, const struct fault_seen *more)
{
    struct fault_seen told = *seen;
    if ((more->refused && !seen->refused) || (!more->recovered && seen->recovered))
        told = *more;
    told.touched = seen->touched + more->touched;
    told.restarts = seen->restarts + more->restarts;
    told.late_ms = more->late_ms > seen->late_ms ? more->late_ms : seen->late_ms;
    told.recovery_ms = more->recovery_ms <= seen->recovery_ms ? seen->recovery_ms : more->recovery_ms;
    told.recovered = seen->recovered && more->recovered;
    told.failed = seen->failed || more->failed;
    told.id = seen->id;
    *seen = told;
}

enum status fault_look(struct client *client, struct fault_group group, struct fault_seen *out_seen,
                       struct error *error)
{
    struct fault_seen more;
    enum status status = look(client, group.first, out_seen, error);
    for (size_t i = 1; status == STATUS_OK && i < group.count; i++) {
        status = look(client, group.first + (int64_t)i, &more, error);
        if (status == STATUS_OK)
            seen_add(out_seen, &more);
    }
    return status;
}

/* An orchestrator that is short of descriptors, or dead and not yet started again, is asked once more. */
enum status fault_wait(struct client *client, struct fault_group group, int64_t wait_ms,
                       struct fault_seen *out_seen, struct error *error)
{
    int64_t until_ms = now_ms() + wait_ms;
    for (;;) {
        enum status status = fault_look(client, group, out_seen, error);
        bool done = status == STATUS_OK && (out_seen->refused || out_seen->recovered);
        if (done || now_ms() >= until_ms || (status != STATUS_OK && status != STATUS_AGAIN))
            return status;
        client_wait(client, GLANCE_MS);
    }
}

int64_t fault_wait_ms(const struct fault_asked *asked)
{
    int64_t ttl_ms = INJURY_TTL_MS_DEFAULT;
    enum status status = asked->lasts ? duration_read(asked->lasts, &ttl_ms, NULL) : STATUS_OK;
    return (status == STATUS_OK ? ttl_ms : 0) + FAULT_RECOVERY_MAX_MS + MARGIN_MS;
}

/* --- figures --- */

static int64_t counter_of(yyjson_val *process, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(yyjson_obj_get(process, "counters"), name));
}

/* status_take: what the daemons count as lost, and how often they were restarted. */
static void status_take(yyjson_val *result, struct fault_losses *losses)
{
    size_t index, count, place, places;
    yyjson_val *process, *sink;
    yyjson_arr_foreach(yyjson_obj_get(result, "processes"), index, count, process)
    {
        losses->restarts += yyjson_get_sint(yyjson_obj_get(process, "restart_count"));
        losses->lost += counter_of(process, "stage_rows_lost") +
                        counter_of(process, "stage_retention_dropped") + counter_of(process, "queue_dropped");
        yyjson_arr_foreach(yyjson_obj_get(process, "sinks"), place, places, sink) losses->lost +=
            yyjson_get_sint(yyjson_obj_get(sink, "dropped"));
    }
}

/* sinks_take: holes and repetitions in the numbers of the rows that the sinks hold. */
static void sinks_take(const struct config *config, struct fault_losses *losses)
{
    static const char *const LOST[] = {"jsonl_missing", "sqlite_missing"}, *const DOUBLED[] = {
                                                                               "jsonl_repeated",
                                                                               "sqlite_repeated"};
    struct evidence_places places = {.run_id = config_text(config, "run.run_id"),
                                     .output_dir = config_text(config, "run.output_dir"),
                                     .sink = config_text(config, "run.sink"),
                                     .modules = module_bit(MODULE_SIGNAL)};
    struct evidence *evidence = calloc(1, sizeof *evidence);
    bool known = false;
    int64_t doubled = 0;
    if (evidence)
        evidence_from_signals(&places, evidence);
    for (size_t i = 0; evidence && i < 2; i++) {
        const struct evidence_fact *lost = evidence_find(evidence, LOST[i]),
                                   *repeated = evidence_find(evidence, DOUBLED[i]);
        losses->lost += lost ? (int64_t)lost->value : 0;
        doubled += repeated ? (int64_t)repeated->value : 0;
        known = known || (lost && repeated);
    }
    free(evidence);
    losses->doubled = known ? doubled : -1;
    losses->lost = known || losses->lost ? losses->lost : -1;
}

enum status fault_measure(struct client *client, struct fault_losses *out_losses, struct error *error)
{
    struct config *config;
    yyjson_doc *reply;
    struct fault_losses losses = {0};
    enum status status = client_ask(client, "status", "{}", &reply, error);
    if (status != STATUS_OK)
        return status;
    status_take(yyjson_obj_get(yyjson_doc_get_root(reply), "result"), &losses);
    yyjson_doc_free(reply);
    status = place_config(&config, error);
    if (status != STATUS_OK)
        return status;
    sinks_take(config, &losses);
    config_destroy(config);
    *out_losses = losses;
    return STATUS_OK;
}

const char *fault_seen_touched(const struct fault_seen *seen)
{
    enum injury_kind kind = injury_kind_of(seen->kind);
    return kind == INJURY_KIND_COUNT ? "touched" : injury_touched(kind, seen->touched);
}

const char *fault_verdict_now(const struct fault_seen *seen, const struct fault_losses *losses)
{
    if (seen->failed || seen->refused || !seen->recovered || losses->lost > 0 || losses->doubled > 0)
        return "FAIL";
    return losses->lost == 0 && losses->doubled == 0 ? "PASS" : "UNKNOWN";
}
