// links: bus proto base zmq
/* A bus that is bound on ipc, and somebody who opens connections until there is no descriptor left. */
#include "bus_folder.h"
#include "tests/support/check.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "bus/headroom.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { PATIENCE_MS = 60000, LIMIT = 100, FLOOD = 300 };

static void limit_set(rlim_t limit)
{
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    now.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

/* --- the daemon: a child process that answers every request with what it knows of its headroom --- */

struct answering {
    struct bus *bus;
    bool done;
};

/* A request says what to do first: 'l' limit lowered below what is open, 'u' lifted again, 'e' end. */
static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    struct answering *answering = context;
    char verb = bytes ? *(const char *)data : 0;
    if (verb == 'l')
        limit_set(10);
    if (verb == 'u')
        limit_set(LIMIT * 4);
    answering->done = verb == 'e';
    struct headroom headroom = headroom_read();
    bus_answer(answering->bus, peer, &headroom, sizeof headroom, NULL, 0);
}

static void daemon_run(int ready)
{
    struct bus_config config = {.folder = folder, .instance = "daemon", .high_water_mark = 100};
    struct answering answering = {0};
    struct error error;
    const struct bus_events events = {.context = &answering, .request = on_request};
    struct clock clock = clock_system();
    limit_set(LIMIT);
    if (bus_create(&config, &answering.bus, &error) != STATUS_OK ||
        bus_bind(answering.bus, &error) != STATUS_OK)
        _exit(1);
    if (write(ready, "R", 1) != 1)
        _exit(1);
    int64_t until_ms = clock_monotonic_ms(&clock) + 3 * PATIENCE_MS;
    while (!answering.done && clock_monotonic_ms(&clock) < until_ms)
        bus_poll(answering.bus, 100, 100, &events);
    bus_destroy(answering.bus);
    _exit(answering.done ? 0 : 2);
}

static pid_t daemon_start(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0)
        daemon_run(ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void daemon_expect_clean_end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        fail_msg("the daemon was ended by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- a friend, connected before the flood --- */

struct friend
{
    void *context, *socket;
};

static struct friend friend_open(void)
{
    struct friend friend = {.context = zmq_ctx_new()};
    char where[PATH_BYTES];
    path_join(where, folder, "daemon.ctl");
    memmove(where + 6, where, strlen(where) + 1);
    memcpy(where, "ipc://", 6);
    int none = 0;
    friend.socket = zmq_socket(friend.context, ZMQ_DEALER);
    zmq_setsockopt(friend.socket, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal(zmq_connect(friend.socket, where), 0);
    return friend;
}

static void friend_close(struct friend *friend)
{
    zmq_close(friend->socket);
    zmq_ctx_term(friend->context);
}

static struct headroom ask(const struct friend *friend, const char *verb)
{
    struct headroom answer;
    zmq_pollitem_t item = {.socket = friend->socket, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_send(friend->socket, verb, 1, 0), 1);
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    assert_int_equal(zmq_recv(friend->socket, &answer, sizeof answer, 0), sizeof answer);
    return answer;
}

static int stranger_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/daemon.ctl", folder);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

static void strangers_flood(int out_strangers[FLOOD])
{
    for (int i = 0; i < FLOOD; i++)
        out_strangers[i] = stranger_connect();
}

static void strangers_leave(const int strangers[FLOOD])
{
    for (int i = 0; i < FLOOD; i++)
        close(strangers[i]);
}

/* turned_away: the other side has hung up within patience. */
static bool turned_away(int stranger)
{
    struct pollfd one = {.fd = stranger, .events = POLLRDHUP};
    return poll(&one, 1, PATIENCE_MS) == 1 && (one.revents & (POLLRDHUP | POLLHUP));
}

/* --- claims --- */

static void a_flood_of_connections_is_turned_away_and_nobody_else_notices(void **unused)
{
    (void)unused;
    int strangers[FLOOD];
    pid_t pid = daemon_start();
    struct friend friend = friend_open();
    struct headroom before = ask(&friend, "s");
    assert_int_equal(before.refused, 0);
    assert_false(headroom_is_short(&before));
    strangers_flood(strangers);
    assert_true(turned_away(strangers[FLOOD - 1]));
    struct headroom during = ask(&friend, "s");
    assert_int_equal(during.limit, LIMIT);
    assert_in_range(during.used, before.used + 1, LIMIT * HEADROOM_PARTS_FREE / HEADROOM_PARTS + 2);
    assert_true(headroom_is_short(&during));
    assert_in_range(during.refused, FLOOD - LIMIT, FLOOD); /* one by one, so none can have been overlooked */
    strangers_leave(strangers);
    struct headroom after = during;
    while (headroom_is_short(&after))
        after = ask(&friend, "s");
    struct friend late = friend_open(); /* and others get in again */
    assert_false(ask(&late, "e").used == 0);
    friend_close(&late);
    friend_close(&friend);
    daemon_expect_clean_end(pid);
}

static void a_limit_below_what_is_open_ends_nobody_and_is_lifted_again(void **unused)
{
    (void)unused;
    int strangers[FLOOD];
    pid_t pid = daemon_start();
    struct friend friend = friend_open();
    ask(&friend, "s");
    struct headroom lowered = ask(&friend, "l");
    assert_int_equal(lowered.limit, 10);
    assert_true(headroom_is_short(&lowered));
    strangers_flood(strangers);
    assert_true(turned_away(strangers[FLOOD - 1])); /* though no descriptor was left but the spare one */
    assert_in_range(ask(&friend, "s").refused, FLOOD, FLOOD);
    struct headroom lifted = ask(&friend, "u");
    assert_false(headroom_is_short(&lifted));
    struct friend late = friend_open();
    ask(&late, "e");
    friend_close(&late);
    friend_close(&friend);
    strangers_leave(strangers);
    daemon_expect_clean_end(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flood_of_connections_is_turned_away_and_nobody_else_notices, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_limit_below_what_is_open_ends_nobody_and_is_lifted_again, begin,
                                        end),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
