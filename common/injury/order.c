#include "injury/order.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

static const struct injury_row ROWS[INJURY_KIND_COUNT] = {
    [INJURY_KILL] = {"kill", INJURY_BY_SIGNAL, "a signal, sent to it", NULL, 0, 0, 0, 0, 1, "processes",
                     "process"},
    [INJURY_HANG] = {"hang", INJURY_BY_KEEPER, "the process stands still (SIGSTOP)", NULL, 0, 0, 0, 0, 1,
                     "processes", "process"},
    [INJURY_STUCK] = {"stuck", INJURY_IN_LOOP, "its loop does not come back; only time ends it", NULL, 0, 0,
                      0, 0, 1, "turns", "turn"},
    [INJURY_SLOW] = {"slow", INJURY_IN_LOOP, "every turn of its loop takes longer", "delay_ms", 50, 1, 10000,
                     0, 1, "turns", "turn"},
    [INJURY_CPU] = {"cpu", INJURY_IN_PROCESS, "threads in it burn processor time", "threads", 2, 1, 64, 0, 0,
                    "ms of processor burned", "ms of processor burned"},
    [INJURY_PARTITION] = {"partition", INJURY_ON_LINK, "nothing passes: rows, heartbeats, requests, answers",
                          NULL, 0, 0, 0, 0, 0, "messages", "message"},
    [INJURY_DROP] = {"drop", INJURY_ON_LINK, "a share of the frames is lost", NULL, 0, 0, 0, 0.5, 0, "frames",
                     "frame"},
    [INJURY_DUPLICATE] = {"duplicate", INJURY_ON_LINK, "a share comes twice", NULL, 0, 0, 0, 0.5, 0, "frames",
                          "frame"},
    [INJURY_DELAY] = {"delay", INJURY_ON_LINK, "a share comes later, and so out of order", "delay_ms", 300, 1,
                      60000, 0.5, 0, "frames", "frame"},
    [INJURY_CORRUPT] = {"corrupt", INJURY_ON_LINK, "a share arrives damaged", NULL, 0, 0, 0, 0.2, 0, "frames",
                        "frame"},
    [INJURY_DISK_FULL] = {"disk_full", INJURY_IN_PROCESS, "no file takes another byte", NULL, 0, 0, 0, 0, 1,
                          "writes refused", "write refused"},
    [INJURY_WRITE_ERROR] = {"write_error", INJURY_IN_PROCESS, "writes to files fail now and then", NULL, 0, 0,
                            0, 0.5, 1, "writes refused", "write refused"},
    [INJURY_DESCRIPTORS] = {"descriptors", INJURY_IN_PROCESS, "no further descriptor can be had", "left", 0,
                            0, 1000, 0, 0, "descriptors refused", "descriptor refused"},
    [INJURY_MEMORY] = {"memory", INJURY_IN_PROCESS, "it holds more memory", "mb", 64, 1, 65536, 0, 0,
                       "MB held", "MB held"},
    [INJURY_CLOCK] = {"clock", INJURY_IN_PROCESS, "its wall clock is wrong", "skew_ms", 3600000, -86400000,
                      86400000, 0, 0, "wrong times told", "wrong time told"},
    [INJURY_STALL] = {"stall", INJURY_AT_VENUE, "the streams say nothing; what was missed comes behind", NULL,
                      0, 0, 0, 0, 0, "messages held back", "message held back"},
    [INJURY_CUT] = {"cut", INJURY_AT_VENUE, "connections break and new ones are refused", NULL, 0, 0, 0, 0, 0,
                    "connections", "connection"},
    [INJURY_REST_ERROR] = {"rest_error", INJURY_AT_VENUE, "REST answers with an error", "status", 503, 400,
                           599, 1, 0, "answers", "answer"},
    [INJURY_REST_SLOW] = {"rest_slow", INJURY_AT_VENUE, "REST answers later", "delay_ms", 500, 1, 60000, 0, 0,
                          "answers", "answer"},
    [INJURY_MALFORMED] = {"malformed", INJURY_AT_VENUE, "messages that are none come in between", NULL, 0, 0,
                          0, 0.2, 0, "messages", "message"},
};

const struct injury_row *injury_row(enum injury_kind kind)
{
    return &ROWS[kind];
}

const char *injury_touched(enum injury_kind kind, int64_t count)
{
    return plural(count, ROWS[kind].touched_one, ROWS[kind].touched);
}

enum injury_kind injury_kind_of(const char *name)
{
    enum injury_kind kind = 0;
    while (kind < INJURY_KIND_COUNT && strcmp(ROWS[kind].name, name) != 0)
        kind++;
    return kind;
}

void injury_kind_names(unsigned places, char *out_text, size_t size)
{
    size_t length = 0;
    *out_text = 0;
    for (enum injury_kind kind = 0; kind < INJURY_KIND_COUNT && length < size; kind++)
        if (places & 1u << ROWS[kind].place)
            length += (size_t)snprintf(out_text + length, size - length, "%s%s", length ? ", " : "",
                                       ROWS[kind].name);
}

