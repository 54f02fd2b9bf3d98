// links: stage journal config proto base
/* What a stage hears: frames and heartbeats of its producers, answers to its catch-up requests, requests and commands of strangers.
 * The stage, its journal and its service are the real ones; the bus is this file. An input is a series of messages:
 *
 *     kind (u8: 0 rows, 1 heartbeat, 2 answer, 3 request), length of the first part (u16), of the second (u16), the parts */
#include "fuzz.h"

#include "base/log.h"
#include "base/memory.h"
#include "proto/control.h"
#include "proto/cvd.h"
#include "stage/stage_private.h"

#include <string.h>

enum { MESSAGES_MAX = 16, HELD = 40 };
enum heard { HEARD_ROWS, HEARD_BEAT, HEARD_ANSWER, HEARD_REQUEST, HEARD_KINDS };

/* --- the bus --- */

struct bus {
    const uint8_t *data;
    size_t bytes, offset;
    int64_t answers; /* given to strangers */
};

static struct bus only_bus;

enum status bus_create(const struct bus_config *config, struct bus **out_bus, struct error *error)
{
    (void)config;
    (void)error;
    *out_bus = &only_bus;
    return STATUS_OK;
}

void bus_destroy(struct bus *bus)
{
    (void)bus;
}

enum status bus_bind(struct bus *bus, struct error *error)
{
    (void)bus;
    (void)error;
    return STATUS_OK;
}

enum status bus_connect(struct bus *bus, const char *upstream, size_t *out_connection, struct error *error)
{
    (void)bus;
    (void)upstream;
    (void)error;
    *out_connection = 0;
    return STATUS_OK;
}

void bus_injure(struct bus *bus, struct injury_table *table)
{
    (void)bus, (void)table;
}

bool bus_has_connection(const struct bus *bus, const char *upstream_instance)
{
    (void)bus, (void)upstream_instance;
    return true;
}

enum status bus_reconnect(struct bus *bus, size_t connection, struct error *error)
{
    (void)bus;
    (void)connection;
    (void)error;
    return STATUS_OK;
}

void bus_subscribe(struct bus *bus, size_t connection, const char *topic)
{
    (void)bus;
    (void)connection;
    (void)topic;
}

void bus_unsubscribe(struct bus *bus, size_t connection, const char *topic)
{
    bus_subscribe(bus, connection, topic);
}

void bus_disconnect(struct bus *bus, size_t connection)
{
    (void)bus;
    (void)connection;
}

void bus_publish(struct bus *bus, const char *topic, const void *data, size_t bytes)
{
    struct frame frame;
    (void)bus;
    (void)topic;
    fuzz_require(frame_open(&frame, data, bytes, NULL) == STATUS_OK); /* what we say can be read */
}

enum status bus_request(struct bus *bus, size_t connection, const void *data, size_t bytes)
{
    (void)connection;
    bus_publish(bus, "", data, bytes);
    return STATUS_OK;
}

void bus_answer(struct bus *bus, const struct bus_peer_id *peer, const void *head, size_t head_bytes,
                const void *body, size_t body_bytes)
{
    (void)peer;
    bus->answers++;
    bus_publish(bus, "", head, head_bytes);
    fuzz_require(body_bytes <= CATCH_UP_BYTES_MAX + 64 * 1024);
    if (body)
        bus_publish(bus, "", body, body_bytes);
}

void bus_watch(struct bus *bus, int descriptor)
{
    (void)bus;
    (void)descriptor;
}

