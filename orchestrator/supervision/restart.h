/* restart: when a process that ended may run again (operations.md §6.4). Pure: time and chance are arguments.
 *
 * Two budgets, as the two profiles ask for it: a generation that had made progress may come back at once
 * (`burst`, profile fast only); one that had not waits longer each time. Whoever has used up the second
 * budget is degraded: with `probe_ms` one probing start follows every so often, and only `refill_ms` of
 * readiness gives the budget back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Budgets are counted in windows that remember so many starts; a larger budget is as good as that. */
enum { RESTART_DELAYS_MAX = 20, RESTART_BURST_MAX = 256, RESTART_BUDGET_MAX = 256 };

struct restart_policy {
    size_t burst_count; /* restarts at once in burst_window_ms; 0: never at once */
    int64_t burst_window_ms;
    int64_t delay_first_ms; /* the first delay, … */
    double delay_factor;    /* … each further one so many times longer, … */
    int64_t delay_cap_ms;   /* … and at most this */
    size_t budget_count;    /* delayed restarts in budget_window_ms */
    int64_t budget_window_ms;
    double jitter;                               /* ± this part of the delay */
    int64_t probe_ms;                            /* while degraded; 0: no probing */
    int64_t refill_ms;                           /* ready for so long: all budgets are full again; 0: never */
    int64_t ready_delays_ms[RESTART_DELAYS_MAX]; /* after a start that did not get ready */
    size_t ready_delay_count;
};

struct restart_history {
    int64_t bursts_ms[RESTART_BURST_MAX]; /* times of restarts at once, newest last */
    size_t burst_count;
    int64_t delayed_ms[RESTART_BUDGET_MAX]; /* times of delayed restarts */
    size_t delayed_count;
    size_t not_ready_count; /* starts in a row that did not get ready */
    bool exhausted;
};

struct restart_decision {
    bool degraded;    /* give up; delay_ms then is the probing delay, -1: none */
    int64_t delay_ms; /* 0: at once */
};

/* restart_after_exit: the process ended by itself, by a signal, or was killed as hung. `ready_for_ms`: how
 * long it had been ready (0: never). `chance`: [0, 1), for the jitter. */
struct restart_decision restart_after_exit(const struct restart_policy *policy,
                                           struct restart_history *history, int64_t now_ms, bool progressed,
                                           int64_t ready_for_ms, double chance);

/* restart_after_not_ready: it did not get ready in time and was stopped. */
struct restart_decision restart_after_not_ready(const struct restart_policy *policy,
                                                struct restart_history *history);

/* restart_forget: budgets are full again: a person asked for the start. */
void restart_forget(struct restart_history *history);
