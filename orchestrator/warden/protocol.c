#include "protocol.h"

#include "base/json.h"
#include "injury/order.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

static const char *const STATES[WARDEN_STATE_COUNT] = {"waiting", "running", "announced", "ended"};
static const char *const VERBS[WARDEN_VERB_COUNT] = {"nothing", "start", "signal", "suspend", "end"};
static const char BEGINNING[] = "{\"warden\":";

const char *warden_state_name(enum warden_state state)
{
    return STATES[state];
}

/* --- writing --- */

static void begin(struct json *json, struct buffer *out)
{
    json_init(json, out);
    json_object_begin(json);
    json_key_i64(json, "warden", WARDEN_VERSION);
}

void warden_report_write(const struct warden_report *report, struct buffer *out)
{
    struct json json;
    begin(&json, out);
    json_key_text(&json, "name", report->name);
    json_key_text(&json, "container", report->container);
    json_key_text(&json, "state", STATES[report->state]);
    json_key_text(&json, "run_id", report->run_id);
    json_key_i64(&json, "generation", report->generation);
    json_key_i64(&json, "code", report->code);
    json_key_i64(&json, "signal", report->signal);
    json_key_bool(&json, "leaving", report->leaving);
    json_key_i64(&json, "lease", report->lease);
    json_key_bool(&json, "stands", report->stands);
    json_key_i64(&json, "late_ms", report->late_ms);
    json_object_end(&json);
}

static void texts_write(struct json *json, const char *key, const char *const *texts)
{
    json_key(json, key);
    json_array_begin(json);
    for (; *texts; texts++)
        json_text(json, *texts);
    json_array_end(json);
}

void warden_order_write(const struct warden_order *order, struct buffer *out)
{
    struct json json;
    begin(&json, out);
    json_key_text(&json, "order", VERBS[order->verb]);
    json_key_text(&json, "run_id", order->run_id);
    json_key_i64(&json, "generation", order->generation);
    json_key_i64(&json, "signal", order->signal);
    if (order->verb == WARDEN_SUSPEND) {
        json_key_i64(&json, "lease", order->lease);
        json_key_i64(&json, "lease_ms", order->lease_ms);
    }
    if (order->verb == WARDEN_START) {
        json_key_text(&json, "stdout", order->stdout_path);
        json_key_text(&json, "stderr", order->stderr_path);
        json_key_i64(&json, "log_bytes_max", order->log_bytes_max);
        json_key_i64(&json, "log_bytes_per_s", order->log_bytes_per_s);
        json_key_i64(&json, "log_files", order->log_files);
        texts_write(&json, "arguments", order->arguments);
        texts_write(&json, "environment", order->environment);
    }
    json_object_end(&json);
}

/* --- reading --- */

bool warden_is_report(const void *data, size_t bytes)
{
    return bytes > sizeof BEGINNING && memcmp(data, BEGINNING, sizeof BEGINNING - 1) == 0;
}

static enum status open_message(const void *data, size_t bytes, yyjson_doc **out_document,
                                struct error *error)
{
    yyjson_doc *document =
        bytes && bytes <= WARDEN_MESSAGE_BYTES_MAX ? yyjson_read(data, bytes, YYJSON_READ_NOFLAG) : NULL;
    yyjson_val *version = yyjson_obj_get(yyjson_doc_get_root(document), "warden");
    if (!yyjson_is_int(version)) {
        yyjson_doc_free(document);
        return error_set(error, STATUS_MALFORMED, "not a JSON object of a warden, or more than %d bytes",
                         WARDEN_MESSAGE_BYTES_MAX);
    }
    if (yyjson_get_sint(version) != WARDEN_VERSION) {
        yyjson_doc_free(document);
        return error_set(error, STATUS_UNSUPPORTED, "of another version: images of one stack must be equal");
    }
    *out_document = document;
    return STATUS_OK;
}

static bool text_take(yyjson_val *object, const char *key, char *out_text, size_t size)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_str(value) || yyjson_get_len(value) >= size)
        return false;
    memcpy(out_text, yyjson_get_str(value), yyjson_get_len(value) + 1);
    return true;
}

static bool number_take(yyjson_val *object, const char *key, int64_t *out_number)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *out_number = yyjson_get_sint(value);
    return yyjson_is_int(value);
}

