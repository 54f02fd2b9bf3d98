/* The orchestrator from its first check to its exit code: prepare (nothing started yet), loop, conclude. */
#include "run.h"

#include "alerts/alerting.h"
#include "base/crash_point.h"
#include "base/exits.h"
#include "base/file.h"
#include "base/memory.h"
#include "bus/bus.h"
#include "control/late_verbs.h"
#include "control/own_log.h"
#include "control/own_status.h"
#include "exporting.h"
#include "faults/faults.h"
#include "injury/lease.h"
#include "interventions/canary_files.h"
#include "manifest/behind.h"
#include "manifest/conclude.h"
#include "plan/playback.h"
#include "plan/resolve.h"
#include "preflight/preflight.h"
#include "supervision/adopt.h"
#include "supervision/record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { POLL_MESSAGES = 256, POLL_MS_MAX = 1000, EPOLL_EVENTS = 32 };

/* --- prepare --- */

static int complain(enum status status, const struct error *error)
{
    fprintf(stderr, "orchestrator: %s\n", error->text);
    return status == STATUS_IO ? EXIT_REFUSED : EXIT_WRONG_USE;
}

static struct restart_policy policy_of(const struct config *config)
{
    struct config_list ready = config_list(config, "supervisor.ready_backoff_s");
    struct restart_policy policy = {
        .burst_count = (size_t)config_i64(config, "supervisor.progress_restarts"),
        .burst_window_ms = (int64_t)(config_f64(config, "supervisor.progress_window_s") * 1000.0),
        .delay_first_ms = config_i64(config, "supervisor.backoff_initial_ms"),
        .delay_factor = config_f64(config, "supervisor.backoff_factor"),
        .delay_cap_ms = config_i64(config, "supervisor.backoff_cap_ms"),
        .budget_count = (size_t)config_i64(config, "supervisor.max_restarts"),
        .budget_window_ms = (int64_t)(config_f64(config, "supervisor.restart_window_s") * 1000.0),
        .jitter = config_f64(config, "supervisor.backoff_jitter"),
        .probe_ms = (int64_t)(config_f64(config, "supervisor.probe_interval_s") * 1000.0),
        .refill_ms = (int64_t)(config_f64(config, "supervisor.refill_s") * 1000.0),
    };
    for (size_t i = 0; i < ready.count && i < RESTART_DELAYS_MAX; i++)
        policy.ready_delays_ms[policy.ready_delay_count++] = (int64_t)(ready.numbers[i] * 1000.0);
    return policy;
}

static void limits_take(struct run *run)
{
    run->policy = policy_of(run->config);
    run->limits.ready_timeout_ms = (int64_t)(config_f64(run->config, "supervisor.ready_timeout_s") * 1000.0);
    run->limits.stop_timeout_ms = (int64_t)(config_f64(run->config, "supervisor.stop_timeout_s") * 1000.0);
}

/* load_target: a rollback's: what can change a row comes from elsewhere. */
static enum status load_target(struct run *run)
{
    struct error error = {{0}};
    struct config_errors mistakes;
    config_errors_init(&mistakes);
    enum status status = rolling_back_config(run->config, run->run_tag, &error);
    if (status == STATUS_OK && config_validate(run->config, &mistakes) != STATUS_OK && mistakes.count)
        status = error_set(&error, STATUS_INVALID, "%s: %s", mistakes.items[0].key, mistakes.items[0].reason);
    if (status != STATUS_OK)
        fprintf(stderr, "orchestrator: %s\n", error.text);
    config_errors_finish(&mistakes);
    return status;
}

static enum status load_config(struct run *run)
{
    struct buffer mistakes;
    buffer_init(&mistakes, 0);
    enum status status = resolve_config(run->options, config_environment_process, NULL,
                                        clock_wall_ms(&run->clock), &run->config, &mistakes);
    fputs(buffer_text(&mistakes), stderr);
    buffer_finish(&mistakes);
    return status == STATUS_OK && run->options->rolls_back ? load_target(run) : status;
}

