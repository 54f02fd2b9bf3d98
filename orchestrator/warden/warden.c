#include "warden.h"

#include "base/file.h"
#include "base/log.h"
#include "orchestrator/keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ASK_MS = 1000, POLL_MESSAGES = 64, SILENT_S_MAX = 10, EXIT_BY_SIGNAL = 128 };

/* --- telling --- */

/* state_write: for the container's healthcheck. */
static void state_write(const struct warden *warden)
{
    char text[128];
    int length =
        snprintf(text, sizeof text, "%s %s\n", warden_state_name(warden->report.state), warden->report.name);
    if (file_replace(warden->state_path, text, (size_t)length, false) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", warden->state_path);
}

/* say: how things are, now and once a second; a new orchestrator hears it within that time. */
static void say(struct warden *warden)
{
    struct buffer message;
    buffer_init(&message, 0);
    warden_report_write(&warden->report, &message);
    enum status unheard = bus_request(warden->bus, warden->connection, message.data, message.length);
    (void)unheard; /* its queue is full because nobody is there: the next one says the same */
    buffer_finish(&message);
    warden->ask_due_ms = clock_monotonic_ms(&warden->clock) + ASK_MS;
}

static void become(struct warden *warden, enum warden_state state)
{
    warden->report.state = state;
    state_write(warden);
    say(warden);
}

/* --- the slot --- */

/* slot_write: 0: no process. */
static void slot_write(const struct warden *warden, int64_t generation)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%lld\n", (long long)generation);
    if (ftruncate(warden->lock, 0) != 0 || pwrite(warden->lock, text, (size_t)length, 0) != length)
        log_event(LOG_WARNING, "write_error", "file=%s.slot reason=\"%m\"", warden->report.name);
}

/* slot_take: who holds it may run the service's process; the orchestrator finds the generation in it. It is shared by all
 * containers of the stack, so a second one of this name waits until the first is gone. */
static bool slot_take(struct warden *warden)
{
    char path[PATH_BYTES];
    if (warden->lock >= 0)
        return true;
    path_join(path, warden->bus_folder, "%s.slot", warden->report.name);
    int descriptor = folder_make(warden->bus_folder, 0700) == STATUS_OK
                         ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)
                         : -1;
    if (descriptor >= 0 && file_lock(descriptor) == STATUS_OK) {
        warden->lock = descriptor;
        slot_write(warden, 0);
        return true;
    }
    log_event(LOG_WARNING, "slot_held", "file=%s reason=\"%m\"", path);
    if (descriptor >= 0)
        close(descriptor);
    return false;
}

/* slot_leave: with the lock free nobody believes that a process lives. */
static void slot_leave(struct warden *warden)
{
    if (warden->lock >= 0)
        close(warden->lock);
    warden->lock = -1;
}

/* --- the process --- */

static void ready_close(struct warden *warden)
{
    if (warden->ready >= 0)
        close(warden->ready);
    warden->ready = -1;
}

/* --- its logs --- */

/* logs_open: 0, or an errno value; the child's ends. */
static int logs_open(struct warden *warden, const struct warden_order *order, int out_sinks[2])
{
    const char *const paths[2] = {order->stdout_path, order->stderr_path};
    warden->policy = (struct log_policy){order->log_bytes_max, order->log_bytes_per_s, order->log_files};
    for (size_t i = 0; i < 2; i++) {
        log_init(&warden->logs[i], -1);
        int reason = log_open(&warden->logs[i], paths[i], &out_sinks[i]);
        if (reason)
            return reason;
        struct epoll_event event = {.events = EPOLLIN};
        epoll_ctl(warden->poll_descriptor, EPOLL_CTL_ADD, warden->logs[i].source, &event);
    }
    return 0;
}

static void logs_take(struct warden *warden)
{
    int64_t now_ms = clock_monotonic_ms(&warden->clock);
    for (size_t i = 0; i < 2; i++) {
        log_take(&warden->logs[i], &warden->policy, now_ms);
        log_tell(&warden->logs[i], now_ms);
    }
}

static void logs_close(struct warden *warden)
{
    for (size_t i = 0; i < 2; i++)
        log_close(&warden->logs[i], &warden->policy, clock_monotonic_ms(&warden->clock));
}

