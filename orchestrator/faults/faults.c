#include "faults.h"

#include "base/text.h"
#include "bus/bus.h"
#include "fault.h"
#include "injury/lease.h"
#include "orchestrator/run.h"
#include "proto/request.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    ASK_MS = 100,       /* so often a victim is asked how its lease stands */
    LOOK_MS = 10,       /* so often a process that stands still is looked at */
    PATIENCE_MS = 2000, /* for a victim's first answer */
    STEADY_MS = 1500,   /* everybody has been caught up within so long */
};

static struct fault_moment moment_now(const struct run *run)
{
    return (struct fault_moment){clock_wall_ms(&run->clock), clock_monotonic_ns(&run->clock)};
}

static bool is_own(const struct fault *fault)
{
    return strcmp(fault->process, FAULT_OWN_NAME) == 0;
}

static bool is_begun(const struct fault *fault)
{
    return fault->moments[FAULT_KILL].wall_ms != 0;
}

/* is_open: something is still to come. */
static bool is_open(const struct fault *fault)
{
    return !fault_never_began(fault) && fault_waiting(fault) != FAULT_STEP_COUNT;
}

static bool lasts(const struct fault *fault)
{
    return fault_is_lease(fault) && is_open(fault) && !fault->over.wall_ms;
}

static enum injury_place place_of(const struct fault *fault)
{
    return injury_row(fault->order.kind)->place;
}

static const char *kind_of(const struct fault *fault)
{
    return injury_row(fault->order.kind)->name;
}

/* --- the steady state --- */

static bool process_steady(struct run *run, struct process *process, struct error *error)
{
    enum status unused = STATUS_OK;
    int64_t now_ms = run_now_ms(run);
    inspect_health(run, process);
    if (!process_state_up(process->supervisor.state) || process->paused)
        unused = error_set(error, STATUS_CONFLICT, "%s is %s", process->name,
                           process->paused ? "paused" : process_state_name(process->supervisor.state));
    else if (process->health.status != HEALTH_HEALTHY)
        unused =
            error_set(error, STATUS_CONFLICT, "%s is not healthy: %s", process->name, process->health.failed);
    else if (process->module->beats && now_ms - process->caught_up_ms > STEADY_MS)
        unused = error_set(error, STATUS_CONFLICT, "%s has not caught up: %lld %s before it", process->name,
                           (long long)run_lag_rows(run, process),
                           plural(run_lag_rows(run, process), "row is", "rows are"));
    return unused == STATUS_OK;
}

static bool all_steady(struct run *run, struct error *error)
{
    enum status unused = STATUS_CONFLICT;
    if (run->phase != PHASE_FEEDING)
        unused = error_set(error, STATUS_CONFLICT, "the run is %s", run_phase_name(run->phase));
    if (run->self.is_short)
        unused = error_set(error, STATUS_CONFLICT, "the orchestrator is short of descriptors");
    for (size_t i = 0; i < run->process_count; i++)
        if (!run->processes[i].retired && !process_steady(run, &run->processes[i], error))
            return false;
    (void)unused;
    return run->phase == PHASE_FEEDING && !run->self.is_short;
}

bool faults_steady(struct run *run, struct error *error)
{
    enum status unused;
    for (size_t i = 0; i < run->fault_count; i++)
        if (is_open(&run->faults[i])) {
            unused =
                error_set(error, STATUS_CONFLICT, "fault %lld (%s on %s) is still open",
                          (long long)run->faults[i].id, kind_of(&run->faults[i]), run->faults[i].process);
            (void)unused;
            return false;
        }
    return all_steady(run, error);
}

/* --- beginning --- */

static void tell_begun(struct run *run, struct fault *fault)
{
    fault_note(fault, FAULT_KILL, moment_now(run));
    feed_emit(&run->feed, LOG_WARNING, "fault_injected", fault->process,
              FEED_FIELDS(NUMBER("fault", fault->id), TEXT("kind", kind_of(fault)),
                          NUMBER("pid", fault->pid_before), NUMBER("ttl_ms", fault->order.ttl_ms),
                          NUMBER("seed", fault->order.seed)));
    console_say(&run->console, "fault %lld: %s on %s for %lld ms", (long long)fault->id, kind_of(fault),
                fault->process, (long long)fault->order.ttl_ms);
}

