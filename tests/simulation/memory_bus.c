#include "bus/bus.h"

#include "base/memory.h"
#include "proto/frame.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/hearing.h"
#include "tests/simulation/journals.h"
#include "tests/simulation/network.h"
#include "tests/simulation/posix.h"
#include "tests/simulation/trace.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* bus/bus.h without ZeroMQ, in its manners:
 *
 *   a connection links itself to whoever has bound the name, some milliseconds after both are there; what is published
 *   before that is lost to it, and so is what its queue does not take;
 *   requests wait for a peer that is not there; a peer that dies takes with it what it has not read;
 *   within one pipe order is kept, and every message takes its time.
 *
 * Beyond ZeroMQ's manners the seed loses frames, requests and answers. */

enum {
    SHARE_MESSAGES = 32,
    REQUESTS_MAX = 1000,
    CONNECTIONS_MAX = 64, /* one that is given up is not used again */
    LINK_NS_MIN = 1000000,
    LINK_NS_MAX = 30000000,
    TOPIC_BYTES = 64
};

struct message_in_flight {
    struct message_in_flight *next;
    int64_t at_ns; /* when it is there */
    char topic[TOPIC_BYTES];
    size_t head_bytes, body_bytes;
    uint8_t data[]; /* head, body */
};

struct pipe {
    struct message_in_flight *first, *last;
    size_t count;
};

struct connection {
    char instance[INSTANCE_BYTES];
    char topics[16][TOPIC_BYTES];
    size_t topic_count;
    uint64_t publisher; /* the life it is linked to, 0: none */
    int64_t linked_ns;
    struct pipe frames, answers, requests;
};

struct bus {
    struct bus *next;
    uint64_t life; /* unlike every other */
    char instance[INSTANCE_BYTES];
    bool bound;
    int high_water_mark;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count, turn;
    int watched[8];
    size_t watched_count;
};

static struct bus *buses;
static uint64_t lives;

/* told: the newest row of a stream that anybody has published, and the instance that published last. */
static struct told {
    char stream[TOPIC_BYTES], instance[INSTANCE_BYTES];
    int64_t sequence;
} told[16];

/* --- pipes --- */

static void pipe_put(struct pipe *pipe, const char *topic, const void *head, size_t head_bytes,
                     const void *body, size_t body_bytes)
{
    struct message_in_flight *message = memory_allocate(sizeof *message + head_bytes + body_bytes);
    int64_t at_ns = fiber_now_ns() + fault_delay_ns();
    message->at_ns = pipe->last && pipe->last->at_ns > at_ns ? pipe->last->at_ns : at_ns;
    snprintf(message->topic, sizeof message->topic, "%s", topic);
    message->head_bytes = head_bytes;
    message->body_bytes = body_bytes;
    memcpy(message->data, head, head_bytes);
    if (body_bytes)
        memcpy(message->data + head_bytes, body, body_bytes);
    if (pipe->last)
        pipe->last->next = message;
    else
        pipe->first = message;
    pipe->last = message;
    pipe->count++;
}

static struct message_in_flight *pipe_take(struct pipe *pipe)
{
    struct message_in_flight *message = pipe->first;
    if (!message || message->at_ns > fiber_now_ns())
        return NULL;
    pipe->first = message->next;
    if (!pipe->first)
        pipe->last = NULL;
    pipe->count--;
    return message;
}

static void pipe_clear(struct pipe *pipe)
{
    while (pipe->first) {
        struct message_in_flight *message = pipe->first;
        pipe->first = message->next;
        free(message);
    }
    *pipe = (struct pipe){0};
}

static struct bus *bound_to(const char *instance)
{
    for (struct bus *bus = buses; bus; bus = bus->next)
        if (bus->bound && strcmp(bus->instance, instance) == 0)
            return bus;
    return NULL;
}

/* --- life --- */

enum status bus_create(const struct bus_config *config, struct bus **out_bus, struct error *error)
{
    (void)error;
    struct bus *bus = memory_allocate(sizeof *bus);
    snprintf(bus->instance, sizeof bus->instance, "%s", config->instance);
    bus->high_water_mark = config->high_water_mark;
    bus->life = ++lives;
    bus->next = buses;
    buses = bus;
    if (fiber_process())
        fiber_process()->bus = bus;
    *out_bus = bus;
    return STATUS_OK;
}

