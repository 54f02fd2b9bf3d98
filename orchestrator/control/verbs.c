/* What may be asked of a running orchestrator: one row per verb, one small function each. Results say what is
 * so now; what follows from a wish is told on the status feed. */
#include "orchestrator/faults/fault_verbs.h"
#include "orchestrator/interventions/intervention_verbs.h"
#include "orchestrator/manifest/live_manifest.h"
#include "orchestrator/preflight/checklist.h"
#include "orchestrator/run.h"
#include "orchestrator/supervision/signal_name.h"

#include <signal.h>
#include <string.h>

/* act: what a verb does to one process; what it says about it goes into an open object. */
typedef enum status act(struct run *run, struct process *process, const struct control_values *values,
                        struct json *result, struct error *error);

static enum status known(struct run *run, const char *name, struct error *error)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (run_meant(&run->processes[i], name))
            return STATUS_OK;
    return error_set(error, STATUS_NOT_FOUND, "there is no process '%.60s' in this run; `status` lists them",
                     name);
}

/* each: a service's name means all its instances; what the second and further ones say is listed as "more" behind the
 * first's. What one of them refuses, the verb refuses; to the others it has been done. */
static enum status each(struct run *run, const struct control_values *values, act *perform,
                        struct json *result, struct error *error)
{
    enum status status = known(run, values->texts[0], error);
    size_t done = 0;
    json_object_begin(result);
    for (size_t i = 0; i < run->process_count && (status == STATUS_OK || done); i++) {
        struct process *process = &run->processes[run->order[i]];
        if (!run_meant(process, values->texts[0]) || (process->retired && done))
            continue;
        if (done == 1) {
            json_key(result, "more");
            json_array_begin(result);
        }
        if (done++)
            json_object_begin(result);
        enum status of_one = perform(run, process, values, result, error);
        status = status == STATUS_OK ? of_one : status;
        if (done > 1)
            json_object_end(result);
    }
    if (done > 1)
        json_array_end(result);
    json_object_end(result);
    return status;
}

static void process_result(const struct process *process, const char *note, struct json *json)
{
    json_key_text(json, "name", process->name);
    json_key_text(json, "state", process->paused ? "paused" : process_state_name(process->supervisor.state));
    json_key_i64(json, "generation", process->supervisor.generation);
    json_key_i64(json, "pid", process->child.pid);
    json_key_text(json, "note", note);
}

static enum status known_or_all(struct run *run, const struct control_values *values, struct error *error)
{
    return values->given[0] ? known(run, values->texts[0], error) : STATUS_OK;
}

static enum status perform_status(void *context, const struct control_values *values, struct json *result,
                                  struct error *error)
{
    struct run *run = context;
    enum status status = known_or_all(run, values, error);
    if (status == STATUS_OK)
        status_json(run, values->texts[0], result);
    return status;
}

static enum status perform_health(void *context, const struct control_values *values, struct json *result,
                                  struct error *error)
{
    struct run *run = context;
    enum status status = known_or_all(run, values, error);
    if (status != STATUS_OK)
        return status;
    json_object_begin(result);
    json_key_bool(result, "healthy", status_healthy(run, values->texts[0]));
    json_key(result, "processes");
    json_array_begin(result);
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        if (values->given[0] ? !run_meant(process, values->texts[0]) : process->retired)
            continue;
        json_object_begin(result);
        json_key_text(result, "name", process->name);
        json_key_text(result, "health", process_health_name(process));
        json_key_text(result, "failed_conditions", process->health.failed);
        json_key_i64(result, "checks", process->health.checks);
        json_key_i64(result, "healthy_checks", process->health.healthy_checks);
        json_object_end(result);
    }
    json_array_end(result);
    json_object_end(result);
    return STATUS_OK;
}

/* wish: start, stop, restart: an event for the supervisor, unless the run itself is ending. */
static enum status wish(struct run *run, struct process *process, enum process_event event,
                        struct json *result, struct error *error)
{
    if (process->retired)
        return error_set(error, STATUS_CONFLICT,
                         "%s has been scaled away; `orchctl scale %s=N` brings it back", process->name,
                         process->module->name);
    if (run->phase != PHASE_FEEDING && run->phase != PHASE_STARTING)
        return error_set(error, STATUS_CONFLICT, "the run is %s; nothing is started or stopped by hand now",
                         run_phase_name(run->phase));
    enum process_state before = process->supervisor.state;
    process_step(run, process, event);
    process_result(process, before == process->supervisor.state ? "nothing to do" : NULL, result);
    return STATUS_OK;
}

