/* What daemons are told. A command is wanted until the present generation has answered it; a lost one is sent
 * again, a new generation is told again. All commands are idempotent, so nothing has to be remembered beyond
 * that. */
#include "bus/bus.h"
#include "orchestrator/faults/faults.h"
#include "orchestrator/run.h"
#include "proto/frame.h"
#include "proto/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_RETRY_MS = 100, COMMAND_RETRY_FIRST_MS = 5 };

static const char *const VERB_NAMES[VERB_COUNT] = {"status", "go", "stop_intake", "drain", "summary", "plan"};

void command_want(struct process *process, enum daemon_verb verb)
{
    process->commands[verb].wanted = true;
}

/* knows_plan: heartbeats tell which plan a daemon has. */
static bool knows_plan(const struct run *run, const struct process *process)
{
    int64_t version = 0;
    return process->telemetry.seen &&
           telemetry_counter(&process->telemetry, "stage_plan_version", &version) &&
           version >= run->plan->version;
}

/* open_command: `status` is asked only for the heartbeat that comes with its answer. */
static bool open_command(const struct run *run, const struct process *process, enum daemon_verb verb)
{
    const struct daemon_command *command = &process->commands[verb];
    if (!command->wanted)
        return false;
    bool answered = verb == VERB_STATUS ? process->telemetry.seen
                    : verb == VERB_PLAN ? knows_plan(run, process)
                                        : command->answered_generation == process->supervisor.generation;
    return command->wanted && process->module->beats && process->announced && process->child.lives &&
           !answered;
}

static int64_t due_ms(const struct process *process, enum daemon_verb verb)
{
    const struct daemon_command *command = &process->commands[verb];
    if (command->sent_generation != process->supervisor.generation)
        return 0;
    return command->sent_ms + (verb == VERB_STATUS ? COMMAND_RETRY_FIRST_MS : COMMAND_RETRY_MS);
}

void command_say(struct run *run, struct process *process, const char *request_id, const char *verb,
                 const char *arguments)
{
    struct command_row row = {.generation = process->supervisor.generation};
    struct frame_header header = {.publish_ns = clock_wall_ns(&run->clock), .row_count = 1};
    struct buffer encoded, frame;
    snprintf(row.request_id, sizeof row.request_id, "%s", request_id);
    snprintf(row.run_id, sizeof row.run_id, "%s", run->run_id);
    snprintf(row.verb, sizeof row.verb, "%s", verb);
    snprintf(row.arguments, sizeof row.arguments, "%s", arguments);
    snprintf(header.run_id, sizeof header.run_id, "%s", run->run_id);
    snprintf(header.instance, sizeof header.instance, "orchestrator");
    buffer_init(&encoded, 0);
    buffer_init(&frame, 0);
    row_encode(&encoded, &command_message, command_message.field_count, &row);
    frame_encode(&frame, &header, encoded.data, encoded.length);
    if (bus_request(run->bus, process->connection, frame.data, frame.length) != STATUS_OK)
        log_event(LOG_DEBUG, "command_queue_full", "name=%s verb=%s", process->name, verb);
    buffer_finish(&encoded);
    buffer_finish(&frame);
}

static void send_command(struct run *run, struct process *process, enum daemon_verb verb)
{
    char request_id[64];
    bool given = process->module->drains_last && (verb == VERB_DRAIN || verb == VERB_SUMMARY) &&
                 file_exists(RUN_GIVEN_PATH);
    snprintf(request_id, sizeof request_id, "%s/%lld", VERB_NAMES[verb],
             (long long)process->supervisor.generation);
    bool later = process->module->drains_last && verb == VERB_DRAIN && run->leads_on;
    command_say(run, process, request_id, VERB_NAMES[verb],
                later   ? "{\"summary\":\"later\"}"
                : given ? "{\"file\":\"" RUN_GIVEN_PATH "\"}"
                        : "{}");
    process->commands[verb].sent_generation = process->supervisor.generation;
    process->commands[verb].sent_ms = run_now_ms(run);
}

void commands_send(struct run *run, struct process *process)
{
    int64_t now_ms = run_now_ms(run);
    for (enum daemon_verb verb = 0; verb < VERB_COUNT; verb++)
        if (open_command(run, process, verb) && due_ms(process, verb) <= now_ms)
            send_command(run, process, verb);
}

bool command_answered(const struct process *process, enum daemon_verb verb)
{
    const struct daemon_command *command = &process->commands[verb];
    return command->answered_generation == process->supervisor.generation && process->telemetry.seen &&
           process->telemetry.beat.wall_ms > command->answered_wall_ms;
}

int64_t commands_due_ms(const struct run *run, const struct process *process)
{
    int64_t due = NEVER_MS;
    for (enum daemon_verb verb = 0; verb < VERB_COUNT; verb++)
        if (open_command(run, process, verb) && due_ms(process, verb) < due)
            due = due_ms(process, verb);
    return due;
}

static void take_answer(struct run *run, struct process *process, const struct command_answer_row *row,
                        int64_t answered_wall_ms)
{
    const char *slash = strchr(row->request_id, '/');
    size_t length = slash ? (size_t)(slash - row->request_id) : 0;
    int64_t generation = slash ? strtoll(slash + 1, NULL, 10) : 0;
    if (generation != process->supervisor.generation)
        return; /* of a dead one, or for a dead one */
    if (row->ok != 1)
        scale_take_refusal(run, process, row->request_id, row->text);
    for (enum daemon_verb verb = 0; verb < VERB_COUNT; verb++)
        if (strlen(VERB_NAMES[verb]) == length && memcmp(VERB_NAMES[verb], row->request_id, length) == 0) {
            if (row->ok != 1 && process->commands[verb].answered_generation != generation)
                feed_emit(&run->feed, LOG_ERROR, "command_refused", process->name,
                          FEED_FIELDS(TEXT("verb", VERB_NAMES[verb]), TEXT("reason", row->text)));
            process->commands[verb].answered_generation = generation;
            process->commands[verb].answered_wall_ms = answered_wall_ms;
        }
}

void commands_take_answer(struct run *run, struct process *process, const void *data, size_t bytes)
{
    struct frame frame;
    struct row_view view;
    struct command_answer_row row;
    struct error error = {{0}};
    enum status status = frame_open(&frame, data, bytes, &error);
    while (status == STATUS_OK && frame_next(&frame, &view)) {
        if (view.kind != ROW_COMMAND_ANSWER)
            continue;
        status = row_decode(&view, &command_answer_message, &row, &error);
        if (status == STATUS_OK && !faults_take_answer(run, process, &row) &&
            !control_inputs_take_answer(run, process, &row))
            take_answer(run, process, &row, frame.header.publish_ns / 1000000);
    }
    if (status != STATUS_OK)
        log_event(LOG_WARNING, "answer_rejected", "name=%s reason=\"%s\"", process->name, error.text);
}
