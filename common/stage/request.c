#include "base/log.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <string.h>

/* What comes in on the ROUTER: catch-up requests and registrations of consumers, commands of the orchestrator. */

static struct frame_header own_header(const struct stage *stage)
{
    struct frame_header header = {.generation = stage->options.generation,
                                  .publish_ns = clock_wall_ns(&stage->clock)};
    memcpy(header.run_id, stage->run_id, sizeof header.run_id);
    memcpy(header.instance, stage->instance, sizeof header.instance);
    return header;
}

/* stage_answer: one row in a frame as the first part, optionally another frame as the second. */
void stage_answer(struct stage *stage, const struct bus_peer_id *peer, const struct message *message,
                  const void *row, const struct buffer *body)
{
    struct buffer encoded, head;
    struct frame_header header = own_header(stage);
    header.row_count = 1;
    buffer_init(&encoded, 0);
    buffer_init(&head, 0);
    row_encode(&encoded, message, message->field_count, row);
    frame_encode(&head, &header, encoded.data, encoded.length);
    bus_answer(stage->bus, peer, head.data, head.length, body ? body->data : NULL, body ? body->length : 0);
    buffer_finish(&encoded);
    buffer_finish(&head);
}

static struct output *output_of(struct stage *stage, const char *stream)
{
    for (size_t i = 0; stage->outputs && i < stage->symbol_count; i++)
        if (strcmp(stage->outputs[i].stream, stream) == 0)
            return &stage->outputs[i];
    return NULL;
}

