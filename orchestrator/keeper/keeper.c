#include "keeper.h"

#include "base/file.h"
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_CONNECTION = 3, ALONE_MS_MAX = 10 * 60 * 1000, EXIT_HELD = 5 };

/* --- telling --- */

static void hang_up(struct keeper *keeper)
{
    if (keeper->connection >= 0)
        close(keeper->connection);
    keeper->connection = -1;
}

static void tell(struct keeper *keeper, enum keeper_news news, int reason)
{
    struct keeper_report report = keeper->child;
    report.version = KEEPER_VERSION;
    report.news = news;
    report.reason = reason;
    if (keeper->connection >= 0 && send(keeper->connection, &report, sizeof report,
                                        MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof report)
        hang_up(keeper); /* whoever connects next is told how things are */
}

/* --- orders --- */

/* texts_split: the next `count` NUL-ended texts, NULL behind them. False when there are fewer. */
static bool texts_split(char **at, const char *end, size_t count, char *out_texts[KEEPER_ARGUMENTS_MAX + 1])
{
    if (count > KEEPER_ARGUMENTS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        char *stop = memchr(*at, 0, (size_t)(end - *at));
        if (!stop)
            return false;
        out_texts[i] = *at;
        *at = stop + 1;
    }
    out_texts[count] = NULL;
    return true;
}

static int start(struct keeper *keeper, const struct keeper_order *order, char *texts, size_t bytes)
{
    char *paths[KEEPER_ARGUMENTS_MAX + 1], *arguments[KEEPER_ARGUMENTS_MAX + 1],
        *environment[KEEPER_ARGUMENTS_MAX + 1], *at = texts, *end = texts + bytes;
    if (keeper->child.child == KEEPER_CHILD_LIVES)
        return EBUSY;
    if (!texts_split(&at, end, 2, paths) || !texts_split(&at, end, order->argument_count, arguments) ||
        !texts_split(&at, end, order->environment_count, environment) || at != end || !arguments[0])
        return EINVAL;
    struct child_order wanted = {paths[0], paths[1], arguments, environment};
    pid_t pid;
    int reason = child_start(&wanted, &pid, &keeper->ready);
    if (reason)
        return reason;
    keeper->child = (struct keeper_report){.child = KEEPER_CHILD_LIVES,
                                           .generation = order->generation,
                                           .pid = pid,
                                           .start_ticks = child_start_ticks(pid)};
    return 0;
}

static void take_order(struct keeper *keeper)
{
    static char message[sizeof(struct keeper_order) + KEEPER_TEXTS_BYTES_MAX];
    struct keeper_order order;
    ssize_t got = recv(keeper->connection, message, sizeof message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < (ssize_t)sizeof order) { /* it left, or speaks another language */
        hang_up(keeper);
        return;
    }
    memcpy(&order, message, sizeof order);
    if (order.version != KEEPER_VERSION) {
        hang_up(keeper);
    } else if (order.verb == KEEPER_LEAVE) {
        keeper->leaving = true;
    } else if (order.verb == KEEPER_START) {
        int reason = start(keeper, &order, message + sizeof order, (size_t)got - sizeof order);
        tell(keeper, reason ? KEEPER_REFUSED : KEEPER_STARTED, reason);
    }
}

/* accept_newest: the one before is dead: only one orchestrator holds the run's lock. */
static void accept_newest(struct keeper *keeper)
{
    int connection = accept4(keeper->listener, NULL, NULL, SOCK_CLOEXEC);
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    if (connection < 0)
        return;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || peer.uid != geteuid()) {
        close(connection);
        return;
    }
    hang_up(keeper);
    keeper->connection = connection;
    tell(keeper, KEEPER_HELLO, 0);
}

/* --- the child --- */

static void close_ready(struct keeper *keeper)
{
    if (keeper->ready >= 0)
        close(keeper->ready);
    keeper->ready = -1;
}

static void take_ready(struct keeper *keeper)
{
    int announced = child_announced(keeper->ready);
    if (!announced)
        return;
    close_ready(keeper);
    if (announced < 0)
        return; /* without the line it will not get ready in time, which has a rule of its own */
    keeper->child.announced = 1;
    tell(keeper, KEEPER_ANNOUNCED, 0);
}

