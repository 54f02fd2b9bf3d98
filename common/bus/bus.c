#include "bus/bus.h"

#include "base/file.h"
#include "base/memory.h"
#include "bus/headroom.h"
#include "bus/keys.h"
#include "endpoint.h"
#include "gate.h"
#include "link.h"
#include "proto/frame.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum {
    FOLDER_BYTES_MAX = 80,
    RECONNECT_MS = 10,
    CONTROL_HIGH_WATER_MARK = 1000,
    RECONNECT_TCP_MS_MAX = 100, /* each attempt asks the network's DNS for the name */
    THREADS_TCP = 16, /* libzmq asks for a name in the thread that connects, which then does nothing else */
    CONNECT_TCP_MS = 1000,
    HANDSHAKE_MS = 3000,
    ALIVE_MS = 1000,         /* over TCP: a machine that is gone says nothing … */
    ALIVE_TIMEOUT_MS = 4000, /* … and is given up after so long */
    LINGER_MS = 200,
    TOPIC_BYTES_MAX = 256,
    SHARE_MESSAGES = 32, /* of one upstream before the next has its turn */
};

struct connection {
    char instance[INSTANCE_BYTES];
    void *subscriber;
    void *dealer;
    char **topics; /* subscribed to */
    size_t topic_count, topic_capacity;
};

struct bus {
    void *context;
    char folder[FOLDER_BYTES_MAX + 1];
    char instance[INSTANCE_BYTES];
    int high_water_mark;
    struct endpoint_place place;
    char **hosts; /* place.hosts, ours */
    char listen_address[64];
    struct bus_keys keys; /* over TCP */
    struct gate *gate;    /* over TCP, once it listens */
    int lock_descriptor;
    void *publisher;
    void *router;
    struct connection *connections;
    size_t connection_count, connection_capacity;
    size_t turn; /* the connection that was drained last */
    int *watched;
    size_t watched_count, watched_capacity;
    zmq_pollitem_t *items; /* rebuilt when sockets or descriptors are added */
    size_t item_count;
    bool items_stale;
    struct link *link; /* faults on links; NULL: none can be */
};

static enum status zmq_failed(struct error *error, const char *doing, const char *where)
{
    return error_set(error, errno == EADDRINUSE ? STATUS_EXISTS : STATUS_IO, "%s %s: %s", doing, where,
                     zmq_strerror(errno));
}

/* folder_private: the sockets' folder exists, is a real folder, ours alone. */
static enum status folder_private(const char *folder, struct error *error)
{
    struct stat found;
    if (folder_make(folder, 0700) != STATUS_OK)
        return error_set(error, STATUS_IO, "bus folder %s cannot be made: %m", folder);
    if (lstat(folder, &found) != 0 || !S_ISDIR(found.st_mode))
        return error_set(error, STATUS_INVALID, "bus folder %s is not a folder (a link is not accepted)",
                         folder);
    if ((found.st_mode & 077) && chmod(folder, 0700) != 0)
        return error_set(error, STATUS_INVALID, "bus folder %s is open to others: chmod 700 it", folder);
    return STATUS_OK;
}

/* place_take: where everybody listens. */
static void place_take(struct bus *bus, const struct bus_config *config)
{
    bus->place.folder = bus->folder;
    if (!config->tcp)
        return;
    snprintf(bus->listen_address, sizeof bus->listen_address, "%s", config->listen_address);
    bus->hosts = memory_allocate((config->host_count + 1) * sizeof *bus->hosts);
    for (size_t i = 0; i < config->host_count; i++)
        bus->hosts[i] = memory_copy_text(config->hosts[i]);
    bus->place = (struct endpoint_place){
        .hosts = (const char *const *)bus->hosts, .host_count = config->host_count, .port = config->port};
}

static bool over_tcp(const struct bus *bus)
{
    return !bus->place.folder;
}

