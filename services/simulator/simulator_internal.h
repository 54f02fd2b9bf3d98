/* simulator_internal: between the loop (simulator.c), its WebSocket clients (client.c) and its REST side
 * (rest.c). */
#pragma once

#include "inject.h"
#include "injured.h"
#include "market.h"
#include "position.h"
#include "simulator.h"

#include "base/buffer.h"
#include "net/server.h"

struct client {
    struct client *next;
    struct server_socket *socket;
    bool combined;            /* messages with their envelope */
    bool idle;                /* has been sent all there was */
    bool done;                /* closed or cut by us */
    uint64_t cursor;          /* next entry of the tape */
    uint64_t given;           /* what lies before it is in the kernel's hands */
    bool *subscribed;         /* by stream */
    uint16_t *symbol_streams; /* by symbol: how many of its streams */
    size_t subscribed_count;
    char **unknown; /* names subscribed to that the market does not have */
    size_t unknown_count;
    struct buffer replies; /* texts, each ended by a NUL */
};

struct simulator {
    struct clock clock;
    double speed;
    bool pass_snapshots;
    bool *needed; /* by symbol: must have a listener for the market to move; NULL: does not matter */
    int64_t rest_delay_ns;
    struct venue venue;
    struct inject *inject;
    struct injured *injured; /* NULL: nobody orders faults */
    struct market market;
    struct server *server;
    char *certificate_path, *key_path;
    size_t stream_count, symbol_count;  /* fixed once open */
    struct position_file *position;     /* NULL: nothing is kept */
    int64_t start_ms;                   /* of simulator.start, when the market began */
    int64_t base_mono_ns, base_wall_ns; /* the market's base in both clocks, as kept */
    struct client *clients;
    struct pending *pendings; /* depth requests, oldest first */
    uint64_t
        unread; /* number behind the snapshot that was answered, and is said to be read in a moment; 0: none */
    size_t pending_count;
    int64_t messages_sent, bytes_sent, requests;
};

int64_t simulator_now_ns(const struct simulator *simulator);

/* simulator_attended: whether every symbol that needs a listener has one. */
bool simulator_attended(const struct simulator *simulator);

/* simulator_advance: lets the market say the entry `number` if it may; true when it is said. */
bool simulator_advance(struct simulator *simulator, uint64_t number);

/* resume_open: finds out whether this run's market was under way when a simulator died; resume_market: takes it
 * there; resume_keep: writes down where it is (resume.c). */
enum status resume_open(struct simulator *simulator, const struct simulator_config *config,
                        struct position *out_position, bool *out_found, struct error *error) MUST_USE;
void resume_market(struct simulator *simulator, const struct position *position);
void resume_keep(struct simulator *simulator, int64_t now_ns);

/* resume_given: at max, the first entry that some reader may not have been given, and will be. */
uint64_t resume_given(struct simulator *simulator);

/* client_…: handlers of the server. */
unsigned client_accept(void *context, const struct server_target *target);
void client_open(void *context, struct server_socket *socket, const struct server_target *target);
void client_message(void *context, struct server_socket *socket, const char *text, size_t bytes);
bool client_writable(void *context, struct server_socket *socket);
void client_closed(void *context, struct server_socket *socket);

/* client_has_work: whether asking for a writable callback makes sense. */
bool client_has_work(struct simulator *simulator, const struct client *client);

/* client_subscribe, client_unsubscribe: one stream name; false when the client has too many.
 * (subscription.c) */
bool client_subscribe(struct simulator *simulator, struct client *client, const char *name);
void client_unsubscribe(struct simulator *simulator, struct client *client, const char *name);

/* client_command: a JSON message of the client; its reply goes into client->replies. (subscription.c) */
void client_command(struct simulator *simulator, struct client *client, const char *text, size_t bytes);

/* rest_…: handlers and the waiting depth requests. */
void rest_request(void *context, struct server_request *request);
void rest_finished(void *context, struct server_request *request, bool delivered);
void rest_tick(struct simulator *simulator, int64_t now_ns);
int64_t rest_due_ns(const struct simulator *simulator);
bool rest_wants(const struct simulator *simulator, uint16_t symbol);
bool rest_awaits_read(
    const struct simulator *simulator); /* the market stands until an answer has been read */
void rest_drop_all(struct simulator *simulator);
