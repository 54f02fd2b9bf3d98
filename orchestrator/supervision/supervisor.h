/* supervisor: the life of one process as a table of state × event. Pure: no clock, no process, no socket;
 * events go in, orders come out, and every pair of state and event has its row.
 *
 *   STOPPED ──start──▶ STARTING ──ready──▶ READY ──caught up──▶ RUNNING ──drain──▶ DRAINING ──drained──▶ DRAINED
 *      ▲                  │  ▲                                     │
 *      │           timeout│  │ back-off over               ended   │ hung
 *      │                  ▼  │                                     ▼
 *   STOPPING ◀─stop    ABORTING ─exited─▶ RESTARTING ◀──────── (KILLING)      budget used up ─▶ DEGRADED
 *                                                                            exit code 2 ──────▶ FAILED
 *
 * Rules: every event about a process carries its generation, and one of a dead generation is dropped and
 * counted; there is one timer per process, and every change of state sets or cancels it; what it means
 * follows from the state. */
#pragma once

#include "restart.h"

#include <stdbool.h>
#include <stdint.h>

enum process_state {
    PROCESS_STOPPED,    /* no process, none wanted */
    PROCESS_STARTING,   /* lives, has not announced itself */
    PROCESS_READY,      /* announced; its input is not caught up yet */
    PROCESS_RUNNING,    /* has been caught up */
    PROCESS_DRAINING,   /* told to work to the end of its input */
    PROCESS_DRAINED,    /* nothing left to do */
    PROCESS_STOPPING,   /* TERM sent */
    PROCESS_REPLACING,  /* TERM sent, to be started again */
    PROCESS_ABORTING,   /* TERM sent: was not ready in time */
    PROCESS_KILLING,    /* KILL sent: it hung */
    PROCESS_RESTARTING, /* no process; waits for its delay */
    PROCESS_DEGRADED,   /* no process; the budget is used up */
    PROCESS_FAILED,     /* no process; it said that it cannot work so (exit code 2) */
    PROCESS_STATE_COUNT,
};

enum process_event {
    /* wishes */
    EVENT_START,
    EVENT_STOP,
    EVENT_RESTART,
    EVENT_DRAIN,
    /* about one generation */
    EVENT_ANNOUNCED, /* readiness line and a heartbeat of this run, process and generation */
    EVENT_CAUGHT_UP,
    EVENT_DRAINED,
    EVENT_HUNG,
    EVENT_EXITED,               /* by itself or by a signal; also a start that did not work */
    EVENT_EXITED_CONFIGURATION, /* exit code 2 */
    EVENT_TIMER,
    PROCESS_EVENT_COUNT,
};

struct supervisor_limits {
    int64_t ready_timeout_ms;
    int64_t stop_timeout_ms;
};

struct supervisor {
    enum process_state state;
    int64_t generation;    /* of the newest process; 0: none yet */
    int64_t restart_count; /* starts after an end nobody asked for; never reset */
    int64_t stale_events;  /* of dead generations */
    int64_t surprises;     /* events that the state excludes */
    bool drain_wanted;     /* remembered through restarts */
    bool gave_up;          /* was degraded or failed and has not been ready since */
    int64_t ready_ms;      /* when this generation got ready; 0: not yet */
    struct restart_history history;
};

/* supervisor_input: `generation`, `now_ms` (monotonic) and `chance` as restart.h has them; `progressed`: for
 * EVENT_EXITED: the position had moved since READY. */
struct supervisor_input {
    enum process_event event;
    int64_t generation; /* 0 for wishes */
    int64_t now_ms;
    bool progressed;
    double chance;
};

enum { TIMER_KEEP = -2, TIMER_CANCEL = -1 };

/* supervisor_orders: what to do now. Orders of one step never contradict each other. */
struct supervisor_orders {
    bool spawn;       /* start the process as generation supervisor->generation */
    int signal;       /* send it (after TERM also CONT: a stopped process would never see it); 0: none */
    bool tell_drain;  /* send the command `drain` */
    int64_t timer_ms; /* TIMER_KEEP, TIMER_CANCEL, or EVENT_TIMER is due after so long */
    int64_t delay_ms; /* of a restart, for the records; -1: this step decided none */
    const char *note; /* a wish that changes nothing says why; else NULL */
};

void supervisor_init(struct supervisor *supervisor);
struct supervisor_orders supervisor_step(struct supervisor *supervisor, const struct restart_policy *policy,
                                         const struct supervisor_limits *limits,
                                         const struct supervisor_input *input);

const char *process_state_name(enum process_state state);
const char *process_event_name(enum process_event event);

/* process_state_alive: a process of this generation exists. process_state_up: and it has announced itself. */
bool process_state_alive(enum process_state state);
bool process_state_up(enum process_state state);
