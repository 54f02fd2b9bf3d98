// links: bus proto base zmq
/* The bus: what it delivers, what it loses, and that neither a foreign hand nor a slow one can hurt the publisher. */
#include "bus_folder.h"
#include "tests/support/check.h"
#include "until.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "proto/frame.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { PATIENCE_MS = 60000 };

static struct bus *open_bus(const char *instance, int high_water_mark)
{
    struct bus_config config = {.folder = folder, .instance = instance, .high_water_mark = high_water_mark};
    struct bus *bus = NULL;
    struct error error = {{0}};
    if (bus_create(&config, &bus, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return bus;
}

static struct bus *bind_bus(const char *instance, int high_water_mark)
{
    struct bus *bus = open_bus(instance, high_water_mark);
    struct error error = {{0}};
    if (bus_bind(bus, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return bus;
}

/* heard: what the callbacks of one bus were given. */
struct heard {
    struct bus *bus;
    size_t frames, answers, requests;
    size_t per_connection[4];
    char topic[64], data[64], head[64], body[64];
    size_t bytes;
    bool has_body;
    const char *answer_body; /* sent back with "re:" and the request as head; "" for none */
};

static void copy_text(char out[64], const void *data, size_t bytes)
{
    size_t length = bytes < 63 ? bytes : 63;
    if (length)
        memcpy(out, data, length);
    out[length] = 0;
}

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    struct heard *heard = context;
    heard->frames++;
    heard->per_connection[connection]++;
    assert_int_equal(strlen(topic), topic_length);
    copy_text(heard->topic, topic, topic_length);
    copy_text(heard->data, data, bytes);
    heard->bytes = bytes;
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    struct heard *heard = context;
    heard->answers++;
    heard->per_connection[connection]++;
    copy_text(heard->head, head, head_bytes);
    copy_text(heard->body, body, body_bytes);
    heard->has_body = body != NULL;
}

static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    struct heard *heard = context;
    char head[80] = "re:";
    heard->requests++;
    copy_text(heard->data, data, bytes);
    snprintf(head, sizeof head, "re:%s", heard->data);
    bool with_body = heard->answer_body && *heard->answer_body;
    bus_answer(heard->bus, peer, head, strlen(head), with_body ? heard->answer_body : NULL,
               with_body ? strlen(heard->answer_body) : 0);
}

static size_t poll_once(struct heard *heard, int timeout_ms, size_t messages_max)
{
    const struct bus_events events = {
        .context = heard, .frame = on_frame, .answer = on_answer, .request = on_request};
    return bus_poll(heard->bus, timeout_ms, messages_max, &events);
}

static void frames_arrive_by_topic(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus("harvest", 1000)}, features = {.bus = bind_bus("features", 1000)};
    size_t connection;
    assert_ok(bus_connect(features.bus, "harvest", &connection, NULL));
    assert_int_equal(connection, 0);
    bus_subscribe(features.bus, connection, "harvest/BTCUSDT");
    UNTIL(features.frames, bus_publish(harvest.bus, "harvest/BTCUSDT", "rows", 4);
          poll_once(&features, 10, 100));
    assert_string_equal(features.topic, "harvest/BTCUSDT");
    assert_string_equal(features.data, "rows");
    bus_publish(harvest.bus, "harvest/BTCUSDT", "last", 4);
    UNTIL(strcmp(features.data, "last") == 0,
          poll_once(&features, 10, 100)); /* of those said until one was heard */
    features.frames = 0;
    bus_publish(harvest.bus, "harvest/ETHUSDT", "rows", 4);
    bus_publish(harvest.bus, "harvest/BTCUSDT", NULL, 0);
    UNTIL(features.frames, poll_once(&features, 10, 100));
    assert_string_equal(features.topic, "harvest/BTCUSDT"); /* the other was not for us */
    assert_int_equal(features.bytes, 0);
    assert_int_equal(features.frames, 1);
    bus_destroy(harvest.bus);
    bus_destroy(features.bus);
}

static void a_subscriber_may_come_first_and_survives_its_publisher(void **state)
{
    (void)state;
    struct heard features = {.bus = open_bus("features", 1000)};
    size_t connection;
    assert_ok(bus_connect(features.bus, "harvest", &connection, NULL));
    bus_subscribe(features.bus, connection, "");
    for (int life = 0; life < 3; life++) {
        struct heard harvest = {.bus = bind_bus("harvest", 1000)};
        features.frames = features.answers = 0;
        UNTIL(features.frames, bus_publish(harvest.bus, "t", "x", 1); poll_once(&features, 10, 100));
        assert_ok(bus_request(features.bus, connection, "hello", 5));
        UNTIL(features.answers, poll_once(&features, 5, 100); poll_once(&harvest, 5, 100));
        bus_destroy(harvest.bus);
    }
    bus_destroy(features.bus);
}

static void requests_are_answered_in_one_or_two_parts(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus("harvest", 1000)}, features = {.bus = open_bus("features", 1000)};
    size_t connection;
    assert_ok(bus_connect(features.bus, "harvest", &connection, NULL));
    static const char *const BODIES[] = {"", "rows"};
    for (size_t i = 0; i < 2; i++) {
        features.answers = 0;
        harvest.answer_body = BODIES[i];
        assert_ok(bus_request(features.bus, connection, "from 7", 6));
        UNTIL(features.answers, poll_once(&features, 5, 100); poll_once(&harvest, 5, 100));
        assert_string_equal(features.head, "re:from 7");
        assert_string_equal(features.body, BODIES[i]);
        assert_int_equal(features.has_body, i);
    }
    bus_destroy(harvest.bus);
    bus_destroy(features.bus);
}

