#include "conclude.h"

#include "accounting.h"
#include "base/crash_point.h"
#include "base/exits.h"
#include "base/memory.h"
#include "conditions.h"
#include "config/recorded.h"
#include "errand.h"
#include "given.h"
#include "manifest.h"
#include "orchestrator/alerts/alerting.h"
#include "orchestrator/export/exporter.h"
#include "orchestrator/plan/playback.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_WORD_MS = 10000 };

enum status conclude_begin(const struct run *run, struct error *error)
{
    return manifest_write(run, NULL, error);
}

/* places_of: run_id, sink and folders are borrowed from the run. */
static struct evidence_places places_of(const struct run *run)
{
    struct evidence_places places = {
        .run_id = run->run_id,
        .output_dir = config_text(run->config, "run.output_dir"),
        .data_root = config_text(run->config, "run.data_root"),
        .sink = config_text(run->config, "run.sink"),
        .modules = run->choice.enabled | run->choice.implied,
    };
    evidence_places_live(&places, config_text(run->config, "run.artifacts_dir"),
                         config_text(run->config, "run.logs_dir"));
    return places;
}

/* losses_of: rows_expected from the feature rows that features had published by the fault and by the recovery; rows_lost and
 * rows_duplicated from the whole run: one anywhere counts against every fault, as nothing tells which of them made it. */
static struct fault_loss *losses_of(const struct run *run, const struct evidence *evidence)
{
    struct fault_loss *losses = memory_allocate((run->fault_count + 1) * sizeof *losses);
    const char *sink = config_text(run->config, "run.sink");
    bool dual = strcmp(sink, "dual") == 0;
    const struct evidence_fact *parity = evidence_find(evidence, "sink_differences");
    for (size_t i = 0; i < run->fault_count; i++) {
        const struct fault *fault = &run->faults[i];
        bool recovered = fault_waiting(fault) == FAULT_STEP_COUNT;
        int64_t rows = fault->features_at_healthy - fault->features_at_kill;
        bool known = recovered && fault->features_at_kill >= 0 && rows >= 0;
        losses[i].rows_expected = known ? rows : -1;
        losses[i].rows_lost = evidence_rows_lost(evidence, sink);
        losses[i].rows_duplicated = evidence_rows_repeated(evidence, sink);
        if (dual)
            losses[i].parity_verdict = !parity ? "UNKNOWN" : parity->value == 0 ? "PASS" : "FAIL";
    }
    return losses;
}

int64_t conclude_limit_ms(const struct run *run)
{
    int64_t given_ms = config_i64(run->config, "run.conclude_timeout_s") * 1000;
    int64_t scaled_ms = config_wall_ms(run->config, (double)given_ms);
    int64_t least_ms = given_ms < CONCLUDE_LEAST_MS ? given_ms : CONCLUDE_LEAST_MS;
    int64_t fed_ms = run->go_ms ? run->fed_until_wall_ms - run->go_wall_ms : 0;
    return (scaled_ms > least_ms ? scaled_ms : least_ms) + (fed_ms > 0 ? fed_ms : 0);
}

/* tell_late: an errand is waited for no longer. */
static void tell_late(struct run *run, const char *what, const char *step)
{
    char reason[256];
    snprintf(reason, sizeof reason, "%s%s%s", step ? "reading " : "", step ? step : "reading the run's files",
             " does not end: a file of the run does not answer");
    feed_emit(
        &run->feed, LOG_ERROR, "conclude_timeout", "",
        FEED_FIELDS(TEXT("what", what), NUMBER("limit_ms", conclude_limit_ms(run)), TEXT("reason", reason)));
    console_say(&run->console, "%s: not done within %.0f s (run.conclude_timeout_s): %s", what,
                (double)conclude_limit_ms(run) / 1000, reason);
}

void conclude_say(const struct run *run, const char *step)
{
    console_say(&run->console, "concluding: %s …", step);
    log_event(LOG_INFO, "concluding", "step=\"%s\"", step);
}

/* --- before the stop --- */

/* judging: the gates that can be judged before the processes are stopped, from files, like the final judgement. All of it is the
 * errand's, which may outlive the run: the texts are its own. */
struct judging {
    struct errand errand;
    int64_t deadline_ms;
    struct evidence_places places;
    char *texts[4]; /* of places */
    struct evidence evidence;
    struct gate_results gates;
    struct buffer counts; /* of every process, as the status file had them */
    enum status status;
    struct error error;
};

