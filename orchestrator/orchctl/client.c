#include "client.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "bus/bus.h"
#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PLACE_POLL_MS = 10 };

struct client {
    struct bus *bus;
    size_t connection;
    struct clock clock;
    int64_t timeout_ms;
    int64_t requests;
    char id[64];         /* of the open request */
    struct buffer reply; /* of the open request, empty until it comes */
    int64_t events;
};

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)connection, (void)topic, (void)topic_length, (void)data, (void)bytes;
    ((struct client *)context)->events++;
}

/* on_answer: only the reply to the open request counts; a late one of an earlier request is dropped. */
static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    (void)connection, (void)body, (void)body_bytes;
    struct client *client = context;
    yyjson_doc *document = yyjson_read(head, head_bytes, 0);
    if (yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "id"), client->id)) {
        buffer_clear(&client->reply);
        buffer_append(&client->reply, head, head_bytes);
    }
    yyjson_doc_free(document);
}

/* nobody: why there is nobody to ask, and who knows more. */
static enum status nobody(struct error *error)
{
    char run_id[RUN_ID_BYTES];
    struct error ignored;
    if (place_daemons_live())
        return error_set(error, STATUS_CLOSED,
                         "no orchestrator is running in this folder any more, but its daemons are: start "
                         "`orchestrator` here again, and it goes on with their run");
    if (place_run(NULL, run_id, NULL, &ignored) != STATUS_OK)
        return error_set(error, STATUS_CLOSED,
                         "no orchestrator is running in this folder (use --dir DIR for another)");
    return error_set(
        error, STATUS_CLOSED,
        "no orchestrator is running in this folder: run %s is over; `orchctl report` and `orchctl "
        "manifest` tell how it was (--dir DIR asks another folder)",
        run_id);
}

/* wait_for_place: an orchestrator that begins has the folder before it has written where it listens; the default place may be another. */
static void wait_for_place(const struct clock *clock, int64_t timeout_ms)
{
    const struct timespec pause = {.tv_nsec = PLACE_POLL_MS * 1000000L};
    int64_t until_ms = clock_monotonic_ms(clock) + timeout_ms;
    while (!place_has_config() && place_orchestrator_lives() && clock_monotonic_ms(clock) < until_ms)
        nanosleep(&pause, NULL);
}

enum status client_open(int64_t timeout_ms, struct client **out_client, struct error *error)
{
    const struct clock clock = clock_system();
    struct config *config;
    wait_for_place(&clock, timeout_ms);
    if (!place_orchestrator_lives())
        return nobody(error);
    enum status status = place_config(&config, error);
    if (status != STATUS_OK)
        return status;
    struct client *client = memory_allocate(sizeof *client);
    client->clock = clock;
    client->timeout_ms = timeout_ms;
    buffer_init(&client->reply, 0);
    struct bus_config bus = bus_config_of(config, "orchctl");
    bus.high_water_mark = 1000;
    status = bus_create(&bus, &client->bus, error);
    if (status == STATUS_OK)
        status = bus_connect(client->bus, "orchestrator", &client->connection, error);
    config_destroy(config);
    if (status == STATUS_OK)
        *out_client = client;
    else
        client_close(client);
    return status;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    bus_destroy(client->bus);
    buffer_finish(&client->reply);
    free(client);
}

static void poll_once(struct client *client, int64_t wait_ms)
{
    const struct bus_events events = {.context = client, .frame = on_frame, .answer = on_answer};
    bus_poll(client->bus, wait_ms < 0 ? 0 : (int)wait_ms, 64, &events);
}

static void request_write(struct client *client, const char *verb, const char *args_json, struct buffer *out)
{
    struct json json;
    snprintf(client->id, sizeof client->id, "%d-%lld-%lld", (int)getpid(),
             (long long)clock_wall_ns(&client->clock), (long long)++client->requests);
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "id", client->id);
    json_key_text(&json, "verb", verb);
    json_key(&json, "args");
    json_raw(&json, args_json, strlen(args_json));
    json_object_end(&json);
}

static enum status reply_take(struct client *client, const char *verb, yyjson_doc **out_reply,
                              struct error *error)
{
    if (!client->reply.length)
        return error_set(error, STATUS_AGAIN, "%s: the orchestrator did not answer within %lld ms", verb,
                         (long long)client->timeout_ms);
    yyjson_doc *document = yyjson_read((const char *)client->reply.data, client->reply.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (yyjson_is_true(yyjson_obj_get(root, "ok"))) {
        *out_reply = document;
        return STATUS_OK;
    }
    const char *sentence = yyjson_get_str(yyjson_obj_get(root, "error"));
    enum status status = error_set(error, STATUS_INVALID, "%s: %s", verb, sentence ? sentence : "refused");
    yyjson_doc_free(document);
    return status;
}

enum status client_ask(struct client *client, const char *verb, const char *args_json, yyjson_doc **out_reply,
                       struct error *error)
{
    struct buffer request;
    buffer_init(&request, 0);
    buffer_clear(&client->reply);
    request_write(client, verb, args_json, &request);
    int64_t until_ms = clock_monotonic_ms(&client->clock) + client->timeout_ms, left_ms = client->timeout_ms;
    enum status status = bus_request(client->bus, client->connection, request.data, request.length);
    while (status == STATUS_OK && !client->reply.length && left_ms > 0) {
        poll_once(client, left_ms);
        left_ms = until_ms - clock_monotonic_ms(&client->clock);
    }
    buffer_finish(&request);
    return reply_take(client, verb, out_reply, error);
}

void client_listen(struct client *client)
{
    bus_subscribe(client->bus, client->connection, "event");
}

void client_wait(struct client *client, int wait_ms)
{
    int64_t seen = client->events, until_ms = clock_monotonic_ms(&client->clock) + wait_ms;
    for (int64_t left_ms = wait_ms; client->events == seen && left_ms > 0;
         left_ms = until_ms - clock_monotonic_ms(&client->clock))
        poll_once(client, left_ms);
}

const char *member_text(yyjson_val *object, const char *member)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, member));
    return text ? text : "-";
}

void client_args(struct buffer *out, const char *first, const char *first_value, const char *second,
                 const char *second_value)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    if (first_value)
        json_key_text(&json, first, first_value);
    if (second_value)
        json_key_text(&json, second, second_value);
    json_object_end(&json);
}