static void bus_free(struct bus *bus)
{
    for (size_t i = 0; i < bus->place.host_count; i++)
        free(bus->hosts[i]);
    free(bus->hosts);
    free(bus->connections);
    free(bus->watched);
    free(bus->items);
    explicit_bzero(&bus->keys, sizeof bus->keys);
    free(bus);
}

/* context_create: Debian's libzmq asks for the number of the protocol "pgm" with every context, and glibc looks for a data base of
 * protocols nobody has in every folder of libraries: 157 system calls of a start's 434. Only the file is asked. */
static void *context_create(void)
{
    __nss_configure_lookup("protocols", "files");
    return zmq_ctx_new();
}

enum status bus_create(const struct bus_config *config, struct bus **out_bus, struct error *error)
{
    if (strlen(config->folder) > FOLDER_BYTES_MAX)
        return error_set(
            error, STATUS_INVALID,
            "bus.dir %s is longer than %d bytes: socket names would not fit; use a shorter or relative one",
            config->folder, FOLDER_BYTES_MAX);
    enum status status = folder_private(config->folder, error);
    if (status != STATUS_OK)
        return status;
    struct bus_keys keys = {0};
    if (config->tcp && (status = bus_keys_read(config->curve_folder, &keys, error)) != STATUS_OK)
        return status;
    headroom_keep();
    struct bus *bus = memory_allocate(sizeof *bus);
    snprintf(bus->folder, sizeof bus->folder, "%s", config->folder);
    snprintf(bus->instance, sizeof bus->instance, "%s", config->instance);
    bus->high_water_mark = config->high_water_mark;
    bus->lock_descriptor = -1;
    bus->items_stale = true;
    bus->keys = keys;
    place_take(bus, config);
    bus->context = context_create();
    if (!bus->context) {
        bus_free(bus);
        return zmq_failed(error, "ZeroMQ context", "");
    }
    if (config->tcp)
        zmq_ctx_set(bus->context, ZMQ_IO_THREADS, THREADS_TCP);
    *out_bus = bus;
    return STATUS_OK;
}

static void socket_close(void **socket)
{
    if (*socket)
        zmq_close(*socket);
    *socket = NULL;
}

static void connection_finish(struct connection *connection)
{
    socket_close(&connection->subscriber);
    socket_close(&connection->dealer);
    for (size_t i = 0; i < connection->topic_count; i++)
        free(connection->topics[i]);
    free(connection->topics);
}

void bus_destroy(struct bus *bus)
{
    if (!bus)
        return;
    gate_close(bus->gate);
    socket_close(&bus->publisher);
    socket_close(&bus->router);
    for (size_t i = 0; i < bus->connection_count; i++)
        connection_finish(&bus->connections[i]);
    link_destroy(bus->link);
    zmq_ctx_term(bus->context);
    if (bus->lock_descriptor >= 0)
        close(bus->lock_descriptor);
    bus_free(bus);
}

/* tcp_manners: a name may be unknown for a while, a machine may vanish without a word. */
static void tcp_manners(void *socket)
{
    const struct {
        int option, value;
    } options[] = {
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_TCP_MS_MAX},
        {ZMQ_CONNECT_TIMEOUT, CONNECT_TCP_MS},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, ALIVE_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, ALIVE_TIMEOUT_MS},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof options[i].value);
}

/* socket_create: every socket of ours has the same manners. */
static void *socket_create(struct bus *bus, int type, int high_water_mark, int64_t bytes_max)
{
    void *socket = zmq_socket(bus->context, type);
    if (!socket)
        return NULL;
    /* What we say may still leave when we go; what we asked is of no use then. */
    int linger = type == ZMQ_PUB || type == ZMQ_ROUTER ? LINGER_MS : 0, reconnect = RECONNECT_MS, one = 1;
    /* What a SUB sends is its subscriptions, and libzmq drops those beyond the mark when it attaches a pipe, without a word:
     * such a subscriber stays deaf. */
    int send_mark = type == ZMQ_SUB ? 0 : high_water_mark;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &send_mark, sizeof send_mark);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water_mark, sizeof high_water_mark);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max);
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof reconnect);
    if (type == ZMQ_ROUTER)
        zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
    if (over_tcp(bus))
        tcp_manners(socket);
    return socket;
}

