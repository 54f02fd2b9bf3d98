/* spawn: how everything of ours is started: default signals, none blocked, and no descriptor but those that `files` names. */
#pragma once

#include <spawn.h>

/* spawn_program: `arguments`[0] is the program's path; both lists end with NULL; `flags` are more of POSIX_SPAWN_*. `files` is finished in
 * any case; `code` tells how making it went: not 0, nothing is started. 0, or an errno value. */
int spawn_program(const char *const *arguments, const char *const *environment,
                  posix_spawn_file_actions_t *files, int code, short flags, pid_t *out_pid);
