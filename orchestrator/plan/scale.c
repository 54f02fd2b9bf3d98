/* Instances come and go while the run goes on (docs/architecture.md, "Hand-over"). Per service:
 *
 *     SCALE_STARTING  new instances are in the plan, without symbols; they start
 *     SCALE_MOVING    symbol by symbol: the old owner releases, the new one acquires, then the plan says so
 *     SCALE_RETIRING  instances without symbols leave the plan, then stop
 *
 * Both sides are asked again until the new owner tells of the symbol: whoever dies in between comes back as it was before
 * its own commit or behind it, and asking twice changes nothing. What is wanted and how far it is lies in the record, and
 * the plan on the disk; an orchestrator that dies is succeeded at the same step. A plan that the disk does not take is written
 * again until it does, and no step is taken before. */
#include "base/crash_point.h"
#include "base/text.h"
#include "orchestrator/run.h"
#include "orchestrator/supervision/record.h"

#include <stdio.h>
#include <string.h>

enum { MOVE_RETRY_MS = 100, PLAN_RETRY_MS = 100 };

static struct plan_service *service_of(struct run *run)
{
    return plan_service(run->plan, module_at(run->scaling.module)->name);
}

static size_t target_of(const struct run *run)
{
    return run->scaling.targets[run->scaling.module];
}

/* --- the plan --- */

/* plan_say: onto the disk first, then everybody is told; false: the disk did not take it, scale_step tries again. */
static bool plan_say(struct run *run)
{
    struct error error = {{0}};
    bool sync = strcmp(config_text(run->config, "journal.durability"), "power") == 0;
    bool again = run->plan_unwritten;
    crash_point("before_plan");
    run->plan_unwritten = plan_write(run->plan, RUN_PLAN_PATH, sync, &error) != STATUS_OK;
    if (run->plan_unwritten) {
        run->plan_retry_ms = run_now_ms(run) + PLAN_RETRY_MS;
        if (!again) /* not for every try */
            feed_emit(&run->feed, LOG_ERROR, "write_error", "",
                      FEED_FIELDS(TEXT("reason", error.text), NUMBER("retry_in_ms", PLAN_RETRY_MS)));
        return false;
    }
    crash_point("after_plan");
    if (again)
        feed_emit(&run->feed, LOG_INFO, "plan_written", "",
                  FEED_FIELDS(NUMBER("version", run->plan->version)));
    for (size_t i = 0; i < run->process_count; i++)
        command_want(&run->processes[i], VERB_PLAN);
    return true;
}

/* plan_change: what has been changed in memory becomes the plan. */
static bool plan_change(struct run *run)
{
    run->plan->version++;
    return plan_say(run);
}

/* all_know: every daemon that is up has the newest plan; one that starts later reads it. */
static bool all_know(const struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        int64_t version = 0;
        if (!process->module->beats || !process_state_up(process->supervisor.state))
            continue;
        if (!process->telemetry.seen ||
            !telemetry_counter(&process->telemetry, "stage_plan_version", &version) ||
            version < run->plan->version)
            return false;
    }
    return true;
}

/* --- beginning --- */

static enum status check_target(const struct run *run, size_t module, size_t target, struct error *error)
{
    const char *name = module_at(module)->name;
    if (!((run->choice.enabled | run->choice.implied) & module_bit(module)))
        return error_set(error, STATUS_NOT_FOUND, "%s is not part of this run", name);
    if (target > PLAN_INSTANCES_MAX)
        return error_set(error, STATUS_INVALID, "%s: 1 to %d instances", name, PLAN_INSTANCES_MAX);
    return STATUS_OK;
}

