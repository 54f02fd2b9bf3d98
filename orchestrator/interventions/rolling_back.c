#include "rolling_back.h"

#include "base/crash_point.h"
#include "base/memory.h"
#include "metrics.h"
#include "orchestrator/canary/fingerprints.h"
#include "orchestrator/run.h"
#include "orchestrator/supervision/record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEASURED_AFTER_MS = 600000, RETRY_MS = 1000 };

static const char OPTION[] = "--roll-back";

static void record_path(const struct run *run, char out_path[PATH_BYTES])
{
    rollback_path(config_text(run->config, "run.state_dir"), out_path);
}

static void list_path(const struct run *run, char out_path[PATH_BYTES])
{
    incidents_path(config_text(run->config, "run.artifacts_dir"), out_path);
}

static void complain(const struct error *error)
{
    log_event(LOG_ERROR, "write_error", "reason=\"%s\"", error->text);
}

static void record_write_or_tell(const struct run *run, const struct rollback *record)
{
    struct error error = {{0}};
    char path[PATH_BYTES];
    record_path(run, path);
    if (rollback_write(path, record, &error) != STATUS_OK)
        complain(&error);
}

/* own_write: of the rollback that led to this run. What the disk refuses is tried again until it stands; meanwhile our own record has it,
 * so that whoever comes after us does nothing twice. */
static void own_write(struct run *run)
{
    struct rolling_back *rolling_back = &run->rolling_back;
    struct error error = {{0}};
    char path[PATH_BYTES];
    record_path(run, path);
    bool told = rolling_back->unwritten;
    rolling_back->unwritten = rollback_write(path, &rolling_back->record, &error) != STATUS_OK;
    rolling_back->retry_ms = run_now_ms(run) + RETRY_MS;
    if (rolling_back->unwritten == told)
        return;
    feed_emit(&run->feed, told ? LOG_INFO : LOG_ERROR, "rollback_record", "",
              FEED_FIELDS(TEXT("state", ROLLBACK_STATE_NAMES[rolling_back->record.state]),
                          TEXT("written", told ? "yes" : "no"), TEXT("reason", error.text)));
    if (!told)
        console_say(&run->console, "%s; it is tried again until it stands", error.text);
}

/* --- the old run --- */

static void incident_make(struct run *run, const char *who, const char *why, const char *severity,
                          const char *action, struct incident *out)
{
    *out = (struct incident){.opened_ms = clock_wall_ms(&run->clock), .event_ms = metrics_event_ms(run)};
    snprintf(out->severity, sizeof out->severity, "%s", severity);
    snprintf(out->rule, sizeof out->rule, "rollback");
    snprintf(out->who, sizeof out->who, "%.63s", who);
    snprintf(out->why, sizeof out->why, "%.511s", why);
    snprintf(out->action, sizeof out->action, "%s", action);
    snprintf(out->fingerprint_from, sizeof out->fingerprint_from, "%s", run->fingerprint);
    metrics_before(run, out);
}

/* refuse: that somebody wanted to go where there is no way is an incident, too; it is over as it begins. */
static enum status refuse(struct run *run, const char *asked, const char *who, struct rollback *out_record,
                          struct error *error)
{
    struct incident incident;
    struct error wrong = {{0}};
    char path[PATH_BYTES];
    incident_make(run, who, error->text, "P2", "rollback_refused", &incident);
    incident.closed_ms = incident.opened_ms;
    if (asked && strlen(asked) < sizeof incident.fingerprint_to)
        snprintf(incident.fingerprint_to, sizeof incident.fingerprint_to, "%s", asked);
    list_path(run, path);
    if (incidents_open(path, &incident, &wrong) != STATUS_OK)
        complain(&wrong);
    snprintf(out_record->incident, sizeof out_record->incident, "%s", incident.id);
    feed_emit(
        &run->feed, LOG_WARNING, "rollback", "",
        FEED_FIELDS(TEXT("state", "refused"), TEXT("incident", incident.id), TEXT("reason", error->text)));
    return STATUS_INVALID;
}

