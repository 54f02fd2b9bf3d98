/* The life of the run: processes come up in order, the feed is opened, streams end, and everything goes down
 * in reverse order (operations.md §1, §7). One step function per phase; each looks at what is and decides
 * whether the next phase begins. */
#include "orchestrator/run.h"

#include "config/recorded.h"
#include "orchestrator/canary/fingerprints.h"
#include "orchestrator/export/exporter.h"
#include "orchestrator/faults/faults.h"
#include "orchestrator/interventions/canary_files.h"
#include "orchestrator/manifest/conclude.h"
#include "orchestrator/plan/playback.h"
#include "orchestrator/plan/resolve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    DRAIN_LIMIT_MS = 5000,   /* without any progress */
    REPORT_LIMIT_MS = 60000, /* final summaries and comparison of the sinks */
    STALL_LIMIT_MS = 10000,
};

const char *run_phase_name(enum run_phase phase)
{
    static const char *const NAMES[] = {"starting",  "feeding", "stopping_intake", "draining",
                                        "reporting", "judging", "stopping",        "ended"};
    return NAMES[phase];
}

static void enter(struct run *run, enum run_phase phase, int64_t limit_ms)
{
    run->phase = phase;
    run->phase_ms = run_now_ms(run);
    run->deadline_ms = run->phase_ms + limit_ms;
    run->progress_seen = -1;
    feed_emit(&run->feed, LOG_INFO, "phase", "", FEED_FIELDS(TEXT("phase", run_phase_name(phase))));
}

/* gone: will not do anything more by itself. */
static bool gone(const struct process *process)
{
    const struct supervisor *supervisor = &process->supervisor;
    return supervisor->state == PROCESS_STOPPED || supervisor->state == PROCESS_FAILED ||
           supervisor->state == PROCESS_DEGRADED;
}

/* --- starting --- */

static struct process *simulator_of(struct run *run)
{
    return run_process(run, module_at(MODULE_SIMULATOR)->name);
}

static void start_failed(struct run *run, const char *reason)
{
    run->failed_start = true;
    feed_emit(&run->feed, LOG_ERROR, "start_failed", "", FEED_FIELDS(TEXT("reason", reason)));
    console_say(&run->console, "the run cannot begin: %s", reason);
    lifecycle_end(run, reason);
}

/* tell_skipped: what of the recordings is not part of the run, since whoever judges the run must know. */
static void tell_skipped(struct run *run, int64_t lines)
{
    char count[COUNT_TEXT_BYTES];
    feed_emit(&run->feed, LOG_WARNING, "captures_skipped", "simulator", FEED_FIELDS(NUMBER("lines", lines)));
    console_say(&run->console,
                "simulator left out %s line%s of the captures that cannot be read; %s says which",
                count_text(lines, count), lines == 1 ? "" : "s", simulator_of(run)->stderr_path);
}

/* venue_take: what the simulator serves becomes part of the configuration before anyone else reads it. */
static enum status venue_take(struct run *run, struct error *error)
{
    struct venue_streams streams = {0};
    int64_t port = 0;
    enum status status = venue_port_read(RUN_PORT_PATH, &port, error);
    if (status == STATUS_OK)
        status = venue_streams_read(RUN_STREAMS_PATH, &streams, error);
    if (status == STATUS_OK)
        status = resolve_venue(run->config, &streams, port, error);
    if (status == STATUS_OK)
        status = resolve_write(run->config, RUN_EFFECTIVE_PATH, error);
    if (status == STATUS_OK)
        console_say(&run->console, "simulator serves %s: %zu symbol%s on port %lld", streams.market,
                    streams.symbol_count, streams.symbol_count == 1 ? "" : "s", (long long)port);
    if (status == STATUS_OK && streams.skipped > 0)
        tell_skipped(run, streams.skipped);
    run->market = (struct venue_streams){.messages = streams.messages,
                                         .first_recv_ms = streams.first_recv_ms,
                                         .last_recv_ms = streams.last_recv_ms};
    venue_streams_finish(&streams);
    return status;
}