/* cut: connections to a name whose owner has gone. */
static void cut(struct connection *connection)
{
    if (fault_chance_permille(500))
        pipe_clear(&connection->frames); /* else what has left may still arrive */
    if (fault_chance_permille(500))
        pipe_clear(&connection->answers);
    if (fault_chance_permille(500))
        pipe_clear(&connection->requests);
    connection->publisher = 0;
}

void network_bury(struct bus *gone)
{
    struct bus **link = &buses;
    while (*link && *link != gone)
        link = &(*link)->next;
    if (!gone || !*link)
        return;
    *link = gone->next;
    for (struct bus *bus = buses; bus; bus = bus->next)
        for (size_t i = 0; gone->bound && i < bus->connection_count; i++)
            if (strcmp(bus->connections[i].instance, gone->instance) == 0)
                cut(&bus->connections[i]);
    for (size_t i = 0; i < gone->connection_count; i++) {
        pipe_clear(&gone->connections[i].frames);
        pipe_clear(&gone->connections[i].answers);
        pipe_clear(&gone->connections[i].requests);
    }
    free(gone);
}

void network_audit(const char *instance)
{
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (*told[i].stream && strcmp(told[i].instance, instance) == 0)
            journals_audit(instance, told[i].stream, told[i].sequence);
}

void network_end(void)
{
    memset(told, 0, sizeof told);
    while (buses)
        network_bury(buses);
}

void bus_destroy(struct bus *bus)
{
    if (fiber_process() && fiber_process()->bus == bus)
        fiber_process()->bus = NULL;
    network_bury(bus);
}

enum status bus_bind(struct bus *bus, struct error *error)
{
    if (bound_to(bus->instance))
        return error_set(error, STATUS_EXISTS, "a live %s holds this name", bus->instance);
    bus->bound = true;
    return STATUS_OK;
}

enum status bus_connect(struct bus *bus, const char *upstream_instance, size_t *out_connection,
                        struct error *error)
{
    (void)error;
    assert(bus->connection_count < sizeof bus->connections / sizeof bus->connections[0]);
    *out_connection = bus->connection_count;
    struct connection *connection = &bus->connections[bus->connection_count++];
    snprintf(connection->instance, sizeof connection->instance, "%s", upstream_instance);
    return STATUS_OK;
}

enum status bus_reconnect(struct bus *bus, size_t connection, struct error *error)
{
    (void)error;
    struct connection *renewed = &bus->connections[connection];
    pipe_clear(&renewed->frames);
    pipe_clear(&renewed->answers);
    pipe_clear(&renewed->requests);
    renewed->publisher = 0;
    return STATUS_OK;
}

void bus_subscribe(struct bus *bus, size_t connection, const char *topic)
{
    struct connection *to = &bus->connections[connection];
    assert(to->topic_count < sizeof to->topics / sizeof to->topics[0]);
    snprintf(to->topics[to->topic_count++], TOPIC_BYTES, "%s", topic);
}

void bus_unsubscribe(struct bus *bus, size_t connection, const char *topic)
{
    struct connection *from = &bus->connections[connection];
    for (size_t i = 0; i < from->topic_count; i++)
        if (strcmp(from->topics[i], topic) == 0) {
            memmove(from->topics[i], from->topics[--from->topic_count], TOPIC_BYTES);
            return;
        }
}

void bus_disconnect(struct bus *bus, size_t connection)
{
    struct error ignored;
    enum status status = bus_reconnect(bus, connection, &ignored);
    (void)status;
    bus->connections[connection].topic_count = 0;
    *bus->connections[connection].instance = 0; /* nobody's name: nothing links to it */
}

void bus_watch(struct bus *bus, int descriptor)
{
    assert(bus->watched_count < sizeof bus->watched / sizeof bus->watched[0]);
    bus->watched[bus->watched_count++] = descriptor;
}

/* --- sending --- */