static void judge(void *context)
{
    struct judging *judging = context;
    struct gate_conditions conditions;
    judging->status =
        conditions_read(judging->places.manifest_path, judging->places.run_id, &conditions, &judging->error);
    if (judging->status != STATUS_OK)
        return;
    evidence_gather(&judging->places, &judging->evidence);
    conditions.before_stop = true;
    gates_judge(&conditions, &judging->evidence, &judging->gates);
}

static void places_own(struct judging *judging)
{
    struct evidence_places *places = &judging->places;
    const char **const borrowed[] = {&places->run_id, &places->output_dir, &places->data_root, &places->sink};
    for (size_t i = 0; i < sizeof borrowed / sizeof *borrowed; i++)
        *borrowed[i] = judging->texts[i] = memory_copy_text(*borrowed[i]);
}

static struct judging *judging_create(const struct run *run)
{
    struct judging *judging = memory_allocate(sizeof *judging);
    struct json json;
    judging->places = places_of(run);
    places_own(judging);
    buffer_init(&judging->counts, 0);
    json_init(&json, &judging->counts);
    given_counts_json(run, &json);
    judging->errand = (struct errand){.done = true, .descriptor = -1};
    return judging;
}

/* judging_begin: status and manifest are brought up to date for it. */
static struct judging *judging_begin(struct run *run)
{
    struct judging *judging = judging_create(run);
    char path[PATH_BYTES];
    judging->deadline_ms = run_now_ms(run) + conclude_limit_ms(run);
    conclude_say(run, "the gates that can be judged before the stop");
    manifest_status_path(run, path);
    judging->status = status_write(run, path);
    if (judging->status == STATUS_OK)
        judging->status = manifest_write(run, NULL, &judging->error);
    if (judging->status == STATUS_OK)
        errand_begin(&judging->errand, judge, judging, run->epoll_descriptor, RUN_ERRAND_EVENT);
    return judging;
}

bool conclude_judged(struct run *run)
{
    if (!run->judging)
        run->judging = judging_begin(run);
    if (errand_done(&run->judging->errand))
        return true;
    if (run_now_ms(run) < run->judging->deadline_ms || !errand_leave(&run->judging->errand))
        return false;
    run->judging = NULL; /* its thread's */
    tell_late(run, "the gates before the stop", NULL);
    return true;
}

int64_t conclude_judged_due_ms(const struct run *run)
{
    return run->judging->deadline_ms;
}

void conclude_judged_finish(struct run *run)
{
    if (!run->judging)
        return;
    errand_finish(&run->judging->errand);
    buffer_finish(&run->judging->counts);
    for (size_t i = 0; i < sizeof run->judging->texts / sizeof *run->judging->texts; i++)
        free(run->judging->texts[i]);
    free(run->judging);
    run->judging = NULL;
}

void conclude_give(struct run *run)
{
    static const struct evidence NOTHING_KNOWN = {.count = 0};
    const struct judging *judging = run->judging;
    if (judging && judging->status != STATUS_OK) {
        log_event(LOG_ERROR, "given", "reason=\"%s\"", judging->error.text);
        return;
    }
    struct fault_loss *losses = losses_of(run, judging ? &judging->evidence : &NOTHING_KNOWN);
    given_write(run, judging ? &judging->gates : NULL, judging ? &judging->counts : NULL, losses);
    free(losses);
}

static int exit_code_of(const struct run *run, enum gate_verdict overall)
{
    if (run->bad_configuration)
        return EXIT_WRONG_USE;
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].supervisor.gave_up || run->processes[i].health.status == HEALTH_DEGRADED)
            return EXIT_NOT_HEALTHY;
    if (run->failed_start)
        return EXIT_NOT_HEALTHY;
    return overall == GATE_PASS && !run->ended_by_alert ? EXIT_FINE : EXIT_NOT_EVEN;
}

