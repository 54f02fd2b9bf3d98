#include "tests/simulation/posix.h"

#include "base/memory.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/power.h"
#include "tests/simulation/venue.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A call the linker redirects: __wrap_name is called in its place, __real_name is the library's. */
#define REAL(result, name, ...)        \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

enum { OWN_DESCRIPTORS = 1 << 20, OWN_DESCRIPTORS_MAX = 64 };

/* own_descriptor: an eventfd or signalfd; no kernel knows it. */
static struct own_descriptor {
    struct process *process;
    bool is_signal;
    uint64_t count;
} own[OWN_DESCRIPTORS_MAX];

static struct process *owners[PROCESS_DESCRIPTORS_MAX]; /* of real descriptors */
static int64_t wall_start_ns;

void posix_set_wall(int64_t start_ns)
{
    wall_start_ns = start_ns;
}

/* --- time, identity, chance --- */

REAL(int, clock_gettime, clockid_t id, struct timespec *out)
{
    if (!fiber_inside())
        return __real_clock_gettime(id, out);
    int64_t now_ns = fiber_now_ns();
    if (id == CLOCK_REALTIME && process_is_harvest(fiber_process()))
        now_ns =
            venue_wall_ns(fiber_process()) +
            fault_skew_ns(fiber_process()); /* messages are received at the venue's time, whenever that is */
    else if (id == CLOCK_REALTIME)
        now_ns += wall_start_ns;
    *out = (struct timespec){.tv_sec = now_ns / 1000000000, .tv_nsec = now_ns % 1000000000};
    return 0;
}

REAL(pid_t, getpid, void)
{
    struct process *process = fiber_process();
    return process ? (pid_t)(1000 * (process - processes + 1) + process->generation) : __real_getpid();
}

REAL(ssize_t, getrandom, void *out, size_t bytes, unsigned flags)
{
    if (!fiber_process())
        return __real_getrandom(out, bytes, flags);
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)out)[i] = (uint8_t)fault_below(256);
    return (ssize_t)bytes;
}

/* --- threads: a mutex is a flag, a condition nothing but its address; zeros are valid ones --- */

struct own_mutex {
    bool locked;
};

static struct own_mutex *mutex_of(pthread_mutex_t *mutex)
{
    return (struct own_mutex *)mutex;
}

static void lock(pthread_mutex_t *mutex)
{
    while (mutex_of(mutex)->locked)
        fiber_wait(mutex, FIBER_NEVER);
    mutex_of(mutex)->locked = true;
}

static void unlock(pthread_mutex_t *mutex)
{
    mutex_of(mutex)->locked = false;
    fiber_wake(mutex, false);
}

REAL(int, pthread_mutex_init, pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    if (!fiber_process())
        return __real_pthread_mutex_init(mutex, attributes);
    memset(mutex, 0, sizeof *mutex);
    return 0;
}

REAL(int, pthread_mutex_destroy, pthread_mutex_t *mutex)
{
    return fiber_process() ? 0 : __real_pthread_mutex_destroy(mutex);
}

REAL(int, pthread_mutex_lock, pthread_mutex_t *mutex)
{
    if (!fiber_process())
        return __real_pthread_mutex_lock(mutex);
    fault_interleave();
    lock(mutex);
    return 0;
}

REAL(int, pthread_mutex_unlock, pthread_mutex_t *mutex)
{
    if (!fiber_process())
        return __real_pthread_mutex_unlock(mutex);
    unlock(mutex);
    fault_interleave();
    return 0;
}

REAL(int, pthread_cond_init, pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    if (!fiber_process())
        return __real_pthread_cond_init(condition, attributes);
    memset(condition, 0, sizeof *condition);
    return 0;
}

REAL(int, pthread_cond_destroy, pthread_cond_t *condition)
{
    return fiber_process() ? 0 : __real_pthread_cond_destroy(condition);
}

REAL(int, pthread_cond_signal, pthread_cond_t *condition)
{
    if (!fiber_process())
        return __real_pthread_cond_signal(condition);
    fiber_wake(condition, false);
    return 0;
}

REAL(int, pthread_cond_broadcast, pthread_cond_t *condition)
{
    if (!fiber_process())
        return __real_pthread_cond_broadcast(condition);
    fiber_wake(condition, true);
    return 0;
}

