/* Alerts as JSON: for the manifest, the summary, and whoever goes on with the run. */
#include "alerts.h"
#include "base/clock.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { RULE_BITS = 64 }; /* of alerts.raised */

static const char *const LEVELS[] = {"warning", "critical"};
static const char *const OPERATORS[] = {">", ">=", "<", "abs >"};

static void key_event(struct json *json, const char *key, int64_t event_ms)
{
    if (event_ms == INT64_MIN)
        json_key_null(json, key);
    else
        json_key_i64(json, key, event_ms);
}

static void key_time(struct json *json, const char *key, int64_t wall_ms)
{
    char at[TIME_TEXT_BYTES];
    time_iso_ms(wall_ms, at);
    json_key_text(json, key, at);
}

void alert_json(struct json *json, const struct alert *alert)
{
    size_t count;
    const struct alert_rule *rule = &alert_rules(&count)[alert->rule];
    json_object_begin(json);
    json_key_text(json, "level", LEVELS[rule->level]);
    json_key_text(json, "rule", rule->name);
    json_key_text(json, "subject", alert->subject);
    json_key_text(json, "message", alert->message);
    key_time(json, "triggered_at", alert->triggered_ms);
    key_event(json, "triggered_event_ms", alert->triggered_event_ms);
    if (alert->recovered_ms) {
        key_time(json, "recovered_at", alert->recovered_ms);
        key_event(json, "recovered_event_ms", alert->recovered_event_ms);
    }
    json_key(json, "details");
    json_object_begin(json);
    json_key_text(json, "figure", rule->figure);
    json_key_f64(json, "value", alert->value);
    json_key_text(json, "op", OPERATORS[rule->operator]);
    json_key_f64(json, "threshold", rule->threshold);
    json_key_i64(json, "for_s", rule->for_s);
    json_object_end(json);
    json_object_end(json);
}

static void array(const struct alerts *alerts, struct json *json, bool recovered_only)
{
    json_array_begin(json);
    for (size_t i = 0; i < alerts->count; i++)
        if (!recovered_only || alerts->items[i].recovered_ms)
            alert_json(json, &alerts->items[i]);
    json_array_end(json);
}

void alerts_list_json(const struct alerts *alerts, struct json *json)
{
    array(alerts, json, false);
}

/* --- state: enough to go on; times as numbers, rules by name and figure --- */

static void key_rule(struct json *json, size_t rule, const char *subject)
{
    size_t count;
    json_key_text(json, "rule", alert_rules(&count)[rule].name);
    json_key_text(json, "figure", alert_rules(&count)[rule].figure);
    json_key_text(json, "subject", subject);
}

static void state_json(const struct alerts *alerts, struct json *json)
{
    json_key(json, "raised");
    json_array_begin(json);
    for (size_t rule = 0; rule < RULE_BITS; rule++)
        if (alerts_raised(alerts, rule)) {
            json_object_begin(json);
            key_rule(json, rule, "");
            json_object_end(json);
        }
    json_array_end(json);
    json_key(json, "items");
    json_array_begin(json);
    for (size_t i = 0; i < alerts->count; i++) {
        const struct alert *alert = &alerts->items[i];
        json_object_begin(json);
        key_rule(json, alert->rule, alert->subject);
        json_key_text(json, "message", alert->message);
        json_key_f64(json, "value", alert->value);
        json_key_i64(json, "triggered_ms", alert->triggered_ms);
        json_key_i64(json, "triggered_event_ms", alert->triggered_event_ms);
        json_key_i64(json, "recovered_ms", alert->recovered_ms);
        json_key_i64(json, "recovered_event_ms", alert->recovered_event_ms);
        json_object_end(json);
    }
    json_array_end(json);
    json_key(json, "watches");
    json_array_begin(json);
    for (size_t i = 0; i < alerts->watch_count; i++) {
        const struct alert_watch *watch = &alerts->watches[i];
        if (!watch->open && !watch->since_ms)
            continue;
        json_object_begin(json);
        key_rule(json, watch->rule, watch->subject);
        json_key_i64(json, "since_ms", watch->since_ms);
        json_key_bool(json, "open", watch->open);
        json_key_i64(json, "clear", watch->clear);
        json_key_i64(json, "alert", watch->alert);
        json_object_end(json);
    }
    json_array_end(json);
}