/* rows_from: what the answer to a good request says and holds. */
static void rows_from(struct stage *stage, const struct output *output, struct catch_up_answer_row *answer)
{
    struct error error = {{0}};
    size_t count = 0;
    answer->oldest = journal_first(stage->journal, output->journal_stream);
    answer->last = journal_last(stage->journal, output->journal_stream);
    enum status status = journal_read(stage->journal, output->journal_stream, answer->from,
                                      CATCH_UP_BYTES_MAX, SIZE_MAX, &stage->scratch, &count, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        snprintf(answer->error, sizeof answer->error, "%.127s", error.text);
    answer->row_count = (int64_t)count;
    if (!count)
        return;
    struct frame_header header = own_header(stage);
    header.first_sequence = answer->from;
    header.row_count = count;
    frame_encode(&stage->frame_scratch, &header, stage->scratch.data, stage->scratch.length);
}

/* has_moved: another instance owns the stream by now, and rows were given back here: who asks must not take that for a loss,
 * but hear of the newer plan. */
static bool has_moved(const struct stage *stage, const struct output *output, int64_t from)
{
    return !stage_owns(stage, (size_t)(output - stage->outputs)) &&
           from < journal_first(stage->journal, output->journal_stream);
}

static void catch_up(struct stage *stage, const struct bus_peer_id *peer, const struct frame_header *header,
                     const struct row_view *view)
{
    struct catch_up_request_row request = {0};
    struct catch_up_answer_row answer = {0};
    struct error error = {{0}};
    buffer_clear(&stage->scratch);
    buffer_clear(&stage->frame_scratch);
    if (row_decode(view, &catch_up_request_message, &request, &error) != STATUS_OK || request.from < 1) {
        stage->counts.malformed_requests++;
        snprintf(answer.error, sizeof answer.error, "%.127s",
                 *error.text ? error.text : "from: must be at least 1");
    } else if (stage_is_package(request.stream) && strcmp(header->run_id, stage->run_id) != 0) {
        stage->counts.foreign_frames++; /* its generations, and its symbols, are not ours */
        memcpy(answer.stream, request.stream, sizeof answer.stream);
        answer.from = request.from;
        snprintf(answer.error, sizeof answer.error, "this is another run");
    } else if (stage_is_package(request.stream)) {
        stage_package_asked(stage, peer, header, &request);
        return;
    } else {
        memcpy(answer.stream, request.stream, sizeof answer.stream);
        answer.from = request.from;
        const struct output *output = output_of(stage, request.stream);
        if (output && has_moved(stage, output, request.from))
            snprintf(answer.error, sizeof answer.error, "%.60s has moved to another instance",
                     request.stream);
        else if (output)
            rows_from(stage, output, &answer);
        else
            snprintf(answer.error, sizeof answer.error, "no stream %.80s here", request.stream);
    }
    stage_answer(stage, peer, &catch_up_answer_message, &answer,
                 answer.row_count ? &stage->frame_scratch : NULL);
}

static void note_consumer(struct stage *stage, const struct row_view *view)
{
    struct register_row entry;
    if (row_decode(view, &register_message, &entry, NULL) == STATUS_OK)
        stage_consumer_note(stage, &entry);
    else
        stage->counts.malformed_requests++;
}

/* give_ledger: counters and journal must be of one moment: while rows come out again they are not. */
static enum status give_ledger(struct stage *stage, struct error *error)
{
    if (stage->rereading)
        return error_set(error, STATUS_AGAIN, "%s is still reading its input again", stage->instance);
    enum status status = stage_commit(stage, false, error);
    if (status != STATUS_OK) {
        stage_fail(stage, error);
        return status;
    }
    if (stage->unwritten)
        return error_set(error, STATUS_AGAIN, "the journal of %s does not take rows now", stage->instance);
    return stage_ledger_write(stage, error);
}

/* move: a symbol leaves, or comes. */
static enum status move(struct stage *stage, const struct command_row *command, struct error *error)
{
    struct plan_move move;
    enum status status = plan_move_parse(command->arguments, &move, error);
    if (status != STATUS_OK)
        return status;
    return strcmp(command->verb, "move_out") == 0 ? stage_release(stage, &move, error)
                                                  : stage_acquire(stage, &move, error);
}

/* perform: the stage's own verbs; what it does not know goes to the service. All are idempotent. */
static enum status perform(struct stage *stage, const struct command_row *command, struct error *error)
{
    if (command->run_id[0] && strcmp(command->run_id, stage->run_id) != 0)
        return error_set(error, STATUS_INVALID, "this is run %s, not %s", stage->run_id, command->run_id);
    if (command->generation && command->generation != stage->options.generation)
        return error_set(error, STATUS_INVALID, "this is generation %lld of %s, not %lld",
                         (long long)stage->options.generation, stage->instance,
                         (long long)command->generation);
    if (strcmp(command->verb, "status") == 0)
        return STATUS_OK;
    if (strcmp(command->verb, "plan") == 0)
        return stage_plan_renew(stage, error);
    if (strcmp(command->verb, "move_out") == 0 || strcmp(command->verb, "move_in") == 0)
        return move(stage, command, error);
    if (strcmp(command->verb, "ledger") == 0)
        return give_ledger(stage, error);
    if (strcmp(command->verb, "stop") == 0) {
        stage->stopping = true;
        return STATUS_OK;
    }
    enum status status = stage_injury_command(stage, command, error);
    if (status != STATUS_UNSUPPORTED)
        return status;
    bool drain = strcmp(command->verb, "drain") == 0, go = strcmp(command->verb, "go") == 0;
    stage->draining = stage->draining || drain;
    if (drain)
        stage_sinks_hurry(stage, true); /* whoever drains us waits for them */
    stage->going = stage->going || go;
    status = stage->service->command
                 ? stage->service->command(stage->state, command->verb, command->arguments, error)
                 : STATUS_UNSUPPORTED;
    if (status != STATUS_UNSUPPORTED || drain || go)
        return status == STATUS_UNSUPPORTED ? STATUS_OK : status;
    return error_set(error, STATUS_UNSUPPORTED, "%s knows no command %s", stage->instance, command->verb);
}

static void command(struct stage *stage, const struct bus_peer_id *peer, const struct row_view *view)
{
    struct command_row request;
    struct command_answer_row answer = {0};
    struct error error = {{0}};
    bool asks_status = false;
    if (row_decode(view, &command_message, &request, &error) != STATUS_OK) {
        stage->counts.malformed_requests++;
    } else {
        asks_status = strcmp(request.verb, "status") == 0;
        memcpy(answer.request_id, request.request_id, sizeof answer.request_id);
        answer.ok = perform(stage, &request, &error) == STATUS_OK;
        /* Asked many times a second; their lines would make the log hold back those of orders. */
        bool glance = asks_status || strcmp(request.verb, "fault_status") == 0;
        log_event(glance ? LOG_DEBUG : LOG_INFO, "command", "verb=%s ok=%d reason=\"%s\"", request.verb,
                  answer.ok, error.text);
    }
    snprintf(answer.text, sizeof answer.text, "%.511s", error.text);
    /* Of a status the heartbeat is the answer: who has just connected may not have subscribed yet, and knows nothing
     * of the streams. */
    if (asks_status) {
        *stage->told_state = 0;
        stage_beat(stage, true);
    }
    stage_answer(stage, peer, &command_answer_message, &answer, asks_status ? &stage->newest_beat : NULL);
    if (!asks_status)
        stage_beat(stage, true);
}

void stage_request_handle(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    struct stage *stage = context;
    struct frame frame;
    struct row_view view;
    struct error error;
    stage->counts.requests++;
    if (frame_open(&frame, data, bytes, &error) != STATUS_OK) {
        stage->counts.malformed_requests++;
        log_event(LOG_WARNING, "request_rejected", "reason=\"%s\"", error.text);
        return;
    }
    /* One question per message: a few bytes must not call for many answers of CATCH_UP_BYTES_MAX. */
    for (bool answered = false; frame_next(&frame, &view);) {
        bool question = view.kind == ROW_CATCH_UP_REQUEST || view.kind == ROW_COMMAND;
        if (view.kind == ROW_REGISTER && strcmp(frame.header.run_id, stage->run_id) != 0)
            stage->counts.foreign_frames++; /* must not hold up this run's journal */
        else if (view.kind == ROW_REGISTER)
            note_consumer(stage, &view);
        else if (!question || answered)
            stage->counts.malformed_requests++;
        else if (view.kind == ROW_COMMAND)
            command(stage, peer, &view);
        else
            catch_up(stage, peer, &frame.header, &view);
        answered = answered || question;
    }
}
