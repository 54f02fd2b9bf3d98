// links: bus config proto base zmq
/* The bus over TCP: nobody without the stack's keys gets in, and nothing listens without keys at all. */
#include "tests/support/check.h"
#include "until.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "bus/keys.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { PATIENCE_MS = 60000, PORT_FIRST = 12000, PORTS = 8000 };

/* world: a folder with the stack's keys, and one with those of another stack. */
struct world {
    char folder[PATH_BYTES], keys[PATH_BYTES], other_keys[PATH_BYTES];
    int port;
    char host[64];
    const char *hosts[1];
};
static struct world world;

/* free_ports: two neighbours that nobody listens on, below those that the kernel gives to whoever names none. */
static int free_ports(void)
{
    for (int attempt = 0; attempt < PORTS / 2; attempt++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0);
        int port = PORT_FIRST + (int)((getpid() + attempt) * 2L % PORTS);
        address.sin_port = htons((uint16_t)port);
        bool good = bind(first, (struct sockaddr *)&address, sizeof address) == 0;
        address.sin_port = htons((uint16_t)(port + 1));
        good = good && bind(second, (struct sockaddr *)&address, sizeof address) == 0;
        close(first);
        close(second);
        if (good)
            return port;
    }
    fail_msg("no two free ports in a row");
    return 0;
}

static int begin(void **state)
{
    (void)state;
    struct error error = {{0}};
    check_folder(world.folder);
    path_join(world.keys, world.folder, "keys");
    path_join(world.other_keys, world.folder, "other");
    if (bus_keys_make(world.keys, &error) != STATUS_OK ||
        bus_keys_make(world.other_keys, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    world.port = free_ports();
    snprintf(world.host, sizeof world.host, "harvest=127.0.0.1:%d", world.port);
    world.hosts[0] = world.host;
    return 0;
}

static int end(void **state)
{
    (void)state;
    check_folder_remove(world.folder);
    return 0;
}

static struct bus_config config_of(const char *instance, const char *keys, char bus_folder[PATH_BYTES])
{
    path_join(bus_folder, world.folder, "bus");
    return (struct bus_config){.folder = bus_folder,
                               .instance = instance,
                               .high_water_mark = 1000,
                               .tcp = true,
                               .listen_address = "127.0.0.1",
                               .curve_folder = keys,
                               .port = 5670,
                               .hosts = world.hosts,
                               .host_count = 1};
}

static struct bus *open_bus(const char *instance, const char *keys)
{
    char bus_folder[PATH_BYTES];
    struct bus_config config = config_of(instance, keys, bus_folder);
    struct bus *bus = NULL;
    struct error error = {{0}};
    if (bus_create(&config, &bus, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return bus;
}

static struct bus *bind_bus(void)
{
    struct bus *bus = open_bus("harvest", world.keys);
    struct error error = {{0}};
    if (bus_bind(bus, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return bus;
}

struct heard {
    struct bus *bus;
    size_t frames, answers, requests;
};

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)connection, (void)topic_length;
    assert_string_equal(topic, "harvest/BTCUSDT");
    assert_int_equal(bytes, 4);
    assert_memory_equal(data, "rows", 4);
    ((struct heard *)context)->frames++;
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    (void)connection, (void)body, (void)body_bytes;
    assert_int_equal(head_bytes, 6);
    assert_memory_equal(head, "answer", 6);
    ((struct heard *)context)->answers++;
}

static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    struct heard *heard = context;
    assert_int_equal(bytes, 8);
    assert_memory_equal(data, "question", 8);
    heard->requests++;
    bus_answer(heard->bus, peer, "answer", 6, NULL, 0);
}

static void poll_once(struct heard *heard, int timeout_ms)
{
    const struct bus_events events = {
        .context = heard, .frame = on_frame, .answer = on_answer, .request = on_request};
    bus_poll(heard->bus, timeout_ms, 100, &events);
}

static void members_of_the_stack_hear_and_answer_each_other(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus()}, features = {.bus = open_bus("features", world.keys)};
    size_t connection;
    assert_ok(bus_connect(features.bus, "harvest", &connection, NULL));
    bus_subscribe(features.bus, connection, "harvest/");
    UNTIL(features.frames, bus_publish(harvest.bus, "harvest/BTCUSDT", "rows", 4); poll_once(&harvest, 1);
          poll_once(&features, 5));
    assert_ok(bus_request(features.bus, connection, "question", 8));
    UNTIL(features.answers, poll_once(&harvest, 5); poll_once(&features, 5));
    assert_int_equal(harvest.requests, 1);
    assert_int_equal(bus_refused(harvest.bus), 0);
    bus_destroy(features.bus);
    bus_destroy(harvest.bus);
}

/* intrude: a stranger's sockets ask and listen until the guard has refused someone; nothing may reach either side. */
static void intrude(void *dealer, void *subscriber)
{
    struct heard harvest = {.bus = bind_bus()};
    char where[128], got[16];
    int none = 0;
    zmq_setsockopt(dealer, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(subscriber, ZMQ_LINGER, &none, sizeof none);
    snprintf(where, sizeof where, "tcp://127.0.0.1:%d", world.port + 1);
    assert_int_equal(zmq_connect(dealer, where), 0);
    snprintf(where, sizeof where, "tcp://127.0.0.1:%d", world.port);
    assert_int_equal(zmq_connect(subscriber, where), 0);
    zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "", 0);
    zmq_send(dealer, "question", 8, ZMQ_DONTWAIT);
    UNTIL(bus_refused(harvest.bus) >= 2, bus_publish(harvest.bus, "harvest/BTCUSDT", "rows", 4);
          poll_once(&harvest, 5));
    assert_int_equal(harvest.requests, 0);
    assert_int_equal(zmq_recv(subscriber, got, sizeof got, ZMQ_DONTWAIT), -1);
    bus_destroy(harvest.bus);
}

static void without_keys_nobody_gets_in_and_it_is_counted(void **state)
{
    (void)state;
    void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER),
         *subscriber = zmq_socket(context, ZMQ_SUB);
    intrude(dealer, subscriber);
    zmq_close(dealer);
    zmq_close(subscriber);
    zmq_ctx_term(context);
}

static void take_keys(void *socket, const char *server, const struct bus_keys *client)
{
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, KEY_TEXT_BYTES), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, client->client_public, KEY_TEXT_BYTES), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, client->client_secret, KEY_TEXT_BYTES), 0);
}

