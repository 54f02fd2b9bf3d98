#include "engine_call.h"

#include "base/memory.h"
#include "net/rest_client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* LOOK_MS: how often whoever waits for an answer looks whether he is to end. */
enum { CALL_MS_MAX = 30000, LOOK_MS = 100, URL_BYTES = 1024, NOT_FOUND = 404 };

struct engine_client {
    struct rest_client *rest;
    struct clock clock;
    atomic_llong until_ms; /* monotonic; INT64_MAX: nobody has ended it */
};

struct answer {
    long http_status;
    struct buffer body;
    char reason[256];
};

static void answered(void *context, void *data, const struct rest_answer *answer)
{
    (void)context;
    struct answer *out = data;
    out->http_status = answer->http_status;
    buffer_append(&out->body, answer->body, answer->body_bytes);
    snprintf(out->reason, sizeof out->reason, "%s", answer->error ? answer->error : "");
}

enum status engine_client_make(const char *socket_path, struct engine_client **out_client,
                               struct error *error)
{
    struct engine_client *client = memory_allocate(sizeof *client);
    client->clock = clock_system();
    atomic_init(&client->until_ms, INT64_MAX);
    struct rest_client_config config = {.user_agent = "orderflow-orchestrator",
                                        .unix_socket_path = socket_path,
                                        .clock = client->clock,
                                        .done = answered};
    enum status status = rest_client_create(&config, &client->rest, error);
    if (status == STATUS_OK)
        *out_client = client;
    else
        free(client);
    return status;
}

void engine_client_destroy(struct engine_client *client)
{
    if (!client)
        return;
    rest_client_destroy(client->rest);
    free(client);
}

void engine_client_end(struct engine_client *client, int64_t until_ms)
{
    atomic_store(&client->until_ms, until_ms);
}

bool engine_client_ends(const struct engine_client *client)
{
    return atomic_load(&client->until_ms) != INT64_MAX;
}

/* is_over: the time has passed until which anybody waits for an answer. */
static bool is_over(const struct engine_client *client)
{
    return clock_monotonic_ms(&client->clock) >= atomic_load(&client->until_ms);
}

/* wait_for_answer: STATUS_CLOSED: until nobody waited any more. What has begun is dropped with the client, which makes no other call. */
static enum status wait_for_answer(struct engine_client *client)
{
    while (rest_client_pending(client->rest)) {
        if (is_over(client))
            return STATUS_CLOSED;
        rest_client_run(client->rest, LOOK_MS);
    }
    return STATUS_OK;
}

/* is_done: 304 is "it is so already". */
static bool is_done(long http_status)
{
    return (http_status >= 200 && http_status < 300) || http_status == 304;
}

enum status engine_call(struct engine_client *client, const char *method, const char *path,
                        const struct buffer *body, struct buffer *out_body, struct error *error)
{
    char url[URL_BYTES];
    struct answer answer = {0};
    buffer_init(&answer.body, 0);
    snprintf(url, sizeof url, "http://docker/v1.41%s", path);
    struct rest_request request = {.url = url,
                                   .method = method,
                                   .body = body ? body->data : NULL,
                                   .body_bytes = body ? body->length : 0,
                                   .headers = {"Content-Type: application/json"},
                                   .timeout_ms = CALL_MS_MAX,
                                   .data = &answer};
    if (is_over(client))
        return error_set(error, STATUS_CLOSED, "%s %s: the engine is asked nothing any more", method, path);
    enum status status = rest_request_start(client->rest, &request);
    if (status == STATUS_OK)
        status = wait_for_answer(client);
    bool good = status == STATUS_OK && is_done(answer.http_status);
    if (good && out_body)
        buffer_append(out_body, answer.body.data, answer.body.length);
    else if (!good && answer.http_status)
        status = error_set(error, answer.http_status == NOT_FOUND ? STATUS_NOT_FOUND : STATUS_IO,
                           "the engine answers %s %s with %ld: %.150s", method, path, answer.http_status,
                           buffer_text(&answer.body));
    else if (!good)
        status = error_set(error, STATUS_IO, "the engine does not answer %s %s: %s", method, path,
                           status == STATUS_CLOSED ? "it was waited for no longer" : answer.reason);
    buffer_finish(&answer.body);
    return status;
}

enum status engine_call_own(struct engine_client *client, engine_own_reader *read, const char *nothing,
                            char *out_text, size_t bytes, struct error *error)
{
    char name[128], path[256];
    struct buffer body;
    if (gethostname(name, sizeof name - 1) != 0)
        return error_set(error, STATUS_IO, "the container's own name cannot be read: %m");
    name[sizeof name - 1] = 0;
    snprintf(path, sizeof path, "/containers/%s/json", name);
    buffer_init(&body, 0);
    enum status status = engine_call(client, "GET", path, NULL, &body, error);
    if (status == STATUS_OK && !read(&body, out_text, bytes))
        status = error_set(error, STATUS_NOT_FOUND, "driver docker: this container (%s) belongs to %s", name,
                           nothing);
    buffer_finish(&body);
    return status;
}
