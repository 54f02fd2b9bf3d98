/* What may be asked of a running orchestrator: one row per verb, one small function each. Results say what is
 * so now; what follows from a wish is told on the status feed. */
#include "run.h"
#include "signal_name.h"

#include <signal.h>
#include <string.h>

static enum status process_of(struct run *run, const struct control_values *values,
                              struct process **out_process, struct error *error)
{
    *out_process = run_process(run, values->texts[0]);
    if (*out_process)
        return STATUS_OK;
    return error_set(error, STATUS_NOT_FOUND, "there is no process '%.60s' in this run; `status` lists them",
                     values->texts[0]);
}

static void process_result(const struct process *process, const char *note, struct json *json)
{
    json_object_begin(json);
    json_key_text(json, "name", process->name);
    json_key_text(json, "state", process_state_name(process->supervisor.state));
    json_key_i64(json, "generation", process->supervisor.generation);
    json_key_i64(json, "pid", process->child.pid);
    json_key_text(json, "note", note);
    json_object_end(json);
}

static enum status known_or_all(struct run *run, const struct control_values *values, struct error *error)
{
    struct process *process;
    return values->given[0] ? process_of(run, values, &process, error) : STATUS_OK;
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
        if (values->given[0] && strcmp(values->texts[0], process->name) != 0)
            continue;
        json_object_begin(result);
        json_key_text(result, "name", process->name);
        json_key_text(result, "health", health_status_name(process->health.status));
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
static enum status wish(void *context, const struct control_values *values, enum process_event event,
                        struct json *result, struct error *error)
{
    struct run *run = context;
    struct process *process;
    enum status status = process_of(run, values, &process, error);
    if (status != STATUS_OK)
        return status;
    if (run->phase != PHASE_FEEDING && run->phase != PHASE_STARTING)
        return error_set(error, STATUS_CONFLICT, "the run is %s; nothing is started or stopped by hand now",
                         run_phase_name(run->phase));
    enum process_state before = process->supervisor.state;
    process_step(run, process, event);
    process_result(process, before == process->supervisor.state ? "nothing to do" : NULL, result);
    return STATUS_OK;
}

static enum status perform_start(void *context, const struct control_values *values, struct json *result,
                                 struct error *error)
{
    return wish(context, values, EVENT_START, result, error);
}

static enum status perform_stop(void *context, const struct control_values *values, struct json *result,
                                struct error *error)
{
    return wish(context, values, EVENT_STOP, result, error);
}

static enum status perform_restart(void *context, const struct control_values *values, struct json *result,
                                   struct error *error)
{
    return wish(context, values, EVENT_RESTART, result, error);
}

static enum status perform_kill(void *context, const struct control_values *values, struct json *result,
                                struct error *error)
{
    struct run *run = context;
    struct process *process;
    int64_t id = 0;
    int number = values->given[1] ? signal_number_of(values->texts[1]) : SIGKILL;
    enum status status = process_of(run, values, &process, error);
    if (status == STATUS_OK && number == 0)
        status = error_set(error, STATUS_INVALID, "there is no signal '%.40s'", values->texts[1]);
    if (status == STATUS_OK && values->given[2] && values->integers[2] != process->supervisor.generation)
        status = error_set(error, STATUS_CONFLICT, "%s is generation %lld now, not %lld", process->name,
                           (long long)process->supervisor.generation, (long long)values->integers[2]);
    if (status == STATUS_OK)
        status = process_signal(run, process, number, &id, error);
    if (status != STATUS_OK)
        return status;
    json_object_begin(result);
    json_key_text(result, "name", process->name);
    json_key_i64(result, "fault", id);
    json_key_i64(result, "pid", process->child.pid);
    json_key_i64(result, "generation", process->supervisor.generation);
    json_key_text(result, "signal", signal_name_of(number));
    json_object_end(result);
    return STATUS_OK;
}

static enum status pause_or_resume(void *context, const struct control_values *values, bool pause,
                                   struct json *result, struct error *error)
{
    struct run *run = context;
    struct process *process;
    enum status status = process_of(run, values, &process, error);
    if (status == STATUS_OK)
        status = process_pause(run, process, pause, error);
    if (status == STATUS_OK)
        process_result(process, pause ? "paused" : NULL, result);
    return status;
}

static enum status perform_pause(void *context, const struct control_values *values, struct json *result,
                                 struct error *error)
{
    return pause_or_resume(context, values, true, result, error);
}

static enum status perform_resume(void *context, const struct control_values *values, struct json *result,
                                  struct error *error)
{
    return pause_or_resume(context, values, false, result, error);
}

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
    {"events", {{"since", CONTROL_INTEGER, false}}, false, perform_events},
    {"shutdown", {{0}}, true, perform_shutdown},
    {0},
};
