/* What the orchestrator looks at from time to time: health, memory and descriptors, and a line for people. */
#include "orchestrator/run.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { UNHEALTHY_TICK_MS = 1000, RESOURCE_MS = 10000, PROGRESS_MS = 2000 };

static int64_t configured_ms(const struct run *run, const char *key_s)
{
    return config_wall_ms(run->config, config_f64(run->config, key_s) * 1000.0);
}

static int64_t newest_event_ms(const struct run *run)
{
    int64_t newest_ms = 0;
    for (size_t i = 0; i < run->process_count; i++) {
        int64_t event_ms = run->processes[i].telemetry.beat.event_ts_ms;
        newest_ms = event_ms != FIELD_NULL_I64 && event_ms > newest_ms ? event_ms : newest_ms;
    }
    return newest_ms;
}

/* summary_age_max_ms: 90 s for the interval of 60 s (operations.md §6.3), and as much slack for a longer one. */
static int64_t summary_age_max_ms(const struct run *run)
{
    int64_t interval_ms = config_i64(run->config, "report.interval_s") * 1000;
    return (interval_ms > 60000 ? interval_ms : 60000) + 30000;
}

/* recovering: a process is within the time that a fault may take. Such checks say nothing about the run and are not counted
 * (operations.md §13); behind that time they are. */
static bool recovering(const struct run *run)
{
    int64_t now_ns = clock_monotonic_ns(&run->clock);
    for (size_t i = 0; i < run->fault_count; i++) {
        const struct fault *fault = &run->faults[i];
        if (fault_waiting(fault) != FAULT_STEP_COUNT && fault_waiting(fault) != FAULT_KILL &&
            now_ns - fault_moment_from(fault, now_ns) < FAULT_RECOVERY_MAX_MS * 1000000LL)
            return true;
    }
    return false;
}

/* market_rows: what the venue has sent; -1: nobody tells. */
static int64_t market_rows(const struct run *run)
{
    int64_t trades, books;
    bool known = run_counter(run, MODULE_HARVEST, "received_trades", &trades) &&
                 run_counter(run, MODULE_HARVEST, "received_books", &books);
    return known ? trades + books : -1;
}

bool process_is_idle(const struct run *run, const struct process *process)
{
    return run->plan && process->module->beats && !run_symbols_of(run, process);
}

/* health_update: not once the processes are being stopped: what stays is how they were at the end of the run. */
static void health_update(struct run *run, struct process *process, bool tick)
{
    if (run->phase >= PHASE_STOPPING)
        return;
    struct health_view view = {
        .process = process->module->name,
        .telemetry = &process->telemetry,
        .now_ms = run_now_ms(run),
        .up = process_state_up(process->supervisor.state),
        .beats = process->module->beats,
        .gave_up = process->supervisor.gave_up,
        .paused = process->paused,
        .idle = process_is_idle(run, process),
        .feeding = run->phase == PHASE_FEEDING,
        .recorded = run->recorded,
        .excused = recovering(run),
        .input_rows = process->module->takes_feed ? -1 : telemetry_rows(&process->telemetry, false),
        .market_rows = market_rows(run),
        .feeding_ms = process->symbols_ms > run->go_ms ? process->symbols_ms : run->go_ms,
        .ready_ms = process->supervisor.ready_ms,
        .heartbeat_timeout_ms = config_i64(run->config, "health.heartbeat_timeout_ms"),
        .growth_window_ms = config_i64(run->config, "health.min_growth_window_seconds") * 1000,
        .time_scale = config_f64(run->config, "run.time_scale"),
        .growth_count = config_i64(run->config, "health.min_growth_count"),
        .max_rss_mb = (double)config_i64(run->config, "limits.max_rss_mb"),
        .max_open_files = config_i64(run->config, "limits.max_open_files"),
        .rss_mb = process->module->beats ? process->telemetry.beat.rss_mb : process->usage.rss_mb,
        .open_files = process->module->beats ? process->telemetry.beat.open_files : process->usage.open_files,
        .lag_rows = run_lag_rows(run, process),
        .newest_event_ms = newest_event_ms(run),
        .summary_age_max_ms = summary_age_max_ms(run),
        .modules = run->choice.enabled | run->choice.implied,
    };
    health_judge(&process->health, &view, clock_wall_ms(&run->clock), tick);
}

bool process_degraded(const struct process *process)
{
    enum process_state state = process->supervisor.state;
    return process->supervisor.gave_up || state == PROCESS_DEGRADED || state == PROCESS_FAILED ||
           process->health.status == HEALTH_DEGRADED;
}

const char *process_health_name(const struct process *process)
{
    return health_status_name(process->retired ? HEALTH_UNKNOWN : process->health.status);
}

void inspect_health(struct run *run, struct process *process)
{
    health_update(run, process, false);
}