static void say_gates(struct run *run, const struct gate_results *gates)
{
    char measured[F64_TEXT_BYTES], threshold[F64_TEXT_BYTES];
    size_t passed = 0;
    for (size_t i = 0; i < gates->count; i++) {
        const struct gate_result *gate = &gates->items[i];
        f64_text(gate->measured, measured);
        f64_text(gate->threshold, threshold);
        passed += gate->verdict == GATE_PASS;
        log_event(LOG_INFO, "verdict", "gate=%s measured=%s op=\"%s\" threshold=%s verdict=%s", gate->id,
                  measured, gate->op, threshold, gate_verdict_name(gate->verdict));
        if (gate->verdict != GATE_PASS && run->go_ms) /* without a market they all say the same */
            console_say(&run->console, "gate %s: %s (%s %s, must be %s %s)", gate->id,
                        gate_verdict_name(gate->verdict), isnan(gate->measured) ? "not measured" : measured,
                        gate->unit, gate->op, threshold);
    }
    console_say(&run->console, "gates %s: %zu of %zu pass%s", gate_set_name(run->gates), passed, gates->count,
                run->go_ms ? "" : ": no market was seen, so nothing could be measured");
}

/* after: "ready after 22 ms", or that it never came. */
static const char *after(const char *what, double ms, char out[64])
{
    if (isnan(ms))
        snprintf(out, 64, "never %s", what);
    else
        snprintf(out, 64, "%s after %.0f ms", what, ms);
    return out;
}

static void say_faults(struct run *run, const struct fault_loss *losses)
{
    for (size_t i = 0; i < run->fault_count; i++) {
        const struct fault *fault = &run->faults[i];
        char ready[64], caught_up[64];
        if (fault_never_began(fault)) { /* it hurt nobody, so nobody recovered */
            console_say(&run->console, "fault %lld, %s on %s: %s: %s", (long long)fault->id,
                        injury_row(fault->order.kind)->name, fault->process, fault->reason,
                        fault_verdict(fault, &losses[i]));
            continue;
        }
        if (fault_is_lease(fault)) {
            console_say(&run->console, "fault %lld, %s on %s: %lld %s, %s: %s", (long long)fault->id,
                        injury_row(fault->order.kind)->name, fault->process, (long long)fault->touched,
                        injury_touched(fault->order.kind, fault->touched),
                        after("caught up", fault_recovery_ms(fault), caught_up),
                        fault_verdict(fault, &losses[i]));
            continue;
        }
        console_say(&run->console, "fault %lld on %s: %s, %s: %s", (long long)fault->id, fault->process,
                    after("ready", fault_elapsed_ms(fault, FAULT_READY), ready),
                    after("caught up", fault_elapsed_ms(fault, FAULT_HEALTHY), caught_up),
                    fault_verdict(fault, &losses[i]));
    }
}

static void say_shutdown(struct run *run)
{
    char names[1024] = "";
    for (size_t i = 0; i < run->shutdown_count; i++) {
        size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                 run->processes[run->shutdown_order[i]].name);
    }
    if (*names)
        console_say(&run->console, "stopped in this order: %s", names);
}

static void say_places(struct run *run)
{
    char path[PATH_BYTES];
    const struct config *config = run->config;
    manifest_path(run, path);
    console_say(&run->console, "manifest   %s", path);
    console_say(&run->console, "signals    %s/%s", config_text(config, "run.output_dir"),
                strcmp(config_text(config, "run.sink"), "jsonl") == 0 ? "ready/signal" : "signals.db");
    if (recorded_plays_rows(config))
        playback_say_end(run);
    else
        console_say(&run->console, "data       %s/ofi_cvd (Parquet), %s/raw (capture)",
                    config_text(config, "run.data_root"), config_text(config, "run.data_root"));
    console_say(&run->console, "report     %s/report", config_text(config, "run.logs_dir"));
    console_say(&run->console, "logs       %s", config_text(config, "run.logs_dir"));
}

/* --- behind the last exit --- */

/* concluding: all of it is the errand's; `run` is a copy, and what its pointers lead to does not change behind the last exit. */
struct concluding {
    struct errand errand;
    int64_t deadline_ms;
    _Atomic(const char *) step; /* what it is at */
    bool stuck;                 /* left in the middle of writing the manifest */
    struct run *run;
    struct gate_results gates;
    struct fault_loss *losses;
    int code;
    enum status status;
    struct error error;
};

/* at: the step that begins; whoever waits for the verdict is told what is read just now. */
static void at(struct concluding *concluding, const char *step)
{
    atomic_store(&concluding->step, step);
    conclude_say(concluding->run, step);
    crash_point("concluding");
}

