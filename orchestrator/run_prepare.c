/* What must hold before a run begins: its configuration, its lock, its log, the checks, signals and the bus. */
#include "run_parts.h"

#include "bus/bus.h"
#include "interventions/canary_files.h"
#include "plan/resolve.h"
#include "preflight/preflight.h"
#include "supervision/adopt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

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

enum status run_load_config(struct run *run)
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
enum status run_prepare(struct run *run, struct error *error)
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

enum status run_prepare_adopted(struct run *run, struct error *error)
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
