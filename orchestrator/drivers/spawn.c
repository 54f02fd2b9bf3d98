#include "spawn.h"

#include <signal.h>
#include <stdint.h>

int spawn_program(const char *const *arguments, const char *const *environment,
                  posix_spawn_file_actions_t *files, int code, short flags, pid_t *out_pid)
{
    posix_spawnattr_t attributes;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    code = code ? code : posix_spawnattr_setsigdefault(&attributes, &all);
    code = code ? code : posix_spawnattr_setsigmask(&attributes, &none);
    code = code ? code
                : posix_spawnattr_setflags(&attributes,
                                           (short)(flags | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    code = code ? code
                : posix_spawn(out_pid, arguments[0], files, &attributes, (char *const *)(uintptr_t)arguments,
                              (char *const *)(uintptr_t)environment);
    posix_spawn_file_actions_destroy(files);
    posix_spawnattr_destroy(&attributes);
    return code;
}