/* close_undecided: one that was opened for a rollback that did not come about. */
static void close_undecided(struct incident *incident, const void *context)
{
    incident->closed_ms = incident->opened_ms;
    snprintf(incident->closed_why, sizeof incident->closed_why, "not begun: %.480s", (const char *)context);
}

/* target_find: the target, and that its configuration can be used. */
static enum status target_find(const struct run *run, const char *asked, struct stable_fingerprint *out_to,
                               struct error *error)
{
    const char *state_dir = config_text(run->config, "run.state_dir");
    const struct stable_fingerprint *target = NULL;
    struct fingerprints fingerprints;
    struct config *config = NULL;
    enum status status = fingerprints_read(state_dir, &fingerprints, error);
    if (status == STATUS_OK)
        status = fingerprints_target(&fingerprints, run->fingerprint, asked, &target, error);
    if (status == STATUS_OK && target)
        status = fingerprints_config_load(state_dir, target->fingerprint, &config, error);
    if (status == STATUS_OK && target)
        *out_to = *target;
    config_destroy(config);
    return status;
}

static double minutes_left(const struct run *run)
{
    if (run->end_due_ms == NEVER_MS)
        return 0;
    double left =
        (double)(run->end_due_ms - run_now_ms(run)) / 60000.0 * config_f64(run->config, "run.time_scale");
    return left > 1e-3 ? left : 1e-3;
}

static void record_make(const struct run *run, const struct incident *incident,
                        const struct stable_fingerprint *to, struct rollback *out)
{
    *out = (struct rollback){.state = ROLLBACK_DRAINING,
                             .begun_ms = incident->opened_ms,
                             .limit_ms =
                                 (int64_t)(config_f64(run->config, "canary.rollback_timeout_s") * 1000.0),
                             .minutes_left = minutes_left(run)};
    snprintf(out->incident, sizeof out->incident, "%s", incident->id);
    snprintf(out->from_run, sizeof out->from_run, "%s", run->run_id);
    rollback_run_name(run->run_id, out->to_run);
    snprintf(out->from, sizeof out->from, "%s", incident->fingerprint_from);
    snprintf(out->to, sizeof out->to, "%s", to->fingerprint);
    snprintf(out->config_tag, sizeof out->config_tag, "%s", to->config_tag);
    snprintf(out->run_tag, sizeof out->run_tag, "%s", to->run_tag);
}

/* decide: the incident, then the record: from then on the run ends for another one, whoever dies. */
static enum status decide(struct run *run, struct incident *incident, const struct stable_fingerprint *to,
                          struct rollback *out_record, struct error *error)
{
    struct error wrong = {{0}};
    char path[PATH_BYTES], record[PATH_BYTES];
    list_path(run, path);
    record_path(run, record);
    enum status status = incidents_open(path, incident, error);
    if (status != STATUS_OK)
        return status;
    crash_point("deciding");
    record_make(run, incident, to, out_record);
    status = rollback_write(record, out_record, error);
    crash_point("deciding");
    if (status != STATUS_OK &&
        incidents_change(path, incident->id, close_undecided, error->text, &wrong) != STATUS_OK)
        complain(&wrong);
    return status;
}

/* go: what has been decided. */
static void go(struct run *run)
{
    run->leads_on = true;
    lifecycle_end(run, "rolled back to another configuration");
}

enum status rolling_back_begin(struct run *run, const char *asked, const char *who, const char *why,
                               const char *severity, struct rollback *out_record, struct error *error)
{
    struct incident incident;
    struct stable_fingerprint to = {.fingerprint = ""};
    if (run->phase != PHASE_FEEDING)
        return error_set(error, STATUS_CONFLICT, "the run is %s; only one that is fed can be rolled back",
                         run_phase_name(run->phase));
    if (run->rolling_back.confirming)
        return error_set(error, STATUS_CONFLICT, "the rollback to %.16s is not confirmed yet",
                         run->fingerprint);
    *out_record = (struct rollback){0};
    if (target_find(run, asked, &to, error) != STATUS_OK)
        return refuse(run, asked, who, out_record, error);
    incident_make(run, who, why, severity, "rollback", &incident);
    memcpy(incident.fingerprint_to, to.fingerprint, sizeof to.fingerprint);
    enum status status = decide(run, &incident, &to, out_record, error);
    if (status != STATUS_OK)
        return status;
    feed_emit(&run->feed, LOG_WARNING, "rollback", "",
              FEED_FIELDS(TEXT("state", "draining"), TEXT("old", out_record->from),
                          TEXT("new", out_record->to), TEXT("incident", incident.id), TEXT("reason", why)));
    go(run);
    return STATUS_OK;
}