/* manifest_replace: not once it is waited for no longer: then the manifest says so. */
static enum status manifest_replace(struct concluding *concluding,
                                    const struct manifest_conclusion *conclusion, struct error *error)
{
    struct buffer text;
    buffer_init(&text, 0);
    manifest_make(concluding->run, conclusion, &text);
    enum status status = errand_hold(&concluding->errand)
                             ? manifest_store(concluding->run, &text, error)
                             : error_set(error, STATUS_CLOSED, "nobody waits for the verdict any more");
    errand_let_go(&concluding->errand);
    buffer_finish(&text);
    return status;
}

static bool has_report(const struct run *run)
{
    return (run->choice.enabled | run->choice.implied) & module_bit(MODULE_REPORT);
}

/* summaries_write: what report has left to be written from its database: once for the gates, and once more with them. */
static void summaries_write(struct concluding *concluding)
{
    struct run *run = concluding->run;
    if (!run->leads_on || !has_report(run))
        return;
    at(concluding, "the rows of the sinks, for the summaries");
    conclude_give(run);
    accounting_summary(run);
    run->judging = judging_create(run);
    at(concluding, "the rows of the sinks, for the gates in the summaries");
    judge(run->judging);
    conclude_give(run);
    conclude_judged_finish(run);
    at(concluding, "the rows of the sinks, for the summaries with the gates");
    accounting_summary(run);
}

/* summaries_finish: all gates are known now, those too that only the last exit decides, and what every daemon counted up to its own end:
 * summaries, manifest and whoever verifies tell of the same. No gate is judged by what changes with it. */
static void summaries_finish(struct concluding *concluding)
{
    const struct run *run = concluding->run;
    if (!has_report(run))
        return;
    at(concluding, "the last figures' place in the summaries");
    given_write(run, &concluding->gates, NULL, concluding->losses);
    accounting_given(run);
}

/* quality_wanted: of every market that was harvested. A recording says nothing about harvesting: only the gates that ask for it. */
static bool quality_wanted(const struct run *run)
{
    bool archives = (run->choice.enabled | run->choice.implied) & module_bit(MODULE_ARCHIVE);
    return run->gates == GATES_SOAK || (archives && run->go_ms && !run->recorded);
}

/* files_write: everything the verdict is computed from, but the status file, and what only the rows tell of the faults. */
static enum status files_write(struct concluding *concluding, struct error *error)
{
    const struct run *run = concluding->run;
    struct manifest_conclusion conclusion = {0};
    summaries_write(concluding);
    at(concluding, "the raw capture");
    enum status status = manifest_write_source(run, error);
    at(concluding, "the manifest");
    status = status == STATUS_OK ? manifest_replace(concluding, &conclusion, error) : status;
    if (status != STATUS_OK)
        return status;
    at(concluding, "the loss ledger");
    accounting_make(run);
    if (quality_wanted(run)) {
        at(concluding, "the data quality");
        accounting_quality(run);
    }
    if (run->gates == GATES_CANARY) {
        at(concluding, "the canary's figures");
        accounting_canary(run);
    }
    return STATUS_OK;
}

/* write_all: files first, then figures from the files, then the verdict into the manifest. What rows tell of the faults goes
 * into the manifest before it is read: the verdict sees it there, as whoever verifies it later does. */
static enum status write_all(struct concluding *concluding, struct error *error)
{
    const struct run *run = concluding->run;
    struct evidence evidence = {.count = 0};
    struct evidence_places places = places_of(run);
    struct gate_conditions conditions;
    enum status status = files_write(concluding, error);
    if (status != STATUS_OK)
        return status;
    at(concluding, "the rows of the sinks and of the data sets");
    evidence_gather_rows(&places, &evidence);
    concluding->losses = losses_of(run, &evidence);
    struct manifest_conclusion conclusion = {.losses = concluding->losses};
    status = manifest_replace(concluding, &conclusion, error);
    if (status == STATUS_OK)
        status = conditions_read(places.manifest_path, run->run_id, &conditions, error);
    if (status != STATUS_OK)
        return status;
    at(concluding, "reports and manifests, for the gates");
    evidence_gather_documents(&places, &evidence);
    gates_judge(&conditions, &evidence, &concluding->gates);
    conclusion.gates = &concluding->gates;
    conclusion.overall = gates_overall(&concluding->gates);
    conclusion.exit_code = concluding->code = exit_code_of(run, conclusion.overall);
    summaries_finish(concluding);
    return manifest_replace(concluding, &conclusion, error);
}