static enum status act_start(struct run *run, struct process *process, const struct control_values *values,
                             struct json *result, struct error *error)
{
    (void)values;
    return wish(run, process, EVENT_START, result, error);
}

static enum status act_stop(struct run *run, struct process *process, const struct control_values *values,
                            struct json *result, struct error *error)
{
    (void)values;
    return wish(run, process, EVENT_STOP, result, error);
}

static enum status act_restart(struct run *run, struct process *process, const struct control_values *values,
                               struct json *result, struct error *error)
{
    (void)values;
    return wish(run, process, EVENT_RESTART, result, error);
}

/* act_drain: harvest closes the feed, so that its streams end and all others come to their end; any other works off what has
 * arrived, flushes and stops, to be started again at will. */
static enum status act_drain(struct run *run, struct process *process, const struct control_values *values,
                             struct json *result, struct error *error)
{
    (void)values;
    if (run->phase != PHASE_FEEDING)
        return error_set(error, STATUS_CONFLICT, "the run is %s; only a run that is fed can be drained",
                         run_phase_name(run->phase));
    if (!process->module->takes_feed)
        return wish(run, process, EVENT_STOP, result, error);
    command_want(process, VERB_STOP_INTAKE);
    process_result(process, "the feed is closed; the run ends with its streams", result);
    return STATUS_OK;
}

static enum status act_kill(struct run *run, struct process *process, const struct control_values *values,
                            struct json *result, struct error *error)
{
    int64_t id = 0;
    int number = values->given[1] ? signal_number_of(values->texts[1]) : SIGKILL;
    enum status status = STATUS_OK;
    if (number == 0)
        status = error_set(error, STATUS_INVALID, "there is no signal '%.40s'", values->texts[1]);
    if (status == STATUS_OK && values->given[2] && values->integers[2] != process->supervisor.generation)
        status = error_set(error, STATUS_CONFLICT, "%s is generation %lld now, not %lld", process->name,
                           (long long)process->supervisor.generation, (long long)values->integers[2]);
    if (status == STATUS_OK)
        status = process_signal(run, process, number, &id, error);
    if (status != STATUS_OK)
        return status;
    json_key_text(result, "name", process->name);
    json_key_i64(result, "fault", id);
    json_key_i64(result, "pid", process->child.pid);
    json_key_i64(result, "generation", process->supervisor.generation);
    json_key_text(result, "signal", signal_name_of(number));
    return STATUS_OK;
}

static enum status pause_or_resume(struct run *run, struct process *process, bool pause, struct json *result,
                                   struct error *error)
{
    bool before = process->paused;
    enum status status = process_pause(run, process, pause, error);
    if (status == STATUS_OK)
        process_result(process, before == pause ? "nothing to do" : NULL, result);
    return status;
}

static enum status act_pause(struct run *run, struct process *process, const struct control_values *values,
                             struct json *result, struct error *error)
{
    (void)values;
    return pause_or_resume(run, process, true, result, error);
}

static enum status act_resume(struct run *run, struct process *process, const struct control_values *values,
                              struct json *result, struct error *error)
{
    (void)values;
    return pause_or_resume(run, process, false, result, error);
}

/* Verbs that are done to each process that is meant. */
#define EACH(name, perform)                                                                          \
    static enum status name(void *context, const struct control_values *values, struct json *result, \
                            struct error *error)                                                     \
    {                                                                                                \
        return each(context, values, perform, result, error);                                        \
    }
EACH(perform_start, act_start)
EACH(perform_stop, act_stop)
EACH(perform_drain, act_drain)
EACH(perform_restart, act_restart)
EACH(perform_kill, act_kill)
EACH(perform_pause, act_pause)
EACH(perform_resume, act_resume)

