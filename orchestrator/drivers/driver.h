/* driver: how processes are started, signalled and found dead. The supervisor decides, a driver does.
 *
 * A child is started with an empty environment but for what is given, descriptor 3 as its readiness pipe, its
 * own session, and nothing else inherited. It outlives whoever started it. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct driver_order {
    const char *const *arguments;   /* [0] is the program's path; NULL-terminated */
    const char *const *environment; /* "NAME=value"; NULL-terminated */
    const char *stdout_path;        /* appended to, created if absent */
    const char *stderr_path;
};

/* driver_child: a started process. Descriptors are the caller's to watch (level-triggered readable), the
 * driver's to close. */
struct driver_child {
    pid_t pid;            /* 0: none */
    int64_t start_ticks;  /* of the process since boot: with the pid it names one process for ever */
    int exit_descriptor;  /* readable once it has ended */
    int ready_descriptor; /* readable when it announced itself or closed descriptor 3; -1 when closed */
};

struct driver_exit {
    int code;   /* exit code, -1 when a signal ended it */
    int signal; /* 0: it exited */
};

struct driver {
    const char *name;
    /* start: STATUS_IO with a sentence when the program cannot be run. */
    enum status (*start)(const struct driver_order *order, struct driver_child *out_child,
                         struct error *error);
    /* announced: reads the readiness pipe. STATUS_OK: a line that begins with READY came; STATUS_AGAIN: not
     * yet; STATUS_CLOSED: it will not come. The pipe is closed with the first and last answer. */
    enum status (*announced)(struct driver_child *child);
    /* signal: to that very process, never to another that got its number. STATUS_CLOSED when it has ended. */
    enum status (*signal)(const struct driver_child *child, int signal_number);
    /* collect: STATUS_OK and the child is released; STATUS_AGAIN while it lives. */
    enum status (*collect)(struct driver_child *child, struct driver_exit *out_exit);
    /* release: forgets the child without ending it. */
    void (*release)(struct driver_child *child);
};

extern const struct driver process_driver;

/* driver_resources: what /proc says about a process. */
struct driver_resources {
    double rss_mb;
    int64_t open_files;
    int64_t starved_ns; /* time its main thread was ready to run but had no processor, since its start */
    char run_state;     /* 'R', 'S', 'D', 'T', 'Z' …; 0 when it is gone */
};
enum status driver_resources_read(pid_t pid, struct driver_resources *out_resources) MUST_USE;