static void ask_raw(int type, struct heard *harvest, const char *part, bool delimiter)
{
    char endpoint[2 * PATH_BYTES], answer[64] = "";
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, type);
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/harvest.ctl", folder);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    if (delimiter)
        zmq_send(socket, "", 0, ZMQ_SNDMORE);
    assert_true(zmq_send(socket, part, strlen(part), 0) >= 0);
    int got = -1;
    UNTIL(got >= 0, poll_once(harvest, 5, 100);
          got = zmq_recv(socket, answer, sizeof answer - 1, ZMQ_DONTWAIT));
    if (delimiter) {
        assert_int_equal(got, 0);
        got = zmq_recv(socket, answer, sizeof answer - 1, 0);
    }
    assert_memory_equal(answer, "re:hello", 8);
    zmq_close(socket);
    zmq_ctx_term(context);
}

static void a_req_socket_of_another_language_is_understood(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus("harvest", 1000)};
    ask_raw(ZMQ_REQ, &harvest, "hello", false);
    ask_raw(ZMQ_DEALER, &harvest, "hello", false);
    ask_raw(ZMQ_DEALER, &harvest, "hello", true);
    bus_destroy(harvest.bus);
}

static void one_name_has_one_living_holder(void **state)
{
    (void)state;
    struct bus *first = bind_bus("broker", 10), *second = open_bus("broker", 10);
    struct error error = {{0}};
    assert_int_equal(bus_bind(second, &error), STATUS_EXISTS);
    assert_non_null(strstr(error.text, "broker.lock"));
    bus_destroy(first);
    assert_ok(bus_bind(second, &error));
    bus_destroy(second);
    /* The kernel frees the name of a process that was killed. */
    int channel[2];
    char ready;
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        struct bus *held = bind_bus("broker", 10);
        if (write(channel[1], held ? "x" : "", 1) == 1)
            pause();
        _exit(0);
    }
    assert_int_equal(read(channel[0], &ready, 1), 1);
    second = open_bus("broker", 10);
    assert_int_equal(bus_bind(second, NULL), STATUS_EXISTS);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_ok(bus_bind(second, &error));
    bus_destroy(second);
    close(channel[0]);
    close(channel[1]);
}

static int mode_of(const char *name)
{
    char path[PATH_BYTES];
    struct stat found;
    path_join(path, folder, "%s", name);
    return stat(path, &found) == 0 ? (int)(found.st_mode & 0777) : -1;
}

static void sockets_are_ours_alone(void **state)
{
    (void)state;
    umask(022);
    assert_ok(folder_make(folder, 0755)); /* one that was made too open is closed */
    struct bus *bus = bind_bus("harvest", 10);
    assert_int_equal(mode_of("."), 0700);
    assert_int_equal(mode_of("harvest.pub"), 0600);
    assert_int_equal(mode_of("harvest.ctl"), 0600);
    assert_int_equal(mode_of("harvest.lock"), 0600);
    assert_int_equal(umask(022), 022); /* the process keeps its own */
    bus_destroy(bus);
}

static void unfit_folders_are_refused_with_a_sentence(void **state)
{
    (void)state;
    struct bus *bus;
    struct error error;
    char link[PATH_BYTES], endless[200];
    assert_ok(folder_make(folder, 0700));
    path_join(link, folder, "link");
    assert_int_equal(symlink(".", link), 0);
    struct bus_config config = {.folder = link, .instance = "x", .high_water_mark = 10};
    assert_int_equal(bus_create(&config, &bus, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "link"));
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    config.folder = endless;
    assert_int_equal(bus_create(&config, &bus, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "bus.dir"));
    path_join(link, folder, "file");
    assert_ok(file_replace(link, "", 0, false));
    config.folder = link;
    assert_int_equal(bus_create(&config, &bus, &error), STATUS_IO);
    bus_destroy(NULL);
}