/* curve_client: the keys of a socket that connects. */
static void curve_client(const struct bus *bus, void *socket)
{
    if (!socket || !over_tcp(bus))
        return;
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, bus->keys.server_public, KEY_TEXT_BYTES);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, bus->keys.client_public, KEY_TEXT_BYTES);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, bus->keys.client_secret, KEY_TEXT_BYTES);
}

/* instance_lock: one live process per instance name; the kernel frees it at death. */
static enum status instance_lock(struct bus *bus, struct error *error)
{
    char path[PATH_BYTES];
    path_join(path, bus->folder, "%s.lock", bus->instance);
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return error_set(error, STATUS_IO, "%s cannot be opened: %m", path);
    if (file_lock(descriptor) != STATUS_OK) {
        close(descriptor);
        return error_set(error, STATUS_EXISTS, "%s: a live %s holds this name", path, bus->instance);
    }
    bus->lock_descriptor = descriptor;
    return STATUS_OK;
}

static enum status bind_socket(struct bus *bus, void *socket, enum endpoint_kind kind, struct error *error)
{
    char where[ENDPOINT_BYTES];
    endpoint_to_bind(&bus->place, bus->instance, bus->listen_address, kind, where);
    enum status status = bus->gate ? gate_guard(bus->gate, socket, error) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    mode_t previous = umask(0177);
    int code = zmq_bind(socket, where);
    umask(previous);
    return code == 0 ? STATUS_OK : zmq_failed(error, "cannot bind", where);
}

enum status bus_bind(struct bus *bus, struct error *error)
{
    enum status status = instance_lock(bus, error);
    if (status != STATUS_OK)
        return status;
    bus->publisher = socket_create(bus, ZMQ_PUB, bus->high_water_mark, FRAME_BYTES_MAX);
    bus->router = socket_create(bus, ZMQ_ROUTER, CONTROL_HIGH_WATER_MARK, 65536);
    bus->items_stale = true;
    if (!bus->publisher || !bus->router)
        return zmq_failed(error, "cannot create sockets of", bus->instance);
    if (over_tcp(bus))
        status = gate_open(bus->context, &bus->keys, &bus->gate, error);
    status = status == STATUS_OK ? bind_socket(bus, bus->publisher, ENDPOINT_PUBLISHER, error) : status;
    return status == STATUS_OK ? bind_socket(bus, bus->router, ENDPOINT_ROUTER, error) : status;
}

/* connection_open: both sockets of an upstream, with its subscriptions. */
static enum status connection_open(struct bus *bus, struct connection *connection, struct error *error)
{
    char publisher[ENDPOINT_BYTES], router[ENDPOINT_BYTES];
    endpoint_of(&bus->place, connection->instance, ENDPOINT_PUBLISHER, publisher);
    endpoint_of(&bus->place, connection->instance, ENDPOINT_ROUTER, router);
    connection->subscriber = socket_create(bus, ZMQ_SUB, bus->high_water_mark, FRAME_BYTES_MAX);
    connection->dealer = socket_create(bus, ZMQ_DEALER, CONTROL_HIGH_WATER_MARK, FRAME_BYTES_MAX);
    curve_client(bus, connection->subscriber);
    curve_client(bus, connection->dealer);
    for (size_t i = 0; connection->subscriber && i < connection->topic_count; i++)
        zmq_setsockopt(connection->subscriber, ZMQ_SUBSCRIBE, connection->topics[i],
                       strlen(connection->topics[i]));
    if (connection->subscriber && connection->dealer && zmq_connect(connection->subscriber, publisher) == 0 &&
        zmq_connect(connection->dealer, router) == 0)
        return STATUS_OK;
    enum status status = zmq_failed(error, "cannot connect to", connection->instance);
    socket_close(&connection->subscriber);
    socket_close(&connection->dealer);
    return status;
}

