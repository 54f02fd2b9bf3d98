/* websocket_client: several WebSocket connections on one loop, each re-established by itself (libwebsockets
 * behind it).
 *
 *     add ─▶ connecting ──▶ open ──▶ lost ──▶ waiting (back-off) ──▶ connecting …        remove: gone, silently
 *                │                     ▲
 *                └── refused ──────────┘
 *
 * Messages are put together from their fragments; one longer than `message_bytes_max` is skipped and told by
 * its size. The client pings after ping_interval_s without a pong and gives the connection up when none comes
 * for pong_timeout_s. Reading can be paused: the peer then feels it through TCP. All handlers run inside
 * websocket_client_run_once, in the thread that calls it; only websocket_client_wake may be called from
 * elsewhere. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEBSOCKET_URL_BYTES_MAX = 64 * 1024,
    WEBSOCKET_REASON_BYTES = 160,
    WEBSOCKET_OUTGOING_BYTES_MAX = 64 * 1024,
    WEBSOCKET_READ_BYTES = 256 * 1024, /* taken from the kernel at once */
    WEBSOCKET_CONNECT_TIMEOUT_S = 15,  /* TCP, TLS and the HTTP upgrade, each */
};

struct websocket_client;
struct websocket;

struct websocket_handlers {
    void (*opened)(void *context, struct websocket *socket);
    /* message: one complete text or binary message, borrowed. */
    void (*message)(void *context, struct websocket *socket, const char *text, size_t bytes);
    /* skipped: a message of more than message_bytes_max bytes; may be NULL. */
    void (*skipped)(void *context, struct websocket *socket, size_t bytes);
    /* lost: the open connection ended ("1000 end of recording", "1006 …"). False: do not come back. */
    bool (*lost)(void *context, struct websocket *socket, const char *reason);
    /* refused: an attempt failed; the next follows by itself. False: do not try again. May be NULL. */
    bool (*refused)(void *context, struct websocket *socket, const char *reason);
};

struct websocket_client_config {
    int ping_interval_s;
    int pong_timeout_s;
    int64_t backoff_initial_ms; /* before the first attempt to come back; then times backoff_factor … */
    double backoff_factor;
    int64_t backoff_cap_ms;
    double backoff_jitter;   /* each delay varies by this share either way */
    int64_t backoff_reset_s; /* an opening that lasted so long starts the row anew */
    uint64_t jitter_seed;
    size_t message_bytes_max;
    const char
        *certificate_path; /* PEM to trust besides the system's; NULL: none. With it, the peer of a numeric
                                     address is not asked for its name */
    struct websocket_handlers handlers;
    void *context;
};

enum status websocket_client_create(const struct websocket_client_config *config,
                                    struct websocket_client **out_client, struct error *error) MUST_USE;
void websocket_client_destroy(struct websocket_client *client); /* drops all, silently; NULL is fine */

/* websocket_client_run_once: waits up to timeout_ms for something to do, and does it. STATUS_CLOSED: the loop
 * is broken. */
enum status websocket_client_run_once(struct websocket_client *client, int timeout_ms) MUST_USE;
void websocket_client_wake(struct websocket_client *client); /* any thread: ends the waiting */

/* websocket_add: begins to connect to a ws:// or wss:// URL. STATUS_INVALID: not such a URL. `data` is the
 * user's. */
enum status websocket_add(struct websocket_client *client, const char *url, void *data,
                          struct websocket **out_socket, struct error *error) MUST_USE;

/* websocket_remove: closes and forgets it; no handler is called any more. Also from inside its handlers. */
void websocket_remove(struct websocket *socket);

/* websocket_restart: drops the connection, as if lost, and comes back at once. */
void websocket_restart(struct websocket *socket, const char *reason);

/* websocket_move: the URL of the next attempts. STATUS_INVALID: not such a URL; nothing is changed. */
enum status websocket_move(struct websocket *socket, const char *url, struct error *error) MUST_USE;

/* websocket_say: a text message to the peer of an open connection, as soon as it takes it; what it has not taken when the connection
 * ends is forgotten, as is what is said while there is none. STATUS_LIMIT: WEBSOCKET_OUTGOING_BYTES_MAX wait for it already: this
 * one is not said. */
enum status websocket_say(struct websocket *socket, const char *text) MUST_USE;

/* websocket_pause: stops or resumes reading. A few messages already taken from the kernel may still come. */
void websocket_pause(struct websocket *socket, bool paused);

bool websocket_is_open(const struct websocket *socket);
const char *websocket_url(const struct websocket *socket);
void *websocket_data(const struct websocket *socket);

/* websocket_next_delay_ms: the pure rule of the back-off: the delay before attempt number `failures` (from
 * 0); `unit` is uniform in [0, 1). */
int64_t websocket_next_delay_ms(const struct websocket_client_config *config, unsigned failures, double unit);

/* websocket_library_version: of the libwebsockets that is loaded. */
const char *websocket_library_version(void);