enum status scale_begin(struct run *run, const size_t targets[MODULE_COUNT], struct error *error)
{
    enum status status = STATUS_OK;
    if (run->phase != PHASE_FEEDING)
        return error_set(error, STATUS_CONFLICT, "the run is %s; it is scaled only while it is fed",
                         run_phase_name(run->phase));
    if (run->scaling.step != SCALE_IDLE)
        return error_set(error, STATUS_CONFLICT, "%s is being scaled just now; ask again when it is done",
                         module_at(run->scaling.module)->name);
    for (size_t i = 0; status == STATUS_OK && i < MODULE_COUNT; i++)
        if (targets[i])
            status = check_target(run, i, targets[i], error);
    if (status != STATUS_OK)
        return status;
    run->scaling = (struct scaling){.module = 0};
    memcpy(run->scaling.targets, targets, sizeof run->scaling.targets);
    run->scaling.step = SCALE_RETIRING; /* the end of the service before the first */
    return STATUS_OK;
}

bool scale_is_so(const struct run *run, const size_t targets[MODULE_COUNT])
{
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        const struct plan_service *service = targets[i] ? plan_service(run->plan, module_at(i)->name) : NULL;
        if (targets[i] && (!service || service->instance_count != targets[i]))
            return false;
    }
    return run->scaling.step == SCALE_IDLE;
}

static struct process *instance_of(struct run *run, size_t number)
{
    char name[PLAN_NAME_BYTES];
    plan_instance_name(module_at(run->scaling.module)->name, number, name);
    return run_process(run, name);
}

/* instance_begin: a process that was retired comes back under its name, with its journal. */
static void instance_begin(struct run *run, size_t number)
{
    struct error error = {{0}};
    struct process *process = instance_of(run, number);
    if (!process)
        process = run_process_add(run, run->scaling.module, number);
    process->retired = false;
    process->symbols_ms = run_now_ms(run);
    if (run_process_connect(run, process, &error) != STATUS_OK)
        feed_emit(&run->feed, LOG_ERROR, "scale_failed", process->name,
                  FEED_FIELDS(TEXT("reason", error.text)));
    plan_instance_add(service_of(run), process->name);
}

static void service_begin(struct run *run)
{
    struct plan_service *service = service_of(run);
    size_t before = service->instance_count;
    run->scaling.begun_ms = run_now_ms(run);
    run->scaling.moves = 0;
    run->scaling.is_over = false;
    run->scaling.step = SCALE_STARTING;
    feed_emit(&run->feed, LOG_INFO, "Scale", service->name,
              FEED_FIELDS(NUMBER("from", before), NUMBER("to", target_of(run))));
    console_say(&run->console, "scaling %s: %zu → %zu %s", service->name, before, target_of(run),
                plural((int64_t)target_of(run), "instance", "instances"));
    run->scaling.unstarted = before < target_of(run);
}

/* instances_start: those wanted come into the plan, then to life; false: the plan is not written yet. Repeated by whoever comes
 * back here, and by a successor. */
static bool instances_start(struct run *run)
{
    struct plan_service *service = service_of(run);
    size_t before = service->instance_count;
    for (size_t number = before + 1; number <= target_of(run); number++)
        instance_begin(run, number);
    if (before < target_of(run) && !plan_change(run))
        return false;
    record_write(run); /* a process that nobody remembers must not come to be */
    for (size_t number = 1; number <= target_of(run); number++) {
        struct process *process = instance_of(run, number);
        bool idle = process->supervisor.state == PROCESS_STOPPED || process->supervisor.gave_up;
        if (idle && !plan_owned(run->plan, service->name, process->name))
            process_step(run, process, EVENT_START);
    }
    run->scaling.unstarted = false;
    return true;
}

/* step_starting: an instance that cannot be started takes the wish back to what there is. */
static void step_starting(struct run *run)
{
    struct plan_service *service = service_of(run);
    if (run->scaling.unstarted && !instances_start(run))
        return;
    for (size_t i = 0; i < service->instance_count; i++) {
        struct process *process = run_process(run, service->instances[i]);
        bool idle = !plan_owned(run->plan, service->name, process->name);
        bool lost = process->supervisor.gave_up && idle;
        /* One that was still on its way out when it was wanted again. */
        if (idle && process->number <= target_of(run) && process->supervisor.state == PROCESS_STOPPED)
            process_step(run, process, EVENT_START);
        if (lost && target_of(run) >= process->number && process->number > 1) {
            console_say(&run->console, "%s cannot be started: %s stays at %zu %s", process->name,
                        service->name, process->number - 1,
                        plural((int64_t)process->number - 1, "instance", "instances"));
            run->scaling.targets[run->scaling.module] = process->number - 1;
        } else if (process->number <= target_of(run) &&
                   (!process_state_up(process->supervisor.state) || !process->telemetry.seen)) {
            return;
        }
    }
    if (all_know(run))
        run->scaling.step = SCALE_MOVING;
}

