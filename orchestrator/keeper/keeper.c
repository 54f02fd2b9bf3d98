#include "keeper.h"

#include "base/clock.h"
#include "base/file.h"
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALONE_MS_MAX = 10 * 60 * 1000, GONE_MS_MAX = 1000 };

static int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

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

/* --- logs --- */

/* logs_open: 0, or an errno value; the child's ends. Those of an earlier child have been closed with its end. */
static int logs_open(struct keeper *keeper, char *const paths[2], int out_sinks[2])
{
    log_init(&keeper->logs[0], -1);
    log_init(&keeper->logs[1], STDERR_FILENO); /* where our own complaints go */
    int reason = log_open(&keeper->logs[0], paths[0], &out_sinks[0]);
    if (reason)
        return reason;
    reason = log_open(&keeper->logs[1], paths[1], &out_sinks[1]);
    if (reason) {
        close(out_sinks[0]);
        log_close(&keeper->logs[0], &keeper->policy, now_ms());
    }
    return reason;
}

static void logs_take(struct keeper *keeper)
{
    for (size_t i = 0; i < 2; i++) {
        log_take(&keeper->logs[i], &keeper->policy, now_ms());
        log_tell(&keeper->logs[i], now_ms());
    }
}

static void logs_close(struct keeper *keeper)
{
    for (size_t i = 0; i < 2; i++)
        log_close(&keeper->logs[i], &keeper->policy, now_ms());
}

/* logs_owe_ms: until what was dropped has to be told; -1: nothing was. */
static int logs_owe_ms(const struct keeper *keeper)
{
    int64_t least = -1;
    for (size_t i = 0; i < 2; i++) {
        int64_t due = log_owes(&keeper->logs[i]);
        if (due >= 0 && (least < 0 || due < least))
            least = due;
    }
    int64_t left = least - now_ms();
    return least < 0 ? -1 : left > 0 ? (int)left : 0;
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
    int sinks[2];
    keeper->policy = (struct log_policy){order->log_bytes_max, order->log_bytes_per_s, order->log_files};
    int reason = logs_open(keeper, paths, sinks);
    if (reason)
        return reason;
    struct child_order wanted = {sinks[0], sinks[1], arguments, environment};
    pid_t pid;
    reason = child_start(&wanted, &pid, &keeper->ready);
    close(sinks[0]);
    close(sinks[1]);
    if (reason) {
        logs_close(keeper);
        return reason;
    }
    keeper->child = (struct keeper_report){.child = KEEPER_CHILD_LIVES,
                                           .lease_late_ms = -1,
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
    } else if (order.verb == KEEPER_SUSPEND) {
        keeper_suspend(keeper, order.lease_ms);
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
    logs_take(keeper); /* what it said before its line is in its log when the line is told */
    close_ready(keeper);
    if (announced < 0)
        return; /* without the line it will not get ready in time, which has a rule of its own */
    keeper->child.announced = 1;
    tell(keeper, KEEPER_ANNOUNCED, 0);
}

/* children_wait: until nothing of the child's family lives: a new generation must not meet it. What the kernel cannot end
 * (it waits for a device) is not waited for longer than GONE_MS_MAX; its end is seen by reap. */
static void children_wait(struct keeper *keeper)
{
    int64_t until_ms = now_ms() + GONE_MS_MAX;
    struct signalfd_siginfo info;
    while (children_end() && now_ms() < until_ms) {
        struct pollfd one = {.fd = keeper->signals, .events = POLLIN};
        if (waitpid(-1, NULL, WNOHANG) == 0 && poll(&one, 1, (int)(until_ms - now_ms())) == 1 &&
            read(keeper->signals, &info, sizeof info) > 0 && info.ssi_signo == SIGTERM)
            keeper->leaving = true;
    }
}

static int64_t milliseconds(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000 + time->tv_usec / 1000;
}

static void child_ended(struct keeper *keeper, int status, const struct rusage *used)
{
    if (keeper->ready >= 0)
        take_ready(keeper); /* one that said READY and died at once did say it */
    close_ready(keeper);
    keeper->continue_due_ms = 0;
    keeper->child.child = KEEPER_CHILD_ENDED;
    keeper->child.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    keeper->child.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    keeper->child.core = WIFSIGNALED(status) && WCOREDUMP(status);
    keeper->child.cpu_ms = milliseconds(&used->ru_utime) + milliseconds(&used->ru_stime);
    keeper->child.max_rss_kb = used->ru_maxrss;
    children_wait(keeper);
    logs_close(keeper);
    tell(keeper, KEEPER_EXITED, 0);
}

/* reap: the child, and what it left behind: orphans of a subreaper's descendants are its own. */
static void reap(struct keeper *keeper)
{
    int status;
    pid_t pid;
    struct rusage used;
    while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
        if (pid == keeper->child.pid && keeper->child.child == KEEPER_CHILD_LIVES)
            child_ended(keeper, status, &used);
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
        keeper_suspend(keeper, 0); /* one that stands still would not hear it */
    }
    reap(keeper);
}

