/* One process of the run: what the world does to it becomes an event of its supervisor, and the supervisor's
 * orders are carried out. Nothing else in the orchestrator starts, signals or forgets a process. */
#include "base/file.h"
#include "base/memory.h"
#include "bus/bus.h"
#include "orchestrator/control/ending.h"
#include "orchestrator/faults/faults.h"
#include "orchestrator/plan/resolve.h"
#include "orchestrator/run.h"
#include "record.h"
#include "signal_name.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

void process_init(struct process *process, size_t module, size_t number)
{
    *process = (struct process){.module = module_at(module),
                                .module_index = module,
                                .number = number,
                                .connection = SIZE_MAX,
                                .timer_due_ms = NEVER_MS};
    plan_instance_name(process->module->name, number, process->name);
    driver_child_init(&process->child);
    supervisor_init(&process->supervisor);
    telemetry_init(&process->telemetry);
}

static const char *process_program(const struct process *process)
{
    return process->module->program ? process->module->program : process->module->name;
}

void process_finish(const struct run *run, struct process *process)
{
    run->driver->release(&process->child);
    telemetry_finish(&process->telemetry);
    free(process->restarts);
}

int64_t process_progress(const struct process *process)
{
    return process->telemetry.beat.progress + telemetry_rows(&process->telemetry, true);
}

/* --- faults --- */

static struct fault_moment moment_now(const struct run *run)
{
    return (struct fault_moment){clock_wall_ms(&run->clock), clock_monotonic_ns(&run->clock)};
}

/* faults_note: a step of the recovery belongs to every open fault of that process. */
static void faults_note(struct run *run, const struct process *process, enum fault_step step)
{
    for (size_t i = 0; i < run->fault_count; i++) {
        struct fault *fault = &run->faults[i];
        if (strcmp(fault->process, process->name) != 0 ||
            (step == FAULT_HEALTHY && fault_is_lease(fault)) || /* faults.c: caught up is more then */
            !fault_note(fault, step, moment_now(run)))
            continue;
        fault->restart_count_after = process->supervisor.restart_count;
        if (step == FAULT_EXIT) {
            fault->exit_code = process->last_exit.code;
            fault->exit_signal = process->last_exit.signal;
        } else if (step == FAULT_RESTART) {
            fault->pid_after = process->child.pid;
        } else if (step == FAULT_HEALTHY) {
            fault->rows_at_healthy = telemetry_rows(&process->telemetry, false);
            fault->features_at_healthy = faults_features(run);
            fault->frames_replayed = faults_replayed(process);
            feed_emit(&run->feed, LOG_INFO, "fault_recovered", process->name,
                      FEED_FIELDS(NUMBER("fault", fault->id), NUMBER("pid", fault->pid_after),
                                  NUMBER("recovery_ms", fault_elapsed_ms(fault, FAULT_HEALTHY))));
            console_say(&run->console, "%s caught up %.0f ms after the kill", process->name,
                        fault_elapsed_ms(fault, FAULT_HEALTHY));
        }
    }
}

static void faults_note_delay(struct run *run, const struct process *process, int64_t delay_ms)
{
    for (size_t i = 0; i < run->fault_count; i++)
        if (strcmp(run->faults[i].process, process->name) == 0 &&
            fault_waiting(&run->faults[i]) == FAULT_RESTART)
            run->faults[i].backoff_ms = delay_ms;
}

/* --- starting --- */

static void paths_make(const struct run *run, struct process *process)
{
    const char *logs = config_text(run->config, "run.logs_dir");
    snprintf(process->stdout_path, sizeof process->stdout_path, "%.100s/%s/%s_stdout.log", logs,
             process->name, run->run_id);
    snprintf(process->stderr_path, sizeof process->stderr_path, "%.100s/%s/%s_stderr.log", logs,
             process->name, run->run_id);
}

