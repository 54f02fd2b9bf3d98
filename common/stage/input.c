#include "base/log.h"
#include "base/memory.h"
#include "proto/control.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One number per stream decides everything: position, the newest row consumed. A frame that begins at position + 1
 * or before is used from there on; one that begins later, or a heartbeat that is ahead, is answered by a request for
 * what is missing, and live rows are ignored until they fit. Joining, gap, restart and slow consumer are all this
 * one path. */

/* stage_upstream_open: a connection to an instance; one that is there already is used again. */
enum status stage_upstream_open(struct stage *stage, const char *service, const char *instance,
                                size_t *out_index, struct error *error)
{
    size_t index = stage->upstream_count;
    for (size_t i = 0; i < stage->upstream_count; i++) {
        if (strcmp(stage->upstreams[i].instance, instance) == 0) {
            *out_index = i;
            return STATUS_OK;
        }
        index = index == stage->upstream_count && !*stage->upstreams[i].instance ? i : index;
    }
    if (index == STAGE_UPSTREAMS_MAX)
        return error_set(error, STATUS_LIMIT, "%s reads more than %d instances", stage->instance,
                         STAGE_UPSTREAMS_MAX);
    struct upstream *upstream = &stage->upstreams[index];
    enum status status = bus_connect(stage->bus, instance, &upstream->connection, error);
    if (status != STATUS_OK)
        return status;
    upstream->service = service;
    upstream->generation = upstream->pid = 0;
    snprintf(upstream->instance, sizeof upstream->instance, "%s", instance);
    bus_subscribe(stage->bus, upstream->connection, "heartbeat/");
    upstream->heard_ms = clock_monotonic_ms(&stage->clock);
    stage->upstream_count += index == stage->upstream_count;
    *out_index = index;
    return STATUS_OK;
}

/* upstreams_open: all instances of a service, also those whose symbols others read: when a symbol moves to one, the
 * connection is there. */
static enum status upstreams_open(struct stage *stage, const char *service, struct error *error)
{
    const struct plan_service *planned = stage->plan ? plan_service(stage->plan, service) : NULL;
    enum status status = STATUS_OK;
    size_t index;
    if (!planned)
        return stage_upstream_open(stage, service, service, &index, error);
    for (size_t i = 0; status == STATUS_OK && i < planned->instance_count; i++)
        status = stage_upstream_open(stage, service, planned->instances[i], &index, error);
    return status;
}

static size_t connection_of(const struct stage *stage, const struct input *input)
{
    return stage->upstreams[input->upstream].connection;
}

void stage_input_detach(struct stage *stage, struct input *input)
{
    if (input->upstream != SIZE_MAX)
        bus_unsubscribe(stage->bus, connection_of(stage, input), input->stream);
    input->upstream = SIZE_MAX;
    input->requested_from = 0;
}

enum status stage_input_attach(struct stage *stage, struct input *input, struct error *error)
{
    size_t upstream;
    const char *service = input->public.service;
    enum status status = stage_upstream_open(
        stage, service, stage_upstream_of(stage, service, input->public.symbol), &upstream, error);
    if (status != STATUS_OK || upstream == input->upstream)
        return status;
    stage_input_detach(stage, input);
    input->upstream = upstream;
    input->beats_behind = 0;
    input->rows_generation = 0;
    bus_subscribe(stage->bus, connection_of(stage, input), input->stream);
    return STATUS_OK;
}

/* enabled: under an orchestrator run.enable names every service of the run, and nothing comes from others. By hand and
 * in a replay all that are needed are there. */
static bool enabled(const struct stage *stage, const char *service)
{
    if (!stage->options.effective_path || stage->options.replay_count || stage->options.replay_link)
        return true;
    struct config_list names = config_list(stage->config, "run.enable");
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.texts[i], service) == 0)
            return true;
    return false;
}

static enum status inputs_make(struct stage *stage, const char *service, struct error *error)
{
    enum status status = upstreams_open(stage, service, error);
    for (size_t i = 0; status == STATUS_OK && i < stage->symbol_count; i++) {
        struct input *input = &stage->inputs[stage->input_count++];
        input->public =
            (struct stage_input){.service = service, .symbol = stage->symbols[i], .symbol_index = i};
        input->upstream = SIZE_MAX;
        snprintf(input->stream, sizeof input->stream, "%s/%s", service, stage->symbols[i]);
        if (stage_owns(stage, i))
            status = stage_input_attach(stage, input, error);
    }
    return status;
}

