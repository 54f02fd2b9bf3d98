/* child: the process a keeper keeps. It is started with descriptors 0 to 3 (nothing, the pipes to its two logs, that for its
 * readiness line) and nothing else, in a session of its own, with the environment given; it dies with its keeper
 * (PR_SET_PDEATHSIG), so that what nobody can account for cannot live. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child_order {
    int stdout_descriptor, stderr_descriptor; /* well above 3 */
    char **arguments;                         /* [0] is the program's path; NULL-terminated */
    char **environment;                       /* "NAME=value"; NULL-terminated */
};

/* child_start: 0, or the errno value of what failed, in the keeper or in the child before its exec. */
int child_start(const struct child_order *order, pid_t *out_pid, int *out_ready_descriptor);

/* child_start_ticks: since boot, of a process that has not been reaped. */
int64_t child_start_ticks(pid_t pid);

/* child_announced: reads the readiness pipe: 1 the line has come, 0 not yet, -1 it will not come. */
int child_announced(int ready_descriptor);

/* children_end: kills whatever the child left behind: this process is their reaper. False when there was nothing. */
bool children_end(void);