static enum status driver_begin(const struct run *run, struct process *process, struct error *error)
{
    char program[PATH_BYTES], keeper[PATH_BYTES], generation[24], restarts[24];
    path_join(program, run->program_folder, "%s", process_program(process));
    path_join(keeper, run->program_folder, "keeper");
    snprintf(generation, sizeof generation, "%lld", (long long)process->supervisor.generation);
    snprintf(restarts, sizeof restarts, "%lld", (long long)process->supervisor.restart_count);
    const char *const daemon[] = {program,       "--effective",  RUN_EFFECTIVE_PATH, "--instance",
                                  process->name, "--generation", generation,         "--restarts",
                                  restarts,      "--plan",       RUN_PLAN_PATH,      NULL};
    const char *const simulator[] = {program,       "--config",        RUN_EFFECTIVE_PATH, "--port-file",
                                     RUN_PORT_PATH, "--position-file", RUN_POSITION_PATH,  "--attended",
                                     "--control",   generation,        "--streams-file",   RUN_STREAMS_PATH,
                                     NULL};
    paths_make(run, process);
    if (folder_make_for(process->stdout_path) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s: its folder cannot be made: %m", process->stdout_path);
    char **environment = resolve_environment(process->module->name, config_environment_process, NULL);
    struct driver_order order = {.context = run->docker,
                                 .slot = process->name,
                                 .folder = config_text(run->config, "bus.dir"),
                                 .keeper = keeper,
                                 .generation = process->supervisor.generation,
                                 .arguments = process->module->beats ? daemon : simulator,
                                 .environment = (const char *const *)environment,
                                 .stdout_path = process->stdout_path,
                                 .stderr_path = process->stderr_path,
                                 .log_bytes_max = config_i64(run->config, "logs.max_mb") << 20,
                                 .log_bytes_per_s = config_i64(run->config, "logs.max_mb_per_s") << 20,
                                 .log_files = config_i64(run->config, "logs.keep")};
    enum status status = run->driver->start(&order, &process->child, error);
    resolve_environment_free(environment);
    return status;
}

/* watch: the slot's descriptor; one that is watched already stays so. */
static void watch(const struct run *run, const struct process *process)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(process - run->processes)};
    epoll_ctl(run->epoll_descriptor, EPOLL_CTL_ADD, process->child.descriptor, &event);
}

static void generation_reset(struct run *run, struct process *process)
{
    telemetry_forget(&process->telemetry);
    process->announced = process->paused = process->exited = process->kill_on_stop = process->progressed =
        false;
    process->suspicion = (struct suspicion){0};
    process->progress_at_ready = 0;
    process->spawned_ms = run_now_ms(run);
    process->started_wall_ms = clock_wall_ms(&run->clock);
    process->ready_wall_ms = process->stopped_wall_ms = 0;
    process->wanted = true;
}

static void take_refusal(struct run *run, struct process *process, const char *reason)
{
    feed_emit(&run->feed, LOG_ERROR, "Start", process->name, FEED_FIELDS(TEXT("reason", reason)));
    console_say(&run->console, "%s cannot be started: %s", process->name, reason);
    process->last_exit = (struct driver_exit){.code = -1, .cpu_ms = -1};
    process_step(run, process, EVENT_EXITED);
}

/* take_start: it exists. */
static void take_start(struct run *run, struct process *process)
{
    process->last_pid = process->child.pid;
    feed_emit(&run->feed, LOG_INFO, "Start", process->name,
              FEED_FIELDS(NUMBER("pid", process->child.pid),
                          NUMBER("generation", process->supervisor.generation),
                          NUMBER("attempt", process->supervisor.restart_count + 1)));
    char where[32] = "in its container";
    if (process->child.pid)
        snprintf(where, sizeof where, "pid %d", (int)process->child.pid);
    if (process->supervisor.restart_count == 0)
        console_say(&run->console, "%s starting (%s)", process->name, where);
    else
        console_say(&run->console, "%s restarted (%s, generation %lld)", process->name, where,
                    (long long)process->supervisor.generation);
    faults_note(run, process, FAULT_RESTART);
}

static void spawn(struct run *run, struct process *process)
{
    struct error error = {{0}};
    generation_reset(run, process);
    record_write(run); /* a process that nobody remembers must not come to be */
    if (driver_begin(run, process, &error) != STATUS_OK) {
        take_refusal(run, process, error.text);
        return;
    }
    watch(run, process);
    if (!run->driver->tells_start)
        take_start(run, process);
}

bool process_exists(const struct run *run, const struct process *process)
{
    return process->child.lives && (process->child.pid || !run->driver->tells_start);
}

/* --- orders --- */

static void signal_child(struct run *run, struct process *process, int signal_number)
{
    if (run->driver->signal(&process->child, signal_number) != STATUS_OK)
        return;                   /* it has just ended: its exit is on the way */
    if (signal_number == SIGTERM) /* a stopped process would never see it */
        run->driver->signal(&process->child, SIGCONT);
    enum process_state state = process->supervisor.state;
    if (signal_number == SIGKILL && (state == PROCESS_STOPPING || state == PROCESS_REPLACING)) {
        process->kill_on_stop = true;
        console_say(&run->console, "%s did not end in time: killed", process->name);
    }
    feed_emit(&run->feed, LOG_INFO, "signal", process->name,
              FEED_FIELDS(NUMBER("pid", process->child.pid), TEXT("signal", signal_name_of(signal_number))));
}

