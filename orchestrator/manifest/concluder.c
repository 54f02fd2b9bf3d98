#include "concluder.h"

#include "behind.h"
#include "conclude.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    LOOK_MS = 1000,    /* where no descriptor can be had */
    MARGIN_MS = 30000, /* beyond its own limit: its last word takes up to two thirds of that */
    ASKED_MS = 2000,
    KILLED_MS = 5000,
};

void concluder_began(struct concluder *concluder, pid_t pid)
{
    concluder_forget(concluder);
    concluder->pid = concluder->group = pid;
}

/* --- descriptors --- */

static void drop(struct concluder *concluder, size_t index)
{
    close(concluder->processes[index].descriptor); /* which takes it from the epoll */
    concluder->processes[index] = concluder->processes[--concluder->count];
}

void concluder_forget(struct concluder *concluder)
{
    while (concluder->count)
        drop(concluder, concluder->count - 1);
    concluder->pid = 0;
    concluder->step = CONCLUDER_WORKS;
    concluder->since_ms = concluder->step_ms = 0;
    concluder->is_leaderless = false;
}

void concluder_close(struct concluder *concluder)
{
    concluder_forget(concluder);
    if (concluder->is_open)
        close(concluder->epoll_descriptor);
    concluder->is_open = false;
}

/* open_epoll: one descriptor in the loop's, whoever is behind it. A run that has not come to its loop has none: that waits for this one. */
static void open_epoll(const struct run *run, struct concluder *concluder)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = RUN_CONCLUSION_EVENT};
    if (concluder->is_open)
        return;
    concluder->epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    concluder->is_open = concluder->epoll_descriptor >= 0;
    if (concluder->is_open && run->epoll_descriptor >= 0 &&
        epoll_ctl(run->epoll_descriptor, EPOLL_CTL_ADD, concluder->epoll_descriptor, &event) != 0)
        concluder_close(concluder);
}

/* drop_ended: those whose descriptor says so. */
static void drop_ended(struct concluder *concluder)
{
    for (size_t i = concluder->count; i-- > 0;) {
        struct pollfd ended = {.fd = concluder->processes[i].descriptor, .events = POLLIN};
        if (poll(&ended, 1, 0) != 0)
            drop(concluder, i);
    }
}

static bool is_watched(const struct concluder *concluder, pid_t pid)
{
    for (size_t i = 0; i < concluder->count; i++)
        if (concluder->processes[i].pid == pid)
            return true;
    return false;
}

static void watch(struct concluder *concluder, pid_t pid, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (!concluder->is_open || concluder->count == CONCLUDER_PROCESSES_MAX ||
        epoll_ctl(concluder->epoll_descriptor, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        close(descriptor);
        return;
    }
    concluder->processes[concluder->count++] = (struct concluder_process){pid, descriptor};
}

/* --- who --- */

/* has_open: whether a process has that file open. */
static bool has_open(pid_t pid, const struct stat *file)
{
    char path[PATH_BYTES];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        struct stat one;
        path_join(path, "/proc", "%d/fd/%s", (int)pid, entry->d_name);
        found = entry->d_name[0] != '.' && stat(path, &one) == 0 && one.st_dev == file->st_dev &&
                one.st_ino == file->st_ino;
    }
    if (folder)
        closedir(folder);
    return found;
}

/* watch_holder: the descriptor first, then the look: a number that has been given to somebody else meanwhile does not have the lock. */
static void watch_holder(struct concluder *concluder, pid_t pid, const struct stat *lock)
{
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0u);
    if (descriptor < 0)
        return;
    if (has_open(pid, lock))
        watch(concluder, pid, descriptor);
    else
        close(descriptor);
}

/* leader_of: the process that the lock names; 0: none. */
static pid_t leader_of(const char *lock_path)
{
    yyjson_doc *document = yyjson_read_file(lock_path, 0, NULL, NULL);
    pid_t leader = (pid_t)yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(document), "pid"));
    yyjson_doc_free(document);
    return leader > 1 && leader != getpid() ? leader : 0;
}

/* watch_holders: all of the leader's session that have the lock. Somebody else who has it is none of ours to watch, or to end. */
static void watch_holders(struct concluder *concluder, const char *lock_path, pid_t leader)
{
    struct stat lock;
    DIR *folder = leader && stat(lock_path, &lock) == 0 ? opendir("/proc") : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && !is_watched(concluder, pid) && (pid == leader || getsid(pid) == leader))
            watch_holder(concluder, pid, &lock);
    }
    if (folder)
        closedir(folder);
}