static void descriptor_close(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

/* child_run: 0, or an errno value. */
static int child_run(struct warden *warden, const struct warden_order *order)
{
    int sinks[2] = {-1, -1}, reason = logs_open(warden, order, sinks);
    struct child_order child = {sinks[0], sinks[1], (char **)(uintptr_t)order->arguments,
                                (char **)(uintptr_t)order->environment};
    if (!reason)
        reason = child_start(&child, &warden->child, &warden->ready);
    descriptor_close(sinks[0]);
    descriptor_close(sinks[1]);
    return reason;
}

/* --- the process itself --- */

static void start(struct warden *warden, const struct warden_order *order)
{
    memcpy(warden->report.run_id, order->run_id, sizeof order->run_id);
    warden->report.generation = order->generation;
    warden->report.lease = 0;
    warden->report.late_ms = -1;
    slot_write(warden, order->generation);
    int reason = child_run(warden, order);
    if (reason) {
        logs_close(warden);
        log_event(LOG_ERROR, "start_failed", "program=%s reason=\"%s\"", order->arguments[0],
                  strerror(reason));
        slot_write(warden, 0);
        warden->child = 0;
        warden->report.code = -1;
        warden->report.signal = 0;
        warden->exit_code = WARDEN_EXIT_TEMPORARY;
        warden->report.leaving = !warden->stays;
        become(warden, WARDEN_ENDED);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(warden->poll_descriptor, EPOLL_CTL_ADD, warden->ready, &event);
    log_event(LOG_INFO, "started", "name=%s run_id=%s generation=%lld pid=%d", warden->report.name,
              order->run_id, (long long)order->generation, (int)warden->child);
    become(warden, WARDEN_RUNNING);
}

static void take_ready(struct warden *warden)
{
    int announced = warden->ready >= 0 ? child_announced(warden->ready) : 0;
    if (!announced)
        return;
    logs_take(warden); /* what it said before its line is in its log when the line is told */
    ready_close(warden);
    if (announced > 0)
        become(warden, WARDEN_ANNOUNCED);
}

/* ended: the container's exit code is the process's, as a shell would tell it. */
static void ended(struct warden *warden, int status)
{
    bool by_signal = WIFSIGNALED(status);
    take_ready(warden);
    ready_close(warden);
    (void)children_end();
    logs_close(warden);
    slot_write(warden, 0);
    warden->child = 0;
    warden->continue_due_ms = 0;
    warden->report.stands = false;
    warden->report.code = by_signal ? -1 : WEXITSTATUS(status);
    warden->report.signal = by_signal ? WTERMSIG(status) : 0;
    warden->exit_code = by_signal ? EXIT_BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
    warden->report.leaving =
        warden->report.leaving || !(warden->stays || (warden->stays_killed && by_signal));
    log_event(LOG_INFO, "ended", "name=%s generation=%lld code=%d", warden->report.name,
              (long long)warden->report.generation, warden->exit_code);
    become(warden, WARDEN_ENDED);
}

/* reap: as the first process of the container everything orphaned in it is ours. */
static void reap(struct warden *warden)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
        if (pid == warden->child && warden_take_stand(warden, status))
            say(warden);
        else if (pid == warden->child)
            ended(warden, status);
}

/* take_signals: whatever the engine sends is meant for the process. */
static void take_signals(struct warden *warden)
{
    struct signalfd_siginfo info;
    while (read(warden->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        warden->report.leaving = warden->report.leaving || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
        if (warden->child)
            kill(warden->child, (int)info.ssi_signo);
        if (warden->report.leaving)
            warden_go_on(warden); /* one that stands still would not hear it */
    }
    reap(warden);
}

/* --- what the orchestrator says --- */

static bool is_ours(const struct warden *warden, const struct warden_order *order)
{
    return order->generation == warden->report.generation &&
           strcmp(order->run_id, warden->report.run_id) == 0;
}

static void obey(struct warden *warden, const struct warden_order *order)
{
    /* An answer to the end is that it has been heard, whatever it says. */
    if (warden->report.state == WARDEN_ENDED && !warden->report.leaving) {
        warden->exit_code = 0;
        become(warden, WARDEN_WAITING);
    } else if (order->verb == WARDEN_START && warden->report.state == WARDEN_WAITING && !warden->report.leaving)
        start(warden, order);
    else if (order->verb == WARDEN_SIGNAL && warden->child && is_ours(warden, order))
        kill(warden->child, (int)order->signal);
    else if (order->verb == WARDEN_SUSPEND && warden->child && is_ours(warden, order))
        warden_suspend(warden, order);
    else if (order->verb == WARDEN_END && warden->child)
        kill(warden->child, SIGKILL);
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    (void)connection, (void)body, (void)body_bytes;
    struct warden *warden = context;
    struct warden_order order;
    struct warden_message *message;
    struct error error;
    if (warden_order_read(head, head_bytes, &order, &message, &error) != STATUS_OK) {
        log_event(LOG_WARNING, "order_rejected", "reason=\"%s\"", error.text);
        return;
    }
    obey(warden, &order);
    warden_message_free(message);
}

/* --- life --- */

static enum status open_signals(struct warden *warden, struct error *error)
{
    sigset_t signals;
    sigfillset(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before the bus's threads exist */
    warden->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    warden->poll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (warden->signals < 0 || warden->poll_descriptor < 0 ||
        epoll_ctl(warden->poll_descriptor, EPOLL_CTL_ADD, warden->signals, &event) != 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return error_set(error, STATUS_IO, "signal descriptors: %m");
    return STATUS_OK;
}

enum status warden_open(struct warden *warden, const struct config *config, const char *name,
                        struct error *error)
{
    warden->clock = clock_system();
    warden->signals = warden->poll_descriptor = warden->lock = warden->ready = -1;
    log_init(&warden->logs[0], -1);
    log_init(&warden->logs[1], -1);
    warden->report.late_ms = -1;
    warden->bus_folder = config_text(config, "bus.dir");
    snprintf(warden->report.name, sizeof warden->report.name, "%s", name);
    if (gethostname(warden->report.container, sizeof warden->report.container - 1) != 0)
        return error_set(error, STATUS_IO, "the container's name cannot be read: %m");
    struct bus_config bus = bus_config_of(config, name);
    enum status status = open_signals(warden, error);
    status = status == STATUS_OK ? bus_create(&bus, &warden->bus, error) : status;
    if (status == STATUS_OK)
        status = bus_connect(warden->bus, "orchestrator", &warden->connection, error);
    if (status != STATUS_OK)
        return status;
    bus_watch(warden->bus, warden->poll_descriptor);
    state_write(warden);
    return STATUS_OK;
}

void warden_turn(struct warden *warden)
{
    const struct bus_events events = {.context = warden, .answer = on_answer};
    int64_t now_ms = clock_monotonic_ms(&warden->clock);
    if (now_ms >= warden->ask_due_ms && slot_take(warden))
        say(warden);
    else if (now_ms >= warden->ask_due_ms)
        warden->ask_due_ms = now_ms + ASK_MS;
    int64_t left_ms =
        warden_suspend_due_ms(warden, warden->ask_due_ms) - clock_monotonic_ms(&warden->clock);
    bus_poll(warden->bus, left_ms < 0 ? 0 : (int)left_ms, POLL_MESSAGES, &events);
    warden_suspend_look(warden);
    logs_take(warden);
    take_signals(warden);
    take_ready(warden);
}

bool warden_is_done(const struct warden *warden)
{
    return warden->report.leaving && !warden->child;
}

void warden_close(struct warden *warden)
{
    slot_leave(warden);
    bus_destroy(warden->bus);
}

int warden_check(const char *state_path, const char *status_folder)
{
    struct buffer text;
    struct stat found;
    char state[16], name[INSTANCE_BYTES], path[PATH_BYTES];
    buffer_init(&text, 0);
    bool read = file_read(state_path, &text) == STATUS_OK &&
                sscanf(buffer_text(&text), "%15s %63s", state, name) == 2;
    buffer_finish(&text);
    if (!read)
        return 1;
    if (strcmp(state, warden_state_name(WARDEN_ANNOUNCED)) != 0)
        return strcmp(state, warden_state_name(WARDEN_WAITING)) != 0;
    path_join(path, status_folder, "%s.json", name);
    /* One without heartbeats has no such file. */
    return stat(path, &found) == 0 && time(NULL) - found.st_mtime > SILENT_S_MAX;
}