static void fingerprint_tell(struct run *run)
{
    struct error error = {{0}};
    const char *path = resolve_config_path(run->options);
    config_fingerprint(run->config, run->fingerprint);
    if (fingerprints_note(run->config, run->fingerprint, &error) != STATUS_OK)
        log_event(LOG_ERROR, "write_error", "reason=\"%s\"", error.text);
    feed_emit(&run->feed, LOG_INFO, "config_loaded", "",
              FEED_FIELDS(TEXT("path", path ? path : ""), TEXT("fingerprint", run->fingerprint),
                          NUMBER("overrides", resolve_overrides(run->config))));
    canary_files_tag(run);
}

/* venue_ready: true when harvest may read its configuration. */
static bool venue_ready(struct run *run)
{
    struct process *simulator = simulator_of(run);
    struct error error = {{0}};
    if (run->venue_resolved)
        return true;
    if (simulator && !simulator->announced)
        return false;
    enum status status = simulator ? venue_take(run, &error) : STATUS_OK;
    if (status == STATUS_OK)
        status = run_plan_make(run, &error);
    if (status != STATUS_OK) {
        run->bad_configuration = status == STATUS_INVALID;
        start_failed(run, error.text);
        return false;
    }
    fingerprint_tell(run);
    run->venue_resolved = true;
    return true;
}

/* settled: the next process need not wait for this one: it exists, though it may not be ready. They get ready side by side;
 * nothing is fed before all of them are. */
static bool settled(const struct run *run, const struct process *process)
{
    return process_exists(run, process) || gone(process) || process->supervisor.state == PROCESS_RESTARTING;
}

static void say_go(struct run *run)
{
    run->go_ms = run_now_ms(run);
    run->go_wall_ms = clock_wall_ms(&run->clock);
    double minutes = config_f64(run->config, "run.minutes");
    enum config_origin origin = config_origin_of(run->config, "run.minutes");
    bool asked = origin == ORIGIN_CLI || origin == ORIGIN_ENVIRONMENT;
    bool limited = minutes > 0 && (!run->recorded || asked); /* a recording ends by itself */
    run->end_due_ms = limited ? run->go_ms + config_wall_ms(run->config, minutes * 60000.0) : NEVER_MS;
    run->progress_due_ms = run->go_ms + 2000;
    enter(run, PHASE_FEEDING, 0);
    feed_emit(&run->feed, LOG_INFO, "go", "", FEED_FIELDS(NUMBER("sequence", run_fed_rows(run))));
    console_say(&run->console, "go: all ready after %lld ms", (long long)(run->go_ms - run->started_ms));
    for (size_t i = 0; i < run->process_count; i++)
        command_want(&run->processes[i], VERB_GO);
}

static void step_starting(struct run *run)
{
    size_t ready = 0;
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[run->order[i]];
        bool feeds = process->module_index == MODULE_SIMULATOR || process->module->takes_feed;
        if (process->module_index != MODULE_SIMULATOR && !venue_ready(run))
            return;
        if (!process->wanted)
            process_step(run, process, EVENT_START);
        if (process->supervisor.gave_up && feeds) {
            /* What the simulator refuses at its start is what the command line gave it. */
            run->bad_configuration =
                process->module_index == MODULE_SIMULATOR && process->last_exit.code == 2;
            start_failed(run, recorded_plays_rows(run->config)
                                  ? "without the rows that features plays there is nothing to work on"
                                  : "without the simulator and harvest there is nothing to work on");
            return;
        }
        if (!settled(run, process))
            return;
        ready += process_state_up(process->supervisor.state) || process->supervisor.gave_up;
    }
    if (ready == run->process_count)
        say_go(run);
}

/* --- feeding --- */