/* is_linked: whether a connection hears this life of a publisher by now. */
static bool is_linked(struct connection *connection, const struct bus *publisher)
{
    if (connection->publisher != publisher->life) {
        connection->publisher = publisher->life;
        connection->linked_ns = fiber_now_ns() + LINK_NS_MIN + fault_below(LINK_NS_MAX);
    }
    return fiber_now_ns() >= connection->linked_ns;
}

static bool is_subscribed(const struct connection *connection, const char *topic)
{
    for (size_t i = 0; i < connection->topic_count; i++)
        if (strncmp(topic, connection->topics[i], strlen(connection->topics[i])) == 0)
            return true;
    return false;
}

static void offer(struct bus *subscriber, struct connection *connection, const struct bus *publisher,
                  const char *topic, const void *data, size_t bytes)
{
    if (strcmp(connection->instance, publisher->instance) != 0 || !is_linked(connection, publisher) ||
        !is_subscribed(connection, topic) ||
        connection->frames.count >= (size_t)subscriber->high_water_mark ||
        fault_chance_permille(faults_plan()->loss_permille))
        return;
    pipe_put(&connection->frames, topic, data, bytes, NULL, 0);
    fiber_wake_at(subscriber, connection->frames.last->at_ns);
}

static void note_told(const struct bus *bus, const char *topic, const void *data, size_t bytes)
{
    struct frame frame;
    struct error error;
    size_t i = 0;
    if (strncmp(topic, "heartbeat/", 10) == 0)
        return;
    while (*told[i].stream && strcmp(told[i].stream, topic) != 0)
        i++;
    assert(i + 1 < sizeof told / sizeof told[0]);
    snprintf(told[i].stream, sizeof told[i].stream, "%s", topic);
    memcpy(told[i].instance, bus->instance, sizeof told[i].instance);
    if (frame_open(&frame, data, bytes, &error) != STATUS_OK)
        trace_complain("%s: a frame that is none: %s", topic, error.text);
    else if (frame.header.first_sequence + (int64_t)frame.header.row_count - 1 > told[i].sequence)
        told[i].sequence = frame.header.first_sequence + (int64_t)frame.header.row_count - 1;
}

void bus_publish(struct bus *bus, const char *topic, const void *data, size_t bytes)
{
    assert(bytes <= FRAME_BYTES_MAX && strlen(topic) < TOPIC_BYTES);
    fault_point("publish");
    note_told(bus, topic, data, bytes);
    for (struct bus *other = buses; other; other = other->next)
        for (size_t i = 0; i < other->connection_count; i++)
            offer(other, &other->connections[i], bus, topic, data, bytes);
    fault_point("publish done");
}

enum status bus_request(struct bus *bus, size_t connection, const void *data, size_t bytes)
{
    struct connection *to = &bus->connections[connection];
    fault_point("request");
    if (to->requests.count >= REQUESTS_MAX)
        return STATUS_AGAIN;
    if (fault_chance_permille(faults_plan()->request_loss_permille))
        return STATUS_OK;
    pipe_put(&to->requests, "", data, bytes, NULL, 0);
    fiber_wake_at(bound_to(to->instance), to->requests.last->at_ns);
    return STATUS_OK;
}

/* A peer is (life of its bus, connection). */
struct peer {
    uint64_t life;
    size_t connection;
};

void bus_answer(struct bus *bus, const struct bus_peer_id *peer, const void *head, size_t head_bytes,
                const void *body, size_t body_bytes)
{
    struct peer to;
    (void)bus;
    memcpy(&to, peer->bytes, sizeof to);
    hearing_note_answer(head, head_bytes);
    fault_point("answer");
    for (struct bus *other = buses; other; other = other->next) {
        if (other->life != to.life || fault_chance_permille(faults_plan()->request_loss_permille))
            continue;
        struct pipe *answers = &other->connections[to.connection].answers;
        pipe_put(answers, "", head, head_bytes, body, body ? body_bytes : 0);
        fiber_wake_at(other, answers->last->at_ns);
    }
}

/* --- receiving --- */

