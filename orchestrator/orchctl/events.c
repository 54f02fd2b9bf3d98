#include "events.h"

#include "base/clock.h"

#include <stdio.h>

enum { ASK_AT_LEAST_MS = 500 };

static enum status ask_since(struct client *client, int64_t serial, yyjson_doc **out_reply,
                             struct error *error)
{
    char args[64];
    snprintf(args, sizeof args, "{\"since\":%lld}", (long long)serial);
    return client_ask(client, "events", args, out_reply, error);
}

enum status events_serial(struct client *client, int64_t *out_serial, struct error *error)
{
    yyjson_doc *reply;
    enum status status = ask_since(client, INT64_MAX - 1, &reply, error);
    if (status != STATUS_OK)
        return status;
    *out_serial =
        yyjson_get_sint(yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(reply), "result"), "serial"));
    yyjson_doc_free(reply);
    return STATUS_OK;
}

/* take_new: events above *serial; *out_more false when the visitor has had enough. */
static enum status take_new(struct client *client, int64_t *serial, events_visit *visit, void *context,
                            bool *out_more, struct error *error)
{
    yyjson_doc *reply;
    enum status status = ask_since(client, *serial, &reply, error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result"), *event;
    int64_t first = yyjson_get_sint(yyjson_obj_get(result, "first_kept"));
    if (first > *serial + 1 && *serial > 0)
        status = error_set(error, STATUS_LIMIT, "events %lld to %lld are no longer kept",
                           (long long)*serial + 1, (long long)first - 1);
    size_t index, count;
    *out_more = true;
    yyjson_arr_foreach(yyjson_obj_get(result, "events"), index, count, event)
    {
        *serial = yyjson_get_sint(yyjson_obj_get(event, "serial"));
        *out_more = visit(context, event);
        if (!*out_more)
            break;
    }
    yyjson_doc_free(reply);
    return status;
}

enum status events_follow(struct client *client, int64_t serial, int64_t limit_ms, events_visit *visit,
                          void *context, struct error *error)
{
    struct clock clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(&clock) + limit_ms;
    bool more = true;
    client_listen(client);
    for (;;) {
        enum status status = take_new(client, &serial, visit, context, &more, error);
        if (status != STATUS_OK || !more)
            return status;
        int64_t left_ms = limit_ms < 0 ? ASK_AT_LEAST_MS : until_ms - clock_monotonic_ms(&clock);
        if (left_ms <= 0)
            return error_set(error, STATUS_AGAIN, "it did not happen within %lld ms", (long long)limit_ms);
        client_wait(client, left_ms < ASK_AT_LEAST_MS ? (int)left_ms : ASK_AT_LEAST_MS);
    }
}