/* --- life --- */

static int complain(const char *slot, const char *what)
{
    fprintf(stderr, "keeper %s: %s: %s\n", slot, what, strerror(errno));
    return 1;
}

/* take_descriptors: what we were born with must not be our child's. */
static int take_descriptors(struct keeper *keeper, const char *slot)
{
    struct sockaddr_un address = {0};
    socklen_t bytes = sizeof address;
    for (int i = 0; i < KEEPER_DESCRIPTORS; i++)
        if (fcntl(KEEPER_DESCRIPTOR_FIRST + i, F_SETFD, FD_CLOEXEC) != 0)
            return complain(slot, "is started by the orchestrator only");
    if (getsockname(keeper->listener, (struct sockaddr *)&address, &bytes) != 0 ||
        address.sun_family != AF_UNIX)
        return complain(slot, "no listening socket");
    memcpy(keeper->socket_path, address.sun_path, sizeof address.sun_path);
    return 0;
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
    enum { SIGNALS, READY, CONNECTION, LISTENER, OUTPUT, ERRORS, COUNT };
    struct pollfd polls[COUNT] = {[SIGNALS] = {.fd = keeper->signals, .events = POLLIN},
                                  [READY] = {.fd = keeper->ready, .events = POLLIN},
                                  [CONNECTION] = {.fd = keeper->connection, .events = POLLIN},
                                  [LISTENER] = {.fd = keeper->listener, .events = POLLIN},
                                  [OUTPUT] = {.fd = keeper->logs[0].source, .events = POLLIN},
                                  [ERRORS] = {.fd = keeper->logs[1].source, .events = POLLIN}};
    bool alone = keeper->connection < 0 && keeper->child.child != KEEPER_CHILD_LIVES;
    int owes_ms = logs_owe_ms(keeper);
    int count = poll(polls, COUNT,
                     keeper_suspend_timeout(keeper, owes_ms >= 0 ? owes_ms
                                                    : alone      ? ALONE_MS_MAX
                                                                 : -1));
    if (keeper_suspend_look(keeper))
        tell(keeper, KEEPER_CONTINUED, 0);
    keeper->leaving =
        keeper->leaving || (count == 0 && alone && owes_ms < 0); /* nobody came for what it knows */
    if (polls[OUTPUT].revents || polls[ERRORS].revents || owes_ms >= 0)
        logs_take(keeper);
    if (count <= 0)
        return;
    if (polls[READY].revents)
        take_ready(keeper);
    if (polls[SIGNALS].revents)
        take_signals(keeper);
    if (polls[CONNECTION].revents && keeper->connection >= 0)
        take_order(keeper);
    if (polls[LISTENER].revents)
        accept_newest(keeper);
}

int keeper_open(struct keeper *keeper, const char *slot)
{
    *keeper = (struct keeper){
        .lock = KEEPER_LOCK, .listener = KEEPER_LISTENER, .connection = KEEPER_CONNECTION, .ready = -1};
    log_init(&keeper->logs[0], -1);
    log_init(&keeper->logs[1], STDERR_FILENO);
    int code = take_descriptors(keeper, slot);
    return code ? code : open_signals(keeper, slot);
}

bool keeper_is_done(const struct keeper *keeper)
{
    return keeper->leaving && keeper->child.child != KEEPER_CHILD_LIVES;
}

void keeper_close(struct keeper *keeper)
{
    unlink(keeper->socket_path); /* while the slot's lock is still ours */
    close(keeper->lock); /* before whoever waits for us sees the connection close: the slot is free then */
}
