/* protocol: what a keeper and an orchestrator say to each other, over a SEQPACKET socket `<folder>/<slot>.keeper`.
 *
 *   orchestrator ──▶ keeper   keeper_order, for START followed by texts, each ended by NUL:
 *                             stdout path, stderr path, arguments …, environment …; the logs are the keeper's (log.h)
 *   keeper ──▶ orchestrator   keeper_report
 *
 * Whoever connects is told at once what is (HELLO), then every change. One orchestrator is heard at a time, the one that
 * came last: the one before is dead, since the run's lock lets only one live. Both sides are of one build; another
 * version is refused. */
#pragma once

#include <stdint.h>

/* What a keeper is born with: its slot's lock and listening socket, taken by the orchestrator (drivers/slot.h), and the
 * orchestrator's connection. The lock is the lowest: when a keeper ends it is free before anybody sees a connection close. */
enum {
    KEEPER_DESCRIPTOR_FIRST = 3,
    KEEPER_LOCK = KEEPER_DESCRIPTOR_FIRST,
    KEEPER_LISTENER,
    KEEPER_CONNECTION,
    KEEPER_DESCRIPTORS = 3
};

enum { KEEPER_VERSION = 3, KEEPER_TEXTS_BYTES_MAX = 64 * 1024, KEEPER_ARGUMENTS_MAX = 64 };

enum keeper_verb {
    KEEPER_START, /* run it as this generation; refused while a child lives */
    KEEPER_SUSPEND, /* the child stands still for lease_ms, whatever becomes of the orchestrator; 0: it goes on now */
    KEEPER_LEAVE, /* the run is over: end as soon as there is no child */
};

struct keeper_order {
    uint32_t version;
    uint32_t verb;
    int64_t generation;
    uint32_t argument_count; /* of START */
    uint32_t environment_count;
    int64_t log_bytes_max; /* of START: of each of its two logs, see log.h */
    int64_t log_bytes_per_s;
    int64_t log_files;
    int64_t lease_ms; /* of SUSPEND */
};

enum keeper_news {
    KEEPER_HELLO,     /* how things are, to someone who has just connected */
    KEEPER_STARTED,   /* answer to START */
    KEEPER_REFUSED,   /* answer to START: `reason` is an errno value */
    KEEPER_ANNOUNCED, /* the child wrote its readiness line */
    KEEPER_CONTINUED, /* a SUSPEND is over */
    KEEPER_EXITED,    /* it ended: code or signal */
};

enum keeper_child { KEEPER_NO_CHILD, KEEPER_CHILD_LIVES, KEEPER_CHILD_ENDED };

struct keeper_report {
    uint32_t version;
    uint32_t news;
    uint32_t child;     /* enum keeper_child */
    uint32_t announced; /* its readiness line has come */
    int64_t generation; /* of the newest child */
    int64_t pid;
    int64_t start_ticks; /* of the child since boot: with the pid it names one process for ever */
    int32_t code;        /* exit code, -1 when a signal ended it */
    int32_t signal;
    int32_t reason;
    int32_t core;          /* the signal left a core dump */
    int64_t cpu_ms;        /* it and what it had waited for used so much processor time, … */
    int64_t max_rss_kb;    /* … and at most so much memory */
    int64_t lease_late_ms; /* so much behind its end the newest SUSPEND was undone; -1: none was */
};