static bool service_enabled(const struct run *run, const char *stream)
{
    module_set all = run->choice.enabled | run->choice.implied;
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        size_t length = strlen(module_at(i)->name);
        if ((all & module_bit(i)) && strncmp(stream, module_at(i)->name, length) == 0 &&
            stream[length] == '/')
            return true;
    }
    return false;
}

static size_t enabled_inputs(const struct run *run, const struct process *process)
{
    size_t count = 0;
    module_set all = run->choice.enabled | run->choice.implied;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        count += (process->module->inputs & all & module_bit(i)) != 0;
    return count;
}

/* inputs_ended: it has consumed the end of everything it reads. */
static bool inputs_ended(const struct run *run, const struct process *process, size_t symbol_count)
{
    const struct stream_status_row *rows = telemetry_streams(&process->telemetry);
    size_t ended = 0;
    for (size_t i = 0; i < telemetry_count(&process->telemetry, PART_STREAMS); i++) {
        if (rows[i].published == 1 || !service_enabled(run, rows[i].stream))
            continue;
        if (rows[i].ended != 1)
            return false;
        ended++;
    }
    return ended >= symbol_count * enabled_inputs(run, process);
}

static bool process_ended(const struct run *run, const struct process *process)
{
    size_t symbol_count = run_symbols_of(run, process);
    if (gone(process) || !process->module->beats)
        return true;
    if (!process_state_up(process->supervisor.state) || !process->telemetry.seen)
        return false;
    if (process->module->takes_feed)
        return telemetry_ended(&process->telemetry, true, symbol_count);
    return !process->module->drains || inputs_ended(run, process, symbol_count);
}

static bool streams_ended(const struct run *run)
{
    bool fed = false;
    if (run->scaling.step != SCALE_IDLE)
        return false; /* symbols are on their way */
    for (size_t i = 0; i < run->process_count; i++) {
        if (!process_ended(run, &run->processes[i]))
            return false;
        fed = fed || (run->processes[i].module->takes_feed && !gone(&run->processes[i]));
    }
    return fed;
}

static int64_t progress_of(const struct run *run)
{
    int64_t progress = 0;
    for (size_t i = 0; i < run->process_count; i++)
        progress += process_progress(&run->processes[i]) + telemetry_written(&run->processes[i].telemetry);
    return progress;
}

/* stalled: a process has given up, and because of it the others have nothing left to do; a recorded run would
 * otherwise wait for an end of stream that cannot come. */
static bool stalled(struct run *run)
{
    bool gave_up = false;
    for (size_t i = 0; i < run->process_count; i++)
        gave_up = gave_up || run->processes[i].supervisor.gave_up;
    int64_t progress = progress_of(run), now_ms = run_now_ms(run);
    if (!gave_up || progress != run->progress_seen || !run->stalled_ms)
        run->stalled_ms = now_ms;
    run->progress_seen = progress;
    return gave_up && now_ms - run->stalled_ms >= STALL_LIMIT_MS;
}

static void start_fault(struct run *run, const struct option_fault *wanted)
{
    struct error error = {{0}};
    int64_t id;
    if (!run_process(run, wanted->process))
        console_say(&run->console, "--fault %s: %s is not part of this run", wanted->process,
                    wanted->process);
    for (size_t i = 0; i < run->process_count; i++)
        if (run_meant(&run->processes[i], wanted->process) && !run->processes[i].retired &&
            process_signal(run, &run->processes[i], wanted->signal, &id, &error) != STATUS_OK)
            console_say(&run->console, "--fault %s: %s", run->processes[i].name, error.text);
}

static double market_share(struct run *run)
{
    int64_t messages = -1, event_ms = run_fed_event_ms(run);
    if (recorded_plays_rows(run->config))
        return playback_share(run);
    if (!run_counter(run, MODULE_HARVEST, "received_messages", &messages))
        return NAN;
    return venue_share(&run->market, messages, event_ms == FIELD_NULL_I64 ? -1 : event_ms);
}

