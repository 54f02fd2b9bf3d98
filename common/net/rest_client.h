/* rest_client: many HTTP requests at once (libcurl behind it), without a thread of its own.
 *
 * A request that gets no HTTP answer at all is repeated with a growing delay, up to its number of attempts;
 * any HTTP answer, also an error status, is handed to the user. Plain http, https, and HTTP through a unix
 * socket. Everything happens inside rest_client_run, in the thread that calls it. */
#pragma once

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REST_BODY_BYTES_MAX = 8 * 1024 * 1024, /* longer answers count as failed */
    REST_REQUESTS_MAX = 1024,              /* under way or waiting to be repeated */
    REST_HEADERS_MAX = 8,
    REST_BACKOFF_INITIAL_MS = 250,
    REST_BACKOFF_CAP_MS = 10000,
};

struct rest_client;

/* rest_answer: http_status 0: no answer came, `error` says why. The body is borrowed and has a NUL behind its
 * end. */
struct rest_answer {
    const char *url;
    long http_status;
    const char *body;
    size_t body_bytes;
    const char *error;
    int attempts;
    int64_t took_ms;
};
typedef void rest_done(void *context, void *data, const struct rest_answer *answer);

struct rest_client_config {
    const char *user_agent;
    const char *unix_socket_path; /* NULL: by host name */
    const char *certificate_path; /* PEM to trust instead of the system's; NULL: the system's */
    bool close_connections;       /* a new connection for each request */
    struct clock clock;
    rest_done *done;
    void *context;
};

/* rest_request: texts are copied; zero means: GET, no body, 10 s, one attempt. */
struct rest_request {
    const char *url;
    const char *method; /* NULL: GET */
    const void *body;
    size_t body_bytes;
    const char *headers[REST_HEADERS_MAX]; /* "Name: value", NULL behind the last */
    int timeout_ms;
    int attempts;
    void *data; /* handed to `done` */
};

enum status rest_client_create(const struct rest_client_config *config, struct rest_client **out_client,
                               struct error *error) MUST_USE;
void rest_client_destroy(struct rest_client *client); /* drops all requests, silently; NULL is fine */

/* rest_request_start: STATUS_IO: libcurl cannot be loaded; STATUS_LIMIT: REST_REQUESTS_MAX are under way; STATUS_INVALID: not such a URL. `done`
 * is called exactly once, from rest_client_run. */
enum status rest_request_start(struct rest_client *client, const struct rest_request *request) MUST_USE;

/* rest_client_run: does what there is to do; waits up to timeout_ms for it (0: not at all). */
void rest_client_run(struct rest_client *client, int timeout_ms);

/* rest_client_pending: requests under way or waiting to be repeated. */
size_t rest_client_pending(const struct rest_client *client);

/* rest_client_due_ms: until the next repetition is due; -1: none waits. */
int64_t rest_client_due_ms(const struct rest_client *client);