static size_t take_requests(struct bus *bus, size_t left, const struct bus_events *events)
{
    size_t count = 0;
    for (struct bus *other = buses; bus->bound && other; other = other->next)
        for (size_t i = 0; i < other->connection_count; i++) {
            struct message_in_flight *message;
            if (strcmp(other->connections[i].instance, bus->instance) != 0)
                continue;
            struct bus_peer_id peer = {.length = sizeof(struct peer)};
            memcpy(peer.bytes, &(struct peer){.life = other->life, .connection = i}, sizeof(struct peer));
            uint64_t life = other->life;
            while (count < left && (message = pipe_take(&other->connections[i].requests))) {
                events->request(events->context, &peer, message->data, message->head_bytes);
                free(message);
                count++;
                if (!buses || other->life != life)
                    return count;
            }
        }
    return count;
}

static size_t take_from(struct bus *bus, size_t index, size_t left, const struct bus_events *events)
{
    struct connection *from = &bus->connections[index];
    struct message_in_flight *message;
    size_t count = 0;
    while (count < left && (message = pipe_take(&from->answers))) {
        if (events->answer)
            events->answer(events->context, index, message->data, message->head_bytes,
                           message->body_bytes ? message->data + message->head_bytes : NULL,
                           message->body_bytes);
        free(message);
        count++;
    }
    while (count < left && (message = pipe_take(&from->frames))) {
        if (events->frame)
            events->frame(events->context, index, message->topic, strlen(message->topic), message->data,
                          message->head_bytes);
        free(message);
        count++;
    }
    return count;
}

static size_t take_all(struct bus *bus, size_t messages_max, const struct bus_events *events)
{
    size_t count = events->request ? take_requests(bus, SHARE_MESSAGES, events) : 0, idle = 0;
    while (count < messages_max && idle < bus->connection_count) {
        bus->turn = (bus->turn + 1) % bus->connection_count;
        size_t left = messages_max - count < SHARE_MESSAGES ? messages_max - count : SHARE_MESSAGES;
        size_t got = take_from(bus, bus->turn, left, events);
        count += got;
        idle = got ? 0 : idle + 1;
    }
    return count;
}

/* Faults ordered by an operator are not part of the simulation: its network has its own. */
void bus_injure(struct bus *bus, struct injury_table *table)
{
    (void)bus, (void)table;
}

bool bus_has_connection(const struct bus *bus, const char *upstream_instance)
{
    for (size_t i = 0; i < bus->connection_count; i++)
        if (strcmp(bus->connections[i].instance, upstream_instance) == 0)
            return true;
    return false;
}

static void earlier(const struct pipe *pipe, int64_t *at_ns)
{
    if (pipe->first && pipe->first->at_ns < *at_ns)
        *at_ns = pipe->first->at_ns;
}

/* next_ns: when the next message will be there. */
static int64_t next_ns(const struct bus *bus)
{
    int64_t at_ns = FIBER_NEVER;
    for (size_t i = 0; i < bus->connection_count; i++) {
        earlier(&bus->connections[i].frames, &at_ns);
        earlier(&bus->connections[i].answers, &at_ns);
    }
    for (const struct bus *other = buses; bus->bound && other; other = other->next)
        for (size_t i = 0; i < other->connection_count; i++)
            if (strcmp(other->connections[i].instance, bus->instance) == 0)
                earlier(&other->connections[i].requests, &at_ns);
    return at_ns;
}

static bool is_signalled(const struct bus *bus)
{
    for (size_t i = 0; i < bus->watched_count; i++)
        if (posix_is_readable(bus->watched[i]))
            return true;
    return false;
}

size_t bus_poll(struct bus *bus, int timeout_ms, size_t messages_max, const struct bus_events *events)
{
    size_t count = take_all(bus, messages_max, events);
    if (count || !timeout_ms || is_signalled(bus)) {
        fiber_yield();
        return count;
    }
    int64_t until_ns = fiber_now_ns() + (int64_t)timeout_ms * 1000000, arrival_ns = next_ns(bus);
    fiber_wait(bus, arrival_ns < until_ns ? arrival_ns : until_ns);
    return take_all(bus, messages_max, events);
}

int64_t bus_refused(const struct bus *bus)
{
    (void)bus;
    return 0;
}