static void refuse(struct run *run, struct fault *fault, enum fault_end end, const char *reason)
{
    fault->end = end;
    snprintf(fault->reason, sizeof fault->reason, "%.255s", reason);
    feed_emit(
        &run->feed, LOG_WARNING, "fault_refused", fault->process,
        FEED_FIELDS(NUMBER("fault", fault->id), TEXT("kind", kind_of(fault)), TEXT("reason", fault->reason)));
    console_say(&run->console, "fault %lld: %s on %s was refused: %s", (long long)fault->id, kind_of(fault),
                fault->process, fault->reason);
}

static void ask(struct run *run, struct fault *fault, const char *verb)
{
    struct process *process = run_process(run, fault->process);
    char request_id[48], arguments[META_BYTES];
    struct buffer text;
    struct json json;
    buffer_init(&text, sizeof arguments - 1);
    json_init(&json, &text);
    if (strcmp(verb, "fault") == 0)
        injury_order_json(&fault->order, &json);
    else
        buffer_format(&text, "{\"id\":%lld}", (long long)fault->id);
    snprintf(request_id, sizeof request_id, "fault:%lld:%s", (long long)fault->id, verb);
    snprintf(arguments, sizeof arguments, "%s", buffer_text(&text));
    buffer_finish(&text);
    fault->asked_ms = run_now_ms(run);
    if (process && process->child.lives)
        command_say(run, process, request_id, verb, arguments);
}

/* own_refusal: why the orchestrator does not do that to itself; NULL: it does. */
static const char *own_refusal(const struct injury_row *row, enum injury_kind kind)
{
    if (kind == INJURY_CLOCK)
        return "the evidence of all faults is stamped with the orchestrator's clock";
    switch (row->place) {
    case INJURY_IN_PROCESS: return NULL;
    case INJURY_ON_LINK: return "the orchestrator reads no stream of the bus";
    case INJURY_AT_VENUE: return "only the simulator is a venue";
    default:
        return "nobody would be left to watch the orchestrator; end it from a shell, and start another one "
               "in its folder";
    }
}

/* fits: whether such a victim can have such a fault, as far as can be told from here. */
static enum status fits(struct run *run, const struct fault_wish *wish, struct error *error)
{
    const struct injury_row *row = injury_row(wish->order.kind);
    struct process *process = run_process(run, wish->target);
    bool own = !process;
    const char *refusal = own ? own_refusal(row, wish->order.kind) : NULL;
    if (refusal)
        return error_set(error, STATUS_INVALID, "%s: %s", row->name, refusal);
    if (!wish->forced && !run->recorded &&
        strcmp(config_text(run->config, "harvest.venue"), "simulator") != 0)
        return error_set(error, STATUS_CONFLICT,
                         "%s: this run has a live market; it is hurt only with --force", row->name);
    if (own)
        return STATUS_OK;
    if (!process->child.lives)
        return error_set(error, STATUS_CLOSED, "%s has no process now: it is %s", process->name,
                         process_state_name(process->supervisor.state));
    bool venue = process->module_index == MODULE_SIMULATOR;
    if (row->place == INJURY_AT_VENUE && !venue)
        return error_set(error, STATUS_INVALID, "%s: only the simulator is a venue", row->name);
    if (row->place == INJURY_ON_LINK && (venue || !process->module->inputs))
        return error_set(error, STATUS_INVALID, "%s: %s reads no stream of the bus", row->name,
                         process->name);
    bool reachable =
        row->place == INJURY_BY_SIGNAL || row->place == INJURY_BY_KEEPER || process->connection != SIZE_MAX;
    if (!reachable)
        return error_set(error, STATUS_INVALID, "%s: %s has no connection on the bus", row->name,
                         process->name);
    return STATUS_OK;
}

int64_t faults_replayed(const struct process *process)
{
    int64_t fetched = 0, reread = 0;
    if (!telemetry_counter(&process->telemetry, "stage_catch_up_rows", &fetched) ||
        !telemetry_counter(&process->telemetry, "stage_rows_reread", &reread))
        return 0; /* it reads no stream */
    return fetched + reread;
}