void run_take_config(struct run *run)
{
    bool docker = strcmp(config_text(run->config, "driver"), docker_driver.name) == 0;
    run->driver = docker ? &docker_driver : &process_driver;
    snprintf(run->run_id, sizeof run->run_id, "%s", config_text(run->config, "run.run_id"));
    if (!run->options->rolls_back) /* else the rollback's record has said it */
        snprintf(run->run_tag, sizeof run->run_tag, "%s", run->options->run_tag);
    config_fingerprint(run->config, run->fingerprint);
    run->recorded = resolve_recorded(run->config);
    run->gates = run->options->gates != GATES_DEFAULT ? run->options->gates
                 : run->recorded                      ? GATES_REPLAY
                                                      : GATES_SMOKE;
    limits_take(run);
}

static enum status take_lock(struct run *run, struct error *error)
{
    if (run->lock.descriptor >= 0)
        return STATUS_OK;
    if (folder_make("runtime", 0755) != STATUS_OK)
        return error_set(error, STATUS_INVALID, "the folder runtime cannot be made here: %s",
                         strerror(errno));
    return lock_take(RUN_LOCK_PATH, &run->lock, error);
}

static enum status open_log(struct run *run, struct error *error)
{
    log_configure("orchestrator", run->run_id, config_bool(run->config, "run.debug") ? LOG_DEBUG : LOG_INFO);
    enum status status = own_log_open(&run->own_log, run->config, error);
    if (status != STATUS_OK)
        return status;
    canary_files_begin_line(run);
    if (*run->lock.previous)
        log_event(LOG_WARNING, "lock_taken_over", "previous=%s", run->lock.previous);
    return STATUS_OK;
}

static enum status check(const struct run *run, bool verbose, struct error *error)
{
    const char *instances[RUN_PROCESSES_MAX + 1] = {NULL};
    for (size_t i = 0; i < run->process_count; i++)
        instances[i] = run->processes[i].name;
    struct preflight preflight;
    preflight_run(run->config, instances, &preflight);
    for (size_t i = 0; i < preflight.count; i++) {
        const struct preflight_check *one = &preflight.checks[i];
        log_event(one->verdict == PREFLIGHT_OK ? LOG_INFO : LOG_WARNING, "preflight",
                  "check=%s verdict=%s detail=\"%s\"", one->name, preflight_verdict_name(one->verdict),
                  one->detail);
        if (verbose || one->verdict != PREFLIGHT_OK)
            console_say(&run->console, "preflight %s: %s (%s%s%s)", one->name,
                        preflight_verdict_name(one->verdict), one->detail,
                        one->verdict != PREFLIGHT_OK && one->remedy ? "; " : "",
                        one->verdict != PREFLIGHT_OK && one->remedy ? one->remedy : "");
    }
    return preflight_failed(&preflight) ? error_set(error, STATUS_INVALID, "the pre-flight check failed")
                                        : STATUS_OK;
}

static enum status open_signals(struct run *run, struct error *error)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before the bus's threads exist */
    signal(SIGPIPE, SIG_IGN);
    run->signal_descriptor = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    run->epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = RUN_SIGNAL_EVENT};
    if (run->signal_descriptor < 0 || run->epoll_descriptor < 0 ||
        epoll_ctl(run->epoll_descriptor, EPOLL_CTL_ADD, run->signal_descriptor, &event) != 0)
        return error_set(error, STATUS_IO, "signal descriptors: %s", strerror(errno));
    return STATUS_OK;
}