void alerts_json(const struct alerts *alerts, struct json *json, bool state)
{
    json_object_begin(json);
    json_key(json, "triggered");
    array(alerts, json, false);
    json_key(json, "recovered");
    array(alerts, json, true);
    json_key_i64(json, "total_triggered", alerts->triggered);
    json_key_i64(json, "total_recovered", alerts->recovered);
    json_key_i64(json, "active_count", alerts_active(alerts));
    json_key_i64(json, "evaluations", alerts->evaluations);
    if (state)
        state_json(alerts, json);
    json_object_end(json);
}

/* --- loading --- */

static int64_t number(yyjson_val *object, const char *key)
{
    return yyjson_get_sint(yyjson_obj_get(object, key));
}

static void copy(char *out, size_t size, yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

/* rule_of: RULES' length when there is no such rule in this program. */
static size_t rule_of(yyjson_val *object, size_t *out_count)
{
    const struct alert_rule *rules = alert_rules(out_count);
    size_t rule = 0;
    while (rule < *out_count && !(yyjson_equals_str(yyjson_obj_get(object, "rule"), rules[rule].name) &&
                                  yyjson_equals_str(yyjson_obj_get(object, "figure"), rules[rule].figure)))
        rule++;
    return rule;
}

static bool take_item(struct alerts *alerts, yyjson_val *object)
{
    size_t count, rule = rule_of(object, &count);
    if (rule == count)
        return false;
    alerts->raised |= UINT64_C(1) << rule;
    alerts->items = memory_grow(alerts->items, &alerts->capacity, alerts->count + 1, sizeof *alerts->items);
    struct alert *alert = &alerts->items[alerts->count++];
    yyjson_val *value = yyjson_obj_get(object, "value");
    *alert = (struct alert){.rule = rule,
                            .value = yyjson_is_num(value) ? yyjson_get_num(value) : NAN,
                            .triggered_ms = number(object, "triggered_ms"),
                            .triggered_event_ms = number(object, "triggered_event_ms"),
                            .recovered_ms = number(object, "recovered_ms"),
                            .recovered_event_ms = number(object, "recovered_event_ms")};
    copy(alert->subject, sizeof alert->subject, object, "subject");
    copy(alert->message, sizeof alert->message, object, "message");
    return true;
}

/* take_raised: also of alerts that are not kept any more. A rule that this program does not know is no tag of its. */
static void take_raised(struct alerts *alerts, yyjson_val *object)
{
    size_t count, rule = rule_of(object, &count);
    if (rule < count)
        alerts->raised |= UINT64_C(1) << rule;
}

static bool take_watch(struct alerts *alerts, yyjson_val *object)
{
    size_t count, rule = rule_of(object, &count);
    int64_t alert = number(object, "alert");
    if (rule == count || alert < -1 || alert >= (int64_t)alerts->count)
        return false;
    alerts->watches = memory_grow(alerts->watches, &alerts->watch_capacity, alerts->watch_count + 1,
                                  sizeof *alerts->watches);
    struct alert_watch *watch = &alerts->watches[alerts->watch_count++];
    *watch = (struct alert_watch){.rule = rule,
                                  .since_ms = number(object, "since_ms"),
                                  .open = yyjson_is_true(yyjson_obj_get(object, "open")),
                                  .clear = number(object, "clear"),
                                  .alert = alert};
    copy(watch->subject, sizeof watch->subject, object, "subject");
    return true;
}

enum status alerts_load(struct alerts *alerts, const char *text, size_t length, struct error *error)
{
    yyjson_doc *document = yyjson_read(text, length, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *object;
    struct alerts loaded = {.triggered = number(root, "total_triggered"),
                            .recovered = number(root, "total_recovered"),
                            .evaluations = number(root, "evaluations")};
    bool fits =
        yyjson_is_arr(yyjson_obj_get(root, "items")) && yyjson_is_arr(yyjson_obj_get(root, "watches"));
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(root, "items"), index, count, object) fits =
        fits && take_item(&loaded, object);
    yyjson_arr_foreach(yyjson_obj_get(root, "raised"), index, count, object) take_raised(&loaded, object);
    yyjson_arr_foreach(yyjson_obj_get(root, "watches"), index, count, object) fits =
        fits && take_watch(&loaded, object);
    yyjson_doc_free(document);
    if (!fits) {
        alerts_finish(&loaded);
        return error_set(error, STATUS_MALFORMED, "these are no alerts of this program");
    }
    alerts_finish(alerts);
    *alerts = loaded;
    return STATUS_OK;
}