int64_t faults_features(const struct run *run)
{
    int64_t rows = -1;
    return run_counter(run, MODULE_FEATURES, "feature_rows", &rows) ? rows : -1;
}

static struct fault *fault_make(struct run *run, const struct fault_wish *wish)
{
    struct process *process = run_process(run, wish->target);
    struct fault *fault = &run->faults[run->fault_count];
    struct injury_order order = wish->order;
    order.id = (int64_t)run->fault_count + 1;
    order.seed = order.seed < 0 ? order.id : order.seed;
    fault_begin(fault, wish->target, &order, wish->signal, process ? process->supervisor.generation : 0,
                process ? process->child.pid : getpid());
    if (process) {
        fault->restart_count_before = fault->restart_count_after = process->supervisor.restart_count;
        fault->rows_at_kill = telemetry_rows(&process->telemetry, false);
        fault->replayed_at_kill = faults_replayed(process);
    }
    fault->features_at_kill = faults_features(run);
    fault->wished_ms = run_now_ms(run);
    if (run->go_ms)
        fault->requested_at_s = (double)(fault->wished_ms - run->go_ms) / 1000.0;
    return fault;
}

/* start: of a lease, where it is held. */
static enum status start(struct run *run, struct fault *fault, struct error *error)
{
    enum status status = STATUS_OK;
    struct process *process = run_process(run, fault->process);
    if (process)
        process->child.suspend_late_ms = -1;
    if (is_own(fault))
        status = injury_begin(run->injuries, &fault->order, error);
    else if (place_of(fault) == INJURY_BY_KEEPER)
        status = run->driver->suspend(&process->child, fault->order.ttl_ms);
    else
        ask(run, fault, "fault");
    if (status == STATUS_CLOSED)
        return error_set(error, status, "%s has just ended", fault->process);
    if (status != STATUS_OK)
        return status;
    run->fault_count++;
    if (is_own(fault) || place_of(fault) == INJURY_BY_KEEPER)
        tell_begun(run, fault);
    return STATUS_OK;
}

/* begin: of one victim, named by its own name. */
static enum status begin(struct run *run, const struct fault_wish *wish, int64_t *out_id, struct error *error)
{
    if (wish->order.kind == INJURY_KILL)
        return process_signal(run, run_process(run, wish->target), wish->signal, out_id, error);
    struct fault *fault = fault_make(run, wish);
    enum status status = injury_order_check(&fault->order, error);
    if (status == STATUS_OK)
        status = start(run, fault, error);
    if (status == STATUS_OK)
        *out_id = fault->id;
    return status;
}

/* victims: the names of those that a target means: itself, an instance, or all instances of a service. */
static size_t victims(const struct run *run, const char *target, const char *out_names[RUN_PROCESSES_MAX])
{
    size_t count = 0;
    if (strcmp(target, FAULT_OWN_NAME) == 0)
        out_names[count++] = FAULT_OWN_NAME;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[run->order[i]];
        if (run_meant(process, target) && !process->retired)
            out_names[count++] = process->name;
    }
    return count;
}

enum status faults_inject(struct run *run, const struct fault_wish *wish, int64_t *out_first,
                          size_t *out_count, struct error *error)
{
    const char *names[RUN_PROCESSES_MAX + 1];
    struct fault_wish one = *wish;
    enum status status = STATUS_OK;
    int64_t id = 0;
    size_t count = victims(run, wish->target, names);
    if (!count)
        return error_set(error, STATUS_NOT_FOUND,
                         "there is no process '%.60s' in this run; `status` lists them", wish->target);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        one.target = names[i];
        status = fits(run, &one, error);
    }
    if (status == STATUS_OK && run->fault_count + count > RUN_FAULTS_MAX)
        status =
            error_set(error, STATUS_LIMIT, "this run has had %zu %s; more than %d are not recorded",
                      run->fault_count, plural((int64_t)run->fault_count, "fault", "faults"), RUN_FAULTS_MAX);
    if (status == STATUS_OK && !wish->forced && !faults_steady(run, error))
        status = STATUS_CONFLICT;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        one.target = names[i];
        status = begin(run, &one, &id, error);
        if (i == 0)
            *out_first = id;
    }
    *out_count = count;
    return status;
}