static void another_stacks_client_key_is_refused(void **state)
{
    (void)state;
    struct bus_keys ours, theirs;
    assert_ok(bus_keys_read(world.keys, &ours, NULL));
    assert_ok(bus_keys_read(world.other_keys, &theirs, NULL));
    void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER),
         *subscriber = zmq_socket(context, ZMQ_SUB);
    take_keys(dealer, ours.server_public, &theirs); /* knows whom it speaks to, but is not one of us */
    take_keys(subscriber, ours.server_public, &theirs);
    intrude(dealer, subscriber);
    zmq_close(dealer);
    zmq_close(subscriber);
    zmq_ctx_term(context);
}

static void a_member_of_another_stack_is_refused(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus()}, stranger = {.bus = open_bus("features", world.other_keys)};
    size_t connection;
    assert_ok(bus_connect(stranger.bus, "harvest", &connection, NULL));
    bus_subscribe(stranger.bus, connection, "");
    assert_ok(bus_request(stranger.bus, connection, "question", 8));
    UNTIL(bus_refused(harvest.bus) >= 2, bus_publish(harvest.bus, "harvest/BTCUSDT", "rows", 4);
          poll_once(&harvest, 2); poll_once(&stranger, 2));
    assert_int_equal(harvest.requests, 0);
    assert_int_equal(stranger.frames, 0);
    bus_destroy(stranger.bus);
    bus_destroy(harvest.bus);
}

static void refuses(const char *keys, const char *because)
{
    char bus_folder[PATH_BYTES];
    struct bus_config config = config_of("harvest", keys, bus_folder);
    struct bus *bus = NULL;
    struct error error = {{0}};
    assert_int_equal(bus_create(&config, &bus, &error), STATUS_INVALID);
    assert_null(bus);
    if (!strstr(error.text, because))
        fail_msg("'%s' does not say '%s'", error.text, because);
}

static void spoil(const char *text)
{
    char path[PATH_BYTES];
    bus_keys_path(world.keys, path);
    assert_ok(file_replace(path, text, strlen(text), false));
    assert_int_equal(chmod(path, 0600), 0);
}

static void keys_that_cannot_be_trusted_are_refused_by_name(void **state)
{
    (void)state;
    char path[PATH_BYTES], nowhere[PATH_BYTES], link[PATH_BYTES], link_path[PATH_BYTES];
    path_join(nowhere, world.folder, "nowhere");
    path_join(link, world.folder, "link");
    bus_keys_path(world.keys, path);
    refuses(nowhere, "orchctl keys");
    assert_ok(folder_make(link, 0700));
    bus_keys_path(link, link_path);
    assert_int_equal(symlink(path, link_path), 0);
    refuses(link, "not a file");
    assert_int_equal(chmod(path, 0640), 0);
    refuses(world.keys, "open to others");
    spoil("server_public 12345\n");
    refuses(world.keys, "server_public");
    spoil("server_public rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\n");
    refuses(world.keys, "server_secret");
}

static void keys_are_made_once_and_for_their_owner_alone(void **state)
{
    (void)state;
    struct stat found;
    struct bus_keys before, after;
    char path[PATH_BYTES];
    bus_keys_path(world.keys, path);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(stat(world.keys, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    assert_ok(bus_keys_read(world.keys, &before, NULL));
    assert_int_equal(bus_keys_make(world.keys, NULL), STATUS_EXISTS);
    assert_ok(bus_keys_read(world.keys, &after, NULL));
    assert_memory_equal(&before, &after, sizeof before);
    assert_ok(bus_keys_read(world.other_keys, &after, NULL));
    assert_string_not_equal(before.server_public, after.server_public);
    assert_string_not_equal(before.client_public, after.client_public);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        ONE(members_of_the_stack_hear_and_answer_each_other),
        ONE(without_keys_nobody_gets_in_and_it_is_counted),
        ONE(another_stacks_client_key_is_refused),
        ONE(a_member_of_another_stack_is_refused),
        ONE(keys_that_cannot_be_trusted_are_refused_by_name),
        ONE(keys_are_made_once_and_for_their_owner_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
