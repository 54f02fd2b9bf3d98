/* server: HTTP and WebSocket on one loop, plain or TLS (libwebsockets behind it).
 *
 * It keeps no queue. A socket is asked for its next messages only when its connection can take them
 * (handlers.writable), so a slow peer costs nothing but its own place. HTTP requests may be answered at once
 * or at any later time. Everything happens inside server_run_once, in the thread that calls it; only
 * server_wake may be called from elsewhere.
 *
 * Life of a socket:   accept → open → (message | writable)* → closed
 * Life of a request:  request → server_answer, now or later → finished (also when the client left before) */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SERVER_TARGET_BYTES_MAX =
        64 * 1024,                  /* request line with its arguments; longer is refused by the parser */
    SERVER_ARGUMENTS_MAX = 64,      /* arguments of one request; more are ignored */
    SERVER_BLOCK_BYTES = 64 * 1024, /* handed to the kernel at once; a single message may be longer */
    SERVER_MESSAGE_BYTES_MAX = 64 * 1024, /* received from a client; longer closes with 1009 */
    SERVER_REASON_BYTES_MAX = 123,        /* of a close frame (RFC 6455 §5.5.1) */
};

struct server;
struct server_socket;  /* one WebSocket connection */
struct server_request; /* one HTTP request */

/* server_target: what was asked for, URL-decoded: "/stream", arguments "streams=a@trade/b@trade", "x=1". */
struct server_target {
    char *path;
    char **arguments;
    size_t argument_count;
};

/* server_target_argument: the text behind "name=", NULL when there is none. */
const char *server_target_argument(const struct server_target *target, const char *name);

struct server_handlers {
    /* accept: 101 lets the client upgrade at this target; any other HTTP status refuses. NULL: no
     * WebSockets. */
    unsigned (*accept)(void *context, const struct server_target *target);
    void (*open)(void *context, struct server_socket *socket, const struct server_target *target);
    /* message: one complete text or binary message. */
    void (*message)(void *context, struct server_socket *socket, const char *text, size_t bytes);
    /* writable: the connection takes more; call server_socket_send until it returns false or nothing is left.
     * Returns whether there is more to send. Asked for with server_socket_ask, once for each time. */
    bool (*writable)(void *context, struct server_socket *socket);
    void (*closed)(void *context, struct server_socket *socket);

    /* request: answer it now or keep it and answer later. NULL: no HTTP, 404. */
    void (*request)(void *context, struct server_request *request);
    /* finished: the request is over and its pointer dead; `delivered`: the whole answer went into the
     * connection. May be NULL. */
    void (*finished)(void *context, struct server_request *request, bool delivered);
};

struct server_config {
    const char *host;                        /* IPv4 address of this machine, e.g. "127.0.0.1" */
    int port;                                /* 0: any free one */
    const char *certificate_path, *key_path; /* PEM; both NULL: no TLS */
    size_t connections_max;                  /* sockets and HTTP connections together; more are refused */
    int ping_interval_s;                     /* pings an open socket that often … */
    int pong_timeout_s;                      /* … and ends it when nothing came back for so long */
    int send_buffer_bytes;                   /* of the kernel, per socket; 0: the system's own choice */
    struct server_handlers handlers;
    void *context;
};

/* server_create: listens from here on. STATUS_INVALID: the host is no IPv4 address; STATUS_IO: it cannot be
 * listened on, or certificate or key cannot be used. */
enum status server_create(const struct server_config *config, struct server **out_server,
                          struct error *error) MUST_USE;
void server_destroy(struct server *server); /* drops every connection; handlers are told; NULL is fine */

int server_port(const struct server *server);
size_t server_socket_count(const struct server *server);

/* server_run_once: waits up to timeout_ms for something to do, and does it. STATUS_CLOSED: the loop is
 * broken. */
enum status server_run_once(struct server *server, int timeout_ms) MUST_USE;
void server_wake(struct server *server); /* from any thread: ends the waiting */

/* Sockets. `data` is the user's own pointer. */
void server_socket_set_data(struct server_socket *socket, void *data);
void *server_socket_data(const struct server_socket *socket);

/* server_socket_ask: wants a writable callback. */
void server_socket_ask(struct server_socket *socket);

/* server_socket_send: one text message; only inside `writable`. False: it was taken, but no more for now. */
bool server_socket_send(struct server_socket *socket, const char *text, size_t bytes);

/* server_socket_is_clear: all that was sent is in the kernel's hands: it arrives even if this process dies. */
bool server_socket_is_clear(const struct server_socket *socket);

/* server_socket_cut: begins this message, breaks off in its middle and drops the connection, as a failing
 * network would. For tests of receivers; only inside `writable`. */
void server_socket_cut(struct server_socket *socket, const char *text, size_t bytes);

/* server_socket_close: behind all that was sent a close frame; then waits for the peer to hang up, as long as
 * it takes (it may have much to read still), bounded by pong_timeout_s. No writable or message follows. */
void server_socket_close(struct server_socket *socket, unsigned code, const char *reason);

/* Requests. */
const struct server_target *server_request_target(const struct server_request *request);
const char *server_request_method(const struct server_request *request); /* "GET", "POST", … */
void server_request_set_data(struct server_request *request, void *data);
void *server_request_data(const struct server_request *request);

struct server_answer {
    unsigned status;
    const char *content_type;
    const char *header_name, *header_value; /* one more header ("Retry-After", "30"), or NULL */
    const void *body;
    size_t body_bytes;
};

/* server_answer: once per request; the body is copied. */
void server_answer(struct server_request *request, const struct server_answer *answer);