/* --- its end --- */

/* hear_producers: a heartbeat now of those it reads: what they have published by now is what it must have reached. */
static void hear_producers(struct run *run, const struct process *reader)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (reader->module->inputs & module_bit(run->processes[i].module_index))
            command_say(run, &run->processes[i], "glance", "status", "{}");
}

static void take_over(struct run *run, struct fault *fault, enum fault_end end, int64_t late_ms)
{
    static const char *const EVENTS[] = {"", "fault_expired", "fault_cleared", "fault_ended", ""};
    struct process *process = run_process(run, fault->process);
    if (!fault_over(fault, end, moment_now(run)))
        return;
    fault->late_ms = end == FAULT_ENDED ? -1 : late_ms;
    fault->target_known =
        end == FAULT_ENDED; /* a new life asks its producers itself, before it says that it has caught up */
    if (process && !fault->target_known)
        hear_producers(run, process);
    feed_emit(&run->feed, LOG_WARNING, EVENTS[end], fault->process,
              FEED_FIELDS(NUMBER("fault", fault->id), TEXT("kind", kind_of(fault)),
                          NUMBER("touched", fault->touched), NUMBER("late_ms", fault->late_ms)));
    console_say(&run->console, "fault %lld: %s on %s is over: %lld %s", (long long)fault->id, kind_of(fault),
                fault->process, (long long)fault->touched, injury_touched(fault->order.kind, fault->touched));
}

static void take_recovery(struct run *run, struct fault *fault, const struct process *process)
{
    if (!fault_note(fault, FAULT_HEALTHY, moment_now(run)))
        return;
    fault->features_at_healthy = faults_features(run);
    if (process) {
        int64_t now = faults_replayed(process);
        bool same_life = process->supervisor.generation == fault->generation_before;
        fault->pid_after = process->child.pid;
        fault->restart_count_after = process->supervisor.restart_count;
        fault->rows_at_healthy = telemetry_rows(&process->telemetry, false);
        fault->frames_replayed = same_life ? now - fault->replayed_at_kill : now;
    } else {
        fault->pid_after = fault->pid_before;
        fault->frames_replayed = 0;
    }
    feed_emit(&run->feed, LOG_INFO, "fault_recovered", fault->process,
              FEED_FIELDS(NUMBER("fault", fault->id), TEXT("kind", kind_of(fault)),
                          NUMBER("pid", fault->pid_after), NUMBER("touched", fault->touched),
                          NUMBER("recovery_ms", fault_recovery_ms(fault))));
    console_say(&run->console, "%s caught up %.0f ms after the %s", fault->process, fault_recovery_ms(fault),
                fault_is_lease(fault) ? "fault" : "kill");
}

/* know_target: once every living producer has been heard since the fault was over. The victim is then asked where it is. */
static void know_target(struct run *run, struct fault *fault)
{
    struct process *victim = run_process(run, fault->process);
    int64_t over_ms = fault->over.monotonic_ns / 1000000;
    if (fault->target_known || !fault->over.wall_ms || !victim)
        return;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *producer = &run->processes[i];
        if ((victim->module->inputs & module_bit(producer->module_index)) &&
            process_state_up(producer->supervisor.state) && producer->telemetry.received_ms <= over_ms)
            return;
    }
    fault->caught_rows = telemetry_rows(&victim->telemetry, false) + run_lag_rows(run, victim);
    fault->target_known = true;
    command_say(run, victim, "glance", "status", "{}");
}