static void a_stopped_subscriber_costs_its_publisher_nothing(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus("harvest", 1)}, features = {.bus = open_bus("features", 1)};
    size_t connection;
    char frame[1000] = "rows";
    assert_ok(bus_connect(features.bus, "harvest", &connection, NULL));
    bus_subscribe(features.bus, connection, "");
    UNTIL(features.frames, bus_publish(harvest.bus, "t", "x", 1); poll_once(&features, 10, 100));
    int64_t begin_ms = now_ms();
    for (int i = 0; i < 50000; i++)
        bus_publish(harvest.bus, "t", frame, sizeof frame);
    assert_true(now_ms() - begin_ms < PATIENCE_MS);
    features.frames = 0;
    UNTIL(poll_once(&features, 100, 1000) == 0, );
    assert_true(features.frames < 50000); /* lost, as promised */
    features.frames = 0;
    UNTIL(features.frames, bus_publish(harvest.bus, "t", "x", 1); poll_once(&features, 10, 100));
    bus_destroy(harvest.bus);
    bus_destroy(features.bus);
}

/* libzmq drops subscriptions beyond a SUB's send mark when it attaches a pipe: ours has none. */
static void the_smallest_queue_still_hears_every_topic(void **state)
{
    (void)state;
    struct heard features = {.bus = open_bus("features", 1)};
    size_t connection;
    char topic[16];
    assert_ok(bus_connect(features.bus, "harvest", &connection, NULL));
    for (int i = 0; i < 40; i++) {
        snprintf(topic, sizeof topic, "topic-%02d", i);
        bus_subscribe(features.bus, connection, topic);
    }
    for (int life = 0; life < 3; life++) {
        struct heard harvest = {.bus = bind_bus("harvest", 1)};
        for (int i = 39; i >= 0; i--) {
            snprintf(topic, sizeof topic, "topic-%02d", i);
            features.topic[0] = 0;
            UNTIL(strcmp(features.topic, topic) == 0, bus_publish(harvest.bus, topic, "x", 1);
                  poll_once(&features, 5, 100));
        }
        bus_destroy(harvest.bus);
    }
    bus_destroy(features.bus);
}

static void publish_many(struct bus *bus, int count)
{
    while (count--)
        bus_publish(bus, "t", "x", 1);
}

static void a_busy_upstream_does_not_silence_the_others(void **state)
{
    (void)state;
    struct heard busy = {.bus = bind_bus("busy", 100000)}, calm = {.bus = bind_bus("calm", 100000)};
    struct heard reader = {.bus = open_bus("reader", 100000)};
    size_t first, second;
    assert_ok(bus_connect(reader.bus, "busy", &first, NULL));
    assert_ok(bus_connect(reader.bus, "calm", &second, NULL));
    bus_subscribe(reader.bus, first, "");
    bus_subscribe(reader.bus, second, "");
    UNTIL(reader.per_connection[0] && reader.per_connection[1], bus_publish(busy.bus, "t", "x", 1);
          bus_publish(calm.bus, "t", "x", 1); poll_once(&reader, 5, 100));
    UNTIL(poll_once(&reader, 50, 1000) == 0, );
    memset(reader.per_connection, 0, sizeof reader.per_connection);
    /* The busy one always has more waiting than one poll takes. */
    UNTIL(reader.per_connection[1] >= 3 && reader.per_connection[0] > 1000, publish_many(busy.bus, 300);
          bus_publish(calm.bus, "t", "x", 1); poll_once(&reader, 5, 100));
    bus_destroy(busy.bus);
    bus_destroy(calm.bus);
    bus_destroy(reader.bus);
}