static enum status open_driver(struct run *run, struct error *error)
{
    if (run->driver != &docker_driver)
        return STATUS_OK;
    enum status status =
        docker_open(config_text(run->config, "docker.socket"), run->run_id, run->bus, &run->docker, error);
    if (status != STATUS_OK)
        return status;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = RUN_DOCKER_EVENT};
    int descriptor = docker_descriptor(run->docker);
    if (descriptor >= 0 && epoll_ctl(run->epoll_descriptor, EPOLL_CTL_ADD, descriptor, &event) != 0)
        return error_set(error, STATUS_IO, "the engine's news cannot be watched: %m");
    return STATUS_OK;
}

static enum status open_bus(struct run *run, struct error *error)
{
    struct bus_config config = bus_config_of(run->config, "orchestrator");
    enum status status = bus_create(&config, &run->bus, error);
    if (status == STATUS_OK)
        status = bus_bind(run->bus, error);
    for (size_t i = 0; status == STATUS_OK && i < run->process_count; i++)
        status = run_process_connect(run, &run->processes[i], error);
    if (status != STATUS_OK)
        return status;
    bus_watch(run->bus, run->epoll_descriptor);
    run->feed.bus = run->bus;
    return open_driver(run, error);
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

/* prepare: everything that may be refused, before anything is started. */
static enum status prepare(struct run *run, struct error *error)
{
    enum status status = resolve_modules(run->config, &run->choice, error);
    if (status != STATUS_OK)
        return status;
    run_processes_make(run);
    status = take_lock(run, error);
    status = status == STATUS_OK ? conclusions_name_free(run, error) : status;
    status = status == STATUS_OK ? lock_name(&run->lock, run->run_id, run->started_wall_ms, error) : status;
    status = status == STATUS_OK ? open_log(run, error) : status;
    status = status == STATUS_OK ? check(run, run->process_count == 0, error) : status;
    if (status != STATUS_OK || run->process_count == 0)
        return status;
    status = resolve_write(run->config, RUN_EFFECTIVE_PATH, error);
    status = status == STATUS_OK ? open_signals(run, error) : status;
    return status == STATUS_OK ? open_bus(run, error) : status;
}

/* prepare_adopted: a run that its orchestrator left: everything stands but for this process's own parts. */
static enum status prepare_adopted(struct run *run, struct error *error)
{
    run_take_config(run);
    enum status status = resolve_modules(run->config, &run->choice, error);
    if (status != STATUS_OK)
        return status;
    run_processes_make(run);
    status = lock_name(&run->lock, run->run_id, run->started_wall_ms, error);
    status = status == STATUS_OK ? open_log(run, error) : status;
    status = status == STATUS_OK ? open_signals(run, error) : status;
    status = status == STATUS_OK ? open_bus(run, error) : status;
    return status == STATUS_OK ? adopt_all(run, error) : status;
}

/* --- loop --- */

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)topic, (void)topic_length;
    struct run *run = context;
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].connection == connection)
            process_take_frame(run, &run->processes[i], data, bytes);
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    struct run *run = context;
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        if (process->connection != connection)
            continue;
        commands_take_answer(run, process, head, head_bytes);
        if (body)
            process_take_frame(run, process, body, body_bytes); /* of `status`: its heartbeat */
    }
}

/* take_all_news: of every slot: a driver that is told by somebody else has one descriptor for all. */
static void take_all_news(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++)
        process_take_news(run, &run->processes[i]);
}

static void take_docker(struct run *run)
{
    docker_turn(run->docker);
    take_all_news(run);
}

static void answer(struct run *run, const struct control_verb *verbs, const struct bus_peer_id *peer,
                   const void *data, size_t bytes)
{
    struct buffer text;
    buffer_init(&text, 0);
    if (run->docker && docker_hear(run->docker, peer, data, bytes, &text)) {
        bus_answer(run->bus, peer, text.data, text.length, NULL, 0);
        buffer_finish(&text);
        take_all_news(run);
        return;
    }
    const struct control_verb *verb =
        control_handle(&run->control, verbs, run, data, bytes, run_now_ms(run), &text);
    if (verb && verb->changes)
        log_event(LOG_INFO, "control", "request=%.*s", (int)(bytes < 500 ? bytes : 500), (const char *)data);
    bus_answer(run->bus, peer, text.data, text.length, NULL, 0);
    buffer_finish(&text);
}

