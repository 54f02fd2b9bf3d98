/* bus: ZeroMQ sockets as orderflow uses them; the only part that sees ZeroMQ.
 *
 * A publisher binds <dir>/<instance>.pub (PUB: frames and heartbeats) and <dir>/<instance>.ctl (ROUTER: catch-up,
 * registration, commands). A consumer connects a SUB and a DEALER to each upstream instance; connecting before the
 * publisher exists is normal. PUB/SUB is only the fast path: it may lose, and whoever misses rows asks on the
 * DEALER. All sockets have a high-water mark, linger at most 200 ms, a reconnect interval of 10 ms, a largest message
 * (FRAME_BYTES_MAX), files 0600 in a folder 0700.
 *
 * Over TCP the same sockets have an address and a port (endpoint.h), and CURVE always: without the stack's keys
 * (keys.h) there is no bus, and whoever connects without them is refused and counted (gate.h). */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;

enum { BUS_VERSION_BYTES = 32 };

struct config;

/* bus_config: texts are copied. */
struct bus_config {
    const char *folder; /* of locks and ipc sockets; at most 80 bytes, so that names fit into sun_path */
    const char *instance;
    int high_water_mark;
    bool tcp;                   /* what follows counts only then */
    const char *listen_address; /* of this machine, "0.0.0.0": all */
    const char *curve_folder;   /* of the keys */
    int port;                   /* PUB; the ROUTER has the next one */
    const char *const *hosts;   /* "NAME=HOST[:PORT]" */
    size_t host_count;
};

/* bus_config_of: what the configuration says; its texts are borrowed. */
struct bus_config bus_config_of(const struct config *config, const char *instance);

/* bus_peer_id: who asked on the ROUTER; give it back to bus_answer. */
struct bus_peer_id {
    uint8_t bytes[64];
    size_t length;
};

/* Callbacks of bus_poll; data is borrowed for the call. Answers and requests have at most two parts. */
struct bus_events {
    void *context;
    /* a frame (or heartbeat) of upstream `connection` */
    void (*frame)(void *context, size_t connection, const char *topic, size_t topic_length, const void *data,
                  size_t bytes);
    /* an answer of upstream `connection` on the DEALER */
    void (*answer)(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                   size_t body_bytes);
    /* a request on the own ROUTER */
    void (*request)(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes);
};

/* bus_create: STATUS_INVALID with a sentence: the folder or the keys cannot be used. */
enum status bus_create(const struct bus_config *config, struct bus **out_bus, struct error *error) MUST_USE;
void bus_destroy(struct bus *bus); /* accepts NULL */

/* bus_bind: opens the own PUB and ROUTER. STATUS_EXISTS when another live process holds the instance's lock. */
enum status bus_bind(struct bus *bus, struct error *error) MUST_USE;

/* bus_connect: adds an upstream instance; *out_connection numbers them from 0. */
enum status bus_connect(struct bus *bus, const char *upstream_instance, size_t *out_connection,
                        struct error *error) MUST_USE;

/* bus_reconnect: both sockets of a connection anew, with its subscriptions; what waits in the old ones is lost. For an
 * upstream that has been silent for long: libzmq gives a connection up for good, without a word, when the other side sends
 * more than the largest message. On failure the old sockets stay. */
enum status bus_reconnect(struct bus *bus, size_t connection, struct error *error) MUST_USE;

/* bus_subscribe: topic prefix at one connection. */
void bus_subscribe(struct bus *bus, size_t connection, const char *topic);

/* bus_unsubscribe: what was subscribed with exactly this topic. */
void bus_unsubscribe(struct bus *bus, size_t connection, const char *topic);

/* bus_disconnect: closes both sockets of a connection for good; its number is not used again, and requests to it are
 * STATUS_CLOSED. Not while one of its messages is being delivered. */
void bus_disconnect(struct bus *bus, size_t connection);

/* bus_publish: at most FRAME_BYTES_MAX; never blocks; what a subscriber's queue does not take is lost to it. */
void bus_publish(struct bus *bus, const char *topic, const void *data, size_t bytes);

/* bus_request: to upstream's ROUTER; STATUS_AGAIN when its queue is full. */
enum status bus_request(struct bus *bus, size_t connection, const void *data, size_t bytes) MUST_USE;

/* bus_answer: one or two parts (body may be NULL). A peer that left is not an error. */
void bus_answer(struct bus *bus, const struct bus_peer_id *peer, const void *head, size_t head_bytes,
                const void *body, size_t body_bytes);

/* bus_injure: from now on what is heard of upstreams and said to them goes through the faults on links that `table` holds
 * (link.c). Borrowed until bus_destroy. */
struct injury_table;
void bus_injure(struct bus *bus, struct injury_table *table);

/* bus_has_connection: whether an upstream instance of that name has been connected. */
bool bus_has_connection(const struct bus *bus, const char *upstream_instance);

/* bus_watch: a descriptor that wakes bus_poll when readable (level-triggered). */
void bus_watch(struct bus *bus, int descriptor);

/* bus_poll: waits at most `timeout_ms` (0: not at all) and delivers at most `messages_max` messages.
 * Returns the number delivered. Descriptors watched are only a reason to return. */
size_t bus_poll(struct bus *bus, int timeout_ms, size_t messages_max, const struct bus_events *events);

/* bus_refused: connections to the own sockets that ended without having shown the right key. */
int64_t bus_refused(const struct bus *bus);

/* bus_library_version: of the ZeroMQ that is loaded: "4.3.4". */
void bus_library_version(char out_text[BUS_VERSION_BYTES]);