static void tell_state(struct run *run, const struct process *process, enum process_state before)
{
    enum process_state state = process->supervisor.state;
    if (state == before)
        return;
    if (state == PROCESS_DEGRADED || state == PROCESS_FAILED) {
        const char *reason =
            state == PROCESS_FAILED ? "exit code 2: configuration or usage" : "restart budget used up";
        feed_emit(&run->feed, LOG_ERROR, "Degraded", process->name,
                  FEED_FIELDS(TEXT("state", process_state_name(state)), TEXT("reason", reason)));
        console_say(&run->console, "%s is %s (%s); see %s", process->name, process_state_name(state), reason,
                    process->stderr_path);
    }
    feed_emit(&run->feed, LOG_DEBUG, "state", process->name,
              FEED_FIELDS(TEXT("from", process_state_name(before)), TEXT("state", process_state_name(state)),
                          NUMBER("generation", process->supervisor.generation)));
}

/* restart_keep: in the manifest's list while that has room. */
static void restart_keep(const struct run *run, struct process *process, int64_t delay_ms)
{
    if (process->restart_count == RUN_RESTARTS_KEPT)
        return;
    process->restarts = memory_grow(process->restarts, &process->restart_capacity, process->restart_count + 1,
                                    sizeof *process->restarts);
    process->restarts[process->restart_count++] =
        (struct restart_record){.at_wall_ms = clock_wall_ms(&run->clock),
                                .pid = process->last_pid,
                                .exit_code = process->last_exit.code,
                                .exit_signal = process->last_exit.signal,
                                .delay_ms = delay_ms};
}

/* restart_recorded: every one is told. */
static void restart_recorded(struct run *run, struct process *process, int64_t delay_ms)
{
    char how[ENDING_TEXT_BYTES];
    restart_keep(run, process, delay_ms);
    feed_emit(&run->feed, LOG_WARNING, "Restart", process->name,
              FEED_FIELDS(NUMBER("pid", process->last_pid), NUMBER("delay_ms", delay_ms),
                          NUMBER("exit_code", process->last_exit.code),
                          TEXT("exit_signal", signal_name_of(process->last_exit.signal)),
                          TEXT("how", ending_text(&process->last_exit, how))));
    faults_note_delay(run, process, delay_ms);
}

static void carry_out(struct run *run, struct process *process, enum process_state before,
                      const struct supervisor_orders *orders)
{
    if (orders->timer_ms == TIMER_CANCEL)
        process->timer_due_ms = NEVER_MS;
    else if (orders->timer_ms != TIMER_KEEP)
        process->timer_due_ms = run_now_ms(run) + orders->timer_ms;
    bool gave_up = process->supervisor.state == PROCESS_DEGRADED && before != PROCESS_DEGRADED;
    if (orders->delay_ms >= 0 || gave_up)
        restart_recorded(run, process, orders->delay_ms);
    tell_state(run, process, before);
    if (orders->tell_drain)
        command_want(process, VERB_DRAIN);
    if (orders->signal)
        signal_child(run, process, orders->signal);
    if (orders->spawn)
        spawn(run, process);
}

/* progressed: its position had moved since READY. Of one without heartbeats no position is known: that it had
 * been ready while the feed was open counts. */
static bool progressed(const struct run *run, const struct process *process)
{
    if (!process->module->beats)
        return run->go_ms && process->supervisor.ready_ms;
    return process->progressed;
}

void process_step(struct run *run, struct process *process, enum process_event event)
{
    enum process_state before = process->supervisor.state;
    struct supervisor_input input = {
        .event = event,
        .generation = process->supervisor.generation,
        .now_ms = run_now_ms(run),
        .progressed = progressed(run, process),
        .chance = random_unit(&run->random),
    };
    struct supervisor_orders orders =
        supervisor_step(&process->supervisor, &run->policy, &run->limits, &input);
    carry_out(run, process, before, &orders);
}

/* --- what the process says --- */

/* note_progress: once seen it stays, since the record (record.c) is to be written once, not with every heartbeat. */
static void note_progress(struct process *process)
{
    if (process->ready_wall_ms && process_progress(process) > process->progress_at_ready)
        process->progressed = true;
}