static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    answer(context, RUN_VERBS, peer, data, bytes);
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signal_descriptor, &info, sizeof info) == (ssize_t)sizeof info)
        lifecycle_interrupt(run);
}

static void take_descriptors(struct run *run)
{
    struct epoll_event events[EPOLL_EVENTS];
    int count = epoll_wait(run->epoll_descriptor, events, EPOLL_EVENTS, 0);
    for (int i = 0; i < count; i++)
        if (events[i].data.u64 == RUN_SIGNAL_EVENT)
            take_signals(run);
        else if (events[i].data.u64 == RUN_DOCKER_EVENT)
            take_docker(run);
        else if (events[i].data.u64 == RUN_CONCLUSION_EVENT)
            conclusions_wake(run);
        else if (events[i].data.u64 != RUN_ERRAND_EVENT)
            process_take_news(run, &run->processes[events[i].data.u64]);
}

/* What only looks on: alerts, export, the status file. */

enum status run_watch_open(struct run *run, struct error *error)
{
    enum status status = exporting_open(run, error);
    return status == STATUS_OK ? alerting_open(run, error) : status;
}

static void watch_step(struct run *run)
{
    alerting_step(run);
    exporting_step(run);
    own_status_step(run);
}

static int64_t watch_due_ms(const struct run *run)
{
    int64_t alerting_ms = alerting_due_ms(run), exporting_ms = exporting_due_ms(run);
    int64_t quality_ms = quality_watch_due_ms(run);
    exporting_ms = quality_ms < exporting_ms ? quality_ms : exporting_ms;
    return alerting_ms < exporting_ms ? alerting_ms : exporting_ms;
}

static int poll_timeout(const struct run *run)
{
    static int64_t (*const DUE_MS[])(const struct run *) = {
        lifecycle_due_ms,    inspect_due_ms,    self_due_ms,         watch_due_ms,
        faults_due_ms,       scale_due_ms,      rolling_back_due_ms, control_inputs_due_ms,
        canary_watch_due_ms, conclusions_due_ms};
    int64_t due_ms = NEVER_MS;
    for (size_t i = 0; i < sizeof DUE_MS / sizeof *DUE_MS; i++) {
        int64_t one_ms = DUE_MS[i](run);
        due_ms = one_ms < due_ms ? one_ms : due_ms;
    }
    for (size_t i = 0; i < run->process_count; i++) {
        int64_t process_ms = process_due_ms(run, &run->processes[i]);
        int64_t command_ms = commands_due_ms(run, &run->processes[i]);
        due_ms = process_ms < due_ms ? process_ms : due_ms;
        due_ms = command_ms < due_ms ? command_ms : due_ms;
    }
    int64_t left_ms = due_ms - run_now_ms(run);
    return left_ms < 0 ? 0 : left_ms > POLL_MS_MAX ? POLL_MS_MAX : (int)left_ms;
}

static void loop(struct run *run)
{
    const struct bus_events events = {
        .context = run, .frame = on_frame, .answer = on_answer, .request = on_request};
    lifecycle_step(run);
    while (run->phase != PHASE_ENDED) {
        bus_poll(run->bus, poll_timeout(run), 0, &events); /* only waits, so that the turn can be measured */
        int64_t begun_ns = clock_monotonic_ns(&run->clock), begun_cpu_ns = self_cpu_ns();
        size_t taken = bus_poll(run->bus, 0, POLL_MESSAGES, &events);
        take_descriptors(run);
        for (size_t i = 0; taken < POLL_MESSAGES && i < run->process_count; i++)
            process_timers(run, &run->processes[i]); /* only when no unread heartbeat is left */
        faults_step(run);
        lifecycle_step(run);
        scale_step(run);
        rolling_back_step(run);
        conclusions_step(run);
        canary_watch_step(run);
        control_inputs_step(run);
        for (size_t i = 0; i < run->process_count; i++)
            commands_send(run, &run->processes[i]);
        inspect_step(run);
        quality_watch_step(run);
        watch_step(run);
        record_write(run);
        own_log_step(&run->own_log);
        self_turn(run, begun_ns, begun_cpu_ns);
    }
}

