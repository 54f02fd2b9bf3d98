/* concluder: who is at the conclusion of a run that was left (behind.h): a process of ours, one whose orchestrator has died, or what such a one
 * had started and left. All of them hold the folder's lock, and all are of the session whose first process the lock names.
 *
 * Their ends are told by descriptors of the processes. How long they may take is limited: the process itself gives up in time
 * (run.conclude_timeout_s), and is made to when it does not, because it stands still; what it has left behind when it was killed serves
 * nobody, stands in the way of the next attempt, and is ended at once. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct run;

enum { CONCLUDER_PROCESSES_MAX = 32 };

/* concluder_step: how hard they have been pressed. */
enum concluder_step { CONCLUDER_WORKS, CONCLUDER_ASKED, CONCLUDER_KILLED, CONCLUDER_STUCK };

struct concluder_process {
    pid_t pid;
    int descriptor; /* readable once it has ended */
};

/* concluder: zeroed is "nobody has been seen yet". */
struct concluder {
    bool is_open;
    int epoll_descriptor; /* of all of theirs; is_open */
    struct concluder_process processes[CONCLUDER_PROCESSES_MAX];
    size_t count;
    pid_t pid; /* of ours; 0: none of ours is at it */
    pid_t
        group; /* of the last of ours: what it leaves is ours to ask for where orphans come to us, as in a container */
    bool is_leaderless; /* only what was left by one that is dead is at it */
    enum concluder_step step;
    int64_t since_ms, step_ms; /* monotonic; 0: not yet */
    int64_t limit_ms;
};

/* concluder_began: one of ours is at it from now on. */
void concluder_began(struct concluder *concluder, pid_t pid);

/* concluder_works: whether anybody is at the conclusion in that folder, after a look at all of them. */
bool concluder_works(struct run *run, struct concluder *concluder, const char *folder);

/* concluder_press: ends them when their time is over: TERM, KILL, told as events; CONCLUDER_STUCK: not even that has ended them. */
enum concluder_step concluder_press(struct run *run, struct concluder *concluder, const char *run_id);
/* concluder_due_ms: when to look again, if no descriptor says so before. */
int64_t concluder_due_ms(const struct run *run, const struct concluder *concluder);

/* concluder_forget: what comes next has nothing to do with them. concluder_close: with the descriptor. */
void concluder_forget(struct concluder *concluder);
void concluder_close(struct concluder *concluder);