enum status bus_connect(struct bus *bus, const char *upstream_instance, size_t *out_connection,
                        struct error *error)
{
    struct connection connection = {0};
    snprintf(connection.instance, sizeof connection.instance, "%s", upstream_instance);
    enum status status = connection_open(bus, &connection, error);
    if (status != STATUS_OK)
        return status;
    bus->connections = memory_grow(bus->connections, &bus->connection_capacity, bus->connection_count + 1,
                                   sizeof *bus->connections);
    *out_connection = bus->connection_count;
    bus->connections[bus->connection_count++] = connection;
    bus->items_stale = true;
    return STATUS_OK;
}

enum status bus_reconnect(struct bus *bus, size_t connection, struct error *error)
{
    struct connection *old = &bus->connections[connection], renewed = *old;
    enum status status = connection_open(bus, &renewed, error);
    if (status != STATUS_OK)
        return status;
    socket_close(&old->subscriber);
    socket_close(&old->dealer);
    *old = renewed;
    bus->items_stale = true;
    return STATUS_OK;
}

void bus_subscribe(struct bus *bus, size_t connection, const char *topic)
{
    struct connection *to = &bus->connections[connection];
    to->topics = memory_grow(to->topics, &to->topic_capacity, to->topic_count + 1, sizeof *to->topics);
    to->topics[to->topic_count++] = memory_copy_text(topic);
    zmq_setsockopt(to->subscriber, ZMQ_SUBSCRIBE, topic, strlen(topic));
}

void bus_unsubscribe(struct bus *bus, size_t connection, const char *topic)
{
    struct connection *from = &bus->connections[connection];
    for (size_t i = 0; i < from->topic_count; i++) {
        if (strcmp(from->topics[i], topic) != 0)
            continue;
        if (from->subscriber)
            zmq_setsockopt(from->subscriber, ZMQ_UNSUBSCRIBE, topic, strlen(topic));
        free(from->topics[i]);
        from->topics[i] = from->topics[--from->topic_count];
        return;
    }
}

void bus_disconnect(struct bus *bus, size_t connection)
{
    connection_finish(&bus->connections[connection]);
    bus->connections[connection] = (struct connection){0};
    bus->items_stale = true;
}