enum status stage_inputs_open(struct stage *stage, struct error *error)
{
    size_t services = 0;
    while (stage->service->inputs && stage->service->inputs[services])
        services++;
    stage->inputs = memory_allocate(services * stage->symbol_count * sizeof *stage->inputs);
    for (size_t i = 0; i < services; i++) {
        if (!enabled(stage, stage->service->inputs[i]))
            continue;
        enum status status = inputs_make(stage, stage->service->inputs[i], error);
        if (status != STATUS_OK)
            return status;
    }
    for (size_t i = 0; stage->service->resume && i < stage->input_count; i++)
        stage->inputs[i].public.position = stage->inputs[i].consumed =
            stage->service->resume(stage->state, stage->inputs[i].stream);
    return stage_holes_count(stage, error);
}

static bool is_active(const struct stage *stage, const struct input *input)
{
    return input->upstream != SIZE_MAX && stage_owns(stage, input->public.symbol_index);
}

struct input *stage_input_of(struct stage *stage, size_t connection, const char *stream)
{
    for (size_t i = 0; i < stage->input_count; i++)
        if (is_active(stage, &stage->inputs[i]) && connection_of(stage, &stage->inputs[i]) == connection &&
            strcmp(stage->inputs[i].stream, stream) == 0)
            return &stage->inputs[i];
    return NULL;
}

static void remember_error(struct stage *stage, const struct error *error)
{
    snprintf(stage->last_error, sizeof stage->last_error, "%.255s", error->text);
}

/* --- asking --- */

bool stage_input_request(struct stage *stage, size_t connection, struct catch_up_request_row *request)
{
    memcpy(request->consumer, stage->instance, sizeof request->consumer);
    struct frame_header header = {.generation = stage->options.generation, .row_count = 1};
    memcpy(header.run_id, stage->run_id, sizeof header.run_id);
    memcpy(header.instance, stage->instance, sizeof header.instance);
    struct buffer row, frame;
    buffer_init(&row, 0);
    buffer_init(&frame, 0);
    row_encode(&row, &catch_up_request_message, catch_up_request_message.field_count, request);
    frame_encode(&frame, &header, row.data, row.length);
    bool sent = bus_request(stage->bus, connection, frame.data, frame.length) == STATUS_OK;
    stage->counts.catch_up_requests += sent;
    buffer_finish(&row);
    buffer_finish(&frame);
    return sent;
}

static void request_send(struct stage *stage, struct input *input)
{
    struct catch_up_request_row request = {.from = input->public.position + 1};
    memcpy(request.stream, input->stream, sizeof request.stream);
    /* A queue that is full is no reason to wait for an answer: the next heartbeat brings the next try. */
    if (stage_input_request(stage, connection_of(stage, input), &request)) {
        input->requested_from = request.from;
        input->requested_ms = clock_monotonic_ms(&stage->clock);
    }
}

static void request_missing(struct stage *stage, struct input *input)
{
    if (!input->requested_from && stage_may_consume(stage))
        request_send(stage, input);
}

/* is_planned: whether the plan still has an instance that we read. */
static bool is_planned(const struct stage *stage, const struct upstream *upstream)
{
    const struct plan_service *service = plan_service(stage->plan, upstream->service);
    return !service || plan_instance(service, upstream->instance) != SIZE_MAX;
}

enum status stage_inputs_follow(struct stage *stage, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < stage->plan->service_count; i++)
        for (size_t k = 0; k < stage->input_count; k += stage->symbol_count)
            if (strcmp(stage->plan->services[i].name, stage->inputs[k].public.service) == 0)
                status = upstreams_open(stage, stage->inputs[k].public.service, error);
    for (size_t i = 0; status == STATUS_OK && i < stage->input_count; i++) {
        size_t before = stage->inputs[i].upstream;
        if (before == SIZE_MAX)
            continue;
        status = stage_input_attach(stage, &stage->inputs[i], error);
        if (status == STATUS_OK && stage->inputs[i].upstream != before)
            request_missing(stage, &stage->inputs[i]);
    }
    for (size_t i = 0; status == STATUS_OK && i < stage->upstream_count; i++) {
        if (!*stage->upstreams[i].instance || is_planned(stage, &stage->upstreams[i]))
            continue;
        bus_disconnect(stage->bus, stage->upstreams[i].connection);
        *stage->upstreams[i].instance = 0;
    }
    stage_hand_over_settle(stage);
    return status;
}