/* --- moving --- */

/* next_symbol: one whose owner is not the one that rendezvous hashing gives it among the instances wanted. */
static bool next_symbol(struct run *run, size_t *out_symbol, size_t *out_owner)
{
    struct plan_service *service = service_of(run);
    size_t count = target_of(run) < service->instance_count ? target_of(run) : service->instance_count;
    for (size_t i = 0; i < run->plan->symbol_count; i++) {
        size_t owner =
            plan_rendezvous((const char(*)[PLAN_NAME_BYTES])service->instances, count, run->plan->symbols[i]);
        if (owner != service->owners[i]) {
            *out_symbol = i;
            *out_owner = owner;
            return true;
        }
    }
    return false;
}

/* readers_of: the services of this run that read a module's streams. */
static void readers_of(const struct run *run, size_t module, char out_names[PLAN_READERS_BYTES])
{
    size_t length = 0;
    out_names[0] = 0;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if ((module_at(i)->inputs & module_bit(module)) &&
            ((run->choice.enabled | run->choice.implied) & module_bit(i)))
            length += (size_t)snprintf(out_names + length, PLAN_READERS_BYTES - length, "%s%s",
                                       length ? "," : "", module_at(i)->name);
}

static void move_begin(struct run *run, size_t symbol, size_t owner)
{
    struct plan_service *service = service_of(run);
    struct scaling *scaling = &run->scaling;
    scaling->move = (struct plan_move){.version = run->plan->version + 1};
    snprintf(scaling->move.service, sizeof scaling->move.service, "%s", service->name);
    snprintf(scaling->move.symbol, sizeof scaling->move.symbol, "%s", run->plan->symbols[symbol]);
    snprintf(scaling->move.from, sizeof scaling->move.from, "%s",
             service->instances[service->owners[symbol]]);
    snprintf(scaling->move.to, sizeof scaling->move.to, "%s", service->instances[owner]);
    readers_of(run, scaling->module, scaling->move.readers);
    scaling->moving = true;
    scaling->move_ms = run_now_ms(run);
    scaling->sent_ms = 0;
    scaling->refusal[0] = 0;
    record_write(run); /* before anybody gives anything up */
}

static void say(struct run *run, struct process *process, const char *verb, const char *arguments)
{
    char request_id[64];
    snprintf(request_id, sizeof request_id, "%s/%lld", verb, (long long)process->supervisor.generation);
    if (process_state_up(process->supervisor.state))
        command_say(run, process, request_id, verb, arguments);
}

static void move_send(struct run *run)
{
    struct scaling *scaling = &run->scaling;
    struct process *from = run_process(run, scaling->move.from), *to = run_process(run, scaling->move.to);
    struct buffer arguments;
    int64_t generations = from->supervisor.generation + to->supervisor.generation;
    bool due =
        run_now_ms(run) - scaling->sent_ms >= MOVE_RETRY_MS || generations != scaling->sent_generations;
    if (!due || !record_is_written(run)) /* who dies now must be remembered by whoever follows */
        return;
    buffer_init(&arguments, 0);
    plan_move_json(&scaling->move, &arguments);
    say(run, from, "move_out", buffer_text(&arguments));
    say(run, to, "move_in", buffer_text(&arguments));
    crash_point("move_asked");
    scaling->sent_ms = run_now_ms(run);
    scaling->sent_generations = generations;
    buffer_finish(&arguments);
}