void faults_take_beat(struct run *run, struct process *process)
{
    const struct heartbeat_row *beat = &process->telemetry.beat;
    for (size_t i = 0; i < run->fault_count; i++)
        if (is_open(&run->faults[i]))
            know_target(run, &run->faults[i]);
    if (beat->caught_up != 1 || !process_state_up(process->supervisor.state))
        return;
    process->caught_up_ms = run_now_ms(run);
    if (strcmp(beat->state, "degraded") == 0)
        return;
    for (size_t i = 0; i < run->fault_count; i++) {
        struct fault *fault = &run->faults[i];
        if (is_open(fault) && strcmp(fault->process, process->name) == 0 && fault->target_known &&
            telemetry_rows(&process->telemetry, false) >= fault->caught_rows)
            take_recovery(run, fault, process);
    }
}

void faults_take_exit(struct run *run, const struct process *process)
{
    for (size_t i = 0; i < run->fault_count; i++) {
        struct fault *fault = &run->faults[i];
        if (!lasts(fault) || strcmp(fault->process, process->name) != 0)
            continue;
        if (!is_begun(fault)) {
            refuse(run, fault, FAULT_UNANSWERED, "the process ended before it answered");
            continue;
        }
        if (fault->order.kind == INJURY_STUCK)
            fault->touched = 1; /* a loop that does not come back tells nobody so */
        take_over(run, fault, FAULT_ENDED, -1);
    }
}

size_t faults_lasting(const struct run *run, int64_t id)
{
    size_t count = 0;
    for (size_t i = 0; i < run->fault_count; i++)
        count += (!id || run->faults[i].id == id) && lasts(&run->faults[i]);
    return count;
}

enum status faults_clear(struct run *run, int64_t id, struct error *error)
{
    bool known = id == 0;
    for (size_t i = 0; i < run->fault_count; i++) {
        struct fault *fault = &run->faults[i];
        known = known || fault->id == id;
        if ((id && fault->id != id) || !lasts(fault))
            continue;
        fault->clearing = true; /* one that has not begun ends as soon as it has */
        if (!is_begun(fault))
            continue;
        enum status status = STATUS_OK;
        if (is_own(fault))
            status = injury_clear(run->injuries, fault->id, error);
        else if (place_of(fault) == INJURY_BY_KEEPER)
            status = run->driver->suspend(&run_process(run, fault->process)->child, 0);
        else
            ask(run, fault, "fault_clear");
        (void)status; /* its end is seen, not believed */
    }
    return known ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "there is no fault %lld", (long long)id);
}

/* --- what the victim says --- */

/* take_report: {"active", "end", "touched", "late_ms"} */
static void take_report(struct run *run, struct fault *fault, const char *text)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *touched = yyjson_obj_get(root, "touched"), *active = yyjson_obj_get(root, "active");
    if (yyjson_is_int(touched))
        fault->touched = yyjson_get_sint(touched);
    if (yyjson_is_false(active))
        take_over(run, fault,
                  yyjson_equals_str(yyjson_obj_get(root, "end"), "cleared") ? FAULT_CLEARED : FAULT_EXPIRED,
                  yyjson_get_sint(yyjson_obj_get(root, "late_ms")));
    yyjson_doc_free(document);
}

bool faults_take_answer(struct run *run, struct process *process, const struct command_answer_row *row)
{
    long long id;
    char verb[16];
    if (sscanf(row->request_id, "fault:%lld:%15s", &id, verb) != 2)
        return false;
    if (id < 1 || id > (long long)run->fault_count)
        return true;
    struct fault *fault = &run->faults[id - 1];
    if (!lasts(fault) || strcmp(fault->process, process->name) != 0 ||
        fault->generation_before != process->supervisor.generation)
        return true;
    if (!is_begun(fault) && strcmp(verb, "fault") != 0)
        return true;
    if (!is_begun(fault) && row->ok != 1)
        refuse(run, fault, FAULT_REFUSED, row->text);
    else if (!is_begun(fault))
        tell_begun(run, fault);
    if (row->ok == 1)
        take_report(run, fault, row->text);
    return true;
}

/* --- time --- */

static int64_t deadline_ms(const struct fault *fault)
{
    return fault->moments[FAULT_KILL].monotonic_ns / 1000000 + fault->order.ttl_ms;
}

