#include "control_inputs.h"

#include "base/json.h"
#include "base/memory.h"
#include "config/recorded.h"
#include "metrics.h"
#include "orchestrator/canary/incidents.h"
#include "orchestrator/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAY_AGAIN_MS = 100 };

static const char VERB[] = "control";
static const char NOT_YET[] = "wait: "; /* how harvest says that it is to be asked again */

void control_inputs_finish(struct control_inputs *inputs)
{
    free(inputs->items);
    *inputs = (struct control_inputs){0};
}

static size_t first_kept(const struct control_inputs *inputs)
{
    return inputs->count > CONTROL_INPUTS_MAX ? inputs->count - CONTROL_INPUTS_MAX : 0;
}

static struct control_input *input_at(const struct control_inputs *inputs, size_t number)
{
    return &inputs->items[number % CONTROL_INPUTS_MAX];
}

static bool is_target(const struct run *run, const struct process *process, const struct control_input *input)
{
    if (process->module_index != MODULE_HARVEST || process->retired || run_symbols_of(run, process) == 0)
        return false;
    const char *owner = *input->symbol ? plan_owner(run->plan, process->module->name, input->symbol) : NULL;
    return !*input->symbol || (owner && strcmp(owner, process->name) == 0);
}

static uint64_t bit_of(const struct process *process)
{
    return (uint64_t)1 << ((process->number - 1) % CONTROL_INPUT_TARGETS);
}

/* --- adding --- */

static void payload_make(const struct control_input *input, const struct control_wish *wish,
                         struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "id", input->id);
    json_key_text(&json, "decision", wish->decision);
    if (wish->symbol)
        json_key_text(&json, "symbol", wish->symbol);
    if (!isnan(wish->value))
        json_key_f64(&json, "value", wish->value);
    json_key_text(&json, "who", wish->who);
    json_key_text(&json, "why", wish->why);
    json_object_end(&json);
}

static enum status check(const struct run *run, const struct control_wish *wish, struct error *error)
{
    const struct control_inputs *inputs = &run->control_inputs;
    if (run->phase != PHASE_FEEDING)
        return error_set(error, STATUS_CONFLICT, "the run is %s; decisions enter only while it is fed",
                         run_phase_name(run->phase));
    if (recorded_plays_rows(run->config))
        return error_set(error, STATUS_CONFLICT,
                         "this run plays rows that have been computed; no decision changes them");
    if (wish->symbol && plan_symbol(run->plan, wish->symbol) == SIZE_MAX)
        return error_set(error, STATUS_INVALID, "there is no symbol '%.40s' in this run", wish->symbol);
    if (inputs->count >= CONTROL_INPUTS_MAX && input_at(inputs, inputs->count)->state == CONTROL_INPUT_OPEN)
        return error_set(error, STATUS_LIMIT, "%d decisions are on their way already", CONTROL_INPUTS_MAX);
    return STATUS_OK;
}

enum status control_inputs_add(struct run *run, const struct control_wish *wish, const char **out_id,
                               struct error *error)
{
    struct control_inputs *inputs = &run->control_inputs;
    struct control_input input = {.is_incident = wish->is_incident, .begun_ms = run_now_ms(run)};
    struct buffer payload;
    enum status status = check(run, wish, error);
    if (status != STATUS_OK)
        return status;
    input.opened_wall_ms = clock_wall_ms(&run->clock);
    if (wish->id)
        snprintf(input.id, sizeof input.id, "%s", wish->id);
    else
        snprintf(input.id, sizeof input.id, "%lld-%zu", (long long)input.opened_wall_ms, inputs->count + 1);
    snprintf(input.decision, sizeof input.decision, "%s", wish->decision);
    snprintf(input.symbol, sizeof input.symbol, "%s", wish->symbol ? wish->symbol : "");
    snprintf(input.who, sizeof input.who, "%.63s", wish->who);
    snprintf(input.why, sizeof input.why, "%.255s", wish->why);
    struct control_wish cut = *wish;
    cut.who = input.who, cut.why = input.why;
    buffer_init(&payload, 0);
    payload_make(&input, &cut, &payload);
    if (payload.length >= sizeof input.json)
        status = error_set(error, STATUS_INVALID, "who and why are too long together");
    else
        snprintf(input.json, sizeof input.json, "%s", buffer_text(&payload));
    buffer_finish(&payload);
    if (status != STATUS_OK)
        return status;
    if (!inputs->items)
        inputs->items = memory_allocate(CONTROL_INPUTS_MAX * sizeof *inputs->items);
    *input_at(inputs, inputs->count) = input;
    *out_id = input_at(inputs, inputs->count)->id;
    inputs->count++;
    return STATUS_OK;
}

const struct control_input *control_inputs_find(const struct run *run, const char *id)
{
    const struct control_inputs *inputs = &run->control_inputs;
    for (size_t number = inputs->count; number > first_kept(inputs); number--)
        if (strcmp(input_at(inputs, number - 1)->id, id) == 0)
            return input_at(inputs, number - 1);
    return NULL;
}

/* --- ending --- */

