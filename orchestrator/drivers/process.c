/* The process driver: posix_spawn (which shares the address space until exec, so it does not care about the
 * bus's threads), a pidfd per child, a pipe for the readiness line. */
#include "driver.h"

#include "base/buffer.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_DESCRIPTOR = 3, PROC_BYTES_MAX = 8192 };

static const char READY_WORD[] = "READY"; /* more may follow on the line */

static int pid_descriptor_open(pid_t pid)
{
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0u);
    if (descriptor >= 0)
        fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    return descriptor;
}

static void descriptor_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

/* proc_text: the text of /proc/<pid>/<name>, "" when it cannot be read. */
static void proc_text(pid_t pid, const char *name, char *out_text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    struct buffer text;
    buffer_init(&text, PROC_BYTES_MAX);
    out_text[0] = 0;
    enum status status = file_read(path, &text);
    if (status == STATUS_OK || status == STATUS_LIMIT)
        snprintf(out_text, size, "%s", buffer_text(&text));
    buffer_finish(&text);
}

/* stat_field: the n-th field of /proc/<pid>/stat, counted as proc(5) does; the name in field 2 may hold
 * blanks. */
static const char *stat_field(const char *stat_text, int number)
{
    const char *at = strrchr(stat_text, ')');
    for (int field = 2; at && field < number; field++) {
        at = strchr(at, ' ');
        if (at)
            at++;
    }
    return at ? at : "";
}

static int64_t start_ticks_of(pid_t pid)
{
    char text[1024];
    proc_text(pid, "stat", text, sizeof text);
    return strtoll(stat_field(text, 22), NULL, 10);
}

/* spawn_files: descriptors 0 to 3 of the child; everything above is closed, whoever opened it. */
static int spawn_files(posix_spawn_file_actions_t *files, const struct driver_order *order, int ready_write)
{
    int flags = O_WRONLY | O_CREAT | O_APPEND;
    int code = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    code = code ? code : posix_spawn_file_actions_addopen(files, 1, order->stdout_path, flags, 0644);
    code = code ? code : posix_spawn_file_actions_addopen(files, 2, order->stderr_path, flags, 0644);
    code = code ? code : posix_spawn_file_actions_adddup2(files, ready_write, READY_DESCRIPTOR);
    return code ? code : posix_spawn_file_actions_addclosefrom_np(files, READY_DESCRIPTOR + 1);
}

/* spawn_attributes: own session, default signal actions, nothing blocked. */
static int spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    int code = posix_spawnattr_setsigdefault(attributes, &all);
    code = code ? code : posix_spawnattr_setsigmask(attributes, &none);
    return code ? code : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const struct driver_order *order, int ready_write, pid_t *out_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int code = spawn_files(&files, order, ready_write);
    code = code ? code : spawn_attributes(&attributes);
    code = code ? code
                : posix_spawn(out_pid, order->arguments[0], &files, &attributes,
                              (char *const *)order->arguments, (char *const *)order->environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return code;
}

static enum status process_start(const struct driver_order *order, struct driver_child *out_child,
                                 struct error *error)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0)
        return error_set(error, STATUS_IO, "no pipe for %s: %m", order->arguments[0]);
    pid_t pid = 0;
    int code = spawn(order, ready[1], &pid);
    close(ready[1]);
    if (code) {
        close(ready[0]);
        return error_set(error, STATUS_IO, "%s cannot be started: %s", order->arguments[0], strerror(code));
    }
    int exit_descriptor = pid_descriptor_open(pid); /* not reaped yet, so the number is still this child's */
    if (exit_descriptor < 0) {
        int reason = errno;
        close(ready[0]);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return error_set(error, STATUS_IO, "no pidfd for %s: %s", order->arguments[0], strerror(reason));
    }
    *out_child = (struct driver_child){.pid = pid,
                                       .start_ticks = start_ticks_of(pid),
                                       .exit_descriptor = exit_descriptor,
                                       .ready_descriptor = ready[0]};
    return STATUS_OK;
}

static enum status process_announced(struct driver_child *child)
{
    if (child->ready_descriptor < 0)
        return STATUS_CLOSED;
    char text[64];
    ssize_t got = read(child->ready_descriptor, text, sizeof text);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return STATUS_AGAIN;
    size_t length = sizeof READY_WORD - 1; /* one write of so few bytes is never cut by a pipe */
    bool ready = got > (ssize_t)length && memcmp(text, READY_WORD, length) == 0 &&
                 (text[length] == '\n' || text[length] == ' ');
    descriptor_close(&child->ready_descriptor);
    return ready ? STATUS_OK : STATUS_CLOSED;
}

static enum status process_signal(const struct driver_child *child, int signal_number)
{
    if (child->pid == 0)
        return STATUS_CLOSED;
    long code = syscall(SYS_pidfd_send_signal, child->exit_descriptor, signal_number, NULL, 0u);
    return code == 0 ? STATUS_OK : errno == ESRCH ? STATUS_CLOSED : STATUS_IO;
}

static void process_release(struct driver_child *child)
{
    descriptor_close(&child->exit_descriptor);
    descriptor_close(&child->ready_descriptor);
    *child = (struct driver_child){.exit_descriptor = -1, .ready_descriptor = -1};
}

static enum status process_collect(struct driver_child *child, struct driver_exit *out_exit)
{
    siginfo_t info = {0};
    if (waitid((idtype_t)P_PIDFD, (id_t)child->exit_descriptor, &info, WEXITED | WNOHANG) != 0)
        return errno == EINTR ? STATUS_AGAIN : STATUS_IO;
    if (info.si_pid == 0)
        return STATUS_AGAIN;
    bool exited = info.si_code == CLD_EXITED;
    *out_exit =
        (struct driver_exit){.code = exited ? info.si_status : -1, .signal = exited ? 0 : info.si_status};
    process_release(child);
    return STATUS_OK;
}

const struct driver process_driver = {
    .name = "process",
    .start = process_start,
    .announced = process_announced,
    .signal = process_signal,
    .collect = process_collect,
    .release = process_release,
};

static int64_t open_files_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int64_t count = -2; /* "." and ".." */
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

enum status driver_resources_read(pid_t pid, struct driver_resources *out_resources)
{
    char text[1024];
    proc_text(pid, "stat", text, sizeof text);
    const char *state = stat_field(text, 3);
    if (!*state)
        return STATUS_CLOSED;
    double page_mb = (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024.0);
    struct driver_resources resources = {.run_state = *state,
                                         .rss_mb = (double)strtoll(stat_field(text, 24), NULL, 10) * page_mb,
                                         .open_files = open_files_of(pid)};
    proc_text(pid, "schedstat", text, sizeof text);
    const char *blank = strchr(text, ' ');
    resources.starved_ns = blank ? strtoll(blank + 1, NULL, 10) : 0;
    *out_resources = resources;
    return STATUS_OK;
}