REAL(int, pthread_cond_wait, pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    if (!fiber_process())
        return __real_pthread_cond_wait(condition, mutex);
    unlock(mutex);
    fiber_wait(condition, FIBER_NEVER);
    lock(mutex);
    return 0;
}

/* The daemons' conditions all run on the monotonic clock. */
REAL(int, pthread_cond_timedwait, pthread_cond_t *condition, pthread_mutex_t *mutex,
     const struct timespec *until)
{
    if (!fiber_process())
        return __real_pthread_cond_timedwait(condition, mutex, until);
    unlock(mutex);
    bool woken = fiber_wait(condition, until->tv_sec * 1000000000 + until->tv_nsec);
    lock(mutex);
    return woken ? 0 : ETIMEDOUT;
}

REAL(int, pthread_create, pthread_t *out_thread, const pthread_attr_t *attributes, void *(*main)(void *),
     void *argument)
{
    if (!fiber_process())
        return __real_pthread_create(out_thread, attributes, main, argument);
    *out_thread = (pthread_t)fiber_start(fiber_process(), main, argument);
    return 0;
}

REAL(int, pthread_join, pthread_t thread, void **out_result)
{
    if (!fiber_process())
        return __real_pthread_join(thread, out_result);
    void *result = fiber_join((struct fiber *)thread);
    if (out_result)
        *out_result = result;
    return 0;
}

REAL(int, sigprocmask, int how, const sigset_t *set, sigset_t *old)
{
    return fiber_process() ? 0 : __real_sigprocmask(how, set, old);
}

REAL(int, pthread_sigmask, int how, const sigset_t *set, sigset_t *old)
{
    return fiber_process() ? 0 : __real_pthread_sigmask(how, set, old);
}

/* --- descriptors of our own --- */

static struct own_descriptor *own_of(int descriptor)
{
    return descriptor >= OWN_DESCRIPTORS ? &own[descriptor - OWN_DESCRIPTORS] : NULL;
}

static int own_open(bool is_signal)
{
    for (int i = 0; i < OWN_DESCRIPTORS_MAX; i++)
        if (!own[i].process) {
            own[i] = (struct own_descriptor){.process = fiber_process(), .is_signal = is_signal};
            return OWN_DESCRIPTORS + i;
        }
    errno = EMFILE;
    return -1;
}

REAL(int, eventfd, unsigned initial, int flags)
{
    return fiber_process() ? own_open(false) : __real_eventfd(initial, flags);
}

REAL(int, signalfd, int descriptor, const sigset_t *set, int flags)
{
    return fiber_process() ? own_open(true) : __real_signalfd(descriptor, set, flags);
}

bool posix_is_readable(int descriptor)
{
    const struct own_descriptor *found = own_of(descriptor);
    return found && (found->is_signal ? found->process->term_pending : found->count > 0);
}

static ssize_t own_read(struct own_descriptor *found, void *out, size_t bytes)
{
    if (found->is_signal ? !found->process->term_pending : !found->count) {
        errno = EAGAIN;
        return -1;
    }
    memset(out, 0, bytes);
    found->count = 0;
    if (!found->is_signal)
        return sizeof(uint64_t);
    found->process->term_pending = false;
    found->process->term_taken = true;
    return sizeof(struct signalfd_siginfo);
}

/* --- files --- */

int __real_close(int descriptor);

static void own_descriptor_of(int descriptor)
{
    if (fiber_process() && descriptor >= 0 && descriptor < PROCESS_DESCRIPTORS_MAX)
        owners[descriptor] = fiber_process();
}

void posix_close_all(const struct process *process)
{
    for (int i = 0; i < PROCESS_DESCRIPTORS_MAX; i++)
        if (owners[i] == process) {
            __real_close(i);
            owners[i] = NULL;
        }
    for (int i = 0; i < OWN_DESCRIPTORS_MAX; i++)
        if (own[i].process == process)
            own[i].process = NULL;
}

bool posix_refuses(void)
{
    const struct process *process = fiber_process();
    if (!process || fiber_now_ns() >= process->refuses_writes_until_ns)
        return false;
    errno = ENOSPC;
    return true;
}