static void incident_write(const struct run *run, const struct control_input *input)
{
    struct error error = {{0}};
    char path[PATH_BYTES];
    struct incident incident = {.opened_ms = input->opened_wall_ms,
                                .closed_ms = clock_wall_ms(&run->clock),
                                .event_ms = metrics_event_ms(run)};
    snprintf(incident.severity, sizeof incident.severity, "P3");
    snprintf(incident.rule, sizeof incident.rule, "%s", *input->symbol ? input->symbol : "all symbols");
    snprintf(incident.who, sizeof incident.who, "%s", input->who);
    snprintf(incident.why, sizeof incident.why, "%s", input->why);
    snprintf(incident.action, sizeof incident.action, "%s", input->decision);
    incidents_path(config_text(run->config, "run.artifacts_dir"), path);
    if (incidents_open(path, &incident, &error) != STATUS_OK)
        log_event(LOG_ERROR, "write_error", "reason=\"%s\"", error.text);
}

static void end(struct run *run, struct control_input *input, enum control_input_state state,
                const char *reason)
{
    bool committed = state == CONTROL_INPUT_COMMITTED;
    input->state = state;
    snprintf(input->reason, sizeof input->reason, "%.127s", reason);
    if (committed && input->is_incident)
        incident_write(run, input);
    feed_emit(&run->feed, committed ? LOG_INFO : LOG_ERROR, "control_input", "",
              FEED_FIELDS(TEXT("id", input->id), TEXT("state", committed ? "committed" : "refused"),
                          TEXT("decision", input->decision), TEXT("symbol", input->symbol),
                          TEXT("who", input->who), TEXT("reason", reason),
                          NUMBER("took_ms", run_now_ms(run) - input->begun_ms)));
}

static bool all_answered(const struct run *run, const struct control_input *input)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (is_target(run, &run->processes[i], input) && !(input->answered & bit_of(&run->processes[i])))
            return false;
    return true;
}

bool control_inputs_take_answer(struct run *run, struct process *process,
                                const struct command_answer_row *row)
{
    struct control_inputs *inputs = &run->control_inputs;
    unsigned long number;
    long long generation;
    if (sscanf(row->request_id, "control:%lu:%lld", &number, &generation) != 2)
        return false;
    if (number < first_kept(inputs) || number >= inputs->count ||
        generation != process->supervisor.generation)
        return true;
    struct control_input *input = input_at(inputs, number);
    if (input->state != CONTROL_INPUT_OPEN || !is_target(run, process, input))
        return true;
    if (row->ok == 1)
        input->answered |= bit_of(process);
    else if (strncmp(row->text, NOT_YET, sizeof NOT_YET - 1) != 0)
        end(run, input, CONTROL_INPUT_REFUSED, row->text);
    if (input->state == CONTROL_INPUT_OPEN && all_answered(run, input))
        end(run, input, CONTROL_INPUT_COMMITTED, "");
    return true;
}

/* --- saying --- */

/* is_held: while a symbol of harvest is on its way, an input said to both sides might be heard twice, or by neither. */
static bool is_held(const struct run *run, const struct control_input *input)
{
    return !input->sent_ms && run->scaling.moving && run->scaling.module == MODULE_HARVEST;
}

bool control_inputs_under_way(const struct run *run)
{
    const struct control_inputs *inputs = &run->control_inputs;
    for (size_t number = first_kept(inputs); number < inputs->count; number++)
        if (input_at(inputs, number)->state == CONTROL_INPUT_OPEN)
            return true;
    return false;
}

static void say(struct run *run, const struct control_input *input, size_t number)
{
    char request_id[64];
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        if (!is_target(run, process, input) || (input->answered & bit_of(process)) || !process->child.lives ||
            !process->announced)
            continue;
        snprintf(request_id, sizeof request_id, "control:%zu:%lld", number,
                 (long long)process->supervisor.generation);
        command_say(run, process, request_id, VERB, input->json);
    }
}

void control_inputs_step(struct run *run)
{
    struct control_inputs *inputs = &run->control_inputs;
    int64_t now_ms = run_now_ms(run);
    for (size_t number = first_kept(inputs); number < inputs->count; number++) {
        struct control_input *input = input_at(inputs, number);
        if (input->state != CONTROL_INPUT_OPEN)
            continue;
        if (run->phase > PHASE_FEEDING)
            end(run, input, CONTROL_INPUT_REFUSED, "the feed was closed before it was committed");
        else if (now_ms - input->sent_ms >= SAY_AGAIN_MS && !is_held(run, input)) {
            input->sent_ms = now_ms;
            say(run, input, number);
        }
    }
}

int64_t control_inputs_due_ms(const struct run *run)
{
    const struct control_inputs *inputs = &run->control_inputs;
    int64_t due_ms = NEVER_MS;
    for (size_t number = first_kept(inputs); number < inputs->count; number++) {
        const struct control_input *input = input_at(inputs, number);
        if (input->state == CONTROL_INPUT_OPEN && !is_held(run, input) &&
            input->sent_ms + SAY_AGAIN_MS < due_ms)
            due_ms = input->sent_ms + SAY_AGAIN_MS;
    }
    return due_ms;
}