static size_t take_length(struct bus *bus)
{
    size_t length = bus->data[bus->offset] | (size_t)bus->data[bus->offset + 1] << 8;
    bus->offset += 2;
    return length;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t bus_poll(struct bus *bus, int timeout_ms, size_t messages_max, const struct bus_events *events)
{
    static const struct bus_peer_id PEER = {.bytes = "peer", .length = 4};
    size_t count = 0;
    (void)timeout_ms;
    for (; bus->bytes - bus->offset >= 5 && count < MESSAGES_MAX && count < messages_max; count++) {
        enum heard heard = (enum heard)(bus->data[bus->offset++] % HEARD_KINDS);
        size_t head = take_length(bus), body = take_length(bus);
        head = least(head, bus->bytes - bus->offset);
        body = least(body, bus->bytes - bus->offset - head);
        const uint8_t *first = bus->data + bus->offset, *second = body ? first + head : NULL;
        bus->offset += head + body;
        switch (heard) {
        case HEARD_ROWS: events->frame(events->context, 0, "counter/AAA", 11, first, head); break;
        case HEARD_BEAT: events->frame(events->context, 0, "heartbeat/counter", 17, first, head); break;
        case HEARD_ANSWER: events->answer(events->context, 0, first, head, second, body); break;
        default: events->request(events->context, &PEER, first, head); break;
        }
    }
    return count;
}

/* --- the service: it takes any row, and says one for each --- */

struct listener {
    struct stage *stage;
    int64_t newest;
};

static enum status listener_open(struct stage *stage, void **out_service, struct error *error)
{
    static struct listener only;
    (void)error;
    only = (struct listener){.stage = stage};
    *out_service = &only;
    return STATUS_OK;
}

static void listener_close(void *service)
{
    (void)service;
}

static enum status listener_row(void *service, const struct stage_input *input, const struct row_view *row,
                                struct error *error)
{
    struct listener *listener = service;
    struct cvd_row out;
    fuzz_require(row->sequence == input->position && row->sequence == listener->newest + 1);
    listener->newest = row->sequence;
    if (row->kind != ROW_CVD)
        return error_set(error, STATUS_MALFORMED, "not a cvd row");
    enum status status = row_decode(row, &cvd_message, &out, error);
    if (status == STATUS_OK)
        stage_emit(listener->stage, input->symbol_index, &cvd_message, &out);
    return status;
}

static void listener_save(void *service, struct buffer *out)
{
    buffer_append_i64(out, ((struct listener *)service)->newest);
}

static enum status listener_load(void *service, struct reader *in)
{
    ((struct listener *)service)->newest = reader_i64(in);
    return reader_done(in);
}

static const char *const INPUTS[] = {"counter", NULL};
static const struct stage_service SERVICE = {
    .name = "listener",
    .summary = "Hears what the fuzzer says.",
    .inputs = INPUTS,
    .publishes = true,
    .open = listener_open,
    .close = listener_close,
    .row = listener_row,
    .save = listener_save,
    .load = listener_load,
};

/* --- one stage for all inputs --- */

static struct stage *open_stage(void)
{
    static struct stage stage;
    static struct clock_manual manual = {.wall_ns = 1723161255030314667, .monotonic_ns = 5000000000};
    static char state_dir[PATH_BYTES + 32], output_dir[PATH_BYTES + 32];
    struct error error = {{0}};
    bool done;
    snprintf(state_dir, sizeof state_dir, "run.state_dir=%s/state", fuzz_folder());
    snprintf(output_dir, sizeof output_dir, "run.output_dir=%s/runtime", fuzz_folder());
    char *arguments[] = {"listener", "--run-id", "run-1", "--symbols",         "AAA", "--set", state_dir,
                         "--set",    output_dir, "--set", "journal.max_mb=64", NULL};
    stage = (struct stage){.service = &SERVICE,
                           .clock = clock_from_manual(&manual),
                           .injuries = injury_table_create(),
                           .wake_descriptor = -1,
                           .ready_descriptor = -1};
    fuzz_require(stage_options_parse(&stage, 11, arguments, &done, &error) == STATUS_OK);
    fuzz_require(stage_config_load(&stage, &error) == STATUS_OK);
    log_configure("listener", "run-1", (enum log_level)(LOG_ERROR + 1));
    stage.bus = &only_bus;
    fuzz_require(stage_plan_open(&stage, &error) == STATUS_OK);
    fuzz_require(stage_outputs_open(&stage, &error) == STATUS_OK);
    fuzz_require(SERVICE.open(&stage, &stage.state, &error) == STATUS_OK);
    fuzz_require(stage_hand_over_open(&stage, &error) == STATUS_OK);
    fuzz_require(stage_inputs_open(&stage, &error) == STATUS_OK);
    return &stage;
}

/* begin_anew: as a stage that has consumed HELD rows and asked for the next. What it has journaled stays. */
static void begin_anew(struct stage *stage)
{
    struct listener *listener = stage->state;
    struct input *input = &stage->inputs[0];
    input->public.position = listener->newest = HELD;
    input->public.ended = false;
    input->producer_last = HELD + 10;
    input->requested_from = HELD + 1;
    input->source = input->requested_ms = 0;
    input->beats_behind = 0;
    stage->stopping = stage->draining = stage->going = stage->full = false;
    stage->exit_code = 0;
    stage->consumer_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct stage *stage;
    struct error error = {{0}};
    if (!stage)
        stage = open_stage();
    begin_anew(stage);
    only_bus = (struct bus){.data = data, .bytes = bytes};
    stage_inputs_poll(stage, 0);
    const struct input *input = &stage->inputs[0];
    fuzz_require(input->public.position >= HELD);
    fuzz_require(only_bus.answers <= MESSAGES_MAX);
    fuzz_require(stage->consumer_count <= STAGE_CONSUMERS_MAX);
    fuzz_require(stage->exit_code == 0); /* nothing a stranger says ends a stage */
    fuzz_require(stage_commit(stage, false, &error) == STATUS_OK);
    stage_inputs_retry(stage);
    stage_inputs_register(stage);
    return 0;
}

/* --- seeds --- */

static void add_part(struct buffer *out, const struct message *message, const void *row, size_t times,
                     int64_t first)
{
    struct buffer rows;
    struct frame_header header = {.version = FRAME_VERSION,
                                  .run_id = "run-1",
                                  .instance = "counter",
                                  .generation = 1,
                                  .first_sequence = first,
                                  .row_count = times};
    buffer_init(&rows, 0);
    for (size_t i = 0; i < times; i++)
        row_encode(&rows, message, message->field_count, row);
    buffer_clear(out);
    frame_encode(out, &header, rows.data, rows.length);
    buffer_finish(&rows);
}

static void say(struct buffer *out, enum heard heard, const struct buffer *head, const struct buffer *body)
{
    size_t second = body ? body->length : 0;
    uint8_t start[] = {(uint8_t)heard, (uint8_t)head->length, (uint8_t)(head->length >> 8), (uint8_t)second,
                       (uint8_t)(second >> 8)};
    buffer_append(out, start, sizeof start);
    buffer_append(out, head->data, head->length);
    if (body)
        buffer_append(out, body->data, body->length);
}

static void take_alone(fuzz_take *take, struct buffer *all, enum heard heard, const struct buffer *head,
                       const struct buffer *body)
{
    struct buffer one;
    buffer_init(&one, 0);
    say(&one, heard, head, body);
    take(one.data, one.length);
    buffer_finish(&one);
    say(all, heard, head, body);
}

void fuzz_seeds(fuzz_take *take)
{
    struct buffer all, head, body;
    struct cvd_row row;
    struct catch_up_answer_row answer = {
        .stream = "counter/AAA", .from = HELD + 1, .oldest = 1, .last = HELD + 9, .row_count = 9};
    struct catch_up_request_row request = {.consumer = "x", .stream = "listener/AAA", .from = 1};
    struct register_row entry = {.consumer = "x", .stream = "listener/AAA", .durable_sequence = 3};
    struct command_row command = {.verb = "status"};
    struct heartbeat_row beat;
    message_clear(&cvd_message, &row);
    message_clear(&heartbeat_message, &beat);
    row.ts_ms = 1723161255030;
    buffer_init(&all, 0);
    buffer_init(&head, 0);
    buffer_init(&body, 0);
    add_part(&head, &cvd_message, &row, 5, HELD + 1);
    take_alone(take, &all, HEARD_ROWS, &head, NULL);
    add_part(&head, &cvd_message, &row, 5, HELD + 8); /* a gap */
    take_alone(take, &all, HEARD_ROWS, &head, NULL);
    add_part(&head, &heartbeat_message, &beat, 1, 0);
    take_alone(take, &all, HEARD_BEAT, &head, NULL);
    add_part(&head, &catch_up_answer_message, &answer, 1, 0);
    add_part(&body, &cvd_message, &row, 9, HELD + 1);
    take_alone(take, &all, HEARD_ANSWER, &head, &body);
    answer.oldest = HELD + 5; /* rows are gone */
    add_part(&head, &catch_up_answer_message, &answer, 1, 0);
    take_alone(take, &all, HEARD_ANSWER, &head, &body);
    add_part(&head, &catch_up_request_message, &request, 1, 0);
    take_alone(take, &all, HEARD_REQUEST, &head, NULL);
    add_part(&head, &register_message, &entry, 1, 0);
    take_alone(take, &all, HEARD_REQUEST, &head, NULL);
    add_part(&head, &command_message, &command, 1, 0);
    take_alone(take, &all, HEARD_REQUEST, &head, NULL);
    take(all.data, all.length);
    buffer_finish(&all);
    buffer_finish(&head);
    buffer_finish(&body);
}

int64_t bus_refused(const struct bus *bus)
{
    (void)bus;
    return 0;
}