/* fault_due_ms: of one that is wanted so many seconds after go. */
static int64_t fault_due_ms(const struct run *run, const struct option_fault *wanted)
{
    return run->go_ms + config_wall_ms(run->config, wanted->seconds * 1000.0);
}

static void start_faults(struct run *run)
{
    while (run->faults_started < run->options->fault_count) {
        const struct option_fault *wanted = &run->options->faults[run->faults_started];
        if (isinf(wanted->seconds) || run_now_ms(run) < fault_due_ms(run, wanted))
            break;
        run->faults_started++;
        start_fault(run, wanted);
    }
    for (size_t i = run->faults_started; i < run->options->fault_count; i++) {
        const struct option_fault *wanted = &run->options->faults[i];
        double share = run->share_faults_started >> i & 1 ? NAN : market_share(run);
        if (!(share >= wanted->share))
            continue;
        run->share_faults_started |= (size_t)1 << i;
        console_say(&run->console, "--fault: %.0f %% of the market have passed: %s gets signal %d",
                    100 * share, wanted->process, wanted->signal);
        start_fault(run, wanted);
    }
}

static void step_feeding(struct run *run)
{
    start_faults(run);
    if (streams_ended(run))
        lifecycle_end(run, "end of all streams");
    else if (run_now_ms(run) >= run->end_due_ms)
        lifecycle_end(run, "the planned minutes are over");
    else if (run->recorded && stalled(run))
        lifecycle_end(run, "a process has given up and nothing moves any more");
}

/* --- shutdown --- */

/* overdue: the phase's limit has passed without progress. */
static bool overdue(struct run *run, int64_t limit_ms)
{
    int64_t progress = progress_of(run), now_ms = run_now_ms(run);
    if (progress != run->progress_seen)
        run->deadline_ms = now_ms + limit_ms;
    run->progress_seen = progress;
    return now_ms >= run->deadline_ms;
}

static void begin_stopping(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (!run->processes[i].retired)
            inspect_health(run, &run->processes[i]); /* as it stands at the end */
    enter(run, PHASE_STOPPING, REPORT_LIMIT_MS);
    run->stop_index = run->process_count;
}

void lifecycle_end(struct run *run, const char *reason)
{
    if (run->phase > PHASE_FEEDING)
        return;
    bool fed = run->phase == PHASE_FEEDING;
    enum status ignored = faults_clear(run, 0, NULL); /* nobody drains with his hands tied */
    (void)ignored;
    run->fed_until_wall_ms = clock_wall_ms(&run->clock);
    snprintf(run->end_reason, sizeof run->end_reason, "%s", reason);
    console_say(&run->console, "ending: %s", reason);
    feed_emit(&run->feed, LOG_INFO, "stop_intake", "",
              FEED_FIELDS(TEXT("reason", reason), NUMBER("sequence", run_fed_rows(run))));
    if (!fed) {
        begin_stopping(run);
        return;
    }
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].module->takes_feed)
            command_want(&run->processes[i], VERB_STOP_INTAKE);
    enter(run, PHASE_STOPPING_INTAKE, DRAIN_LIMIT_MS);
}

void lifecycle_interrupt(struct run *run)
{
    run->interrupts++;
    if (run->phase <= PHASE_FEEDING) {
        lifecycle_end(run, "interrupted");
    } else if (run->phase >= PHASE_STOPPING || run->interrupts < 2) {
        return;
    } else if (run->interrupts > 2 || run->judging || run->phase == PHASE_JUDGING) {
        run->skipped_drain = true;
        console_say(&run->console, "interrupted again: not waiting for the rest");
        begin_stopping(run);
    } else if (run->phase < PHASE_REPORTING) {
        run->skipped_drain = true;
        console_say(&run->console,
                    "interrupted again: not waiting for whoever drains, only for the day report");
    } else {
        console_say(&run->console,
                    "the day report is being written; interrupted once more it is not waited for");
    }
}