enum status injury_order_check(const struct injury_order *order, struct error *error)
{
    const struct injury_row *row = &ROWS[order->kind];
    if (order->id < 1)
        return error_set(error, STATUS_INVALID, "id: must be at least 1");
    if (row->place != INJURY_BY_SIGNAL &&
        (order->ttl_ms < INJURY_TTL_MS_MIN || order->ttl_ms > INJURY_TTL_MS_MAX))
        return error_set(error, STATUS_INVALID, "%s: must last from %d to %d ms", row->name,
                         INJURY_TTL_MS_MIN, INJURY_TTL_MS_MAX);
    if (row->amount_name && (order->amount < row->amount_min || order->amount > row->amount_max))
        return error_set(error, STATUS_INVALID, "%s: %s must be from %lld to %lld", row->name,
                         row->amount_name, (long long)row->amount_min, (long long)row->amount_max);
    if (!row->amount_name && order->amount)
        return error_set(error, STATUS_INVALID, "%s: takes no amount", row->name);
    if (row->share_default > 0 && !(order->share > 0 && order->share <= 1))
        return error_set(error, STATUS_INVALID, "%s: share must be above 0 and at most 1", row->name);
    if (!(row->share_default > 0) && order->share != 0)
        return error_set(error, STATUS_INVALID, "%s: takes no share", row->name);
    if (order->count < 0 || order->seed < 0)
        return error_set(error, STATUS_INVALID, "%s: count and seed must be at least 0", row->name);
    if (*order->link && row->place != INJURY_ON_LINK)
        return error_set(error, STATUS_INVALID, "%s: has nothing to do with a link", row->name);
    return STATUS_OK;
}

void injury_order_json(const struct injury_order *order, struct json *json)
{
    json_object_begin(json);
    json_key_i64(json, "id", order->id);
    json_key_text(json, "kind", ROWS[order->kind].name);
    json_key_text(json, "link", order->link);
    json_key_f64(json, "share", order->share);
    json_key_i64(json, "count", order->count);
    json_key_i64(json, "seed", order->seed);
    json_key_i64(json, "amount", order->amount);
    json_key_i64(json, "ttl_ms", order->ttl_ms);
    json_object_end(json);
}

/* member_read: one member of an order; false: it is not one, or of the wrong type. */
static bool member_read(const char *name, yyjson_val *value, struct injury_order *order)
{
    const struct {
        const char *name;
        int64_t *place;
    } integers[] = {{"id", &order->id},
                    {"count", &order->count},
                    {"seed", &order->seed},
                    {"amount", &order->amount},
                    {"ttl_ms", &order->ttl_ms}};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        if (strcmp(name, integers[i].name) == 0) {
            *integers[i].place = yyjson_get_sint(value);
            return yyjson_is_int(value);
        }
    if (strcmp(name, "share") == 0) {
        order->share = yyjson_get_num(value);
        return yyjson_is_num(value);
    }
    const char *text = yyjson_get_str(value);
    if (text && strcmp(name, "kind") == 0)
        return (order->kind = injury_kind_of(text)) != INJURY_KIND_COUNT;
    if (!text || strcmp(name, "link") != 0 || strlen(text) >= sizeof order->link)
        return false;
    snprintf(order->link, sizeof order->link, "%s", text);
    return true;
}

enum status injury_order_read(const char *text, struct injury_order *out_order, struct error *error)
{
    struct injury_order order = {.kind = INJURY_KIND_COUNT};
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    yyjson_val *root = yyjson_doc_get_root(document), *key;
    yyjson_obj_iter iter = yyjson_obj_iter_with(root);
    enum status status = yyjson_is_obj(root)
                             ? STATUS_OK
                             : error_set(error, STATUS_INVALID, "a fault is ordered with a JSON object");
    while (status == STATUS_OK && (key = yyjson_obj_iter_next(&iter)))
        if (!member_read(yyjson_get_str(key), yyjson_obj_iter_get_val(key), &order))
            status = error_set(error, STATUS_INVALID, "'%.60s' is no member of a fault, or has no such value",
                               yyjson_get_str(key));
    yyjson_doc_free(document);
    if (status == STATUS_OK && order.kind == INJURY_KIND_COUNT)
        status = error_set(error, STATUS_INVALID, "a fault needs a kind");
    if (status == STATUS_OK)
        status = injury_order_check(&order, error);
    if (status == STATUS_OK)
        *out_order = order;
    return status;
}

enum status injury_id_read(const char *text, int64_t *out_id, struct error *error)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(document), "id");
    enum status status = yyjson_is_int(id) && yyjson_get_sint(id) >= 0
                             ? STATUS_OK
                             : error_set(error, STATUS_INVALID, "needs the number of a fault: {\"id\": 1}");
    if (status == STATUS_OK)
        *out_id = yyjson_get_sint(id);
    yyjson_doc_free(document);
    return status;
}
