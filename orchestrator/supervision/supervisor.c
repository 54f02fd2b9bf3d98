#include "supervisor.h"

#include <signal.h>
#include <stddef.h>

enum action {
    SURPRISE, /* cannot happen in this state: counted, nothing changes */
    LATE,     /* may still arrive, means nothing any more */
    ALREADY,  /* a wish that is fulfilled or being fulfilled */
    MOVE,     /* only the state changes, the timer goes on */
    SPAWN,    /* start it; a person or the plan asked: budgets are full */
    RESPAWN,  /* start it again after a delay */
    RELAUNCH, /* start it again, as planned */
    WELCOME,  /* it is ready: timer off; a drain still wanted is told at once */
    DRAIN,    /* tell it to drain */
    REMEMBER, /* drain it once it is ready */
    TERM,     /* ask it to end, and wait for stop_timeout */
    KILL,     /* end it, and wait for its exit */
    FORGET,   /* it is gone, as wished: timer off */
    CRASH,    /* the restart policy decides */
    SLOW,     /* likewise, for a start that did not get ready */
    FAIL,     /* never again by itself */
};

/* cell: the state follows the action where that decides it (WELCOME, CRASH, SLOW). */
struct cell {
    enum action action;
    enum process_state next;
};

/* clang-format off */
#define ROW(name) [PROCESS_##name]
#define ON(name) [EVENT_##name]
#define GO(action, state) {action, PROCESS_##state}