/* drain_some: tells those of one kind to drain. */
static void drain_some(struct run *run, bool last)
{
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        if (process->module->drains && !process->module->takes_feed && process->module->drains_last == last)
            process_step(run, process, EVENT_DRAIN);
    }
}

static bool drained(const struct run *run, bool last)
{
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        bool meant =
            process->module->drains && !process->module->takes_feed && process->module->drains_last == last;
        if (meant && process->supervisor.state != PROCESS_DRAINED && !gone(process))
            return false;
    }
    return true;
}

static void tell_undrained(struct run *run, bool last)
{
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        bool meant =
            process->module->drains && !process->module->takes_feed && process->module->drains_last == last;
        if (!meant || process->supervisor.state == PROCESS_DRAINED || gone(process))
            continue;
        feed_emit(&run->feed, LOG_WARNING, "drain_timeout", process->name,
                  FEED_FIELDS(TEXT("state", process_state_name(process->supervisor.state)),
                              NUMBER("lag_rows", run_lag_rows(run, process))));
        console_say(&run->console, "%s did not drain in time", process->name);
    }
}

static void step_stopping_intake(struct run *run)
{
    bool late = overdue(run, DRAIN_LIMIT_MS);
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].module->takes_feed && !process_ended(run, &run->processes[i]) && !late)
            return;
    if (run->scaling.step != SCALE_IDLE && !late)
        return; /* what is on its way between two instances nobody could drain */
    if (late)
        console_say(&run->console, "%s did not end its streams in time",
                    recorded_plays_rows(run->config) ? "features" : "harvest");
    run->fed_to_the_end = !late;
    enter(run, PHASE_DRAINING, DRAIN_LIMIT_MS);
    drain_some(run, false);
}

static void tell_drained(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].supervisor.state == PROCESS_DRAINED)
            feed_emit(&run->feed, LOG_INFO, "drained", run->processes[i].name,
                      FEED_FIELDS(NUMBER("sequence", telemetry_rows(&run->processes[i].telemetry, false))));
    if (!run->skipped_drain)
        console_say(&run->console, "drained in %lld ms", (long long)(run_now_ms(run) - run->phase_ms));
}

static void step_draining(struct run *run)
{
    bool late = overdue(run, DRAIN_LIMIT_MS);
    if (!drained(run, false) && !late && !run->skipped_drain)
        return;
    if (!run->skipped_drain)
        tell_undrained(run, false);
    tell_drained(run);
    conclude_give(run);
    enter(run, PHASE_REPORTING, REPORT_LIMIT_MS);
    if ((run->choice.enabled | run->choice.implied) & module_bit(MODULE_REPORT))
        conclude_say(run, run->leads_on ? "report stores what it has counted"
                                        : "report reads the sinks, for summaries and parity");
    drain_some(run, true);
}

/* cut_off: it reads somebody who will not say anything any more, not even that his stream has ended. */
static bool cut_off(const struct run *run, const struct process *process)
{
    for (size_t i = 0; i < run->process_count; i++)
        if ((process->module->inputs & module_bit(run->processes[i].module_index)) &&
            gone(&run->processes[i]))
            return true;
    return false;
}

/* reported: report and the last export are done, or are not waited for any longer. Its summaries it writes at once; whether those it
 * reads still come to their end nobody waits for who has interrupted their draining. */
static bool reported(struct run *run)
{
    bool hopeless = false;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        bool cut = cut_off(run, process) || (run->skipped_drain && !process_ended(run, process));
        hopeless = hopeless || (process->module->drains_last && cut);
    }
    int64_t limit_ms = hopeless ? DRAIN_LIMIT_MS : REPORT_LIMIT_MS;
    if (!drained(run, true) && run_now_ms(run) < run->phase_ms + limit_ms)
        return false;
    exporter_end(run->exporter); /* the last export, of the final figures */
    if (!exporter_ended(run->exporter))
        return false;
    tell_undrained(run, true);
    return true;
}