/* welcome: the readiness line has come, and a heartbeat of whoever has any. */
static void welcome(struct run *run, struct process *process)
{
    bool heard = process->telemetry.seen || !process->module->beats;
    if (!process->announced || !heard || process->supervisor.state != PROCESS_STARTING)
        return;
    process->ready_wall_ms = clock_wall_ms(&run->clock);
    /* The readiness line precedes the first row of a life: what this heartbeat already counts came behind it. */
    process->progress_at_ready = process_progress(process) - process->telemetry.beat.progress;
    note_progress(process);
    int64_t took_ms = run_now_ms(run) - process->spawned_ms;
    process_step(run, process, EVENT_ANNOUNCED);
    feed_emit(&run->feed, LOG_INFO, "Ready", process->name,
              FEED_FIELDS(NUMBER("pid", process->child.pid),
                          NUMBER("generation", process->supervisor.generation), NUMBER("ready_ms", took_ms)));
    console_say(&run->console, "%s ready in %lld ms", process->name, (long long)took_ms);
    faults_note(run, process, FAULT_READY);
    process->commands[VERB_STATUS].wanted = false;
    if (run->go_ms)
        command_want(process, VERB_GO);
    if (!process->module->beats) { /* nothing behind which it could be */
        faults_note(run, process, FAULT_HEALTHY);
        process_step(run, process, EVENT_CAUGHT_UP);
    }
}

/* reconnect: its sockets are there now, and libzmq would only look again after its interval: 10 to 20 ms that a restart need not
 * last longer. */
static void reconnect(const struct run *run, const struct process *process)
{
    struct error error;
    if (process->module->beats && bus_reconnect(run->bus, process->connection, &error) != STATUS_OK)
        log_event(LOG_DEBUG, "reconnect_failed", "name=%s reason=\"%s\"", process->name, error.text);
}

static void take_announcement(struct run *run, struct process *process)
{
    process->announced = true;
    if (!process->telemetry.seen)
        reconnect(run, process);
    if (!process->telemetry.seen)
        command_want(process, VERB_STATUS); /* every answer comes with a heartbeat */
    welcome(run, process);
}

static void rate_update(struct process *process, int64_t now_ms)
{
    int64_t rows = telemetry_rows(&process->telemetry, false) + telemetry_rows(&process->telemetry, true);
    if (process->rate_ms && now_ms - process->rate_ms < 1000)
        return;
    if (process->rate_ms && rows >= process->rate_rows)
        process->rows_per_s =
            (double)(rows - process->rate_rows) * 1000.0 / (double)(now_ms - process->rate_ms);
    process->rate_rows = rows;
    process->rate_ms = now_ms;
}

static void note_beat(struct run *run, struct process *process)
{
    const struct heartbeat_row *beat = &process->telemetry.beat;
    process->suspicion = (struct suspicion){0};
    note_progress(process);
    if (beat->rss_mb > process->max_rss_mb)
        process->max_rss_mb = beat->rss_mb;
    if (beat->open_files != FIELD_NULL_I64 && beat->open_files > process->max_open_files)
        process->max_open_files = beat->open_files;
    rate_update(process, run_now_ms(run));
}

void process_take_frame(struct run *run, struct process *process, const void *data, size_t bytes)
{
    struct telemetry_expected expected = {.run_id = run->run_id,
                                          .instance = process->name,
                                          .generation = process->supervisor.generation,
                                          .pid = run->driver->shows_pids ? process->child.pid : 0};
    struct error error = {{0}};
    enum status status = telemetry_read(&process->telemetry, &expected, run_now_ms(run), data, bytes, &error);
    if (status == STATUS_CONFLICT)
        process->supervisor.stale_events++;
    else if (status != STATUS_OK)
        log_event(LOG_WARNING, "heartbeat_rejected", "name=%s reason=\"%s\"", process->name, error.text);
    if (status != STATUS_OK)
        return;
    note_beat(run, process);
    welcome(run, process);
    if (!process_state_up(process->supervisor.state))
        return;
    if (process->telemetry.beat.caught_up == 1) {
        faults_note(run, process, FAULT_HEALTHY);
        process_step(run, process, EVENT_CAUGHT_UP);
    }
    faults_take_beat(run, process);
    if (strcmp(process->telemetry.beat.state, "drained") == 0)
        process_step(run, process, EVENT_DRAINED);
}

/* --- its end --- */

