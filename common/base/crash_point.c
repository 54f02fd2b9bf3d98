#include "base/crash_point.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* take_prefix: moves *text behind "<word><end>" if it begins so. */
static bool take_prefix(const char **text, const char *word, char end)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0 || (*text)[length] != end)
        return false;
    *text += length + 1;
    return true;
}

void crash_point(const char *name)
{
    static atomic_long passings;
    const char *wanted = getenv("ORDERFLOW_CRASH_POINT");
    if (!wanted)
        return;
    const char *slash = strchr(wanted, '/'), *colon = strchr(wanted, ':');
    bool names_program = slash && colon && slash < colon;
    if ((names_program && !take_prefix(&wanted, program_invocation_short_name, '/')) ||
        !take_prefix(&wanted, name, ':'))
        return;
    char *rest;
    long passing = strtol(wanted, &rest, 10);
    if (atomic_fetch_add(&passings, 1) + 1 < passing)
        return;
    if (*rest == ':' && open(rest + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0)
        return;
    if (*rest == ':' || atomic_load(&passings) == passing)
        raise(SIGKILL);
}