static void step_reporting(struct run *run)
{
    if (run->leads_on) { /* what only reads files is done while the next run goes on */
        if (reported(run))
            begin_stopping(run);
        return;
    }
    if ((!run->judging && !reported(run)) || !conclude_judged(run))
        return;
    conclude_give(run);
    conclude_judged_finish(run);
    enter(run, PHASE_JUDGING, REPORT_LIMIT_MS);
    conclude_say(run, "the gates' place in the summaries");
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].supervisor.state == PROCESS_DRAINED && run->processes[i].module->drains_last)
            command_want(&run->processes[i], VERB_SUMMARY);
}

static void step_judging(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        bool written =
            command_answered(process, VERB_SUMMARY) && strcmp(process->telemetry.beat.state, "drained") == 0;
        if (process->commands[VERB_SUMMARY].wanted && !written && !gone(process) &&
            run_now_ms(run) < run->deadline_ms)
            return;
    }
    begin_stopping(run);
}

/* is_saying_again: it had ended its streams and died behind that: until its next life has come to their end, too, it has counted less than
 * its journal holds, and its last word for the ledger would be short of it. */
static bool is_saying_again(const struct run *run, const struct process *process)
{
    return process->module->takes_feed && run->fed_to_the_end && !run->skipped_drain &&
           !process_ended(run, process) && run_now_ms(run) < run->deadline_ms;
}

static void step_stopping(struct run *run)
{
    while (run->stop_index > 0) {
        struct process *process = &run->processes[run->order[run->stop_index - 1]];
        if (is_saying_again(run, process))
            return; /* its heartbeat brings us back */
        if (process->supervisor.state != PROCESS_STOPPED)
            process_step(run, process, EVENT_STOP);
        if (!gone(process))
            return; /* its exit, or its timer, brings us back */
        run->stop_index--;
    }
    run->ended_wall_ms = clock_wall_ms(&run->clock);
    enter(run, PHASE_ENDED, 0);
}

void lifecycle_step(struct run *run)
{
    enum run_phase before;
    do {
        before = run->phase;
        switch (run->phase) {
        case PHASE_STARTING: step_starting(run); break;
        case PHASE_FEEDING: step_feeding(run); break;
        case PHASE_STOPPING_INTAKE: step_stopping_intake(run); break;
        case PHASE_DRAINING: step_draining(run); break;
        case PHASE_REPORTING: step_reporting(run); break;
        case PHASE_JUDGING: step_judging(run); break;
        case PHASE_STOPPING: step_stopping(run); break;
        case PHASE_ENDED: break;
        }
    } while (run->phase != before);
}

int64_t lifecycle_due_ms(const struct run *run)
{
    int64_t due_ms = NEVER_MS;
    if (run->judging) /* its end wakes us */
        return run->phase == PHASE_REPORTING ? conclude_judged_due_ms(run) : due_ms;
    if (run->phase == PHASE_REPORTING && run_now_ms(run) < run->phase_ms + DRAIN_LIMIT_MS)
        return run->phase_ms + DRAIN_LIMIT_MS;
    if (run->phase > PHASE_FEEDING && run->phase < PHASE_STOPPING)
        return run->deadline_ms;
    if (run->phase == PHASE_STOPPING && run_now_ms(run) < run->deadline_ms)
        return run->deadline_ms;
    if (run->phase != PHASE_FEEDING)
        return due_ms;
    due_ms = run->end_due_ms;
    if (run->faults_started < run->options->fault_count &&
        isfinite(run->options->faults[run->faults_started].seconds)) {
        int64_t fault_ms = fault_due_ms(run, &run->options->faults[run->faults_started]);
        due_ms = fault_ms < due_ms ? fault_ms : due_ms;
    }
    if (run->stalled_ms && run->stalled_ms + STALL_LIMIT_MS < due_ms)
        due_ms = run->stalled_ms + STALL_LIMIT_MS;
    return due_ms;
}
