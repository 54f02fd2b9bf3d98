/* driver: how processes are started, signalled and found dead. The supervisor decides, a driver does.
 *
 * A slot is the place of one service's process, generation after generation. Its keeper (orchestrator/keeper; in a container the
 * warden, docker.h) is the parent of the process and outlives the orchestrator: a later one adopts the slot and finds the
 * process, whether it has announced itself, and how it ended.
 *
 * A child is started with an empty environment but for what is given, descriptor 3 as its readiness pipe, its own session,
 * and nothing else inherited. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct driver_order {
    void *context;      /* of the driver, when it has one (docker.h) */
    const char *slot;   /* name of the service */
    const char *folder; /* of the keepers' sockets */
    const char *keeper; /* path of the keeper's program */
    int64_t generation;
    const char *const *arguments;   /* [0] is the program's path; NULL-terminated */
    const char *const *environment; /* "NAME=value"; NULL-terminated */
    const char *stdout_path;        /* appended to, created if absent */
    const char *stderr_path;
    int64_t log_bytes_max;   /* of one such file, then it is turned over (keeper/log.h); 0: never */
    int64_t log_bytes_per_s; /* more is dropped and counted; 0: no limit */
    int64_t log_files;       /* older ones that are kept */
};

/* driver_exit, driver_child: a slot and its newest process. The descriptor is the caller's to watch (level-triggered readable), the
 * driver's to close. */
struct driver_exit {
    int code;           /* exit code, -1 when a signal ended it or nobody knows */
    int signal;         /* 0: it exited, or nobody knows */
    bool core;          /* the signal left a core dump */
    int64_t cpu_ms;     /* processor time it had used; -1: nobody knows */
    int64_t max_rss_kb; /* the most memory it had; -1: nobody knows */
};

struct driver_child {
    int descriptor;   /* readable when there is news; -1: the slot has no keeper */
    pid_t keeper_pid; /* of a keeper that is our own child, 0: adopted or none */
    void *context;    /* of the driver, when it has one; set before `adopt` */
    char slot[64];    /* of a driver that asks by name */
    bool lives;       /* a process has been started, and its end has not been told */
    pid_t pid; /* as this machine knows it; 0: not yet, no process, or another machine's or container's */
    int owed_signal;     /* to a process that is just being started; 0: none */
    int refusal;         /* with DRIVER_REFUSED: an errno value; 0: the keeper has ended */
    int64_t start_ticks; /* of the process since boot: with the pid it names one process for ever */
    int64_t generation;
    int pid_descriptor; /* -1: no process */
    int64_t
        suspend_late_ms; /* so much behind its time the newest `suspend` was over, by the keeper's clock; -1: not known */
    bool announced;
    bool has_ended; /* found so when it was adopted: the next news */
    struct driver_exit end;
};

enum driver_news {
    DRIVER_NOTHING,
    DRIVER_STARTED,   /* the process that was ordered exists, and its pid is known */
    DRIVER_REFUSED,   /* it does not, and there will be none */
    DRIVER_ANNOUNCED, /* it has written its readiness line */
    DRIVER_EXITED,    /* it has ended; the child has no process any more */
};

struct driver {
    const char *name;
    bool shows_pids;  /* heartbeats carry the pid that `start` gave, and /proc knows it */
    bool tells_start; /* `start` only orders: DRIVER_STARTED or DRIVER_REFUSED will follow */
    /* start: STATUS_IO with a sentence when it cannot even be ordered. Nobody is waited for: an exec under load takes many
     * milliseconds. */
    enum status (*start)(const struct driver_order *order, struct driver_child *child, struct error *error);
    /* kept: whether a keeper holds the slot. */
    bool (*kept)(const char *slot, const char *folder);
    /* adopt: connects to the keeper that an earlier orchestrator left in the slot. STATUS_NOT_FOUND: there is none, hence
     * no process either. STATUS_OK: the child is as the keeper says; one that ended meanwhile is told by `news`. */
    enum status (*adopt)(const char *slot, const char *folder, struct driver_child *child,
                         struct error *error);
    /* news: one piece; asked until DRIVER_NOTHING. */
    enum driver_news (*news)(struct driver_child *child, struct driver_exit *out_exit);
    /* signal: to that very process, never to another that got its number. STATUS_CLOSED when it has ended.
     * One that is just being started gets it as soon as it exists. */
    enum status (*signal)(struct driver_child *child, int signal_number);
    /* suspend: the process stands still for so long and then goes on, even if this orchestrator dies meanwhile; 0: it goes on now.
     * STATUS_CLOSED when it has ended. */
    enum status (*suspend)(const struct driver_child *child, int64_t lease_ms);
    /* stands: whether it stands still now, as far as is known; *out_stands only then. */
    bool (*stands)(const struct driver_child *child, bool *out_stands);
    /* release: the run is over, or this orchestrator's part in it: the keeper leaves as soon as it has no process. */
    void (*release)(struct driver_child *child);
};

extern const struct driver process_driver;

void driver_child_init(struct driver_child *child);

/* driver_slot_kept: somebody holds the lock of a slot in a folder, a keeper or a warden. */
bool driver_slot_kept(const char *slot, const char *folder);

/* driver_resources: what /proc says about a process. */
struct driver_resources {
    double rss_mb, rss_peak_mb;
    int64_t open_files;
    int64_t cpu_ms; /* processor time of all its threads */
    char run_state; /* 'R', 'S', 'D', 'T', 'Z' …; 0 when it is gone */
};
enum status driver_resources_read(pid_t pid, struct driver_resources *out_resources) MUST_USE;

/* driver_run_state: of its main thread: 'R', 'S', 'D', 'T', 'Z' …; 0 when it is gone. */
char driver_run_state(pid_t pid);

/* driver_threads: all threads of a process together, since their start; zero when it is gone. */
struct driver_threads {
    int64_t ran_ns;     /* on a processor */
    int64_t starved_ns; /* ready to run, but had none; a wait counts when it is over */
    bool runnable;      /* one of them runs, or waits for a processor at this moment */
};
struct driver_threads driver_threads_read(pid_t pid);
