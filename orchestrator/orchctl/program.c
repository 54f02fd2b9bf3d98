#include "program.h"

#include "verb.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void program_path(const char *name, char out_path[PATH_BYTES])
{
    char own[PATH_BYTES];
    process_folder(own);
    path_join(out_path, own, "%s", name);
    if (!file_exists(out_path))
        path_join(out_path, own, "../libexec/orderflow/%s", name);
}

void program_add(struct program_words *words, const char *word)
{
    if (words->count < PROGRAM_WORDS_MAX)
        words->items[words->count++] = word;
}

void program_add_option(struct program_words *words, const char *name, const char *value)
{
    if (!value)
        return;
    program_add(words, name);
    if (*value)
        program_add(words, value);
}

int program_become(struct program_words *words)
{
    char path[PATH_BYTES];
    program_path(words->items[0], path);
    fflush(NULL);
    execv(path, (char *const *)(uintptr_t)words->items);
    return complain(EXIT_REFUSED, "%s cannot be run: %s", path, strerror(errno));
}

static int spawn(const char *path, struct program_words *words, pid_t *out_pid)
{
    posix_spawnattr_t attributes;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int code = posix_spawn(out_pid, path, NULL, &attributes, (char *const *)(uintptr_t)words->items, environ);
    posix_spawnattr_destroy(&attributes);
    return code;
}

int program_wait(struct program_words *words)
{
    char path[PATH_BYTES];
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};
    pid_t pid;
    int state = 0;
    program_path(words->items[0], path);
    fflush(NULL);
    sigaction(SIGINT, &ignore, &before);
    int code = spawn(path, words, &pid);
    if (code)
        state = -1;
    while (!code && waitpid(pid, &state, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGINT, &before, NULL);
    if (code)
        return complain(EXIT_REFUSED, "%s cannot be started: %s", path, strerror(code));
    return WIFEXITED(state) ? WEXITSTATUS(state) : EXIT_REFUSED;
}
