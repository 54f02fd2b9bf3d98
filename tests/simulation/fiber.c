#include "tests/simulation/fiber.h"

#include "base/memory.h"
#include "tests/simulation/process.h"

#include <assert.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum {
    FIBERS_MAX = 64,
    STACK_BYTES = 1024 * 1024,
    STEP_NS_MAX = 30000, /* what a fiber's turn seems to have taken, at most */
};

struct fiber {
    struct process *process;
    fiber_main *main;
    void *argument, *result;
    void *stack;
    jmp_buf place;
    const void *object; /* waited for */
    int64_t wake_ns;    /* runnable from then on */
    bool begun, ended, woken;
};

/* One simulated world per process: what the daemons' objects call has no other way to find it. */
static struct {
    struct random *random;
    struct fiber *fibers[FIBERS_MAX];
    size_t count;
    void *stacks[FIBERS_MAX]; /* free ones */
    size_t stack_count;
    struct fiber *running;
    jmp_buf scheduler;
    ucontext_t first;
    int64_t now_ns, switches;
    bool stop;
} world;

int64_t fiber_now_ns(void)
{
    return world.now_ns;
}

int64_t fiber_switches(void)
{
    return world.switches;
}

struct process *fiber_process(void)
{
    return world.running ? world.running->process : NULL;
}

bool fiber_inside(void)
{
    return world.running != NULL;
}

void fibers_begin(struct random *random)
{
    world.random = random;
    world.now_ns = 1000000000;
    world.switches = 0;
    world.stop = false;
}

static void *stack_take(void)
{
    if (world.stack_count)
        return world.stacks[--world.stack_count];
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    assert(stack != MAP_FAILED);
    return stack;
}

static void forget(size_t index)
{
    struct fiber *fiber = world.fibers[index];
    world.stacks[world.stack_count++] = fiber->stack;
    free(fiber);
    world.fibers[index] = world.fibers[--world.count];
}

void fibers_drop(const struct process *process)
{
    for (size_t i = world.count; i > 0; i--)
        if (world.fibers[i - 1]->process == process)
            forget(i - 1);
}

void fibers_end(void)
{
    while (world.count)
        forget(world.count - 1);
}

struct fiber *fiber_start(struct process *process, fiber_main *main, void *argument)
{
    assert(world.count < FIBERS_MAX);
    struct fiber *fiber = memory_allocate(sizeof *fiber);
    fiber->process = process;
    fiber->main = main;
    fiber->argument = argument;
    fiber->stack = stack_take();
    world.fibers[world.count++] = fiber;
    return fiber;
}

/* --- switching: a context is made once per fiber, then setjmp and longjmp, which need no system call --- */

static void back_to_scheduler(void)
{
    if (_setjmp(world.running->place) == 0)
        _longjmp(world.scheduler, 1);
}

static void fiber_body(void)
{
    struct fiber *fiber = world.running;
    fiber->result = fiber->main(fiber->argument);
    fiber->ended = true;
    fiber->wake_ns = FIBER_NEVER;
    fiber_wake(fiber, true);
    _longjmp(world.scheduler, 1);
}

static void enter(struct fiber *fiber)
{
    world.running = fiber;
    world.switches++;
    if (_setjmp(world.scheduler) == 0) {
        if (fiber->begun)
            _longjmp(fiber->place, 1);
        fiber->begun = true;
        getcontext(&world.first);
        world.first.uc_stack.ss_sp = fiber->stack;
        world.first.uc_stack.ss_size = STACK_BYTES;
        world.first.uc_link = NULL;
        makecontext(&world.first, fiber_body, 0);
        setcontext(&world.first);
    }
    world.running = NULL;
}

void fiber_leave(void)
{
    world.running->wake_ns = FIBER_NEVER;
    _longjmp(world.scheduler, 1);
}

void fiber_yield(void)
{
    world.running->wake_ns = 0;
    world.running->object = NULL;
    back_to_scheduler();
}

bool fiber_wait(const void *object, int64_t until_ns)
{
    struct fiber *fiber = world.running;
    fiber->object = object;
    fiber->woken = false;
    fiber->wake_ns = until_ns;
    back_to_scheduler();
    fiber->object = NULL;
    return fiber->woken;
}

/* --- waking --- */

static void wake(struct fiber *fiber, int64_t at_ns)
{
    if (at_ns < fiber->wake_ns)
        fiber->wake_ns = at_ns;
    fiber->woken = true;
}

void fiber_wake_at(const void *object, int64_t at_ns)
{
    for (size_t i = 0; object && i < world.count; i++)
        if (world.fibers[i]->object == object)
            wake(world.fibers[i], at_ns);
}

void fiber_wake(const void *object, bool all)
{
    size_t waiting = 0;
    for (size_t i = 0; i < world.count; i++)
        waiting += world.fibers[i]->object == object && !world.fibers[i]->woken;
    size_t chosen = waiting > 1 && !all ? random_below(world.random, waiting) : 0;
    for (size_t i = 0; waiting && i < world.count; i++) {
        struct fiber *fiber = world.fibers[i];
        if (fiber->object != object || fiber->woken)
            continue;
        if (all || chosen == 0)
            wake(fiber, 0);
        if (!all && chosen-- == 0)
            return;
    }
}

void *fiber_join(struct fiber *fiber)
{
    while (!fiber->ended)
        fiber_wait(fiber, FIBER_NEVER);
    void *result = fiber->result;
    for (size_t i = 0; i < world.count; i++)
        if (world.fibers[i] == fiber) {
            forget(i);
            break;
        }
    return result;
}

/* --- choosing --- */

/* ready_ns: when a fiber can run: its own time, but not while its process is stopped. */
static int64_t ready_ns(const struct fiber *fiber)
{
    int64_t resumes_ns = fiber->process ? process_resumes_ns(fiber->process) : 0;
    return fiber->wake_ns == FIBER_NEVER || fiber->wake_ns > resumes_ns ? fiber->wake_ns : resumes_ns;
}

static struct fiber *choose(void)
{
    struct fiber *ready[FIBERS_MAX];
    size_t count = 0;
    int64_t next_ns = FIBER_NEVER;
    for (size_t i = 0; i < world.count; i++) {
        int64_t at_ns = ready_ns(world.fibers[i]);
        if (at_ns <= world.now_ns)
            ready[count++] = world.fibers[i];
        else if (at_ns < next_ns)
            next_ns = at_ns;
    }
    if (count)
        return ready[random_below(world.random, count)];
    if (next_ns == FIBER_NEVER)
        return NULL;
    world.now_ns = next_ns;
    return choose();
}

void fibers_stop(void)
{
    world.stop = true;
}

bool fibers_run(void (*reap)(void))
{
    while (!world.stop) {
        struct fiber *fiber = choose();
        if (!fiber)
            return false;
        world.now_ns += 1 + (int64_t)random_below(world.random, STEP_NS_MAX);
        enter(fiber);
        reap();
    }
    return true;
}