void scale_take_refusal(struct run *run, const struct process *process, const char *verb, const char *reason)
{
    struct scaling *scaling = &run->scaling;
    bool ours = strncmp(verb, "move_", 5) == 0;
    if (!ours || !scaling->moving || strncmp(scaling->refusal, reason, sizeof scaling->refusal - 1) == 0)
        return;
    snprintf(scaling->refusal, sizeof scaling->refusal, "%s", reason);
    feed_emit(&run->feed, LOG_WARNING, "move_waits", process->name,
              FEED_FIELDS(TEXT("symbol", scaling->move.symbol), TEXT("reason", reason)));
}

/* has_arrived: the new owner tells of the symbol, because of this very move. */
static bool has_arrived(struct run *run)
{
    const struct plan_move *move = &run->scaling.move;
    const struct telemetry *telemetry = &run_process(run, move->to)->telemetry;
    int64_t version = 0;
    char stream[PLAN_NAME_BYTES + PLAN_SYMBOL_BYTES];
    snprintf(stream, sizeof stream, "%s/%s", move->service, move->symbol);
    return telemetry->seen && telemetry_counter(telemetry, "stage_acquired_version", &version) &&
           version >= move->version && telemetry_stream(telemetry, stream, true);
}

/* may_go: a symbol of harvest that its owner does not hear yet stays until he does: what came meanwhile would be nobody's. */
static bool may_go(struct run *run, size_t symbol)
{
    const struct plan_service *service = service_of(run);
    const struct process *owner = run_process(run, service->instances[service->owners[symbol]]);
    int64_t open = 0;
    return run->scaling.module != MODULE_HARVEST ||
           (owner->telemetry.seen && telemetry_counter(&owner->telemetry, "connections_open", &open) &&
            open > 0);
}

/* is_over: the owner has told the end of a symbol of harvest: nothing comes of it any more that another instance could hear, so it
 * cannot go. */
static bool is_over(struct run *run, const char *owner, const char *symbol)
{
    char stream[PLAN_NAME_BYTES + PLAN_SYMBOL_BYTES];
    const struct telemetry *telemetry = &run_process(run, owner)->telemetry;
    snprintf(stream, sizeof stream, "%s/%s", service_of(run)->name, symbol);
    const struct stream_status_row *row = telemetry->seen ? telemetry_stream(telemetry, stream, true) : NULL;
    return run->scaling.module == MODULE_HARVEST && row && row->ended == 1;
}

/* stop_moving: who has which symbol stays as it is; a run that waited for more would never end. */
static void stop_moving(struct run *run)
{
    struct scaling *scaling = &run->scaling;
    scaling->moving = false;
    scaling->is_over = true;
    scaling->targets[scaling->module] = service_of(run)->instance_count;
    scaling->step = SCALE_RETIRING;
    record_write(run);
}

static void note_moved(struct run *run, const char *name)
{
    struct process *process = run_process(run, name);
    process->symbols_ms = run_now_ms(run);
    process->health.sample_count = 0; /* its counters are of other symbols now */
}

static void move_finish(struct run *run)
{
    struct scaling *scaling = &run->scaling;
    struct plan_service *service = service_of(run);
    size_t symbol = plan_symbol(run->plan, scaling->move.symbol);
    service->owners[symbol] = (uint8_t)plan_instance(service, scaling->move.to);
    plan_change(run);
    scaling->moving = false;
    scaling->moves++;
    note_moved(run, scaling->move.from);
    note_moved(run, scaling->move.to);
    feed_emit(&run->feed, LOG_INFO, "Moved", scaling->move.to,
              FEED_FIELDS(TEXT("service", scaling->move.service), TEXT("symbol", scaling->move.symbol),
                          TEXT("from", scaling->move.from), NUMBER("version", run->plan->version),
                          NUMBER("pause_ms", run_now_ms(run) - scaling->move_ms)));
}