/* --- the new run --- */

static enum status set_minutes(struct config *config, double minutes, struct error *error)
{
    char text[32];
    if (minutes <= 0) /* a recording's end, or until signalled: as it was said */
        return STATUS_OK;
    snprintf(text, sizeof text, "%.9g", minutes);
    return config_set(config, "run.minutes", text, ORIGIN_CLI, error);
}

enum status rolling_back_config(struct config *config, char out_run_tag[FINGERPRINT_TAG_BYTES],
                                struct error *error)
{
    const char *state_dir = config_text(config, "run.state_dir");
    struct rollback record;
    struct config *target = NULL;
    char path[PATH_BYTES];
    rollback_path(state_dir, path);
    enum status status = rollback_read(path, &record, error);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && record.state > ROLLBACK_STARTING))
        return error_set(error, STATUS_INVALID, "%s: %s leads to no run", OPTION, path);
    if (status == STATUS_OK)
        status = fingerprints_config_load(state_dir, record.to, &target, error);
    if (status != STATUS_OK)
        return status;
    config_adopt_rows(config, target);
    status = config_set(config, "config_tag",
                        *record.config_tag ? record.config_tag : config_text(target, "config_tag"),
                        ORIGIN_CLI, error);
    config_destroy(target);
    if (status != STATUS_OK)
        return status;
    memcpy(out_run_tag, record.run_tag, FINGERPRINT_TAG_BYTES);
    status = config_set(config, "run.run_id", record.to_run, ORIGIN_CLI, error);
    return status == STATUS_OK ? set_minutes(config, record.minutes_left, error) : status;
}

/* never_decided: opened by an orchestrator that died before it had written what it was about to do. */
static bool never_decided(struct incident *incident, const void *context)
{
    const struct rollback *newest = context;
    if (incident->closed_ms || strcmp(incident->action, "rollback") != 0 ||
        incident->opened_ms <= newest->begun_ms || strcmp(incident->id, newest->incident) == 0)
        return false;
    close_undecided(incident, "the orchestrator died before it was decided");
    return true;
}

/* next_read: the rollback that this run ends for; false: there is none. What is older than the run is of another one of its name. */
static bool next_read(const struct run *run, struct rollback *out_record)
{
    struct error error = {{0}};
    char path[PATH_BYTES];
    record_path(run, path);
    return rollback_read(path, out_record, &error) == STATUS_OK && out_record->state == ROLLBACK_DRAINING &&
           strcmp(out_record->from_run, run->run_id) == 0 &&
           (run->leads_on || out_record->begun_ms >= run->started_wall_ms);
}

/* take_up: what an orchestrator that died had begun: the incident alone, or the record, too. */
static void take_up(struct run *run)
{
    struct rollback newest = {0}, next;
    struct error error = {{0}};
    char path[PATH_BYTES];
    record_path(run, path);
    enum status status = rollback_read(path, &newest, &error);
    if (status == STATUS_NOT_FOUND && run->adopted) /* else nothing tells which incidents are old */
        newest.begun_ms = run->started_wall_ms - 1;
    list_path(run, path);
    if (newest.begun_ms > 0 && file_exists(path) &&
        incidents_change_all(path, never_decided, &newest, &error) != STATUS_OK)
        complain(&error);
    if (run->adopted && run->phase == PHASE_FEEDING && !run->leads_on && next_read(run, &next))
        go(run);
}

