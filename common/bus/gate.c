#include "gate.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { KEY_BYTES = 32, QUESTION_PARTS = 7, PART_BYTES = 256 };
enum { PART_VERSION, PART_ID, PART_DOMAIN, PART_ADDRESS, PART_IDENTITY, PART_MECHANISM, PART_KEY };

struct gate {
    void *context;
    struct bus_keys keys;
    void *questions; /* REP, the thread's */
    void *order;     /* PAIR: ours; a message ends the thread */
    void *ordered;   /* PAIR: the thread's */
    void *monitored[GATE_SOCKETS_MAX];
    void *monitors[GATE_SOCKETS_MAX]; /* PAIR: the thread's, once it has been handed over */
    atomic_size_t monitor_count;
    pthread_t thread;
    _Atomic int64_t refused;
};

struct part {
    uint8_t bytes[PART_BYTES];
    size_t length;
};

/* parts_take: one multi-part message; what is too long or too much is dropped, and counts as not understood. */
static size_t parts_take(void *socket, struct part *parts, size_t most)
{
    size_t count = 0;
    bool good = true;
    for (int more = 1; more;) {
        struct part surplus, *part = count < most ? &parts[count] : &surplus;
        int got = zmq_recv(socket, part->bytes, sizeof part->bytes, ZMQ_DONTWAIT);
        size_t size = sizeof more;
        if (got < 0)
            return 0;
        good = good && count < most && got <= PART_BYTES;
        part->length = (size_t)got;
        count++;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
            return 0;
    }
    return good ? count : 0;
}

static bool is_text(const struct part *part, const char *text)
{
    return part->length == strlen(text) && memcmp(part->bytes, text, part->length) == 0;
}

static bool is_member(const struct gate *gate, const struct part *parts, size_t count)
{
    char key[KEY_TEXT_BYTES];
    if (count != QUESTION_PARTS || !is_text(&parts[PART_MECHANISM], "CURVE") ||
        parts[PART_KEY].length != KEY_BYTES || !zmq_z85_encode(key, parts[PART_KEY].bytes, KEY_BYTES))
        return false;
    return strcmp(key, gate->keys.client_public) == 0;
}

static void answer_question(struct gate *gate)
{
    struct part parts[QUESTION_PARTS] = {{{0}, 0}};
    size_t count = parts_take(gate->questions, parts, QUESTION_PARTS);
    bool member = is_member(gate, parts, count);
    if (!member)
        atomic_fetch_add(&gate->refused, 1);
    const char *const texts[] = {member ? "200" : "400", member ? "" : "not a key of this stack", "", ""};
    zmq_send(gate->questions, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(gate->questions, parts[PART_ID].bytes, parts[PART_ID].length, ZMQ_SNDMORE);
    for (size_t i = 0; i < 4; i++)
        zmq_send(gate->questions, texts[i], strlen(texts[i]), i < 3 ? ZMQ_SNDMORE : 0);
}

/* take_event: a handshake that broke the protocol, or was broken off before a key had been shown (so does one without CURVE, when
 * it sees what is asked of it). What we refused ourselves has been counted as such. */
static void take_event(struct gate *gate, void *monitor)
{
    struct part parts[2];
    if (parts_take(monitor, parts, 2) > 0)
        atomic_fetch_add(&gate->refused, 1);
}

static void *work(void *context)
{
    struct gate *gate = context;
    for (;;) {
        size_t count = atomic_load(&gate->monitor_count);
        zmq_pollitem_t items[2 + GATE_SOCKETS_MAX] = {{.socket = gate->ordered, .events = ZMQ_POLLIN},
                                                      {.socket = gate->questions, .events = ZMQ_POLLIN}};
        for (size_t i = 0; i < count; i++)
            items[2 + i] = (zmq_pollitem_t){.socket = gate->monitors[i], .events = ZMQ_POLLIN};
        if (zmq_poll(items, (int)(2 + count), -1) < 0 && zmq_errno() == ETERM)
            break;
        char order = 0;
        if ((items[0].revents & ZMQ_POLLIN) && zmq_recv(gate->ordered, &order, 1, ZMQ_DONTWAIT) == 1 &&
            order == 'E')
            break;
        if (items[1].revents & ZMQ_POLLIN)
            answer_question(gate);
        for (size_t i = 0; i < count; i++)
            if (items[2 + i].revents & ZMQ_POLLIN)
                take_event(gate, gate->monitors[i]);
    }
    return NULL;
}

static void *socket_open(struct gate *gate, int type, const char *where, bool bind)
{
    int none = 0;
    void *socket = zmq_socket(gate->context, type);
    if (socket)
        zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    if (socket && (bind ? zmq_bind(socket, where) : zmq_connect(socket, where)) != 0) {
        zmq_close(socket);
        socket = NULL;
    }
    return socket;
}

static void gate_free(struct gate *gate)
{
    void *sockets[] = {gate->questions, gate->order, gate->ordered, gate->monitors[0], gate->monitors[1]};
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
        if (sockets[i])
            zmq_close(sockets[i]);
    explicit_bzero(&gate->keys, sizeof gate->keys);
    free(gate);
}

enum status gate_open(void *zmq_context, const struct bus_keys *keys, struct gate **out_gate,
                      struct error *error)
{
    struct gate *gate = memory_allocate(sizeof *gate);
    gate->context = zmq_context;
    gate->keys = *keys;
    gate->questions = socket_open(gate, ZMQ_REP, "inproc://zeromq.zap.01", true);
    gate->ordered = socket_open(gate, ZMQ_PAIR, "inproc://gate-order", true);
    gate->order = socket_open(gate, ZMQ_PAIR, "inproc://gate-order", false);
    if (!gate->questions || !gate->ordered || !gate->order ||
        pthread_create(&gate->thread, NULL, work, gate) != 0) {
        gate_free(gate);
        return error_set(error, STATUS_IO, "the guard of the bus cannot be started: %s",
                         zmq_strerror(zmq_errno()));
    }
    *out_gate = gate;
    return STATUS_OK;
}

enum status gate_guard(struct gate *gate, void *socket, struct error *error)
{
    static const char *const WHERE[GATE_SOCKETS_MAX] = {"inproc://gate-monitor-0", "inproc://gate-monitor-1"};
    static const char DOMAIN[] = "orderflow";
    size_t index = atomic_load(&gate->monitor_count);
    int one = 1;
    bool good =
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one) == 0 &&
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gate->keys.server_secret, KEY_TEXT_BYTES) == 0 &&
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, DOMAIN, strlen(DOMAIN)) == 0 &&
        zmq_socket_monitor(socket, WHERE[index],
                           ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) == 0;
    if (good)
        gate->monitors[index] = socket_open(gate, ZMQ_PAIR, WHERE[index], false);
    if (!good || !gate->monitors[index])
        return error_set(error, STATUS_IO, "CURVE cannot be switched on: %s", zmq_strerror(zmq_errno()));
    gate->monitored[index] = socket;
    atomic_fetch_add(&gate->monitor_count, 1); /* from here on it is the thread's … */
    zmq_send(gate->order, "M", 1, 0);          /* … which looks at it when it wakes */
    return STATUS_OK;
}

void gate_close(struct gate *gate)
{
    if (!gate)
        return;
    zmq_send(gate->order, "E", 1, 0);
    pthread_join(gate->thread, NULL);
    for (size_t i = 0; i < atomic_load(&gate->monitor_count); i++)
        zmq_socket_monitor(gate->monitored[i], NULL, 0);
    gate_free(gate);
}

int64_t gate_refused(const struct gate *gate)
{
    return gate ? atomic_load(&gate->refused) : 0;
}