void bus_publish(struct bus *bus, const char *topic, const void *data, size_t bytes)
{
    assert(bytes <= FRAME_BYTES_MAX); /* a larger one would make every subscriber deaf (see bus_reconnect) */
    if (zmq_send(bus->publisher, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_send(bus->publisher, data, bytes, ZMQ_DONTWAIT);
}

void bus_injure(struct bus *bus, struct injury_table *table)
{
    link_destroy(bus->link);
    bus->link = link_create(table);
}

bool bus_has_connection(const struct bus *bus, const char *upstream_instance)
{
    for (size_t i = 0; i < bus->connection_count; i++)
        if (strcmp(bus->connections[i].instance, upstream_instance) == 0)
            return true;
    return false;
}

enum status bus_request(struct bus *bus, size_t connection, const void *data, size_t bytes)
{
    if (!bus->connections[connection].dealer)
        return STATUS_CLOSED;
    if (bus->link && link_request(bus->link, bus->connections[connection].instance))
        return STATUS_OK; /* lost on its way */
    return zmq_send(bus->connections[connection].dealer, data, bytes, ZMQ_DONTWAIT) >= 0 ? STATUS_OK
                                                                                         : STATUS_AGAIN;
}

/* A REQ socket of another language puts an empty part before its request and wants it back: the last byte of the
 * peer's bytes remembers it. */
enum { PEER_FLAG = sizeof((struct bus_peer_id *)0)->bytes - 1 };

void bus_answer(struct bus *bus, const struct bus_peer_id *peer, const void *head, size_t head_bytes,
                const void *body, size_t body_bytes)
{
    if (zmq_send(bus->router, peer->bytes, peer->length, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return; /* it left, or its queue is full: it will ask again */
    if (peer->bytes[PEER_FLAG])
        zmq_send(bus->router, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(bus->router, head, head_bytes, ZMQ_DONTWAIT | (body ? ZMQ_SNDMORE : 0));
    if (body)
        zmq_send(bus->router, body, body_bytes, ZMQ_DONTWAIT);
}

void bus_watch(struct bus *bus, int descriptor)
{
    bus->watched =
        memory_grow(bus->watched, &bus->watched_capacity, bus->watched_count + 1, sizeof *bus->watched);
    bus->watched[bus->watched_count++] = descriptor;
    bus->items_stale = true;
}

static void items_rebuild(struct bus *bus)
{
    bus->items =
        memory_resize(bus->items, (2 * bus->connection_count + 1 + bus->watched_count) * sizeof *bus->items);
    bus->item_count = 0;
    for (size_t i = 0; i < bus->connection_count; i++) {
        if (!bus->connections[i].subscriber)
            continue;
        bus->items[bus->item_count++] =
            (zmq_pollitem_t){.socket = bus->connections[i].subscriber, .events = ZMQ_POLLIN};
        bus->items[bus->item_count++] =
            (zmq_pollitem_t){.socket = bus->connections[i].dealer, .events = ZMQ_POLLIN};
    }
    if (bus->router)
        bus->items[bus->item_count++] = (zmq_pollitem_t){.socket = bus->router, .events = ZMQ_POLLIN};
    for (size_t i = 0; i < bus->watched_count; i++)
        bus->items[bus->item_count++] = (zmq_pollitem_t){.fd = bus->watched[i], .events = ZMQ_POLLIN};
    bus->items_stale = false;
}

/* Of one multi-part message surplus parts are dropped. */
static bool parts_receive(void *socket, struct parts *parts)
{
    parts->count = 0;
    int more = 1;
    while (more) {
        zmq_msg_t surplus;
        zmq_msg_t *part = parts->count < PARTS_MAX ? &parts->part[parts->count] : &surplus;
        zmq_msg_init(part);
        if (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(part);
            return parts->count > 0;
        }
        more = zmq_msg_more(part);
        if (part == &surplus)
            zmq_msg_close(part);
        else
            parts->count++;
    }
    return true;
}

static void *part_data(struct parts *parts, size_t index)
{
    return index < parts->count ? zmq_msg_data(&parts->part[index]) : NULL;
}

static size_t part_bytes(struct parts *parts, size_t index)
{
    return index < parts->count ? zmq_msg_size(&parts->part[index]) : 0;
}

/* What lacks its second part, or has too long a topic, goes on as well: whoever reads frames counts it as malformed. */
static void deliver_frame(const struct bus_events *events, size_t connection, struct parts *parts)
{
    char topic[TOPIC_BYTES_MAX];
    size_t length = part_bytes(parts, 0) < sizeof topic ? part_bytes(parts, 0) : sizeof topic - 1;
    memcpy(topic, part_data(parts, 0), length);
    topic[length] = 0;
    events->frame(events->context, connection, topic, length, parts->count > 1 ? part_data(parts, 1) : "",
                  part_bytes(parts, 1));
}

static void deliver_answer(const struct bus_events *events, size_t connection, struct parts *parts)
{
    events->answer(events->context, connection, part_data(parts, 0), part_bytes(parts, 0),
                   part_data(parts, 1), part_bytes(parts, 1));
}

static void deliver_request(const struct bus_events *events, struct parts *parts)
{
    struct bus_peer_id peer = {.length = part_bytes(parts, 0)};
    bool delimiter = parts->count > 2 && part_bytes(parts, 1) == 0;
    size_t payload = delimiter ? 2 : 1;
    if (peer.length >= PEER_FLAG)
        return;
    memcpy(peer.bytes, part_data(parts, 0), peer.length);
    peer.bytes[PEER_FLAG] = delimiter;
    events->request(events->context, &peer, payload < parts->count ? part_data(parts, payload) : "",
                    part_bytes(parts, payload));
}

static void deliver(enum link_side side, size_t connection, struct parts *parts,
                    const struct bus_events *events)
{
    if (side == LINK_FRAME)
        deliver_frame(events, connection, parts);
    else if (side == LINK_ANSWER)
        deliver_answer(events, connection, parts);
    else
        deliver_request(events, parts);
}

/* drain_socket: receives until empty or `left` is used up. A fault on the link may take a message, or give it twice. */
static size_t drain_socket(struct bus *bus, void *socket, enum link_side side, size_t connection, size_t left,
                           const struct bus_events *events)
{
    size_t count = 0;
    struct parts parts;
    while (count < left && parts_receive(socket, &parts)) {
        int times =
            bus->link && side != LINK_REQUEST
                ? link_pass(bus->link, bus->connections[connection].instance, side, connection, &parts)
                : 1;
        for (; times > 0; times--)
            deliver(side, connection, &parts, events);
        parts_close(&parts);
        count++;
    }
    return count;
}

/* drain_held: what a fault held back and is due. */
static size_t drain_held(struct bus *bus, const struct bus_events *events)
{
    size_t count = 0, connection;
    enum link_side side;
    struct parts parts;
    while (bus->link && link_due(bus->link, &side, &connection, &parts)) {
        if (side == LINK_FRAME ? events->frame != NULL : events->answer != NULL)
            deliver(side, connection, &parts, events);
        parts_close(&parts);
        count++;
    }
    return count;
}

/* drain_connection: a share of what waits at one upstream, answers first. */
static size_t drain_connection(struct bus *bus, size_t index, size_t left, const struct bus_events *events)
{
    size_t count = 0, share = left < SHARE_MESSAGES ? left : SHARE_MESSAGES;
    if (!bus->connections[index].subscriber)
        return 0; /* closed */
    if (events->answer)
        count += drain_socket(bus, bus->connections[index].dealer, LINK_ANSWER, index, share, events);
    if (events->frame)
        count +=
            drain_socket(bus, bus->connections[index].subscriber, LINK_FRAME, index, share - count, events);
    return count;
}

/* drain_all: a share of requests, then round after round a share of every connection, so that a busy upstream does not keep the
 * others waiting. The next call goes on behind the connection that came last. */
static size_t drain_all(struct bus *bus, size_t messages_max, const struct bus_events *events)
{
    size_t count = drain_held(bus, events), idle = 0;
    if (bus->router && events->request)
        count += drain_socket(bus, bus->router, LINK_REQUEST, 0,
                              messages_max < SHARE_MESSAGES ? messages_max : SHARE_MESSAGES, events);
    while (count < messages_max && idle < bus->connection_count) {
        bus->turn = (bus->turn + 1) % bus->connection_count;
        size_t got = drain_connection(bus, bus->turn, messages_max - count, events);
        count += got;
        idle = got ? 0 : idle + 1;
    }
    return count;
}

size_t bus_poll(struct bus *bus, int timeout_ms, size_t messages_max, const struct bus_events *events)
{
    size_t count = drain_all(bus, messages_max, events);
    if (count || !timeout_ms)
        return count;
    if (bus->items_stale)
        items_rebuild(bus);
    zmq_poll(bus->items, (int)bus->item_count, bus->link ? link_timeout(bus->link, timeout_ms) : timeout_ms);
    return drain_all(bus, messages_max, events);
}

int64_t bus_refused(const struct bus *bus)
{
    return gate_refused(bus->gate);
}

void bus_library_version(char out_text[BUS_VERSION_BYTES])
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    snprintf(out_text, BUS_VERSION_BYTES, "%d.%d.%d", major, minor, patch);
}