void stage_input_join(struct stage *stage, struct input *input)
{
    request_missing(stage, input);
}

void stage_inputs_join(struct stage *stage)
{
    for (size_t i = 0; i < stage->input_count; i++)
        if (is_active(stage, &stage->inputs[i]))
            request_missing(stage, &stage->inputs[i]);
}

/* overdue: an answer that should have come; while the producer is silent the request still lies in its queue. */
static bool overdue(const struct stage *stage, const struct input *input, int64_t now_ms)
{
    return is_active(stage, input) && input->requested_from &&
           now_ms - input->requested_ms > STAGE_REQUEST_TIMEOUT_MS &&
           now_ms - stage->upstreams[input->upstream].heard_ms < STAGE_SILENCE_MS / 2;
}

/* reconnect: a connection that brings nothing may be one that libzmq has given up; a new one costs little. */
static void reconnect(struct stage *stage, struct upstream *upstream, int64_t now_ms)
{
    struct error error;
    upstream->heard_ms = now_ms;
    stage->counts.reconnects++;
    if (bus_reconnect(stage->bus, upstream->connection, &error) != STATUS_OK)
        log_event(LOG_ERROR, "reconnect_failed", "instance=%s reason=\"%s\"", upstream->instance, error.text);
    for (size_t i = 0; i < stage->input_count; i++)
        if (is_active(stage, &stage->inputs[i]) && &stage->upstreams[stage->inputs[i].upstream] == upstream)
            stage->inputs[i].requested_from = 0;
}

void stage_inputs_retry(struct stage *stage)
{
    int64_t now_ms = clock_monotonic_ms(&stage->clock);
    for (size_t i = 0; i < stage->upstream_count; i++)
        if (*stage->upstreams[i].instance && now_ms - stage->upstreams[i].heard_ms > STAGE_SILENCE_MS)
            reconnect(stage, &stage->upstreams[i], now_ms);
    for (size_t i = 0; i < stage->input_count; i++)
        if (overdue(stage, &stage->inputs[i], now_ms))
            request_send(stage, &stage->inputs[i]);
}

size_t stage_upstream_at(const struct stage *stage, size_t connection)
{
    for (size_t i = 0; i < stage->upstream_count; i++)
        if (*stage->upstreams[i].instance && stage->upstreams[i].connection == connection)
            return i;
    return SIZE_MAX;
}

static void note_heard(struct stage *stage, size_t connection)
{
    size_t upstream = stage_upstream_at(stage, connection);
    if (upstream != SIZE_MAX)
        stage->upstreams[upstream].heard_ms = clock_monotonic_ms(&stage->clock);
}

/* --- consuming --- */

static void note_control(struct input *input, const struct row_view *view)
{
    struct control_row control;
    if (row_decode(view, &control_message, &control, NULL) == STATUS_OK &&
        control.action == CONTROL_END_OF_STREAM)
        input->public.ended = true;
}

static bool peek(const struct row_view *view, const struct field *field, int64_t *out_value)
{
    return field && row_peek_i64(view, (size_t)(field - message_of_kind(view->kind)->fields), out_value);
}

/* note_times: the newest event time, and how far the stream is complete: rows come in the order of their source, so one
 * that says n ends what n - 1 had to say. */
static void note_times(struct stage *stage, struct input *input, const struct row_view *view)
{
    int64_t value;
    if (peek(view, stage->time_fields[view->kind], &value) && value > stage->event_ts_ms)
        stage->event_ts_ms = value;
    if (peek(view, stage->source_fields[view->kind], &value) && value - 1 > input->source)
        input->source = value - 1;
}

static void consume(struct stage *stage, struct input *input, const struct row_view *view)
{
    struct error error = {{0}};
    input->public.position = view->sequence;
    stage->progress++;
    stage->counts.rows_reread += stage->rereading;
    stage->state_dirty = true;
    note_times(stage, input, view);
    enum status status = stage->service->row(stage->state, &input->public, view, &error);
    input->consumed += status == STATUS_OK;
    if (status != STATUS_OK) {
        input->malformed++;
        stage->counts.malformed_rows++;
        stage_hole_note(stage, input, HOLE_MALFORMED, view->sequence, view->sequence);
        remember_error(stage, &error);
        log_event(LOG_ERROR, "row_rejected", "stream=%s sequence=%lld reason=\"%s\"", input->stream,
                  (long long)view->sequence, error.text);
    }
    if (view->kind == ROW_CONTROL)
        note_control(input, view);
}