static void tell_exit(struct run *run, const struct process *process, bool asked)
{
    const struct driver_exit *end = &process->last_exit;
    char how[ENDING_TEXT_BYTES];
    ending_text(end, how);
    feed_emit(&run->feed, asked ? LOG_INFO : LOG_WARNING, asked ? "Stop" : "Exit", process->name,
              FEED_FIELDS(NUMBER("pid", process->last_pid), NUMBER("exit_code", end->code),
                          TEXT("exit_signal", signal_name_of(end->signal)), TEXT("how", how),
                          NUMBER("generation", process->supervisor.generation),
                          TEXT("reason", asked ? "asked" : "by itself")));
    console_say(&run->console, "%s %s: %s", process->name, asked ? "stopped" : "ended", how);
    if (!asked && end->code > 0)
        console_say_log_end(&run->console, process->name, process->stderr_path);
}

/* take_last_word: what it said last it has also written; a heartbeat may be lost, or still be on its way to us. */
static void take_last_word(struct run *run, struct process *process)
{
    const struct telemetry_expected expected = {.run_id = run->run_id,
                                                .instance = process->name,
                                                .generation = process->supervisor.generation,
                                                .pid = run->driver->shows_pids ? process->last_pid : 0};
    char path[PATH_BYTES];
    path_join(path, config_text(run->config, "run.output_dir"), "status/%s.json", process->name);
    if (process->module->beats && telemetry_last_word(&process->telemetry, path, &expected))
        note_beat(run, process);
}

static void take_exit(struct run *run, struct process *process, const struct driver_exit *end)
{
    enum process_state state = process->supervisor.state;
    bool asked = state == PROCESS_STOPPING || state == PROCESS_REPLACING;
    process->last_exit = *end;
    process->exited = true;
    take_last_word(run, process);
    process->exits++;
    process->untold_losses += end->code == EXIT_CODE_LOSS_UNTOLD;
    usage_end(&process->usage, end->cpu_ms);
    process->max_rss_mb = fmax(process->max_rss_mb, (double)end->max_rss_kb / 1024.0);
    process->stopped_wall_ms = clock_wall_ms(&run->clock);
    if (run->phase == PHASE_STOPPING && asked && run->shutdown_count < RUN_PROCESSES_MAX)
        run->shutdown_order[run->shutdown_count++] = (size_t)(process - run->processes);
    tell_exit(run, process, asked);
    faults_take_exit(run, process);
    faults_note(run, process, FAULT_EXIT);
    process_step(run, process,
                 end->code == EXIT_CODE_CONFIGURATION ? EVENT_EXITED_CONFIGURATION : EVENT_EXITED);
}

static void take_driver_refusal(struct run *run, struct process *process)
{
    char reason[PATH_BYTES + 256];
    const char *folder = run->program_folder, *name = process_program(process);
    if (process->child.refusal)
        snprintf(reason, sizeof reason, "%s/%s: %s", folder, name, strerror(process->child.refusal));
    else
        snprintf(reason, sizeof reason, "its keeper has ended: see %s", process->stderr_path);
    take_refusal(run, process, reason);
}

void process_take_news(struct run *run, struct process *process)
{
    struct driver_exit end;
    for (;;)
        switch (run->driver->news(&process->child, &end)) {
        case DRIVER_NOTHING: return;
        case DRIVER_STARTED: take_start(run, process); break;
        case DRIVER_REFUSED: take_driver_refusal(run, process); break;
        case DRIVER_ANNOUNCED: take_announcement(run, process); break;
        case DRIVER_EXITED: take_exit(run, process, &end); break;
        }
}

/* --- left by an orchestrator that died --- */

void process_adopt(struct run *run, struct process *process)
{
    struct error error = {{0}};
    bool alive = process_state_alive(process->supervisor.state);
    paths_make(run, process);
    process->child.context = run->docker;
    enum status status =
        run->driver->adopt(process->name, config_text(run->config, "bus.dir"), &process->child, &error);
    if (status == STATUS_OK)
        watch(run, process);
    if (!alive)
        return;
    if (status == STATUS_OK && process->child.generation != process->supervisor.generation) {
        spawn(run, process); /* decided, but not done */
        return;
    }
    if (status != STATUS_OK) { /* the keeper died, and its process with it */
        log_event(LOG_WARNING, "keeper_lost", "name=%s reason=\"%s\"", process->name, error.text);
        take_exit(run, process, &(struct driver_exit){.code = -1, .cpu_ms = -1});
        return;
    }
    process->telemetry.received_ms = run_now_ms(run); /* its silence counts from here */
    /* The one before may have died between the order to start and the answer. */
    process->last_pid = process->child.pid;
    faults_note(run, process, FAULT_RESTART);
    feed_emit(&run->feed, LOG_INFO, "Adopted", process->name,
              FEED_FIELDS(NUMBER("pid", process->child.pid),
                          NUMBER("generation", process->supervisor.generation),
                          TEXT("state", process_state_name(process->supervisor.state))));
    if (process->child.announced && !process->announced)
        take_announcement(run, process);
    process_take_news(run, process);
}