/* look_at_stopped: whether a process that was to stand still does, and since when it goes on again. */
static void look_at_stopped(struct run *run, struct fault *fault)
{
    const struct process *process = run_process(run, fault->process);
    bool stopped;
    if (!run->driver->stands(&process->child, &stopped))
        return;
    if (stopped)
        fault->touched = 1;
    /* The keeper says when it let it go; until it has, or where it cannot, what is seen from here counts. */
    int64_t late_ms = run_now_ms(run) - deadline_ms(fault);
    if (late_ms >= 0 && process->child.suspend_late_ms >= 0)
        late_ms = process->child.suspend_late_ms;
    if (!stopped && (late_ms >= 0 || fault->clearing))
        take_over(run, fault, late_ms >= 0 ? FAULT_EXPIRED : FAULT_CLEARED, late_ms >= 0 ? late_ms : 0);
}

static void look_at_own(struct run *run, struct fault *fault)
{
    self_look(run); /* what it does to us is to be seen while it lasts */
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    if (injury_json(run->injuries, fault->id, &json, NULL) == STATUS_OK)
        take_report(run, fault, buffer_text(&text));
    buffer_finish(&text);
}

static void step_lasting(struct run *run, struct fault *fault)
{
    if (is_own(fault))
        look_at_own(run, fault);
    else if (place_of(fault) == INJURY_BY_KEEPER)
        look_at_stopped(run, fault);
    else if (!is_begun(fault) && run_now_ms(run) - fault->wished_ms > PATIENCE_MS)
        refuse(run, fault, FAULT_UNANSWERED, "it did not answer");
    else if (run_now_ms(run) - fault->asked_ms >= ASK_MS)
        ask(run, fault, !is_begun(fault) ? "fault" : fault->clearing ? "fault_clear" : "fault_status");
}

/* step_over: of victims without heartbeats it is others who show that all is well again: of the venue harvest, which must have heard
 * from it since; of the orchestrator everybody. */
static void step_over(struct run *run, struct fault *fault)
{
    if (is_own(fault))
        self_look(run);
    struct process *process = run_process(run, fault->process), *harvest = run_process(run, "harvest");
    if (process && process->module->beats)
        return;
    int64_t over_ms = fault->over.monotonic_ns / 1000000;
    bool ready = !process || process_state_up(process->supervisor.state);
    bool heard = !process || !harvest || harvest->caught_up_ms > over_ms;
    if (ready && heard && all_steady(run, NULL))
        take_recovery(run, fault, process);
}

void faults_step(struct run *run)
{
    for (size_t i = 0; i < run->fault_count; i++) {
        struct fault *fault = &run->faults[i];
        if (lasts(fault))
            step_lasting(run, fault);
        if (is_open(fault) && fault->over.wall_ms)
            step_over(run, fault);
    }
}

int64_t faults_due_ms(const struct run *run)
{
    int64_t due_ms = NEVER_MS, now_ms = run_now_ms(run);
    for (size_t i = 0; i < run->fault_count; i++) {
        const struct fault *fault = &run->faults[i];
        if (!fault_is_lease(fault) || !is_open(fault))
            continue;
        bool looks = fault->over.wall_ms || is_own(fault) || place_of(fault) == INJURY_BY_KEEPER;
        int64_t next_ms = looks ? now_ms + LOOK_MS : fault->asked_ms + ASK_MS;
        due_ms = next_ms < due_ms ? next_ms : due_ms;
    }
    return due_ms;
}

void faults_adopt(struct run *run)
{
    for (size_t i = 0; i < run->fault_count; i++)
        if (is_own(&run->faults[i]) && lasts(&run->faults[i]))
            take_over(run, &run->faults[i], FAULT_ENDED, -1);
    for (size_t i = 0; i < run->fault_count; i++)
        run->faults[i].wished_ms = run_now_ms(run); /* patience for a first answer begins anew */
}

/* --- telling --- */

void faults_list(const struct run *run, int64_t id, struct json *json)
{
    static const struct fault_loss UNMEASURED = {-1, -1, -1, NULL};
    json_key(json, "faults");
    json_array_begin(json);
    for (size_t i = 0; i < run->fault_count; i++)
        if (!id || run->faults[i].id == id)
            fault_json(json, &run->faults[i], &UNMEASURED);
    json_array_end(json);
}