/* breathe: of a long turn parts are committed, and heartbeats go out in time: whoever works is not taken for hung. Never
 * between a row and its commit: a heartbeat must not tell of rows whose outputs are not out. */
static bool breathe(struct stage *stage, const struct row_view *view)
{
    struct error error = {{0}};
    bool beat_due = view->sequence % STAGE_ROWS_PER_GLANCE == 0 &&
                    clock_monotonic_ms(&stage->clock) >= stage->beat_due_ms;
    if (!beat_due && stage->pending_bytes < STAGE_TURN_BYTES)
        return true;
    if (stage_commit(stage, false, &error) != STATUS_OK) {
        stage_fail(stage, &error);
        return false;
    }
    if (beat_due)
        stage_beat(stage, false);
    return !stage->unwritten;
}

static void consume_frame(struct stage *stage, struct input *input, struct frame *frame)
{
    struct row_view view;
    while (frame_next(frame, &view)) {
        if (view.sequence <= input->public.position)
            continue;
        consume(stage, input, &view);
        if (frame->header.generation > input->rows_generation)
            input->rows_generation = frame->header.generation;
        if (!breathe(stage, &view))
            return;
    }
}

/* frame_usable: a frame of this run; others are counted and passed over. */
static bool frame_usable(struct stage *stage, struct frame *frame, const void *data, size_t bytes,
                         const char *topic)
{
    struct error error;
    if (frame_open(frame, data, bytes, &error) != STATUS_OK) {
        stage->counts.malformed_frames++;
        remember_error(stage, &error);
        log_event(LOG_ERROR, "frame_rejected", "topic=%s reason=\"%s\"", topic, error.text);
        return false;
    }
    if (strcmp(frame->header.run_id, stage->run_id) != 0) {
        stage->counts.foreign_frames++;
        return false;
    }
    return true;
}

/* --- callbacks of the bus --- */

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    struct stage *stage = context;
    struct frame frame;
    (void)topic_length;
    stage->counts.frames++;
    note_heard(stage, connection);
    if (stage->stopping || !frame_usable(stage, &frame, data, bytes, topic))
        return;
    if (strncmp(topic, "heartbeat/", 10) == 0) {
        stage_heartbeat_take(stage, connection, &frame);
        return;
    }
    struct input *input = stage_input_of(stage, connection, topic);
    if (!input)
        return;
    int64_t last = frame.header.first_sequence + (int64_t)frame.header.row_count - 1;
    if (last > input->producer_last)
        input->producer_last = last;
    if (!stage_may_consume(stage))
        return; /* what is ignored here is asked for when its turn comes */
    if (frame.header.first_sequence > input->public.position + 1) {
        stage->counts.gaps_seen += !input->requested_from;
        request_missing(stage, input);
        return;
    }
    consume_frame(stage, input, &frame);
}

/* rows_gone: the producer no longer holds what we need: counted, never silent; reading goes on behind the hole. */
static void rows_gone(struct stage *stage, struct input *input, int64_t oldest)
{
    int64_t missing = oldest - 1 - input->public.position;
    if (missing <= 0)
        return;
    input->lost += missing;
    stage->counts.rows_lost += missing;
    log_event(LOG_ERROR, "rows_lost", "stream=%s from=%lld to=%lld rows=%lld", input->stream,
              (long long)input->public.position + 1, (long long)oldest - 1, (long long)missing);
    stage_hole_note(stage, input, HOLE_LOST, input->public.position + 1, oldest - 1);
    input->public.position = oldest - 1;
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    struct stage *stage = context;
    struct frame frame;
    struct row_view view;
    struct catch_up_answer_row answer;
    note_heard(stage, connection);
    if (stage->stopping || !frame_usable(stage, &frame, head, head_bytes, "catch-up answer"))
        return;
    if (!frame_next(&frame, &view) ||
        row_decode(&view, &catch_up_answer_message, &answer, NULL) != STATUS_OK) {
        stage->counts.malformed_frames++;
        return;
    }
    if (stage_is_package(answer.stream)) {
        stage_package_answered(stage, &answer, body, body_bytes);
        return;
    }
    struct input *input = stage_input_of(stage, connection, answer.stream);
    if (!input || answer.from != input->requested_from)
        return; /* an answer to an earlier, repeated request */
    input->requested_from = 0;
    if (*answer.error) {
        snprintf(stage->last_error, sizeof stage->last_error, "%s: %s", input->stream, answer.error);
        /* Nothing is lost by it: asked again with the next heartbeat, or elsewhere when the plan says so. */
        log_event(LOG_WARNING, "catch_up_refused", "stream=%s from=%lld reason=\"%s\"", input->stream,
                  (long long)answer.from, answer.error);
    }
    if (!stage_may_consume(stage))
        return;
    int64_t before = input->public.position;
    if (answer.last > input->producer_last)
        input->producer_last = answer.last;
    input->producer_seen = input->producer_seen || !*answer.error;
    if (answer.oldest > input->public.position + 1)
        rows_gone(stage, input, answer.oldest);
    else if (body && frame_usable(stage, &frame, body, body_bytes, answer.stream) &&
             frame.header.first_sequence <= input->public.position + 1) {
        stage->counts.catch_up_rows += (int64_t)frame.header.row_count;
        consume_frame(stage, input, &frame);
    }
    /* Without progress the next heartbeat asks again, not this answer: two sides that disagree must not race. */
    if (input->public.position > before && input->public.position < input->producer_last)
        request_missing(stage, input);
}