/* --- time --- */

void process_timers(struct run *run, struct process *process)
{
    if (process->timer_due_ms <= run_now_ms(run)) {
        enum process_state state = process->supervisor.state;
        process->timer_due_ms = NEVER_MS;
        if (state == PROCESS_STARTING)
            console_say(&run->console, "%s was not ready in time: stopped, to be tried again", process->name);
        process_step(run, process, EVENT_TIMER);
    }
    if (hang_check(run, process))
        process_step(run, process, EVENT_HUNG);
}

int64_t process_due_ms(const struct run *run, const struct process *process)
{
    int64_t hang_ms = hang_due_ms(run, process);
    return hang_ms < process->timer_due_ms ? hang_ms : process->timer_due_ms;
}

/* --- what a person does to it --- */

static enum status need_child(const struct run *run, const struct process *process, struct error *error)
{
    if (process_exists(run, process))
        return STATUS_OK;
    return error_set(error, STATUS_CLOSED, "%s has no process now: it is %s", process->name,
                     process_state_name(process->supervisor.state));
}

enum status process_signal(struct run *run, struct process *process, int signal_number, int64_t *out_fault_id,
                           struct error *error)
{
    enum status status = need_child(run, process, error);
    if (status != STATUS_OK)
        return status;
    if (run->fault_count == RUN_FAULTS_MAX)
        return error_set(error, STATUS_LIMIT, "this run has had %d faults; more are not recorded",
                         RUN_FAULTS_MAX);
    struct fault *fault = &run->faults[run->fault_count];
    const struct injury_order order = {.id = (int64_t)run->fault_count + 1, .kind = INJURY_KILL};
    fault_begin(fault, process->name, &order, signal_number, process->supervisor.generation,
                process->child.pid);
    fault->touched = 1;
    fault->restart_count_before = fault->restart_count_after = process->supervisor.restart_count;
    fault->rows_at_kill = telemetry_rows(&process->telemetry, false);
    fault->features_at_kill = faults_features(run);
    if (run->go_ms)
        fault->requested_at_s = (double)(run_now_ms(run) - run->go_ms) / 1000.0;
    struct fault_moment moment = moment_now(run);
    if (run->driver->signal(&process->child, signal_number) != STATUS_OK)
        return error_set(error, STATUS_CLOSED, "%s has just ended", process->name);
    fault_note(fault, FAULT_KILL, moment);
    run->fault_count++;
    feed_emit(&run->feed, LOG_WARNING, "fault_injected", process->name,
              FEED_FIELDS(NUMBER("fault", fault->id), NUMBER("pid", process->child.pid),
                          TEXT("signal", signal_name_of(signal_number))));
    console_say(&run->console, "%s (pid %d) gets signal %s", process->name, (int)process->child.pid,
                signal_name_of(signal_number));
    *out_fault_id = fault->id;
    return STATUS_OK;
}

enum status process_pause(struct run *run, struct process *process, bool pause, struct error *error)
{
    enum status status = need_child(run, process, error);
    if (status == STATUS_OK && pause && run->phase > PHASE_FEEDING)
        status =
            error_set(error, STATUS_CONFLICT,
                      "the run is %s: a process that stood still now would be killed at its end; nobody is "
                      "paused any more",
                      run_phase_name(run->phase));
    if (status == STATUS_OK && run->driver->signal(&process->child, pause ? SIGSTOP : SIGCONT) != STATUS_OK)
        status = error_set(error, STATUS_CLOSED, "%s has just ended", process->name);
    if (status != STATUS_OK)
        return status;
    process->paused = pause;
    process->telemetry.received_ms = run_now_ms(run); /* its silence counts from here */
    process->suspicion = (struct suspicion){0};
    feed_emit(&run->feed, LOG_WARNING, pause ? "Pause" : "Resume", process->name,
              FEED_FIELDS(NUMBER("pid", process->child.pid)));
    console_say(&run->console, "%s %s", process->name, pause ? "paused" : "resumed");
    return STATUS_OK;
}