/* follow_read: the rollback that led to this run; false: none did. What our own record has, and the file has not, is newer. */
static bool follow_read(struct run *run)
{
    struct rolling_back *rolling_back = &run->rolling_back;
    struct rollback found;
    struct error error = {{0}};
    char path[PATH_BYTES];
    record_path(run, path);
    if (!rolling_back->unwritten && rollback_read(path, &found, &error) == STATUS_OK)
        rolling_back->record = found;
    return rolling_back->record.begun_ms > 0 && strcmp(rolling_back->record.to_run, run->run_id) == 0;
}

void rolling_back_follow(struct run *run)
{
    struct rolling_back *rolling_back = &run->rolling_back;
    take_up(run);
    if (!run->options->rolls_back || !follow_read(run))
        return;
    rolling_back->confirming = rolling_back->record.state <= ROLLBACK_STARTING;
    if (rolling_back->record.state == ROLLBACK_DRAINING) {
        crash_point("following");
        rolling_back->record.state = ROLLBACK_STARTING;
        own_write(run);
        crash_point("following");
    }
    if (rolling_back->record.state == ROLLBACK_DONE && !rolling_back->measured &&
        !rolling_back->measure_ms) /* adopted: an orchestrator that died had yet to measure */
        rolling_back->measure_ms = run_now_ms(run) + config_wall_ms(run->config, MEASURED_AFTER_MS);
}

/* deaf: who does not tell the target's fingerprint; how many. */
static size_t deaf(const struct run *run, char *out_names, size_t bytes)
{
    size_t count = 0, length = 0;
    out_names[0] = 0;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        if (process->retired || !process->module->beats ||
            (process->telemetry.seen &&
             strcmp(process->telemetry.beat.config_fingerprint, run->rolling_back.record.to) == 0))
            continue;
        count++;
        if (length < bytes)
            length += (size_t)snprintf(out_names + length, bytes - length, "%s%s", length ? ", " : "",
                                       process->name);
    }
    return count;
}

/* close_cause: what the gates of the configuration that was left had opened is answered by the rollback. */
static bool close_cause(struct incident *incident, const void *context)
{
    const struct rollback *record = context;
    if (incident->closed_ms || !*incident->cause || strcmp(incident->fingerprint_from, record->from) != 0)
        return false;
    incident->closed_ms = record->ended_ms;
    return true;
}

/* close_done: what is known of both runs: that the next one is live, and how the one before it ended, once it is known. */
static void close_done(struct incident *incident, const void *context)
{
    const struct rollback *record = context;
    if (!incident->closed_ms)
        incident->closed_ms = record->ended_ms;
    snprintf(incident->closed_why, sizeof incident->closed_why, "run %s is live; run %s %s%s", record->to_run,
             record->from_run, *record->conclusion ? "is concluded: " : "is still being concluded",
             record->conclusion);
}

/* answer_incidents: of a rollback that is done; once more when the run it left is concluded, which may open some. */
static void answer_incidents(const struct run *run)
{
    const struct rollback *record = &run->rolling_back.record;
    struct error error = {{0}};
    char path[PATH_BYTES];
    list_path(run, path);
    if (incidents_change(path, record->incident, close_done, record, &error) != STATUS_OK)
        complain(&error);
    if (incidents_change_all(path, close_cause, record, &error) != STATUS_OK)
        complain(&error);
}

/* settle: what has become of the rollback, and that it is written as far as the disk lets it. */
static void settle(struct run *run, enum rollback_state state, const char *reason)
{
    struct rolling_back *rolling_back = &run->rolling_back;
    struct rollback *record = &rolling_back->record;
    rolling_back->confirming = false;
    record->state = state;
    record->ended_ms = clock_wall_ms(&run->clock);
    snprintf(record->reason, sizeof record->reason, "%.255s", reason);
    if (state == ROLLBACK_DONE)
        answer_incidents(run);
    if (state == ROLLBACK_DONE)
        rolling_back->measure_ms = run_now_ms(run) + config_wall_ms(run->config, MEASURED_AFTER_MS);
    crash_point("confirmed");
    own_write(run);
}

