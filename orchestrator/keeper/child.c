#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_DESCRIPTOR = 3, PROC_TEXT_BYTES = 4096, START_TICKS_FIELD = 22 };

static const char READY_WORD[] = "READY"; /* more may follow on the line */

/* --- the child's side of fork: only calls that are safe there --- */

static int open_as(const char *path, int flags, int descriptor)
{
    int opened = open(path, flags, 0644);
    if (opened < 0)
        return -1;
    if (opened != descriptor) {
        if (dup2(opened, descriptor) < 0)
            return -1;
        close(opened);
    }
    return 0;
}

static void signals_reset(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* child_begin: returns only on failure, with errno. `failure`, above the child's four descriptors, closes by itself at
 * exec. */
static void child_begin(const struct child_order *order, int ready, int failure, pid_t keeper)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return;
    if (getppid() != keeper) { /* it died before that took effect */
        errno = ESRCH;
        return;
    }
    setsid();
    signals_reset();
    if (open_as("/dev/null", O_RDONLY, STDIN_FILENO) != 0 ||
        dup2(order->stdout_descriptor, STDOUT_FILENO) < 0 ||
        dup2(order->stderr_descriptor, STDERR_FILENO) < 0 || dup2(ready, READY_DESCRIPTOR) < 0)
        return;
    close_range(READY_DESCRIPTOR + 1, (unsigned)failure - 1, 0);
    close_range((unsigned)failure + 1, UINT_MAX, 0);
    execve(order->arguments[0], order->arguments, order->environment);
}

static void child_tell(int failure)
{
    int reason = errno;
    ssize_t ignored = write(failure, &reason, sizeof reason);
    (void)ignored;
    _exit(127);
}

/* --- the keeper's side --- */

static void pair_close(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

/* pipe_high: a pipe whose ends lie well above the child's descriptors 0 to 3. */
static int pipe_high(int out_pair[2], int flags)
{
    int low[2];
    if (pipe2(low, O_CLOEXEC | flags) != 0)
        return errno;
    out_pair[0] = fcntl(low[0], F_DUPFD_CLOEXEC, READY_DESCRIPTOR + 3);
    out_pair[1] = fcntl(low[1], F_DUPFD_CLOEXEC, READY_DESCRIPTOR + 3);
    int reason = errno;
    pair_close(low);
    if (out_pair[0] >= 0 && out_pair[1] >= 0)
        return 0;
    if (out_pair[0] >= 0)
        close(out_pair[0]);
    return reason;
}

int child_start(const struct child_order *order, pid_t *out_pid, int *out_ready_descriptor)
{
    int ready[2] = {-1, -1}, failure[2] = {-1, -1}, reason = pipe_high(ready, O_NONBLOCK);
    if (reason)
        return reason;
    reason = pipe_high(failure, 0);
    if (reason) {
        pair_close(ready);
        return reason;
    }
    pid_t keeper = getpid(), pid = fork();
    if (pid == 0) {
        child_begin(order, ready[1], failure[1], keeper);
        child_tell(failure[1]);
    }
    reason = pid < 0 ? errno : 0;
    close(ready[1]);
    close(failure[1]);
    if (pid > 0 && read(failure[0], &reason, sizeof reason) == (ssize_t)sizeof reason)
        waitpid(pid, NULL, 0);
    close(failure[0]);
    if (reason) {
        close(ready[0]);
        return reason;
    }
    *out_pid = pid;
    *out_ready_descriptor = ready[0];
    return 0;
}

int64_t child_start_ticks(pid_t pid)
{
    char path[64], text[PROC_TEXT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    ssize_t got = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    text[got > 0 ? got : 0] = 0;
    const char *at = strrchr(text, ')'); /* the name in field 2 may hold blanks */
    for (int field = 2; at && field < START_TICKS_FIELD; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

int child_announced(int ready_descriptor)
{
    char text[64];
    ssize_t got = read(ready_descriptor, text, sizeof text);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    size_t length = sizeof READY_WORD - 1; /* one write of so few bytes is never cut by a pipe */
    bool ready = got > (ssize_t)length && memcmp(text, READY_WORD, length) == 0 &&
                 (text[length] == '\n' || text[length] == ' ');
    return ready ? 1 : -1;
}

bool children_end(void)
{
    char path[64], text[PROC_TEXT_BYTES];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = descriptor < 0 ? -1 : read(descriptor, text, sizeof text - 1);
    if (descriptor >= 0)
        close(descriptor);
    text[got > 0 ? got : 0] = 0;
    char *at = text, *end;
    bool any = false;
    for (long pid; (pid = strtol(at, &end, 10)) > 0; at = end)
        any = kill((pid_t)pid, SIGKILL) == 0 || any;
    return any;
}