static void watch_ours(struct concluder *concluder)
{
    int descriptor = concluder->pid && !is_watched(concluder, concluder->pid)
                         ? (int)syscall(SYS_pidfd_open, concluder->pid, 0u)
                         : -1;
    if (descriptor >= 0)
        watch(concluder, concluder->pid, descriptor);
}

/* reap: ours, and what it has left where orphans come to us. */
static void reap(struct concluder *concluder)
{
    int status;
    pid_t got = concluder->group ? 1 : 0;
    while (got > 0 || (got < 0 && errno == EINTR)) {
        got = waitpid(-concluder->group, &status, WNOHANG);
        if (got == concluder->pid || (got < 0 && errno == ECHILD))
            concluder->pid = 0;
    }
}

static int64_t limit_of(const struct run *run, const char *folder)
{
    int64_t limit_ms = behind_limit_ms(folder);
    return (limit_ms > 0 ? limit_ms : conclude_limit_ms(run)) + MARGIN_MS;
}

bool concluder_works(struct run *run, struct concluder *concluder, const char *folder)
{
    char lock[PATH_BYTES];
    path_join(lock, folder, "lock");
    drop_ended(concluder);
    bool held = file_lock_held(lock);
    reap(concluder); /* behind the look at the lock: whoever has let go of it can be asked for */
    if (!held && !concluder->pid) {
        concluder_forget(concluder);
        return false;
    }
    open_epoll(run, concluder);
    pid_t leader = held ? leader_of(lock) : 0;
    watch_ours(concluder);
    watch_holders(concluder, lock, leader);
    concluder->is_leaderless =
        concluder->count && !concluder->pid && !(leader && is_watched(concluder, leader));
    concluder->since_ms = concluder->since_ms ? concluder->since_ms : run_now_ms(run);
    concluder->limit_ms = limit_of(run, folder);
    return true;
}

/* --- ending --- */

/* due_ms: of the next step. */
static int64_t due_ms(const struct concluder *concluder)
{
    switch (concluder->step) {
    case CONCLUDER_WORKS: return concluder->since_ms + (concluder->is_leaderless ? 0 : concluder->limit_ms);
    case CONCLUDER_ASKED: return concluder->step_ms + ASKED_MS;
    case CONCLUDER_KILLED: return concluder->step_ms + KILLED_MS;
    case CONCLUDER_STUCK: return NEVER_MS;
    }
    return NEVER_MS;
}

static void signal_all(const struct concluder *concluder, int number)
{
    for (size_t i = 0; i < concluder->count; i++) {
        syscall(SYS_pidfd_send_signal, concluder->processes[i].descriptor, number, NULL, 0u);
        syscall(SYS_pidfd_send_signal, concluder->processes[i].descriptor, SIGCONT, NULL, 0u);
    }
}

static void tell(struct run *run, const struct concluder *concluder, const char *run_id)
{
    static const char *const SIGNALS[] = {[CONCLUDER_WORKS] = "",
                                          [CONCLUDER_ASKED] = "TERM",
                                          [CONCLUDER_KILLED] = "KILL",
                                          [CONCLUDER_STUCK] = ""};
    const char *reason = concluder->step == CONCLUDER_STUCK ? "cannot be ended"
                         : concluder->is_leaderless         ? "what a process that was killed had started"
                                                            : "does not end within its limit";
    feed_emit(&run->feed, LOG_WARNING, "conclusion_pressed", "",
              FEED_FIELDS(TEXT("run", run_id), TEXT("signal", SIGNALS[concluder->step]),
                          NUMBER("processes", (int64_t)concluder->count),
                          NUMBER("pid", concluder->count ? concluder->processes[0].pid : 0),
                          TEXT("reason", reason)));
}

enum concluder_step concluder_press(struct run *run, struct concluder *concluder, const char *run_id)
{
    if (concluder->step == CONCLUDER_STUCK || run_now_ms(run) < due_ms(concluder))
        return concluder->step;
    concluder->step = concluder->count ? concluder->step + 1 : CONCLUDER_STUCK;
    concluder->step_ms = run_now_ms(run);
    tell(run, concluder, run_id);
    if (concluder->step != CONCLUDER_STUCK)
        signal_all(concluder, concluder->step == CONCLUDER_ASKED ? SIGTERM : SIGKILL);
    return concluder->step;
}

int64_t concluder_due_ms(const struct run *run, const struct concluder *concluder)
{
    int64_t look_ms = concluder->count ? NEVER_MS : run_now_ms(run) + LOOK_MS;
    int64_t step_ms = due_ms(concluder);
    return step_ms < look_ms ? step_ms : look_ms;
}
