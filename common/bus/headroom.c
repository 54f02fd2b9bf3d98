#include "bus/headroom.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the process, as its limit is; libzmq's threads come here. */
static atomic_int spare = -1;
static atomic_llong refused = 0;

static int64_t limit_now(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX)
        return INT32_MAX;
    return (int64_t)limit.rlim_cur;
}

static void spare_open(void)
{
    int opened = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1;
    if (opened >= 0 && !atomic_compare_exchange_strong(&spare, &none, opened))
        close(opened);
}

void headroom_keep(void)
{
    if (atomic_load(&spare) < 0)
        spare_open();
}

int64_t headroom_refused(void)
{
    return atomic_load(&refused);
}

struct headroom headroom_read(void)
{
    struct headroom headroom = {.limit = limit_now(), .refused = headroom_refused()};
    DIR *folder = opendir("/proc/self/fd");
    headroom.used = folder ? -3 : headroom.limit; /* ".", ".." and the folder itself */
    while (folder && readdir(folder))
        headroom.used++;
    if (folder)
        closedir(folder);
    return headroom;
}

static int accept_plain(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    return (int)syscall(SYS_accept4, listener, address, length, flags);
}

static int turn_away(int connection)
{
    if (connection >= 0)
        close(connection);
    atomic_fetch_add(&refused, 1);
    errno = ECONNABORTED;
    return -1;
}

/* turn_away_with_spare: no descriptor is left: the spare one makes room for as long as it takes, since a connection that
 * nobody accepts keeps its listener readable, and libzmq's thread busy. Another thread may be quicker and take the room. */
static int turn_away_with_spare(int listener)
{
    int given = atomic_exchange(&spare, -1);
    if (given >= 0)
        close(given);
    int connection = accept_plain(listener, NULL, NULL, SOCK_CLOEXEC);
    bool turned_away = connection >= 0;
    if (turned_away)
        turn_away(connection);
    spare_open();
    errno = turned_away ? ECONNABORTED : ENFILE; /* both nothing that libzmq would mind */
    return -1;
}

static bool is_unix(int listener)
{
    int domain = AF_UNSPEC;
    socklen_t bytes = sizeof domain;
    return getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX;
}

/* accept_instead: is called accept4 for the linker and takes the place of libc's for the whole program, libraries included:
 * the dynamic linker asks the program first. (The C name is another because libc's header declares that one its own way.) */
int accept_instead(int listener, struct sockaddr *address, socklen_t *length, int flags) __asm__("accept4");

/* The kernel gives the lowest free number: one in the last fifth says that all below it are taken. */
int accept_instead(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    int connection = accept_plain(listener, address, length, flags), reason = errno;
    bool guarded = is_unix(listener);
    errno = reason;
    if (guarded && connection < 0 && (reason == EMFILE || reason == ENFILE))
        return turn_away_with_spare(listener);
    if (guarded && connection >= 0 &&
        (int64_t)connection * HEADROOM_PARTS >= limit_now() * HEADROOM_PARTS_FREE)
        return turn_away(connection);
    return connection;
}