static bool flag_take(yyjson_val *object, const char *key, bool *out_flag)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *out_flag = yyjson_is_true(value);
    return yyjson_is_bool(value);
}

/* word_take: the index of one of the words, `count`: it is none. */
static size_t word_take(yyjson_val *object, const char *key, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (yyjson_equals_str(yyjson_obj_get(object, key), words[i]))
            return i;
    return count;
}

enum status warden_report_read(const void *data, size_t bytes, struct warden_report *out_report,
                               struct error *error)
{
    struct warden_report report = {0};
    yyjson_doc *document;
    enum status status = open_message(data, bytes, &document, error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *root = yyjson_doc_get_root(document);
    size_t state = word_take(root, "state", STATES, WARDEN_STATE_COUNT);
    bool good = state < WARDEN_STATE_COUNT && text_take(root, "name", report.name, sizeof report.name) &&
                text_take(root, "container", report.container, sizeof report.container) &&
                text_take(root, "run_id", report.run_id, sizeof report.run_id) &&
                number_take(root, "generation", &report.generation) &&
                number_take(root, "code", &report.code) && number_take(root, "signal", &report.signal) &&
                flag_take(root, "leaving", &report.leaving) && number_take(root, "lease", &report.lease) &&
                flag_take(root, "stands", &report.stands) &&
                number_take(root, "late_ms", &report.late_ms);
    yyjson_doc_free(document);
    if (!good)
        return error_set(error, STATUS_MALFORMED,
                         "a warden's report lacks a member, or has one of another type");
    report.state = (enum warden_state)state;
    *out_report = report;
    return STATUS_OK;
}

static bool texts_take(yyjson_val *object, const char *key, const char *out_texts[WARDEN_TEXTS_MAX + 1])
{
    size_t index, count;
    yyjson_val *texts = yyjson_obj_get(object, key), *text;
    if (!yyjson_is_arr(texts) || yyjson_arr_size(texts) > WARDEN_TEXTS_MAX)
        return false;
    yyjson_arr_foreach(texts, index, count, text)
    {
        if (!yyjson_is_str(text))
            return false;
        out_texts[index] = yyjson_get_str(text);
    }
    out_texts[yyjson_arr_size(texts)] = NULL;
    return true;
}

static bool start_take(yyjson_val *root, struct warden_order *order)
{
    order->stdout_path = yyjson_get_str(yyjson_obj_get(root, "stdout"));
    order->stderr_path = yyjson_get_str(yyjson_obj_get(root, "stderr"));
    return order->stdout_path && order->stderr_path &&
           number_take(root, "log_bytes_max", &order->log_bytes_max) &&
           number_take(root, "log_bytes_per_s", &order->log_bytes_per_s) &&
           number_take(root, "log_files", &order->log_files) &&
           texts_take(root, "arguments", order->arguments) && order->arguments[0] &&
           texts_take(root, "environment", order->environment);
}

static bool suspend_take(yyjson_val *root, struct warden_order *order)
{
    return number_take(root, "lease", &order->lease) && order->lease > 0 &&
           number_take(root, "lease_ms", &order->lease_ms) && order->lease_ms >= 0 &&
           order->lease_ms <= INJURY_TTL_MS_MAX;
}

enum status warden_order_read(const void *data, size_t bytes, struct warden_order *out_order,
                              struct warden_message **out_message, struct error *error)
{
    struct warden_order order = {.verb = WARDEN_NOTHING};
    yyjson_doc *document;
    enum status status = open_message(data, bytes, &document, error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *root = yyjson_doc_get_root(document);
    size_t verb = word_take(root, "order", VERBS, WARDEN_VERB_COUNT);
    bool good = verb < WARDEN_VERB_COUNT && text_take(root, "run_id", order.run_id, sizeof order.run_id) &&
                number_take(root, "generation", &order.generation) &&
                number_take(root, "signal", &order.signal) &&
                (verb != WARDEN_START || start_take(root, &order)) &&
                (verb != WARDEN_SUSPEND || suspend_take(root, &order));
    if (!good) {
        yyjson_doc_free(document);
        return error_set(error, STATUS_MALFORMED, "an order lacks a member, or has one of another type");
    }
    order.verb = (enum warden_verb)verb;
    *out_order = order;
    *out_message = (struct warden_message *)document;
    return STATUS_OK;
}

void warden_message_free(struct warden_message *message)
{
    yyjson_doc_free((yyjson_doc *)message);
}