static void health_tick(struct run *run)
{
    run->unhealthy = false;
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        if (process->retired)
            continue;
        bool first = process->health.last_wall_ms == 0;
        enum health_status before = process->health.status;
        health_update(run, process, true);
        run->unhealthy = run->unhealthy || process->health.status != HEALTH_HEALTHY;
        if (first || before != process->health.status)
            feed_emit(&run->feed, process->health.status == HEALTH_HEALTHY ? LOG_INFO : LOG_WARNING, "Health",
                      process->name,
                      FEED_FIELDS(TEXT("status", health_status_name(process->health.status)),
                                  TEXT("failed", process->health.failed)));
    }
    int64_t tick_ms = configured_ms(run, "health.tick_s"),
            sooner_ms = config_wall_ms(run->config, UNHEALTHY_TICK_MS);
    run->tick_due_ms = run_now_ms(run) + (run->unhealthy && tick_ms > sooner_ms ? sooner_ms : tick_ms);
}

static void resources_of(struct process *process, int64_t now_ms)
{
    struct driver_resources resources;
    if (process->child.pid == 0 || driver_resources_read(process->child.pid, &resources) != STATUS_OK)
        return;
    usage_take(&process->usage, &resources, now_ms);
    process->max_rss_mb = fmax(process->max_rss_mb, resources.rss_peak_mb);
    if (resources.open_files > process->max_open_files)
        process->max_open_files = resources.open_files;
}

static void resource_tick(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++)
        resources_of(&run->processes[i], run_now_ms(run));
    self_look(run);
    run->resource_due_ms = run_now_ms(run) + config_wall_ms(run->config, RESOURCE_MS);
}

/* figure: a counter over all instances of a module, -1 when it is not known. */
static int64_t figure(const struct run *run, size_t module, const char *counter)
{
    int64_t value = -1;
    return run_counter(run, module, counter, &value) ? value : -1;
}

static void say_figure(char *line, size_t size, int64_t value, const char *one, const char *many)
{
    char text[COUNT_TEXT_BYTES];
    size_t length = strlen(line);
    if (value >= 0)
        snprintf(line + length, size - length, ", %s %s", count_text(value, text), plural(value, one, many));
}

/* say_behind: who has most left to read, so that the line moves while only that is being waited for. */
static void say_behind(const struct run *run, char *line, size_t size)
{
    enum { BEHIND_SAID = 10000 };
    const struct process *last = NULL;
    int64_t most = 0;
    char what[96];
    for (size_t i = 0; i < run->process_count; i++) {
        int64_t lag = run_lag_rows(run, &run->processes[i]);
        if (lag > most) {
            most = lag;
            last = &run->processes[i];
        }
    }
    if (most < BEHIND_SAID)
        return;
    snprintf(what, sizeof what, "rows still before %s", last->name);
    say_figure(line, size, most, what, what);
}

static void progress_tick(struct run *run)
{
    char line[512] = "", time_text[TIME_TEXT_BYTES] = "no event yet";
    int64_t event_ms = run_fed_event_ms(run);
    if (event_ms != FIELD_NULL_I64)
        time_iso_ms(event_ms, time_text);
    snprintf(line, sizeof line, "event time %s", time_text);
    say_figure(line, sizeof line, figure(run, MODULE_HARVEST, "received_messages"), "message", "messages");
    say_figure(line, sizeof line, figure(run, MODULE_HARVEST, "received_trades"), "trade", "trades");
    say_figure(line, sizeof line, figure(run, MODULE_HARVEST, "received_books"), "book", "books");
    say_figure(line, sizeof line, figure(run, MODULE_SIGNAL, "processed"), "signal", "signals");
    say_figure(line, sizeof line, figure(run, MODULE_SIGNAL, "confirmed"), "confirmed", "confirmed");
    say_figure(line, sizeof line, figure(run, MODULE_BROKER, "orders"), "order", "orders");
    say_behind(run, line, sizeof line);
    console_say(&run->console, "%s", line);
    run->progress_due_ms = run_now_ms(run) + PROGRESS_MS;
}

void inspect_step(struct run *run)
{
    int64_t now_ms = run_now_ms(run);
    if (run->go_ms && now_ms >= run->tick_due_ms)
        health_tick(run);
    if (now_ms >= run->resource_due_ms)
        resource_tick(run);
    if (run->go_ms && run->phase < PHASE_STOPPING && now_ms >= run->progress_due_ms)
        progress_tick(run);
}

int64_t inspect_due_ms(const struct run *run)
{
    int64_t due_ms = run->resource_due_ms;
    if (run->go_ms && run->tick_due_ms < due_ms)
        due_ms = run->tick_due_ms;
    if (run->go_ms && run->phase < PHASE_STOPPING && run->progress_due_ms < due_ms)
        due_ms = run->progress_due_ms;
    return due_ms;
}

int64_t run_lag_rows(const struct run *run, const struct process *process)
{
    const struct stream_status_row *rows = telemetry_streams(&process->telemetry);
    int64_t lag = 0;
    for (size_t i = 0; i < telemetry_count(&process->telemetry, PART_STREAMS); i++) {
        const struct stream_status_row *produced = NULL;
        for (size_t j = 0; rows[i].published != 1 && !produced && j < run->process_count; j++)
            produced = telemetry_stream(&run->processes[j].telemetry, rows[i].stream, true);
        if (produced && produced->last_sequence > rows[i].last_sequence)
            lag += produced->last_sequence - rows[i].last_sequence;
    }
    return lag;
}
