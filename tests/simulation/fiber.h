/* fiber: the threads of all simulated daemons, on one thread of the machine and on a clock that the simulation moves.
 *
 *     runnable ──chosen by the seed──▶ running ──wait, yield──▶ waiting ──woken, or its time has come──▶ runnable
 *
 * A fiber runs until it waits or yields; then another one is chosen at random among those that can run. When none can,
 * the clock jumps to the next moment at which one will. So a run is a function of its seed, and idle time costs nothing. */
#pragma once

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

struct fiber;
struct process;

#define FIBER_NEVER INT64_MAX

typedef void *fiber_main(void *argument);

/* fibers_begin: no fiber, the clock at 1 s; `random` (borrowed) chooses. fibers_end: drops all that are left. */
void fibers_begin(struct random *random);
void fibers_end(void);

/* fiber_start: runnable at once; `process` may be NULL (the simulation's own). */
struct fiber *fiber_start(struct process *process, fiber_main *main, void *argument);

/* fibers_run: until no fiber can ever run again (false), or fibers_stop was called (true). `reap` is called between two
 * fibers for a process that has died meanwhile. */
bool fibers_run(void (*reap)(void));
void fibers_stop(void);

/* fibers_drop: those of a process are gone, wherever they stand. Not from one of them. */
void fibers_drop(const struct process *process);

/* The following are called by the running fiber. */
struct process *fiber_process(void); /* NULL: the simulation itself */
bool fiber_inside(void);             /* whether a fiber is running at all */
void fiber_yield(void);
/* fiber_wait: until woken for `object` (true) or the clock shows `until_ns` (false). */
bool fiber_wait(const void *object, int64_t until_ns);
/* fiber_leave: never returns: the fiber's process has died. */
void fiber_leave(void) __attribute__((noreturn));

/* fiber_wake: one (chosen at random) or all who wait for `object`. fiber_wake_at: all, not before `at_ns`. */
void fiber_wake(const void *object, bool all);
void fiber_wake_at(const void *object, int64_t at_ns);

/* fiber_join: waits for its end and returns its result; the fiber is forgotten. */
void *fiber_join(struct fiber *fiber);

int64_t fiber_now_ns(void); /* monotonic */
int64_t fiber_switches(void);