static enum status perform_events(void *context, const struct control_values *values, struct json *result,
                                  struct error *error)
{
    (void)error;
    struct run *run = context;
    struct buffer events;
    int64_t first = 0;
    buffer_init(&events, 0);
    feed_since(&run->feed, values->integers[0], &events, &first);
    json_object_begin(result);
    json_key_i64(result, "serial", run->feed.serial);
    json_key_i64(result, "first_kept", first);
    json_key(result, "events");
    json_raw(result, (const char *)events.data, events.length);
    json_object_end(result);
    buffer_finish(&events);
    return STATUS_OK;
}

static enum status perform_gates(void *context, const struct control_values *values, struct json *result,
                                 struct error *error)
{
    (void)values, (void)error;
    checklist_json(context, result);
    return STATUS_OK;
}

static enum status perform_scale(void *context, const struct control_values *values, struct json *result,
                                 struct error *error)
{
    static const enum module_id MODULES[] = {MODULE_HARVEST, MODULE_FEATURES, MODULE_SIGNAL};
    struct run *run = context;
    size_t targets[MODULE_COUNT] = {0};
    bool any = false;
    for (size_t i = 0; i < sizeof MODULES / sizeof *MODULES; i++) {
        if (!values->given[i])
            continue;
        if (values->integers[i] < 1 || values->integers[i] > PLAN_INSTANCES_MAX)
            return error_set(error, STATUS_INVALID, "%s: 1 to %d instances", module_at(MODULES[i])->name,
                             PLAN_INSTANCES_MAX);
        targets[MODULES[i]] = (size_t)values->integers[i];
        any = true;
    }
    bool is_so = any && run->phase == PHASE_FEEDING && scale_is_so(run, targets);
    enum status status = !any ? error_set(error, STATUS_INVALID, "harvest, features or signal must be given")
                         : is_so ? STATUS_OK
                                 : scale_begin(run, targets, error);
    if (status != STATUS_OK)
        return status;
    json_object_begin(result);
    json_key_text(result, "run_id", run->run_id);
    json_key_i64(result, "plan_version", run->plan->version);
    json_key_text(result, "note", is_so ? "nothing to do" : NULL);
    json_object_end(result);
    return STATUS_OK;
}

static enum status perform_shutdown(void *context, const struct control_values *values, struct json *result,
                                    struct error *error)
{
    (void)values, (void)error;
    struct run *run = context;
    lifecycle_end(run, "asked by orchctl");
    json_object_begin(result);
    json_key_text(result, "run_id", run->run_id);
    json_key_text(result, "phase", run_phase_name(run->phase));
    json_object_end(result);
    return STATUS_OK;
}

#define NAME                       \
    {                              \
        "name", CONTROL_TEXT, true \
    }
#define NAME_OR_ALL                 \
    {                               \
        "name", CONTROL_TEXT, false \
    }

const struct control_verb RUN_VERBS[] = {
    {"status", {NAME_OR_ALL}, false, perform_status},
    {"health", {NAME_OR_ALL}, false, perform_health},
    {"start", {NAME}, true, perform_start},
    {"stop", {NAME}, true, perform_stop},
    {"restart", {NAME}, true, perform_restart},
    {"kill",
     {NAME, {"signal", CONTROL_TEXT, false}, {"generation", CONTROL_INTEGER, false}},
     true,
     perform_kill},
    {"pause", {NAME}, true, perform_pause},
    {"resume", {NAME}, true, perform_resume},
    {"drain", {NAME}, true, perform_drain},
    {"scale",
     {{"harvest", CONTROL_INTEGER, false},
      {"features", CONTROL_INTEGER, false},
      {"signal", CONTROL_INTEGER, false}},
     true,
     perform_scale},
    {"events", {{"since", CONTROL_INTEGER, false}}, false, perform_events},
    {"gates", {{0}}, false, perform_gates},
    {"manifest", {{0}}, false, perform_manifest},
    {"shutdown", {{0}}, true, perform_shutdown},
    {"fault", FAULT_ARGUMENTS, true, perform_fault},
    {"fault_list", {{"id", CONTROL_INTEGER, false}}, false, perform_fault_list},
    {"fault_clear", {{"id", CONTROL_INTEGER, false}}, true, perform_fault_clear},
    {"steady", {{0}}, false, perform_steady},
    {"rollback", ROLLBACK_ARGUMENTS, true, perform_rollback},
    {"direction", DIRECTION_ARGUMENTS, true, perform_direction},
    {"resolve", RESOLVE_ARGUMENTS, true, perform_resolve},
    {0},
};