static void step_moving(struct run *run)
{
    size_t symbol, owner;
    if (run->scaling.moving && has_arrived(run))
        move_finish(run);
    if (run->plan_unwritten)
        return;
    if (run->scaling.moving) {
        if (is_over(run, run->scaling.move.from, run->scaling.move.symbol))
            stop_moving(run);
        else
            move_send(run);
    } else if (run->scaling.module == MODULE_HARVEST && control_inputs_under_way(run)) {
        return; /* first every instance has heard the same */
    } else if (next_symbol(run, &symbol, &owner)) {
        const struct plan_service *service = service_of(run);
        if (is_over(run, service->instances[service->owners[symbol]], run->plan->symbols[symbol])) {
            stop_moving(run);
        } else if (may_go(run, symbol)) {
            move_begin(run, symbol, owner);
            move_send(run);
        }
    } else if (all_know(run)) {
        run->scaling.step = SCALE_RETIRING;
    }
}

/* --- ending --- */

/* retire: instances beyond the target own nothing any more. Readers leave them with the plan; then they stop. false: the plan is not
 * written yet. */
static bool retire(struct run *run)
{
    struct plan_service *service = service_of(run);
    bool any = service->instance_count > target_of(run);
    while (service->instance_count > target_of(run)) {
        struct process *process = run_process(run, service->instances[service->instance_count - 1]);
        plan_instance_remove(service, service->instance_count - 1);
        process->retired = true;
    }
    if (any && !plan_change(run))
        return false;
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        if (process->retired && process->module_index == run->scaling.module &&
            process->supervisor.state != PROCESS_STOPPED)
            process_step(run, process, EVENT_STOP);
    }
    return true;
}

static void service_end(struct run *run)
{
    struct scaling *scaling = &run->scaling;
    const char *name = module_at(scaling->module)->name;
    int64_t took_ms = run_now_ms(run) - scaling->begun_ms;
    char reason[] = "the recording is at its end";
    if (scaling->is_over)
        feed_emit(&run->feed, LOG_WARNING, "ScaleStopped", name,
                  FEED_FIELDS(NUMBER("instances", target_of(run)), NUMBER("moved", scaling->moves),
                              NUMBER("took_ms", took_ms), TEXT("reason", reason)));
    else
        feed_emit(&run->feed, LOG_INFO, "Scaled", name,
                  FEED_FIELDS(NUMBER("instances", target_of(run)), NUMBER("moved", scaling->moves),
                              NUMBER("took_ms", took_ms)));
    console_say(&run->console, "%s has %zu instance%s now: %lld symbol%s moved in %lld ms%s%s", name,
                target_of(run), target_of(run) == 1 ? "" : "s", (long long)scaling->moves,
                scaling->moves == 1 ? "" : "s", (long long)took_ms, scaling->is_over ? "; no more, " : "",
                scaling->is_over ? reason : "");
    scaling->targets[scaling->module] = 0;
}

/* step_retiring: the end of one service, and the beginning of the next. */
static void step_retiring(struct run *run)
{
    struct scaling *scaling = &run->scaling;
    bool ends = scaling->targets[scaling->module] && scaling->begun_ms;
    if (ends && !retire(run))
        return;
    if (ends)
        service_end(run);
    scaling->begun_ms = 0;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (scaling->targets[i]) {
            scaling->module = i;
            service_begin(run);
            return;
        }
    scaling->step = SCALE_IDLE;
    feed_emit(&run->feed, LOG_INFO, "ScaleDone", "", FEED_FIELDS(NUMBER("version", run->plan->version)));
}

void scale_step(struct run *run)
{
    enum scale_step before;
    if (run->plan_unwritten && (run_now_ms(run) < run->plan_retry_ms || !plan_say(run)))
        return;
    do {
        before = run->scaling.step;
        switch (run->scaling.step) {
        case SCALE_IDLE: break;
        case SCALE_STARTING: step_starting(run); break;
        case SCALE_MOVING: step_moving(run); break;
        case SCALE_RETIRING: step_retiring(run); break;
        }
    } while (run->scaling.step != before);
}

int64_t scale_due_ms(const struct run *run)
{
    if (run->plan_unwritten)
        return run->plan_retry_ms;
    return run->scaling.moving && record_is_written(run) ? run->scaling.sent_ms + MOVE_RETRY_MS : NEVER_MS;
}