static void tell(struct run *run)
{
    const struct rollback *record = &run->rolling_back.record;
    const char *state = ROLLBACK_STATE_NAMES[record->state];
    crash_point("confirmed");
    feed_emit(&run->feed, record->state == ROLLBACK_DONE ? LOG_INFO : LOG_ERROR, "rollback", "",
              FEED_FIELDS(TEXT("state", state), TEXT("old", record->from), TEXT("new", record->to),
                          TEXT("incident", record->incident),
                          NUMBER("took_ms", record->ended_ms - record->begun_ms),
                          TEXT("reason", record->reason)));
    crash_point("told");
    console_say(&run->console, "rollback to %.16s: %s%s%s", record->to, state, *record->reason ? ": " : "",
                record->reason);
}

/* settle_and_tell: of a run that goes on. What the file does not have our own record must have before anybody hears of it: who comes after
 * us would do it again. */
static void settle_and_tell(struct run *run, enum rollback_state state, const char *reason)
{
    settle(run, state, reason);
    if (run->rolling_back.unwritten)
        record_write(run);
    tell(run);
}

static void confirm(struct run *run)
{
    char names[ROLLBACK_REASON_BYTES - 64], reason[ROLLBACK_REASON_BYTES];
    size_t count = deaf(run, names, sizeof names);
    if (run->phase < PHASE_FEEDING) /* all of them must have been asked, and the run be under way */
        count = count ? count : 1;
    if (!count) {
        settle_and_tell(run, ROLLBACK_DONE, "");
    } else if (clock_wall_ms(&run->clock) - run->rolling_back.record.begun_ms >=
               run->rolling_back.record.limit_ms) {
        snprintf(reason, sizeof reason, "after %d s not told by: %s",
                 (int)(run->rolling_back.record.limit_ms / 1000),
                 *names ? names : "the run, which has not begun");
        settle_and_tell(run, ROLLBACK_FAILED, reason);
    }
}

static void measure(struct run *run)
{
    struct error error = {{0}};
    char path[PATH_BYTES];
    list_path(run, path);
    if (metrics_after(run, path, run->rolling_back.record.incident, &error) != STATUS_OK)
        complain(&error);
    run->rolling_back.measure_ms = 0;
    run->rolling_back.measured = true;
}

void rolling_back_step(struct run *run)
{
    struct rolling_back *rolling_back = &run->rolling_back;
    if (run->leads_on)
        rolling_back->unwritten = false; /* the file tells of the next rollback */
    if (rolling_back->unwritten && run_now_ms(run) >= rolling_back->retry_ms)
        own_write(run);
    if (rolling_back->confirming && run->phase <= PHASE_FEEDING)
        confirm(run);
    if (rolling_back->measure_ms && run->phase == PHASE_FEEDING &&
        run_now_ms(run) >= rolling_back->measure_ms)
        measure(run);
}

static int64_t confirm_due_ms(const struct run *run)
{
    const struct rolling_back *rolling_back = &run->rolling_back;
    int64_t left_ms =
        rolling_back->record.begun_ms + rolling_back->record.limit_ms - clock_wall_ms(&run->clock);
    return run_now_ms(run) + (left_ms > 0 ? left_ms : 0);
}

int64_t rolling_back_due_ms(const struct run *run)
{
    const struct rolling_back *rolling_back = &run->rolling_back;
    bool confirms = rolling_back->confirming && run->phase <= PHASE_FEEDING,
         measures = rolling_back->measure_ms && run->phase == PHASE_FEEDING;
    int64_t due_ms = confirms ? confirm_due_ms(run) : measures ? rolling_back->measure_ms : NEVER_MS;
    return rolling_back->unwritten && rolling_back->retry_ms < due_ms ? rolling_back->retry_ms : due_ms;
}

/* --- from one to the other --- */

bool rolling_back_leads_on(const struct run *run)
{
    struct rollback record;
    return run->leads_on && next_read(run, &record);
}