static void child_ended(struct keeper *keeper, int status)
{
    if (keeper->ready >= 0)
        take_ready(keeper); /* one that said READY and died at once did say it */
    close_ready(keeper);
    keeper->child.child = KEEPER_CHILD_ENDED;
    keeper->child.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    keeper->child.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    children_end();
    tell(keeper, KEEPER_EXITED, 0);
}

/* reap: the child, and what it left behind: orphans of a subreaper's descendants are its own. */
static void reap(struct keeper *keeper)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == keeper->child.pid && keeper->child.child == KEEPER_CHILD_LIVES)
            child_ended(keeper, status);
        else if (keeper->child.child != KEEPER_CHILD_LIVES)
            children_end(); /* a grandchild's end may have brought its own children to us */
    }
}

/* take_signals: a TERM means that the machine goes down: the child is told, and nobody is waited for. */
static void take_signals(struct keeper *keeper)
{
    struct signalfd_siginfo info;
    while (read(keeper->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGTERM)
            continue;
        keeper->leaving = true;
        if (keeper->child.child == KEEPER_CHILD_LIVES)
            kill((pid_t)keeper->child.pid, SIGTERM);
    }
    reap(keeper);
}

/* --- life --- */

static int complain(const char *slot, const char *what)
{
    fprintf(stderr, "keeper %s: %s: %s\n", slot, what, strerror(errno));
    return errno == EWOULDBLOCK ? EXIT_HELD : 1;
}

static int take_slot(struct keeper *keeper, const char *slot, const char *folder)
{
    char path[sizeof keeper->socket_path];
    snprintf(path, sizeof path, "%s/%s.slot", folder, slot);
    keeper->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return keeper->lock >= 0 && file_lock(keeper->lock) == STATUS_OK ? 0 : complain(slot, path);
}

static int listen_at(struct keeper *keeper, const char *slot, const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s.keeper", folder, slot);
    if (length < 0 || (size_t)length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return complain(slot, folder);
    }
    memcpy(keeper->socket_path, address.sun_path, sizeof address.sun_path);
    unlink(address.sun_path); /* of a dead keeper: the slot's lock is ours */
    umask(0177);
    keeper->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = keeper->listener >= 0 &&
                 bind(keeper->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                 listen(keeper->listener, 4) == 0;
    umask(022);
    return bound ? 0 : complain(slot, address.sun_path);
}

static int open_signals(struct keeper *keeper, const char *slot)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    keeper->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return keeper->signals >= 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 ? 0 : complain(slot, "signals");
}

void keeper_turn(struct keeper *keeper)
{
    struct pollfd polls[] = {{.fd = keeper->signals, .events = POLLIN},
                             {.fd = keeper->ready, .events = POLLIN},
                             {.fd = keeper->connection, .events = POLLIN},
                             {.fd = keeper->listener, .events = POLLIN}};
    bool alone = keeper->connection < 0 && keeper->child.child != KEEPER_CHILD_LIVES;
    int count = poll(polls, sizeof polls / sizeof *polls, alone ? ALONE_MS_MAX : -1);
    keeper->leaving = keeper->leaving || (count == 0 && alone); /* nobody came for what it knows */
    if (count <= 0)
        return;
    if (polls[1].revents)
        take_ready(keeper);
    if (polls[0].revents)
        take_signals(keeper);
    if (polls[2].revents && keeper->connection >= 0)
        take_order(keeper);
    if (polls[3].revents)
        accept_newest(keeper);
}

int keeper_open(struct keeper *keeper, const char *slot, const char *folder)
{
    *keeper = (struct keeper){.listener = -1, .connection = FIRST_CONNECTION, .ready = -1};
    fcntl(FIRST_CONNECTION, F_SETFD, FD_CLOEXEC);
    int code = take_slot(keeper, slot, folder);
    code = code ? code : open_signals(keeper, slot);
    return code ? code : listen_at(keeper, slot, folder);
}

bool keeper_is_done(const struct keeper *keeper)
{
    return keeper->leaving && keeper->child.child != KEEPER_CHILD_LIVES;
}

void keeper_close(struct keeper *keeper)
{
    unlink(keeper->socket_path); /* while the slot's lock is still ours */
}