static const struct cell TABLE[PROCESS_STATE_COUNT][PROCESS_EVENT_COUNT] = {
    ROW(STOPPED) = {
        ON(START) = GO(SPAWN, STARTING),
        ON(STOP) = GO(ALREADY, STOPPED),
        ON(RESTART) = GO(SPAWN, STARTING),
        ON(DRAIN) = GO(ALREADY, STOPPED),
        ON(ANNOUNCED) = GO(SURPRISE, STOPPED),
        ON(CAUGHT_UP) = GO(SURPRISE, STOPPED),
        ON(DRAINED) = GO(SURPRISE, STOPPED),
        ON(HUNG) = GO(SURPRISE, STOPPED),
        ON(EXITED) = GO(SURPRISE, STOPPED),
        ON(EXITED_CONFIGURATION) = GO(SURPRISE, STOPPED),
        ON(TIMER) = GO(SURPRISE, STOPPED),
    },
    ROW(STARTING) = {
        ON(START) = GO(ALREADY, STARTING),
        ON(STOP) = GO(TERM, STOPPING),
        ON(RESTART) = GO(TERM, REPLACING),
        ON(DRAIN) = GO(REMEMBER, STARTING),
        ON(ANNOUNCED) = GO(WELCOME, READY),
        ON(CAUGHT_UP) = GO(LATE, STARTING),
        ON(DRAINED) = GO(LATE, STARTING),
        ON(HUNG) = GO(KILL, KILLING),
        ON(EXITED) = GO(CRASH, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(FAIL, FAILED),
        ON(TIMER) = GO(TERM, ABORTING),
    },
    ROW(READY) = {
        ON(START) = GO(ALREADY, READY),
        ON(STOP) = GO(TERM, STOPPING),
        ON(RESTART) = GO(TERM, REPLACING),
        ON(DRAIN) = GO(DRAIN, DRAINING),
        ON(ANNOUNCED) = GO(SURPRISE, READY),
        ON(CAUGHT_UP) = GO(MOVE, RUNNING),
        ON(DRAINED) = GO(MOVE, DRAINED),
        ON(HUNG) = GO(KILL, KILLING),
        ON(EXITED) = GO(CRASH, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(FAIL, FAILED),
        ON(TIMER) = GO(SURPRISE, READY),
    },
    ROW(RUNNING) = {
        ON(START) = GO(ALREADY, RUNNING),
        ON(STOP) = GO(TERM, STOPPING),
        ON(RESTART) = GO(TERM, REPLACING),
        ON(DRAIN) = GO(DRAIN, DRAINING),
        ON(ANNOUNCED) = GO(SURPRISE, RUNNING),
        ON(CAUGHT_UP) = GO(LATE, RUNNING),
        ON(DRAINED) = GO(MOVE, DRAINED),
        ON(HUNG) = GO(KILL, KILLING),
        ON(EXITED) = GO(CRASH, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(FAIL, FAILED),
        ON(TIMER) = GO(SURPRISE, RUNNING),
    },
    ROW(DRAINING) = {
        ON(START) = GO(ALREADY, DRAINING),
        ON(STOP) = GO(TERM, STOPPING),
        ON(RESTART) = GO(TERM, REPLACING),
        ON(DRAIN) = GO(ALREADY, DRAINING),
        ON(ANNOUNCED) = GO(SURPRISE, DRAINING),
        ON(CAUGHT_UP) = GO(LATE, DRAINING),
        ON(DRAINED) = GO(MOVE, DRAINED),
        ON(HUNG) = GO(KILL, KILLING),
        ON(EXITED) = GO(CRASH, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(FAIL, FAILED),
        ON(TIMER) = GO(SURPRISE, DRAINING),
    },
    ROW(DRAINED) = {
        ON(START) = GO(ALREADY, DRAINED),
        ON(STOP) = GO(TERM, STOPPING),
        ON(RESTART) = GO(TERM, REPLACING),
        ON(DRAIN) = GO(REMEMBER, DRAINED),
        ON(ANNOUNCED) = GO(SURPRISE, DRAINED),
        ON(CAUGHT_UP) = GO(LATE, DRAINED),
        ON(DRAINED) = GO(LATE, DRAINED),
        ON(HUNG) = GO(KILL, KILLING),
        ON(EXITED) = GO(CRASH, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(FAIL, FAILED),
        ON(TIMER) = GO(SURPRISE, DRAINED),
    },
    ROW(STOPPING) = {
        ON(START) = GO(MOVE, REPLACING),
        ON(STOP) = GO(ALREADY, STOPPING),
        ON(RESTART) = GO(MOVE, REPLACING),
        ON(DRAIN) = GO(ALREADY, STOPPING),
        ON(ANNOUNCED) = GO(LATE, STOPPING),
        ON(CAUGHT_UP) = GO(LATE, STOPPING),
        ON(DRAINED) = GO(LATE, STOPPING),
        ON(HUNG) = GO(LATE, STOPPING),
        ON(EXITED) = GO(FORGET, STOPPED),
        ON(EXITED_CONFIGURATION) = GO(FORGET, STOPPED),
        ON(TIMER) = GO(KILL, STOPPING),
    },
    ROW(REPLACING) = {
        ON(START) = GO(ALREADY, REPLACING),
        ON(STOP) = GO(MOVE, STOPPING),
        ON(RESTART) = GO(ALREADY, REPLACING),
        ON(DRAIN) = GO(REMEMBER, REPLACING),
        ON(ANNOUNCED) = GO(LATE, REPLACING),
        ON(CAUGHT_UP) = GO(LATE, REPLACING),
        ON(DRAINED) = GO(LATE, REPLACING),
        ON(HUNG) = GO(LATE, REPLACING),
        ON(EXITED) = GO(RELAUNCH, STARTING),
        ON(EXITED_CONFIGURATION) = GO(RELAUNCH, STARTING),
        ON(TIMER) = GO(KILL, REPLACING),
    },
    ROW(ABORTING) = {
        ON(START) = GO(ALREADY, ABORTING),
        ON(STOP) = GO(MOVE, STOPPING),
        ON(RESTART) = GO(MOVE, REPLACING),
        ON(DRAIN) = GO(REMEMBER, ABORTING),
        ON(ANNOUNCED) = GO(LATE, ABORTING),
        ON(CAUGHT_UP) = GO(LATE, ABORTING),
        ON(DRAINED) = GO(LATE, ABORTING),
        ON(HUNG) = GO(LATE, ABORTING),
        ON(EXITED) = GO(SLOW, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(FAIL, FAILED),
        ON(TIMER) = GO(KILL, ABORTING),
    },
    ROW(KILLING) = {
        ON(START) = GO(ALREADY, KILLING),
        ON(STOP) = GO(MOVE, STOPPING),
        ON(RESTART) = GO(MOVE, REPLACING),
        ON(DRAIN) = GO(REMEMBER, KILLING),
        ON(ANNOUNCED) = GO(LATE, KILLING),
        ON(CAUGHT_UP) = GO(LATE, KILLING),
        ON(DRAINED) = GO(LATE, KILLING),
        ON(HUNG) = GO(LATE, KILLING),
        ON(EXITED) = GO(CRASH, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(FAIL, FAILED),
        ON(TIMER) = GO(SURPRISE, KILLING),
    },
    ROW(RESTARTING) = {
        ON(START) = GO(RESPAWN, STARTING),
        ON(STOP) = GO(FORGET, STOPPED),
        ON(RESTART) = GO(RESPAWN, STARTING),
        ON(DRAIN) = GO(REMEMBER, RESTARTING),
        ON(ANNOUNCED) = GO(SURPRISE, RESTARTING),
        ON(CAUGHT_UP) = GO(SURPRISE, RESTARTING),
        ON(DRAINED) = GO(SURPRISE, RESTARTING),
        ON(HUNG) = GO(SURPRISE, RESTARTING),
        ON(EXITED) = GO(SURPRISE, RESTARTING),
        ON(EXITED_CONFIGURATION) = GO(SURPRISE, RESTARTING),
        ON(TIMER) = GO(RESPAWN, STARTING),
    },
    ROW(DEGRADED) = {
        ON(START) = GO(SPAWN, STARTING),
        ON(STOP) = GO(FORGET, STOPPED),
        ON(RESTART) = GO(SPAWN, STARTING),
        ON(DRAIN) = GO(REMEMBER, DEGRADED),
        ON(ANNOUNCED) = GO(SURPRISE, DEGRADED),
        ON(CAUGHT_UP) = GO(SURPRISE, DEGRADED),
        ON(DRAINED) = GO(SURPRISE, DEGRADED),
        ON(HUNG) = GO(SURPRISE, DEGRADED),
        ON(EXITED) = GO(SURPRISE, DEGRADED),
        ON(EXITED_CONFIGURATION) = GO(SURPRISE, DEGRADED),
        ON(TIMER) = GO(RESPAWN, STARTING),
    },
    ROW(FAILED) = {
        ON(START) = GO(SPAWN, STARTING),
        ON(STOP) = GO(ALREADY, FAILED),
        ON(RESTART) = GO(SPAWN, STARTING),
        ON(DRAIN) = GO(REMEMBER, FAILED),
        ON(ANNOUNCED) = GO(SURPRISE, FAILED),
        ON(CAUGHT_UP) = GO(SURPRISE, FAILED),
        ON(DRAINED) = GO(SURPRISE, FAILED),
        ON(HUNG) = GO(SURPRISE, FAILED),
        ON(EXITED) = GO(SURPRISE, FAILED),
        ON(EXITED_CONFIGURATION) = GO(SURPRISE, FAILED),
        ON(TIMER) = GO(SURPRISE, FAILED),
    },
};
/* clang-format on */

static const char *const STATE_NAMES[PROCESS_STATE_COUNT] = {
    "stopped",   "starting", "ready",   "running",    "draining", "drained", "stopping",
    "replacing", "aborting", "killing", "restarting", "degraded", "failed",
};

static const char *const EVENT_NAMES[PROCESS_EVENT_COUNT] = {
    "start",     "stop",    "restart", "drain",  "announced",
    "caught_up", "drained", "hung",    "exited", "exited_configuration",
    "timer",
};

const char *process_state_name(enum process_state state)
{
    return STATE_NAMES[state];
}

const char *process_event_name(enum process_event event)
{
    return EVENT_NAMES[event];
}

bool process_state_alive(enum process_state state)
{
    return state >= PROCESS_STARTING && state <= PROCESS_KILLING;
}

bool process_state_up(enum process_state state)
{
    return state >= PROCESS_READY && state <= PROCESS_DRAINED;
}

void supervisor_init(struct supervisor *supervisor)
{
    *supervisor = (struct supervisor){.state = PROCESS_STOPPED};
}

static void spawn(struct supervisor *supervisor, const struct supervisor_limits *limits,
                  struct supervisor_orders *orders)
{
    supervisor->generation++;
    supervisor->ready_ms = 0;
    orders->spawn = true;
    orders->timer_ms = limits->ready_timeout_ms;
}

static void welcome(struct supervisor *supervisor, int64_t now_ms, struct supervisor_orders *orders)
{
    supervisor->ready_ms = now_ms;
    supervisor->gave_up = false;
    supervisor->history.not_ready_count = 0;
    orders->timer_ms = TIMER_CANCEL;
    if (supervisor->drain_wanted) {
        supervisor->state = PROCESS_DRAINING;
        orders->tell_drain = true;
    }
}

static void give_up(struct supervisor *supervisor, enum process_state state)
{
    supervisor->state = state;
    supervisor->gave_up = true;
}

static void retry(struct supervisor *supervisor, const struct restart_decision *decision,
                  const struct supervisor_limits *limits, struct supervisor_orders *orders)
{
    orders->delay_ms = decision->degraded ? -1 : decision->delay_ms;
    if (decision->degraded) {
        give_up(supervisor, PROCESS_DEGRADED);
        orders->timer_ms = decision->delay_ms < 0 ? TIMER_CANCEL : decision->delay_ms;
    } else if (decision->delay_ms > 0) {
        orders->timer_ms = decision->delay_ms;
    } else {
        supervisor->state = PROCESS_STARTING;
        supervisor->restart_count++;
        spawn(supervisor, limits, orders);
    }
}

static struct restart_decision crash_decision(struct supervisor *supervisor,
                                              const struct restart_policy *policy,
                                              const struct supervisor_input *input)
{
    int64_t ready_for_ms = supervisor->ready_ms ? input->now_ms - supervisor->ready_ms : 0;
    return restart_after_exit(policy, &supervisor->history, input->now_ms, input->progressed, ready_for_ms,
                              input->chance);
}

/* terminate: TERM or KILL; what the exit means is the state's affair. */
static void terminate(int signal_number, int64_t timer_ms, struct supervisor_orders *orders)
{
    orders->signal = signal_number;
    orders->timer_ms = timer_ms;
}

static void act(struct supervisor *supervisor, enum action action, const struct restart_policy *policy,
                const struct supervisor_limits *limits, const struct supervisor_input *input,
                struct supervisor_orders *orders)
{
    struct restart_decision decision;
    switch (action) {
    case SURPRISE: supervisor->surprises++; break;
    case LATE: break;
    case MOVE: break;
    case ALREADY: orders->note = STATE_NAMES[supervisor->state]; break;
    case SPAWN:
        restart_forget(&supervisor->history);
        spawn(supervisor, limits, orders);
        break;
    case RESPAWN:
        supervisor->restart_count++;
        spawn(supervisor, limits, orders);
        break;
    case RELAUNCH: spawn(supervisor, limits, orders); break;
    case WELCOME: welcome(supervisor, input->now_ms, orders); break;
    case DRAIN:
        supervisor->drain_wanted = true;
        orders->tell_drain = true;
        break;
    case REMEMBER: supervisor->drain_wanted = true; break;
    case TERM: terminate(SIGTERM, limits->stop_timeout_ms, orders); break;
    case KILL: terminate(SIGKILL, TIMER_CANCEL, orders); break;
    case FORGET: orders->timer_ms = TIMER_CANCEL; break;
    case CRASH:
        decision = crash_decision(supervisor, policy, input);
        retry(supervisor, &decision, limits, orders);
        break;
    case SLOW:
        decision = restart_after_not_ready(policy, &supervisor->history);
        retry(supervisor, &decision, limits, orders);
        break;
    case FAIL:
        give_up(supervisor, PROCESS_FAILED);
        orders->timer_ms = TIMER_CANCEL;
        break;
    }
}

struct supervisor_orders supervisor_step(struct supervisor *supervisor, const struct restart_policy *policy,
                                         const struct supervisor_limits *limits,
                                         const struct supervisor_input *input)
{
    struct supervisor_orders orders = {.timer_ms = TIMER_KEEP, .delay_ms = -1};
    if (input->event > EVENT_DRAIN && input->generation != supervisor->generation) {
        supervisor->stale_events++;
        return orders;
    }
    const struct cell *cell = &TABLE[supervisor->state][input->event];
    supervisor->state = cell->next;
    act(supervisor, cell->action, policy, limits, input, &orders);
    return orders;
}
