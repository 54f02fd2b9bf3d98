#include "tests/simulation/process.h"

#include "base/memory.h"
#include "tests/simulation/network.h"
#include "tests/simulation/posix.h"
#include "tests/simulation/storage.h"
#include "tests/simulation/trace.h"
#include "tests/simulation/venue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int harvest_main(int argc, char **argv);
int features_main(int argc, char **argv);
int signal_main(int argc, char **argv);
int broker_main(int argc, char **argv);
int archive_main(int argc, char **argv);
int report_main(int argc, char **argv);

struct process processes[PROCESS_COUNT];

void processes_begin(bool scaled)
{
    static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
        bool second;
    } ROWS[PROCESS_COUNT] = {
        [PROCESS_HARVEST] = {"harvest", harvest_main, false},
        [PROCESS_HARVEST_2] = {"harvest.2", harvest_main, true},
        [PROCESS_FEATURES] = {"features", features_main, false},
        [PROCESS_FEATURES_2] = {"features.2", features_main, true},
        [PROCESS_SIGNAL] = {"signal", signal_main, false},
        [PROCESS_SIGNAL_2] = {"signal.2", signal_main, true},
        [PROCESS_BROKER] = {"broker", broker_main, false},
        [PROCESS_ARCHIVE] = {"archive", archive_main, false},
        [PROCESS_REPORT] = {"report", report_main, false},
    };
    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        processes[i] = (struct process){
            .name = ROWS[i].name, .main = ROWS[i].main, .present = scaled || !ROWS[i].second};
        for (size_t k = 0; k < PROCESS_MOVES_MAX; k++)
            processes[i].points_at_move[k] = -1;
    }
}

static void *process_body(void *argument)
{
    struct process *process = argument;
    process->exit_code = process->main(process->argument_count, process->arguments);
    process->ended = true;
    trace_event("exit", "process=%s generation=%d code=%d", process->name, process->generation,
                process->exit_code);
    return NULL;
}

void process_start(struct process *process)
{
    assert(!process->alive && !process->killed);
    process->generation++;
    char *generation = process->arguments[process->generation_argument];
    if (generation) /* room was left for it */
        snprintf(generation, strlen(generation) + 1, "--generation=%010d", process->generation % 1000000);
    process->alive = true;
    process->exit_code = -1;
    process->term_pending = process->term_taken = process->kill_later = process->ended = false;
    process->inside_library = 0;
    process->stopped_until_ns = 0;
    process->points_of_life = 0;
    trace_event("start", "process=%s generation=%d", process->name, process->generation);
    fiber_start(process, process_body, process);
}

void process_kill(struct process *process, const char *why)
{
    if (!process->alive || process->killed)
        return;
    if (process->inside_library) {
        process->kill_later = true;
        return;
    }
    trace_event("kill", "process=%s generation=%d at=\"%s\" point=%lld", process->name, process->generation,
                why, (long long)process->points);
    process->killed = true;
    process->kills++;
    if (fiber_process() == process)
        fiber_leave();
}

void process_enter_library(void)
{
    if (fiber_process())
        fiber_process()->inside_library++;
}

void process_leave_library(void)
{
    struct process *process = fiber_process();
    if (!process || --process->inside_library || !process->kill_later)
        return;
    process->kill_later = false;
    process_kill(process, "leaving a library");
}

void process_term(struct process *process)
{
    process->term_pending = true;
    trace_event("term", "process=%s generation=%d", process->name, process->generation);
    if (process->bus)
        fiber_wake(process->bus, true);
}

void process_stop(struct process *process, int64_t until_ns)
{
    process->stopped_until_ns = until_ns;
    trace_event("stop", "process=%s for_ms=%lld", process->name,
                (long long)(until_ns - fiber_now_ns()) / 1000000);
}

int64_t process_resumes_ns(const struct process *process)
{
    return process->stopped_until_ns;
}

/* --- what it has open --- */

void process_own(enum handle_kind kind, void *handle, void *of)
{
    struct process *process = fiber_process();
    if (!process)
        return;
    assert(process->handle_count < PROCESS_HANDLES_MAX);
    process->handles[process->handle_count++] = (struct handle){.handle = handle, .kind = kind, .of = of};
}

void process_disown(void *handle)
{
    struct process *process = fiber_process();
    for (size_t i = 0; process && i < process->handle_count; i++)
        if (process->handles[i].handle == handle) {
            memmove(&process->handles[i], &process->handles[i + 1],
                    (process->handle_count - i - 1) * sizeof process->handles[0]);
            process->handle_count--;
            return;
        }
}

bool process_writes_to(const void *environment)
{
    const struct process *process = fiber_process();
    for (size_t i = 0; process && i < process->handle_count; i++)
        if (process->handles[i].kind == HANDLE_TRANSACTION && process->handles[i].of == environment)
            return true;
    return false;
}

void process_bury(struct process *process)
{
    fibers_drop(process);
    while (process->handle_count) /* newest first: a transaction before its environment */
        storage_abandon(&process->handles[--process->handle_count]);
    posix_close_all(process);
    network_bury(process->bus);
    venue_bury(process);
    process->bus = NULL;
    if (process->killed)
        network_audit(process->name);
    process->died_ns = fiber_now_ns();
    process->alive = process->killed = process->ended = false;
}

void processes_reap(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        if (processes[i].killed || processes[i].ended)
            process_bury(&processes[i]);
}