/* --- concluding --- */

/* late: who has gone on asking. */
struct late {
    struct run *run;
    struct control_verb verbs[LATE_VERBS_MAX];
};

static void on_late_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    const struct late *late = context;
    answer(late->run, late->verbs, peer, data, bytes);
}

/* What daemons said last has been heard, or is of no use any more. */
static void on_late_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                          const void *data, size_t bytes)
{
    (void)context, (void)connection, (void)topic, (void)topic_length, (void)data, (void)bytes;
}

static void on_late_answer(void *context, size_t connection, const void *head, size_t head_bytes,
                           const void *body, size_t body_bytes)
{
    (void)context, (void)connection, (void)head, (void)head_bytes, (void)body, (void)body_bytes;
}

static void late_turn(struct run *run, const struct bus_events *events)
{
    bool pending = conclusions_pending(run);
    conclusions_step(run);
    rolling_back_step(run); /* what the disk has not taken yet */
    if (pending && !conclusions_pending(run))
        return; /* that was what is waited for */
    int64_t conclusions_ms = conclusions_due_ms(run), record_ms = rolling_back_due_ms(run);
    int64_t left_ms = (conclusions_ms < record_ms ? conclusions_ms : record_ms) - run_now_ms(run);
    left_ms = left_ms < 0 ? 0 : left_ms;
    bus_poll(run->bus, left_ms < POLL_MS_MAX ? (int)left_ms : POLL_MS_MAX, POLL_MESSAGES, events);
    take_descriptors(run);
}

/* conclude: whoever asks how the run is gets his answer, however long its files take to be read. */
static int conclude(struct run *run)
{
    struct late late = {.run = run};
    const struct bus_events events = {
        .context = &late, .frame = on_late_frame, .answer = on_late_answer, .request = on_late_request};
    late_verbs_make(RUN_VERBS, late.verbs);
    while (
        conclusions_pending(run)) /* theirs and ours name some of the same files, and the worse code counts */
        late_turn(run, &events);
    while (run->judging && !conclude_judged(run)) /* of a run that was interrupted meanwhile */
        late_turn(run, &events);
    struct concluding *concluding = conclude_start(run);
    while (!conclude_done(run, concluding))
        late_turn(run, &events);
    return conclude_finish(run, concluding);
}

/* --- the whole --- */

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
    for (size_t i = 0; i < run->process_count;
         i++) /* whoever is sent on by the record does not meet their keepers */
        run->driver->release(&run->processes[i].child);
    record_write(run);
    return true;
}

static int run_to_its_end(struct run *run, bool *out_again)
{
    rolling_back_follow(run);
    conclusions_open(run);
    canary_watch_open(run);
    loop(run);
    crash_point("before_conclude");
    if (leave(run)) {
        rolling_back_lead_on(run);
        crash_point("after_conclude");
        *out_again = true;
        return EXIT_FINE;
    }
    int code = conclude(run);
    crash_point("after_conclude");
    *out_again = rolling_back_end(run, &code);
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
    enum status status = prepare_adopted(run, &error);
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
    } else if (load_config(run) != STATUS_OK) { /* what is wrong by itself, before what is in the way */
        fprintf(stderr, "orchestrator: nothing was started\n");
        code = fail_to_follow(run, EXIT_WRONG_USE);
    } else if (left != STATUS_NOT_FOUND) {
        code = complain(left, &error);
    } else {
        run_take_config(run);
        enum status status = prepare(run, &error);
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