void stage_inputs_poll(struct stage *stage, int timeout_ms)
{
    const struct bus_events events = {
        .context = stage, .frame = on_frame, .answer = on_answer, .request = stage_request_handle};
    bus_poll(stage->bus, timeout_ms, STAGE_MESSAGES_PER_TURN, &events);
}

/* --- positions --- */

static int64_t durable_of(struct stage *stage, const struct input *input)
{
    if (stage->service->durable)
        return stage->service->durable(stage->state, input->stream);
    return stage->journal ? input->state_position : input->public.position;
}

void stage_inputs_register(struct stage *stage)
{
    struct buffer row, frame;
    buffer_init(&row, 0);
    buffer_init(&frame, 0);
    for (size_t i = 0; i < stage->upstream_count; i++) {
        struct frame_header header = {.generation = stage->options.generation};
        memcpy(header.run_id, stage->run_id, sizeof header.run_id);
        memcpy(header.instance, stage->instance, sizeof header.instance);
        buffer_clear(&row);
        buffer_clear(&frame);
        for (size_t k = 0; k < stage->input_count; k++) {
            if (!is_active(stage, &stage->inputs[k]) || stage->inputs[k].upstream != i)
                continue;
            struct register_row entry = {.durable_sequence = durable_of(stage, &stage->inputs[k])};
            snprintf(entry.consumer, sizeof entry.consumer, "%s", stage_consumer_name(stage));
            memcpy(entry.stream, stage->inputs[k].stream, sizeof entry.stream);
            row_encode(&row, &register_message, register_message.field_count, &entry);
            header.row_count++;
        }
        if (!header.row_count)
            continue;
        frame_encode(&frame, &header, row.data, row.length);
        enum status ignored =
            bus_request(stage->bus, stage->upstreams[i].connection, frame.data, frame.length);
        (void)ignored; /* the next second brings the next one */
    }
    buffer_finish(&row);
    buffer_finish(&frame);
}

int64_t stage_source_consumed(const struct stage *stage, size_t symbol)
{
    int64_t source = INT64_MAX;
    for (size_t i = 0; i < stage->input_count; i++) {
        const struct input *input = &stage->inputs[i];
        if (input->public.symbol_index != symbol)
            continue;
        int64_t known =
            strcmp(input->public.service, "harvest") == 0 ? input->public.position : input->source;
        source = known < source ? known : source;
    }
    return source;
}

bool stage_inputs_ended(const struct stage *stage)
{
    for (size_t i = 0; i < stage->input_count; i++)
        if (stage_owns(stage, stage->inputs[i].public.symbol_index) && !stage->inputs[i].public.ended)
            return false;
    return stage->input_count > 0;
}

bool stage_caught_up(const struct stage *stage)
{
    for (size_t i = 0; i < stage->input_count; i++)
        if (is_active(stage, &stage->inputs[i]) &&
            (!stage->inputs[i].producer_seen ||
             stage->inputs[i].public.position < stage->inputs[i].producer_last))
            return false;
    return !stage->service->caught_up || stage->service->caught_up(stage->state);
}