static void write_and_judge(void *context)
{
    struct concluding *concluding = context;
    concluding->status = write_all(concluding, &concluding->error);
}

struct concluding *conclude_start(struct run *run)
{
    struct concluding *concluding = memory_allocate(sizeof *concluding);
    char path[PATH_BYTES];
    conclude_judged_finish(run); /* of a run that was not waited for */
    concluding->deadline_ms = run_now_ms(run) + conclude_limit_ms(run);
    quality_watch_end(run);
    canary_watch_end(run);
    manifest_status_path(run, path);
    if (!*run->behind) /* it was written when the run was left */
        concluding->status = status_write(run, path);
    concluding->run = memory_copy(run, sizeof *run);
    if (concluding->status == STATUS_OK) {
        errand_begin(&concluding->errand, write_and_judge, concluding, run->epoll_descriptor,
                     RUN_ERRAND_EVENT);
        return concluding;
    }
    error_set(&concluding->error, concluding->status, "%s cannot be written: %m", path);
    concluding->errand = (struct errand){.done = true, .descriptor = -1};
    return concluding;
}

bool conclude_done(struct run *run, struct concluding *concluding)
{
    int64_t late_ms = run_now_ms(run) - concluding->deadline_ms;
    if (errand_done(&concluding->errand))
        return true;
    concluding->stuck = late_ms >= LAST_WORD_MS; /* even the manifest's place does not answer */
    run->unconcluded = late_ms >= 0 && (errand_leave(&concluding->errand) || concluding->stuck);
    return run->unconcluded;
}

/* manifest_without_verdict: an errand, as writing may not end either. */
static void manifest_without_verdict(void *context)
{
    struct concluding *last = context;
    const struct manifest_conclusion conclusion = {0};
    last->status = manifest_write(last->run, &conclusion, &last->error);
}

/* last_word: false: it could not be written within LAST_WORD_MS. */
static bool last_word(struct run *run)
{
    struct concluding *last = memory_allocate(sizeof *last);
    last->run = memory_copy(run, sizeof *run);
    errand_begin(&last->errand, manifest_without_verdict, last, run->epoll_descriptor, RUN_ERRAND_EVENT);
    struct pollfd ended = {.fd = last->errand.descriptor, .events = POLLIN};
    int ready = 1;
    while (!last->errand.done && (ready = poll(&ended, 1, LAST_WORD_MS)) < 0 && errno == EINTR)
        continue;
    if (ready <= 0)
        return false; /* it is its thread's */
    errand_finish(&last->errand);
    bool good = last->status == STATUS_OK;
    free(last->run);
    free(last);
    return good;
}

/* give_up: the manifest says why there is no verdict. */
static int give_up(struct run *run, const struct concluding *concluding)
{
    const char *step = atomic_load(&concluding->step);
    tell_late(run, "the verdict", step);
    snprintf(run->end_reason, sizeof run->end_reason, "no verdict: reading %s did not end within %.0f s",
             step, (double)conclude_limit_ms(run) / 1000);
    fprintf(stderr, "orchestrator: run %s has %s\n", run->run_id, run->end_reason);
    if (concluding->stuck || !last_word(run))
        fprintf(stderr, "orchestrator: its manifest could not be written either\n");
    return EXIT_REFUSED;
}

static void say_all(struct run *run, const struct concluding *concluding)
{
    say_shutdown(run);
    say_faults(run, concluding->losses);
    say_gates(run, &concluding->gates);
    say_places(run);
    console_say(&run->console, "verdict %s, exit code %d",
                gate_verdict_name(gates_overall(&concluding->gates)), concluding->code);
}

int conclude_finish(struct run *run, struct concluding *concluding)
{
    if (run->unconcluded)
        return give_up(run, concluding);
    errand_finish(&concluding->errand);
    if (run->gates == GATES_CANARY)
        canary_watch_settle(run);
    int code = concluding->status == STATUS_OK ? concluding->code : EXIT_REFUSED;
    if (concluding->status == STATUS_OK)
        say_all(run, concluding);
    else
        fprintf(stderr, "orchestrator: %s\n", concluding->error.text);
    free(concluding->losses);
    free(concluding->run);
    free(concluding);
    return code;
}