static void odd_messages_are_survived(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus("harvest", 100)};
    char endpoint[2 * PATH_BYTES];
    void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger = 0, size = 300;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/harvest.ctl", folder);
    assert_int_equal(zmq_connect(dealer, endpoint), 0);
    for (int i = 0; i < 10; i++) /* more parts than any request has */
        zmq_send(dealer, "part", 4, i < 9 ? ZMQ_SNDMORE : 0);
    zmq_send(dealer, "", 0, 0);
    zmq_send(dealer, "plain", 5, 0);
    UNTIL(strcmp(harvest.data, "plain") == 0, poll_once(&harvest, 5, 100));
    char *large = calloc(1, 70000); /* beyond what the ROUTER takes: the peer is cut off */
    zmq_send(dealer, large, 70000, 0);
    zmq_send(dealer, "again", 5, 0);
    UNTIL(strcmp(harvest.data, "again") == 0, poll_once(&harvest, 5, 100);
          zmq_send(dealer, "again", 5, ZMQ_DONTWAIT));
    free(large);

    /* An identity longer than any of ours is not answered, and not believed. */
    void *named = zmq_socket(context, ZMQ_DEALER);
    char identity[300];
    memset(identity, 'i', sizeof identity);
    size = 200;
    zmq_setsockopt(named, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_setsockopt(named, ZMQ_ROUTING_ID, identity, (size_t)size), 0);
    assert_int_equal(zmq_connect(named, endpoint), 0);
    size_t before = harvest.requests;
    zmq_send(named, "hello", 5, 0);
    zmq_send(dealer, "last", 4, 0);
    UNTIL(strcmp(harvest.data, "last") == 0, poll_once(&harvest, 5, 100);
          zmq_send(dealer, "last", 4, ZMQ_DONTWAIT));
    assert_true(harvest.requests > before);
    zmq_close(named);
    zmq_close(dealer);
    zmq_ctx_term(context);
    /* The peer that asked has gone: an answer to it is nothing. */
    struct bus_peer_id gone = {.bytes = {0, 1, 2, 3, 4}, .length = 5};
    bus_answer(harvest.bus, &gone, "x", 1, "y", 1);

    bus_destroy(harvest.bus);
}

static void a_subscriber_that_was_made_deaf_hears_again_after_a_reconnect(void **state)
{
    (void)state;
    struct heard features = {.bus = open_bus("features", 100)};
    char endpoint[2 * PATH_BYTES];
    size_t connection;
    int linger = 0;
    void *context = zmq_ctx_new(), *foreign = zmq_socket(context, ZMQ_PUB);
    zmq_setsockopt(foreign, ZMQ_LINGER, &linger, sizeof linger);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/harvest.pub", folder);
    assert_int_equal(zmq_bind(foreign, endpoint), 0);
    assert_ok(bus_connect(features.bus, "harvest", &connection, NULL));
    bus_subscribe(features.bus, connection, "t");
    bus_subscribe(features.bus, connection, "u");
#define SAY(topic, data, bytes) zmq_send(foreign, topic, 1, ZMQ_SNDMORE), zmq_send(foreign, data, bytes, 0)
    UNTIL(features.frames, SAY("t", "x", 1); poll_once(&features, 10, 100));
    char *huge = calloc(1, FRAME_BYTES_MAX + 1);
    SAY("t", huge, FRAME_BYTES_MAX + 1);
    UNTIL(poll_once(&features, 100, 1000) == 0, );
    features.frames = 0;
    assert_ok(bus_reconnect(features.bus, connection, NULL));
    UNTIL(features.frames > 3, SAY("u", "x", 1); poll_once(&features, 10, 100));
    assert_int_equal(features.bytes, 1);
    free(huge);
    zmq_close(foreign);
    zmq_ctx_term(context);
    bus_destroy(features.bus);
}

static void a_watched_descriptor_ends_the_wait(void **state)
{
    (void)state;
    struct heard harvest = {.bus = bind_bus("harvest", 10)};
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    bus_watch(harvest.bus, channel[0]);
    assert_int_equal(write(channel[1], "x", 1), 1);
    int64_t begin_ms = now_ms();
    assert_int_equal(poll_once(&harvest, PATIENCE_MS, 10), 0);
    assert_true(now_ms() - begin_ms < PATIENCE_MS / 2);
    close(channel[0]);
    close(channel[1]);
    bus_destroy(harvest.bus);
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(frames_arrive_by_topic),
        IN_A_FOLDER(a_subscriber_may_come_first_and_survives_its_publisher),
        IN_A_FOLDER(requests_are_answered_in_one_or_two_parts),
        IN_A_FOLDER(a_req_socket_of_another_language_is_understood),
        IN_A_FOLDER(one_name_has_one_living_holder),
        IN_A_FOLDER(sockets_are_ours_alone),
        IN_A_FOLDER(unfit_folders_are_refused_with_a_sentence),
        IN_A_FOLDER(a_stopped_subscriber_costs_its_publisher_nothing),
        IN_A_FOLDER(the_smallest_queue_still_hears_every_topic),
        IN_A_FOLDER(a_busy_upstream_does_not_silence_the_others),
        IN_A_FOLDER(odd_messages_are_survived),
        IN_A_FOLDER(a_subscriber_that_was_made_deaf_hears_again_after_a_reconnect),
        IN_A_FOLDER(a_watched_descriptor_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