FILE *__real_fopen(const char *path, const char *mode);
int __real_open(const char *path, int flags, ...);
/* What a daemon tells of its memory depends on where the kernel has put it: the same seed would write other files. */
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
    static char statm[] = "20000 4000 2000 100 0 2000 0\n";
    if (strcmp(path, "/proc/self/statm") == 0)
        return fmemopen(statm, sizeof statm - 1, "r");
    return __real_fopen(path, mode);
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (power_matters() && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        path = POWER_BOOT_PATH;
    bool makes = (flags & (O_CREAT | O_TRUNC)) && fiber_process();
    if (makes)
        fault_point("open");
    if (makes && posix_refuses())
        return -1;
    int descriptor = __real_open(path, flags, mode);
    own_descriptor_of(descriptor);
    if (makes && descriptor >= 0)
        power_note_change(descriptor);
    if (makes)
        fault_point("opened");
    return descriptor;
}

REAL(int, close, int descriptor)
{
    if (own_of(descriptor)) {
        own_of(descriptor)->process = NULL;
        return 0;
    }
    if (descriptor >= 0 && descriptor < PROCESS_DESCRIPTORS_MAX)
        owners[descriptor] = NULL;
    return __real_close(descriptor);
}

REAL(ssize_t, read, int descriptor, void *out, size_t bytes)
{
    return own_of(descriptor) ? own_read(own_of(descriptor), out, bytes)
                              : __real_read(descriptor, out, bytes);
}

/* A write: before it, in the middle of it (a kill there leaves a part), behind it. */
#define WRITE_PART(name, descriptor, real)           \
    if (!fiber_process())                            \
        return real;                                 \
    if (posix_refuses())                             \
        return -1;                                   \
    size_t whole = bytes;                            \
    bytes = fault_write(name, bytes);                \
    ssize_t written = bytes || !whole ? real : 0;    \
    power_note_change(descriptor);                   \
    if (bytes < whole)                               \
        process_kill(fiber_process(), name " torn"); \
    fault_point(name " done");                       \
    return written

REAL(ssize_t, write, int descriptor, const void *data, size_t bytes)
{
    struct own_descriptor *found = own_of(descriptor);
    if (!found) {
        WRITE_PART("write", descriptor, __real_write(descriptor, data, bytes));
    }
    found->count++;
    fiber_wake(found->process->bus, true);
    return (ssize_t)bytes;
}

REAL(ssize_t, pwrite, int descriptor, const void *data, size_t bytes, off_t offset)
{
    WRITE_PART("pwrite", descriptor, __real_pwrite(descriptor, data, bytes, offset));
}

/* CHANGE: a call that changes the file system, between two fault points; `noted` when it went well. */
#define CHANGE(name, real, noted)   \
    if (!fiber_process())           \
        return real;                \
    fault_point(name);              \
    if (posix_refuses())            \
        return -1;                  \
    int code = real, cause = errno; \
    if (code == 0)                  \
        noted;                      \
    fault_point(name " done");      \
    errno = cause;                  \
    return code

REAL(int, rename, const char *from, const char *to)
{
    CHANGE("rename", (power_will_rename(to), __real_rename(from, to)), power_note_rename(from, to));
}

REAL(int, renameat2, int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    CHANGE("rename", (power_will_rename(to), __real_renameat2(from_folder, from, to_folder, to, flags)),
           power_note_rename(from, to));
}

REAL(int, ftruncate, int descriptor, off_t bytes)
{
    CHANGE("ftruncate", __real_ftruncate(descriptor, bytes), power_note_change(descriptor));
}

REAL(int, fsync, int descriptor)
{
    CHANGE("fsync", __real_fsync(descriptor), power_note_sync(descriptor));
}

REAL(int, fdatasync, int descriptor)
{
    CHANGE("fdatasync", __real_fdatasync(descriptor), power_note_sync(descriptor));
}

REAL(int, unlink, const char *path)
{
    fault_point("unlink");
    int code = __real_unlink(path), cause = errno;
    fault_point("unlink done");
    errno = cause;
    return code;
}

/* Most folders asked for are there already, and nothing has changed then. */
REAL(int, mkdir, const char *path, mode_t mode)
{
    int code = __real_mkdir(path, mode);
    if (code == 0)
        fault_point("mkdir done");
    return code;
}
