/* process: a daemon that lives inside the simulation: its main on a fiber, and everything a kernel would take back when
 * it dies: threads, descriptors, sockets, locks, open data bases.
 *
 * A kill takes the daemon's memory (it is never looked at again) and what the kernel holds for it; what it wrote to files
 * stays. Its LMDB environments and SQLite handles are closed without committing, truncating or flushing anything, since the
 * next life, in the same process of the machine, opens the same files. */
#pragma once

#include "bus/bus.h"
#include "tests/simulation/fiber.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROCESS_HARVEST,
    PROCESS_HARVEST_2,
    PROCESS_FEATURES,
    PROCESS_FEATURES_2, /* second instances, in runs with moves only */
    PROCESS_SIGNAL,
    PROCESS_SIGNAL_2,
    PROCESS_BROKER,
    PROCESS_ARCHIVE,
    PROCESS_REPORT,
    PROCESS_COUNT,
    PROCESS_DESCRIPTORS_MAX = 4096, /* of the whole simulation */
    PROCESS_HANDLES_MAX = 64,
    PROCESS_ARGUMENTS_MAX = 128,
    PROCESS_MOVES_MAX = 8, /* hand-overs of a run */
};

struct process {
    const char *name; /* of the instance */
    bool present;     /* part of the run */
    int (*main)(int argc, char **argv);
    char *arguments[PROCESS_ARGUMENTS_MAX];
    int argument_count;
    int generation_argument; /* "--generation=…", rewritten for each life */
    int generation;
    bool alive, killed, ended; /* killed, ended: to be buried */
    bool kill_later;           /* as soon as it has left a library that cannot be left half way */
    int inside_library;
    int exit_code;
    bool term_pending, term_taken;
    int64_t refuses_writes_until_ns; /* its disk is full */
    int64_t stopped_until_ns;
    int64_t died_ns;
    int64_t points; /* passed in all lives (fault_point) */
    int64_t points_of_life;
    int64_t points_at_move[PROCESS_MOVES_MAX]; /* passed when it was first asked for it; -1: not yet */
    int64_t kills;
    struct bus *bus;
    /* What it has open, to be closed for it. */
    struct handle {
        void *handle;
        enum handle_kind { HANDLE_LMDB, HANDLE_TRANSACTION, HANDLE_SQLITE } kind;
        void *of; /* of a transaction: its environment, when it writes */
    } handles[PROCESS_HANDLES_MAX];
    size_t handle_count;
};

extern struct process processes[PROCESS_COUNT];

static inline bool process_is_harvest(const struct process *process)
{
    return process == &processes[PROCESS_HARVEST] || process == &processes[PROCESS_HARVEST_2];
}

/* processes_begin: all six, or with two instances of harvest, features and signal; none alive. processes_reap: buries those that were killed or have ended. */
void processes_begin(bool scaled);
void processes_reap(void);

/* process_bury: takes back what it holds, wherever it stands. */
void process_bury(struct process *process);

void process_start(struct process *process);
/* process_kill: SIGKILL. Called by one of its own fibers it does not return. */
void process_kill(struct process *process, const char *why);
void process_term(struct process *process); /* SIGTERM */
void process_stop(struct process *process, int64_t until_ns);
int64_t process_resumes_ns(const struct process *process);

/* process_enter_library, process_leave_library: a kill in between waits until the library has returned. */
void process_enter_library(void);
void process_leave_library(void);

/* process_own, process_disown: an open handle, noted for the running daemon. */
void process_own(enum handle_kind kind, void *handle, void *of);
void process_disown(void *handle);
bool process_writes_to(const void *environment); /* a write transaction of it is open */