/* inherited_code: of the runs before this one. */
static int inherited_code(const struct run *run)
{
    const struct rollback *record = &run->rolling_back.record;
    int code = (int)record->exit_code;
    return record->begun_ms > 0 && record->state == ROLLBACK_FAILED ? rollback_worse_code(code, 3) : code;
}

void rolling_back_lead_on(struct run *run)
{
    struct rollback record;
    if (!next_read(run, &record))
        return;
    record.exit_code = inherited_code(run);
    record_write_or_tell(run, &record);
}

/* ended: a run that was left, and how it was concluded. */
struct ended {
    const char *run_id, *conclusion;
};

/* answer_left: an incident of a rollback before the last one: its run is concluded, too. */
static bool answer_left(struct incident *incident, const void *context)
{
    const struct ended *ended = context;
    char waits[ROLLBACK_RUN_BYTES + 64], text[INCIDENT_TEXT_BYTES];
    snprintf(waits, sizeof waits, "; run %s is still being concluded", ended->run_id);
    const char *end = strstr(incident->closed_why, waits);
    if (!end || strcmp(end, waits) != 0)
        return false;
    snprintf(text, sizeof text, "%.*s; run %s is concluded: %s", (int)(end - incident->closed_why),
             incident->closed_why, ended->run_id, ended->conclusion);
    memcpy(incident->closed_why, text, sizeof text);
    return true;
}

void rolling_back_concluded(struct run *run, const char *run_id, const char *conclusion, int exit_code)
{
    struct rollback *record = &run->rolling_back.record;
    const struct ended ended = {.run_id = run_id, .conclusion = conclusion};
    struct error error = {{0}};
    char path[PATH_BYTES];
    list_path(run, path);
    if (incidents_change_all(path, answer_left, &ended, &error) != STATUS_OK)
        complain(&error);
    if (!rollback_follows(run_id, run->run_id))
        return; /* of other times */
    record->exit_code = rollback_worse_code((int)record->exit_code, exit_code);
    if (strcmp(record->from_run, run_id) == 0)
        snprintf(record->conclusion, sizeof record->conclusion, "%.255s", conclusion);
    if (record->begun_ms > 0 &&
        !run->leads_on) /* else the file tells of the next rollback, and gets the code in the end */
        own_write(run);
    if (record->state == ROLLBACK_DONE && strcmp(record->from_run, run_id) == 0)
        answer_incidents(run);
}

bool rolling_back_end(struct run *run, int *code)
{
    struct rolling_back *rolling_back = &run->rolling_back;
    struct rollback record;
    if (rolling_back->confirming) {
        settle(run, ROLLBACK_FAILED, "the run ended before all had told the fingerprint");
        tell(run);
    }
    *code = rollback_worse_code(*code, inherited_code(run));
    if (!run->leads_on && rolling_back->unwritten)
        own_write(run); /* for the last time */
    if (!run->leads_on && rolling_back->unwritten)
        console_say(&run->console,
                    "state/rollback.json could not be written: the rollback to %.16s is %s, whatever it says",
                    rolling_back->record.to, ROLLBACK_STATE_NAMES[rolling_back->record.state]);
    if (!next_read(run, &record))
        return false;
    record.exit_code = *code;
    record_write_or_tell(run, &record);
    return true;
}

void rolling_back_execute(int argument_count, char **arguments)
{
    char folder[PATH_BYTES], program[PATH_BYTES];
    char **words = memory_allocate(((size_t)argument_count + 2) * sizeof *words);
    char option[sizeof OPTION];
    int count = 0;
    for (int i = 0; i < argument_count; i++)
        if (strcmp(arguments[i], OPTION) != 0)
            words[count++] = arguments[i];
    memcpy(option, OPTION, sizeof OPTION);
    words[count] = option;
    process_folder(folder);
    path_join(program, folder, "orchestrator");
    execv(program, words);
    fprintf(stderr, "orchestrator: %s cannot be started for the rollback: %s\n", program, strerror(errno));
    free(words);
}
