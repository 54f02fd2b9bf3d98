/* The process driver: one keeper per slot, which is the parent of the slot's processes and tells what it sees
 * (orchestrator/keeper/protocol.h). Signals go straight to the process, through a pidfd: they do not depend on the keeper,
 * and never reach another process that got the number. */
#include "driver.h"

#include "base/crash_point.h"
#include "base/file.h"
#include "orchestrator/keeper/protocol.h"
#include "slot.h"
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MS_MAX = 5000 };

bool driver_slot_kept(const char *slot, const char *folder)
{
    char path[PATH_BYTES];
    path_join(path, folder, "%s.slot", slot);
    return file_lock_held(path);
}

void driver_child_init(struct driver_child *child)
{
    *child = (struct driver_child){.descriptor = -1, .pid_descriptor = -1, .suspend_late_ms = -1};
}

static void descriptor_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

/* --- the process --- */

static void process_forget(struct driver_child *child)
{
    descriptor_close(&child->pid_descriptor);
    child->lives = false;
    child->pid = 0;
    child->owed_signal = 0;
    child->start_ticks = 0;
    child->announced = child->has_ended = false;
}

/* process_note: the keeper's child becomes ours to signal. It has not been reaped unless its exit follows, so the number is
 * still its own, or the descriptor cannot be opened and the exit follows. */
static void process_note(struct driver_child *child, const struct keeper_report *report)
{
    process_forget(child);
    child->pid_descriptor = (int)syscall(SYS_pidfd_open, (pid_t)report->pid, 0u);
    if (child->pid_descriptor >= 0)
        fcntl(child->pid_descriptor, F_SETFD, FD_CLOEXEC);
    child->lives = true;
    child->pid = (pid_t)report->pid;
    child->start_ticks = report->start_ticks;
    child->generation = report->generation;
}

/* --- the keeper --- */

/* keeper_end: it is of no more use; one that has left by itself is only reaped. */
static void keeper_end(struct driver_child *child)
{
    descriptor_close(&child->descriptor);
    if (child->keeper_pid) {
        kill(child->keeper_pid, SIGKILL);
        waitpid(child->keeper_pid, NULL, 0);
    }
    child->keeper_pid = 0;
}

/* far_make: descriptors above those that a keeper finds them at, so that none is overwritten before it has been passed on. */
static int far_make(const int descriptors[KEEPER_DESCRIPTORS], int out_far[KEEPER_DESCRIPTORS])
{
    int code = 0;
    for (int i = 0; i < KEEPER_DESCRIPTORS; i++) {
        out_far[i] = fcntl(descriptors[i], F_DUPFD_CLOEXEC, KEEPER_DESCRIPTOR_FIRST + KEEPER_DESCRIPTORS);
        code = out_far[i] < 0 ? errno : code;
    }
    return code;
}

