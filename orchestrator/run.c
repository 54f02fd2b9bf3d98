/* The orchestrator from its first check to its exit code: prepare (nothing started yet), loop, conclude. */
#include "run_parts.h"

#include "alerts/alerting.h"
#include "base/crash_point.h"
#include "base/exits.h"
#include "base/memory.h"
#include "bus/bus.h"
#include "exporting.h"
#include "injury/lease.h"
#include "manifest/behind.h"
#include "manifest/conclude.h"
#include "plan/playback.h"
#include "supervision/adopt.h"
#include "supervision/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int complain(enum status status, const struct error *error)
{
    fprintf(stderr, "orchestrator: %s\n", error->text);
    return status == STATUS_IO ? EXIT_REFUSED : EXIT_WRONG_USE;
}

static void say_what(const struct run *run)
{
    char names[256] = "";
    for (size_t i = 0; i < run->process_count; i++) {
        size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "", run->processes[i].name);
    }
    console_say(&run->console, "run %s: %s; sink %s; gates %s", run->run_id, names,
                config_text(run->config, "run.sink"), gate_set_name(run->gates));
    playback_say_begin(run);
}

/* run_leave: what others see of it ends; its memory is in the hands of a thread that nobody can wait for (manifest/conclude.h). */
static void run_leave(struct run *run)
{
    docker_close(run->docker);
    bus_destroy(run->bus);
    lock_release(&run->lock);
    free(run); /* the thread has a copy */
}

static void run_finish(struct run *run)
{
    if (run->unconcluded) {
        run_leave(run);
        return;
    }
    conclude_judged_finish(run);
    for (size_t i = 0; i < run->process_count; i++)
        process_finish(run, &run->processes[i]);
    buffer_finish(&run->recorded_last);
    buffer_finish(&run->recording);
    record_file_finish(&run->record_file);
    exporting_close(run);
    alerting_close(run);
    plan_destroy(run->plan);
    if (run->adopted)
        options_finish(run->adopted);
    free(run->adopted);
    record_finish(&run->left);
    control_finish(&run->control);
    control_inputs_finish(&run->control_inputs);
    canary_watch_end(run);
    canary_watch_close(run);
    conclusions_close(run);
    feed_finish(&run->feed);
    docker_close(run->docker);
    bus_destroy(run->bus);
    lock_release(&run->lock);
    injury_table_destroy(run->injuries);
    config_destroy(run->config);
    if (run->epoll_descriptor >= 0)
        close(run->epoll_descriptor);
    if (run->signal_descriptor >= 0)
        close(run->signal_descriptor);
    free(run);
}

/* release_all: behind the last exit: whoever is sent on by the record, or begins the next run, does not meet their keepers. */
static void release_all(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++)
        run->driver->release(&run->processes[i].child);
}

/* leave: another run follows; this one is concluded behind it. The record says so until that one has its own. */
static bool leave(struct run *run)
{
    struct error error = {{0}};
    if (!rolling_back_leads_on(run))
        return false;
    if (behind_leave(run, &error) != STATUS_OK) {
        log_event(LOG_ERROR, "write_error", "reason=\"%s\"", error.text);
        console_say(&run->console, "concluded before the next run begins: %s", error.text);
        return false;
    }
    release_all(run);
    record_write(run);
    return true;
}

static int run_to_its_end(struct run *run, bool *out_again)
{
    rolling_back_follow(run);
    conclusions_open(run);
    canary_watch_open(run);
    run_loop(run);
    crash_point("before_conclude");
    if (leave(run)) {
        rolling_back_lead_on(run);
        crash_point("after_conclude");
        *out_again = true;
        return EXIT_FINE;
    }
    int code = run_conclude(run);
    crash_point("after_conclude");
    *out_again = rolling_back_end(run, &code);
    release_all(run); /* while the record still stands: without it nobody would */
    crash_point("released");
    record_remove();
    return code;
}

/* fail_to_follow: the run that a rollback leads to cannot begin; the one before it is concluded all the same. */
static int fail_to_follow(struct run *run, int code)
{
    if (!run->options->rolls_back)
        return code;
    record_remove(); /* it led here */
    if (!run->config)
        return code;
    run_take_config(run);
    rolling_back_follow(run);
    if (!run->rolling_back.confirming)
        return code;
    conclusions_open(run);
    rolling_back_end(run, &code); /* who waits for the rollback need not wait for more */
    conclusions_finish(run);
    rolling_back_end(run, &code);
    return code;
}

static int run_processes(struct run *run, bool *out_again)
{
    struct error error = {{0}};
    say_what(run);
    if (run_watch_open(run, &error) != STATUS_OK || conclude_begin(run, &error) != STATUS_OK)
        return fail_to_follow(run, complain(STATUS_IO, &error));
    return run_to_its_end(run, out_again);
}

static int run_adopted(struct run *run, bool *out_again)
{
    struct error error = {{0}};
    enum status status = run_prepare_adopted(run, &error);
    status = status == STATUS_OK ? run_watch_open(run, &error) : status;
    return status == STATUS_OK ? run_to_its_end(run, out_again) : complain(status, &error);
}

int run_main(const struct options *options, bool *out_again)
{
    struct run *run = run_create(options);
    struct error error = {{0}};
    int code = EXIT_FINE;
    enum status left = adopt_find(run, &error);
    if (left == STATUS_OK) {
        code = run_adopted(run, out_again);
    } else if (left ==
               STATUS_AGAIN) { /* with the words of the run that was left, as it would have gone on itself */
        rolling_back_execute(run->left.argument_count, run->left.arguments);
        code = EXIT_REFUSED;
    } else if (run_load_config(run) != STATUS_OK) { /* what is wrong by itself, before what is in the way */
        fprintf(stderr, "orchestrator: nothing was started\n");
        code = fail_to_follow(run, EXIT_WRONG_USE);
    } else if (left != STATUS_NOT_FOUND) {
        code = complain(left, &error);
    } else {
        run_take_config(run);
        enum status status = run_prepare(run, &error);
        if (status != STATUS_OK)
            code = fail_to_follow(run, complain(status, &error));
        else if (run->process_count > 0)
            code = run_processes(run, out_again);
    }
    bool leaves_thread = run->unconcluded && !*out_again;
    run_finish(run);
    if (leaves_thread) { /* it may be reading what an orderly exit takes away */
        fflush(stdout);
        _exit(code);
    }
    return code;
}