static int keeper_spawn(const struct driver_order *order, const int far[KEEPER_DESCRIPTORS], pid_t *out_pid)
{
    const char *const arguments[] = {order->keeper, order->slot, order->folder, NULL}, *const environment[] =
                                                                                           {NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    int code = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    code = code ? code : posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    code = code ? code
                : posix_spawn_file_actions_addopen(&files, 2, order->stderr_path,
                                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
    for (int i = 0; i < KEEPER_DESCRIPTORS; i++)
        code = code ? code : posix_spawn_file_actions_adddup2(&files, far[i], KEEPER_DESCRIPTOR_FIRST + i);
    code =
        code ? code
             : posix_spawn_file_actions_addclosefrom_np(&files, KEEPER_DESCRIPTOR_FIRST + KEEPER_DESCRIPTORS);
    return spawn_program(arguments, environment, &files, code, POSIX_SPAWN_SETSID, out_pid);
}

/* keeper_begin: the slot is taken, and listened at, before there is a keeper; it is born with both. */
static enum status keeper_begin(const struct driver_order *order, struct driver_child *child,
                                struct error *error)
{
    struct slot slot;
    int pair[2], far[KEEPER_DESCRIPTORS];
    enum status status = slot_take(order->folder, order->slot, &slot, error);
    if (status != STATUS_OK)
        return status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        slot_close(&slot);
        return error_set(error, STATUS_IO, "no socket for the keeper of %s: %m", order->slot);
    }
    const int given[KEEPER_DESCRIPTORS] = {slot.lock, slot.listener, pair[1]};
    int code = far_make(given, far);
    code = code ? code : keeper_spawn(order, far, &child->keeper_pid);
    crash_point("keeper_begun");
    for (int i = 0; i < KEEPER_DESCRIPTORS; i++)
        descriptor_close(&far[i]);
    slot_close(&slot);
    close(pair[1]);
    if (code) {
        close(pair[0]);
        child->keeper_pid = 0;
        return error_set(error, STATUS_IO, "%s cannot be started: %s", order->keeper, strerror(code));
    }
    child->descriptor = pair[0];
    return STATUS_OK;
}

/* is_starting: ordered; whether there is a process the keeper has yet to say. */
static bool is_starting(const struct driver_child *child)
{
    return child->lives && child->pid == 0;
}

static struct driver_exit exit_of(const struct keeper_report *report)
{
    return (struct driver_exit){.code = report->code,
                                .signal = report->signal,
                                .core = report->core,
                                .cpu_ms = report->cpu_ms,
                                .max_rss_kb = report->max_rss_kb};
}

/* report_wait: the next report within ANSWER_MS_MAX. */
static enum status report_wait(const struct driver_child *child, struct keeper_report *out_report)
{
    struct pollfd one = {.fd = child->descriptor, .events = POLLIN};
    if (poll(&one, 1, ANSWER_MS_MAX) != 1)
        return STATUS_AGAIN;
    ssize_t got = recv(child->descriptor, out_report, sizeof *out_report, MSG_DONTWAIT);
    bool known = got == (ssize_t)sizeof *out_report && out_report->version == KEEPER_VERSION;
    return known ? STATUS_OK : STATUS_CLOSED;
}

/* --- starting --- */

static bool texts_add(char *texts, size_t *length, const char *text)
{
    size_t bytes = strlen(text) + 1;
    if (*length + bytes > KEEPER_TEXTS_BYTES_MAX)
        return false;
    memcpy(texts + *length, text, bytes);
    *length += bytes;
    return true;
}

static bool list_add(char *texts, size_t *length, const char *const *list, uint32_t *out_count)
{
    bool fits = true;
    for (*out_count = 0; fits && list[*out_count]; ++*out_count)
        fits = *out_count < KEEPER_ARGUMENTS_MAX && texts_add(texts, length, list[*out_count]);
    return fits;
}

static enum status send_start(const struct driver_order *order, const struct driver_child *child,
                              struct error *error)
{
    static char message[sizeof(struct keeper_order) + KEEPER_TEXTS_BYTES_MAX];
    struct keeper_order start = {
        .version = KEEPER_VERSION,
        .verb = KEEPER_START,
        .generation = order->generation,
        .log_bytes_max = order->log_bytes_max,
        .log_bytes_per_s = order->log_bytes_per_s,
        .log_files = order->log_files,
    };
    char *texts = message + sizeof start;
    size_t length = 0;
    bool fits = texts_add(texts, &length, order->stdout_path) &&
                texts_add(texts, &length, order->stderr_path) &&
                list_add(texts, &length, order->arguments, &start.argument_count) &&
                list_add(texts, &length, order->environment, &start.environment_count);
    if (!fits)
        return error_set(error, STATUS_LIMIT, "%s: arguments and environment are more than %d bytes",
                         order->slot, KEEPER_TEXTS_BYTES_MAX);
    memcpy(message, &start, sizeof start);
    ssize_t sent = send(child->descriptor, message, sizeof start + length, MSG_NOSIGNAL);
    return sent < 0 ? error_set(error, STATUS_CLOSED, "the keeper of %s does not listen: %m", order->slot)
                    : STATUS_OK;
}

static enum status process_start(const struct driver_order *order, struct driver_child *child,
                                 struct error *error)
{
    process_forget(child);
    enum status status = child->descriptor >= 0 ? send_start(order, child, error) : STATUS_CLOSED;
    if (status == STATUS_CLOSED) { /* no keeper yet, or it died between two generations */
        keeper_end(child);
        status = keeper_begin(order, child, error);
        status = status == STATUS_OK ? send_start(order, child, error) : status;
        status = status == STATUS_CLOSED ? STATUS_OK : status; /* it has ended at once: the next news */
        crash_point("keeper_told");
    }
    child->lives = status == STATUS_OK;
    child->generation = order->generation;
    return status;
}

/* --- adopting --- */

static enum status process_adopt(const char *slot, const char *folder, struct driver_child *child,
                                 struct error *error)
{
    struct sockaddr_un address;
    struct keeper_report report;
    driver_child_init(child);
    enum status status = slot_address(folder, slot, &address, error);
    if (status != STATUS_OK)
        return status;
    child->descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (child->descriptor < 0)
        return error_set(error, STATUS_IO, "no socket for the keeper of %s: %m", slot);
    if (connect(child->descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
        descriptor_close(&child->descriptor);
        return error_set(error, STATUS_NOT_FOUND, "%s has no keeper: %m", slot);
    }
    status = report_wait(child, &report);
    if (status != STATUS_OK) {
        descriptor_close(&child->descriptor);
        return error_set(error, STATUS_IO, "the keeper of %s is of another build or does not answer", slot);
    }
    child->generation = report.generation;
    child->suspend_late_ms = report.lease_late_ms;
    if (report.child == KEEPER_CHILD_LIVES)
        process_note(child, &report);
    child->announced = report.announced;
    child->has_ended = report.child == KEEPER_CHILD_ENDED;
    child->end = exit_of(&report);
    return STATUS_OK;
}

/* --- news --- */

static bool pid_descriptor_readable(const struct driver_child *child)
{
    struct pollfd one = {.fd = child->pid_descriptor, .events = POLLIN};
    return child->pid_descriptor < 0 || poll(&one, 1, 0) == 1;
}

/* keeper_lost: the keeper died, and its process with it (PR_SET_PDEATHSIG); how is not known. */
static enum driver_news keeper_lost(struct driver_child *child, struct driver_exit *out_exit)
{
    if (child->pid && !pid_descriptor_readable(child)) {
        syscall(SYS_pidfd_send_signal, child->pid_descriptor, SIGKILL, NULL, 0u);
        struct pollfd one = {.fd = child->pid_descriptor, .events = POLLIN};
        poll(&one, 1, ANSWER_MS_MAX);
    }
    bool had_process = child->pid != 0, was_starting = is_starting(child);
    keeper_end(child);
    process_forget(child);
    child->refusal = 0;
    *out_exit = (struct driver_exit){.code = -1, .cpu_ms = -1, .max_rss_kb = -1};
    return had_process ? DRIVER_EXITED : was_starting ? DRIVER_REFUSED : DRIVER_NOTHING;
}

static enum status process_signal(struct driver_child *child, int signal_number);

/* start_answered: what is owed to it is paid as soon as it can be. */
static enum driver_news start_answered(struct driver_child *child, const struct keeper_report *report)
{
    int owed = child->owed_signal;
    if (report->news == KEEPER_REFUSED) {
        process_forget(child);
        child->refusal = report->reason;
        return DRIVER_REFUSED;
    }
    process_note(child, report);
    enum status ignored = owed ? process_signal(child, owed) : STATUS_OK; /* it may have ended already */
    (void)ignored;
    return DRIVER_STARTED;
}

static enum driver_news process_news(struct driver_child *child, struct driver_exit *out_exit)
{
    struct keeper_report report;
    if (child->has_ended) {
        child->has_ended = false;
        *out_exit = child->end;
        return DRIVER_EXITED;
    }
    if (child->descriptor < 0)
        return DRIVER_NOTHING;
    ssize_t got = recv(child->descriptor, &report, sizeof report, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return DRIVER_NOTHING;
    if (got != (ssize_t)sizeof report || report.version != KEEPER_VERSION)
        return keeper_lost(child, out_exit);
    bool answers = report.news == KEEPER_REFUSED ||
                   (report.news == KEEPER_STARTED && report.generation == child->generation);
    if (is_starting(child) && answers)
        return start_answered(child, &report);
    if (report.generation != child->generation || !child->pid)
        return process_news(child, out_exit); /* of a dead generation */
    child->suspend_late_ms = report.lease_late_ms;
    if (report.news == KEEPER_ANNOUNCED) {
        child->announced = true;
        return DRIVER_ANNOUNCED;
    }
    if (report.news != KEEPER_EXITED)
        return process_news(child, out_exit);
    *out_exit = exit_of(&report);
    process_forget(child);
    return DRIVER_EXITED;
}

static enum status process_signal(struct driver_child *child, int signal_number)
{
    if (is_starting(child) && signal_number != SIGCONT && child->owed_signal != SIGKILL)
        child->owed_signal = signal_number;
    if (child->pid == 0)
        return child->lives ? STATUS_OK : STATUS_CLOSED;
    /* One that was started when no descriptor was to be had has none of its own. */
    int borrowed = child->pid_descriptor < 0 ? (int)syscall(SYS_pidfd_open, child->pid, 0u) : -1;
    int descriptor = borrowed >= 0 ? borrowed : child->pid_descriptor;
    if (descriptor < 0)
        return STATUS_CLOSED;
    long code = syscall(SYS_pidfd_send_signal, descriptor, signal_number, NULL, 0u);
    int reason = errno;
    descriptor_close(&borrowed);
    errno = reason;
    return code == 0 ? STATUS_OK : errno == ESRCH ? STATUS_CLOSED : STATUS_IO;
}

static enum status process_suspend(const struct driver_child *child, int64_t lease_ms)
{
    struct keeper_order order = {.version = KEEPER_VERSION, .verb = KEEPER_SUSPEND, .lease_ms = lease_ms};
    bool told = child->pid && child->descriptor >= 0 &&
                send(child->descriptor, &order, sizeof order, MSG_NOSIGNAL) == (ssize_t)sizeof order;
    return told ? STATUS_OK : STATUS_CLOSED;
}

static bool process_stands(const struct driver_child *child, bool *out_stands)
{
    char state = driver_run_state(child->pid);
    *out_stands = state == 'T';
    return state != 0;
}

/* hang_up_wait: for a keeper that is not ours to reap: when it hangs up its slot is free. */
static void hang_up_wait(int descriptor)
{
    struct keeper_report report;
    struct pollfd one = {.fd = descriptor, .events = POLLIN};
    while (poll(&one, 1, ANSWER_MS_MAX) == 1 && recv(descriptor, &report, sizeof report, MSG_DONTWAIT) > 0)
        ;
}

static void process_release(struct driver_child *child)
{
    struct keeper_order leave = {.version = KEEPER_VERSION, .verb = KEEPER_LEAVE};
    bool told = child->descriptor >= 0 && send(child->descriptor, &leave, sizeof leave, MSG_NOSIGNAL) > 0;
    if (told && !child->keeper_pid && !child->lives)
        hang_up_wait(child->descriptor);
    descriptor_close(&child->descriptor);
    if (told && child->keeper_pid && !child->lives)
        waitpid(child->keeper_pid, NULL, 0); /* without a process it leaves at once */
    process_forget(child);
    child->keeper_pid = 0;
}

const struct driver process_driver = {
    .name = "process",
    .shows_pids = true,
    .tells_start = true,
    .start = process_start,
    .kept = driver_slot_kept,
    .adopt = process_adopt,
    .news = process_news,
    .signal = process_signal,
    .suspend = process_suspend,
    .stands = process_stands,
    .release = process_release,
};
