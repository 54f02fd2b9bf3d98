/* tail: rows of one stream, straight from its publisher: live frames, and its journal for what they do not
 * bring. The one number that matters is the next row wanted; a live row that begins later is answered by a
 * request, as everywhere (docs/wire-protocol.md). */
#include "base/clock.h"
#include "base/file.h"
#include "bus/bus.h"
#include "config/plan.h"
#include "orchestrator/plan/module.h"
#include "place.h"
#include "proto/frame.h"
#include "proto/request.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASK_AGAIN_MS = 500, TAIL_BEHIND_ALL = 0 };

static const char PLAN_PATH[] = "runtime/plan.json";
static const int64_t BEHIND_NEWEST = INT64_MAX / 2;

struct tail {
    struct bus *bus;
    size_t connection;
    char publisher[PLAN_NAME_BYTES]; /* the instance that is read now */
    struct clock clock;
    char stream[STREAM_BYTES];
    char service[INSTANCE_BYTES];
    char run_id[RUN_ID_BYTES];
    int levels;
    int64_t next;     /* row wanted next; TAIL_BEHIND_ALL: behind the newest, not known yet */
    int64_t left;     /* rows still to print; -1: no limit */
    int64_t asked_ms; /* 0: nothing is asked for */
    int64_t answers;
    bool failed, done, waits_told;
    struct error error;
};

static void print_row(struct tail *tail, const struct row_view *view)
{
    const struct message *message = message_of_kind(view->kind);
    struct buffer line;
    struct json json;
    void *row = message ? calloc(1, message->row_bytes) : NULL;
    buffer_init(&line, 0);
    json_init(&json, &line);
    json_object_begin(&json);
    json_key_text(&json, "stream", tail->stream);
    json_key_i64(&json, "sequence", view->sequence);
    json_key_text(&json, "kind", message ? message->name : "unknown");
    if (row && row_decode(view, message, row, NULL) == STATUS_OK) {
        json_key(&json, "row");
        message_json(&json, message, message_fields_in_use(message, tail->levels), row, true);
    }
    json_object_end(&json);
    puts(buffer_text(&line));
    buffer_finish(&line);
    free(row);
}

static void request_rows(struct tail *tail)
{
    struct catch_up_request_row request = {.from =
                                               tail->next == TAIL_BEHIND_ALL ? BEHIND_NEWEST : tail->next};
    struct frame_header header = {.row_count = 1, .publish_ns = clock_wall_ns(&tail->clock)};
    struct buffer row, frame;
    snprintf(request.consumer, sizeof request.consumer, "orchctl-%d", (int)getpid());
    memcpy(request.stream, tail->stream, sizeof request.stream);
    memcpy(header.run_id, tail->run_id, sizeof header.run_id);
    snprintf(header.instance, sizeof header.instance, "orchctl");
    buffer_init(&row, 0);
    buffer_init(&frame, 0);
    row_encode(&row, &catch_up_request_message, catch_up_request_message.field_count, &request);
    frame_encode(&frame, &header, row.data, row.length);
    if (bus_request(tail->bus, tail->connection, frame.data, frame.length) == STATUS_OK)
        tail->asked_ms = clock_monotonic_ms(&tail->clock);
    buffer_finish(&row);
    buffer_finish(&frame);
}

static void take_rows(struct tail *tail, const void *data, size_t bytes)
{
    struct frame frame;
    struct row_view view;
    if (tail->next == TAIL_BEHIND_ALL || frame_open(&frame, data, bytes, NULL) != STATUS_OK)
        return;
    if (frame.header.first_sequence > tail->next) {
        if (!tail->asked_ms)
            request_rows(tail);
        return;
    }
    while (!tail->done && frame_next(&frame, &view)) {
        if (view.sequence != tail->next)
            continue;
        print_row(tail, &view);
        tail->next++;
        tail->done = tail->left > 0 && --tail->left == 0;
    }
    fflush(stdout);
}

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)connection, (void)topic_length;
    struct tail *tail = context;
    if (strcmp(topic, tail->stream) == 0)
        take_rows(tail, data, bytes);
}

/* tell_wait: once, of a row that is not there yet: nothing is printed until it comes. */
static void tell_wait(struct tail *tail, int64_t newest)
{
    if (tail->next == TAIL_BEHIND_ALL || tail->next <= newest + 1 || tail->waits_told)
        return;
    tail->waits_told = true;
    if (newest > 0)
        complain(EXIT_FINE, "%s: waits for row %lld; the newest one is %lld", tail->stream,
                 (long long)tail->next, (long long)newest);
    else
        complain(EXIT_FINE, "%s: waits for row %lld; there is no row yet", tail->stream,
                 (long long)tail->next);
}

static void take_answer(struct tail *tail, const struct catch_up_answer_row *answer, const void *body,
                        size_t body_bytes)
{
    if (*answer->error) {
        (void)error_set(&tail->error, STATUS_NOT_FOUND, "%s", answer->error);
        tail->failed = true;
        return;
    }
    if (answer->row_count == 0)
        tell_wait(tail, answer->last);
    if (tail->next == TAIL_BEHIND_ALL)
        tail->next = answer->last + 1;
    if (answer->oldest > tail->next) {
        complain(EXIT_FINE, "rows %lld to %lld of %s are no longer held", (long long)tail->next,
                 (long long)answer->oldest - 1, tail->stream);
        tail->next = answer->oldest;
    }
    if (answer->row_count > 0)
        take_rows(tail, body, body_bytes);
    if (!tail->done && answer->row_count > 0 && answer->last >= tail->next)
        request_rows(tail);
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    (void)connection;
    struct tail *tail = context;
    struct frame frame;
    struct row_view view;
    struct catch_up_answer_row answer;
    if (frame_open(&frame, head, head_bytes, NULL) != STATUS_OK || !frame_next(&frame, &view) ||
        view.kind != ROW_CATCH_UP_ANSWER ||
        row_decode(&view, &catch_up_answer_message, &answer, NULL) != STATUS_OK ||
        strcmp(answer.stream, tail->stream) != 0)
        return;
    tail->asked_ms = 0;
    tail->answers++;
    take_answer(tail, &answer, body, body_bytes);
}

/* no_symbol: which ones there are, as far as a line holds them. */
static enum status no_symbol(const struct tail *tail, const struct plan *plan, struct error *error)
{
    enum { NAMED_MAX = 10 };
    char names[NAMED_MAX * (PLAN_SYMBOL_BYTES + 2)] = "";
    size_t length = 0;
    for (size_t i = 0; i < plan->symbol_count && i < NAMED_MAX; i++)
        length +=
            (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "", plan->symbols[i]);
    return error_set(error, STATUS_NOT_FOUND, "%s: there is no such symbol in this run; there are: %s%s",
                     tail->stream, names, plan->symbol_count > NAMED_MAX ? ", …" : "");
}

/* follow_owner: reads the instance that the plan gives the symbol to; it may have moved. A run without a plan yet, or one that
 * cannot be read: the service's only instance. */
static enum status follow_owner(struct tail *tail, const char *service, struct error *error)
{
    struct plan *plan = NULL;
    struct error unreadable;
    enum status status = plan_read(PLAN_PATH, &plan, &unreadable);
    const char *symbol = strchr(tail->stream, '/') + 1;
    bool is_ours = status == STATUS_OK &&
                   strcmp(plan->run_id, tail->run_id) == 0; /* a run that begins has the one before's */
    if (is_ours && plan_symbol(plan, symbol) == SIZE_MAX) {
        status = no_symbol(tail, plan, error);
        plan_destroy(plan);
        return status;
    }
    const char *owner = status == STATUS_OK ? plan_owner(plan, service, symbol) : NULL;
    bool same = strcmp(owner ? owner : service, tail->publisher) == 0;
    if (!same && *tail->publisher)
        bus_disconnect(tail->bus, tail->connection);
    snprintf(tail->publisher, sizeof tail->publisher, "%s", owner ? owner : service);
    plan_destroy(plan);
    if (same)
        return STATUS_OK;
    status = bus_connect(tail->bus, tail->publisher, &tail->connection, error);
    if (status == STATUS_OK)
        bus_subscribe(tail->bus, tail->connection, tail->stream);
    return status;
}

/* publishers: whose rows somebody reads. */
static module_set publishers(void)
{
    module_set set = 0;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        set |= module_at(i)->inputs;
    return set;
}

/* publisher_names: "harvest, features, signal, broker". */
static void publisher_names(char *out_text, size_t size)
{
    size_t length = 0;
    *out_text = 0;
    for (size_t i = 0; i < MODULE_COUNT && length < size; i++)
        if (publishers() & module_bit(i))
            length += (size_t)snprintf(out_text + length, size - length, "%s%s", length ? ", " : "",
                                       module_at(i)->name);
}

/* topic_take: "service/SYMBOL". STATUS_NOT_FOUND: no stream is called so. */
static enum status topic_take(struct tail *tail, const char *topic, struct error *error)
{
    char *service = tail->service, known[128];
    const char *slash = strchr(topic, '/');
    if (!slash || slash == topic || !slash[1] || strlen(topic) >= sizeof tail->stream ||
        (size_t)(slash - topic) >= sizeof tail->service)
        return error_set(error, STATUS_NOT_FOUND,
                         "there is no stream '%s': write SERVICE/SYMBOL, e.g. signal/BTCUSDT", topic);
    memcpy(service, topic, (size_t)(slash - topic));
    service[slash - topic] = 0;
    snprintf(tail->stream, sizeof tail->stream, "%s", topic);
    size_t module = module_index(service);
    publisher_names(known, sizeof known);
    return module < MODULE_COUNT && publishers() & module_bit(module)
               ? STATUS_OK
               : error_set(error, STATUS_NOT_FOUND,
                           "%s: there is no service of that name that publishes rows; there are: %s", topic,
                           known);
}

/* open_stream: the publisher's sockets. */
static enum status open_stream(struct tail *tail, const struct config *config, struct error *error)
{
    tail->levels = (int)config_i64(config, "ofi.levels");
    if (tail->levels < BOOK_LEVELS_DEFAULT)
        tail->levels = BOOK_LEVELS_DEFAULT;
    struct bus_config bus = bus_config_of(config, "orchctl");
    enum status status = bus_create(&bus, &tail->bus, error);
    if (status == STATUS_OK)
        status = follow_owner(tail, tail->service, error);
    return status;
}

static enum status follow(struct tail *tail, int64_t timeout_ms, struct error *error)
{
    const struct bus_events events = {.context = tail, .frame = on_frame, .answer = on_answer};
    int64_t begun_ms = clock_monotonic_ms(&tail->clock), tried_ms = begun_ms;
    request_rows(tail);
    while (!tail->done && !tail->failed) {
        bus_poll(tail->bus, ASK_AGAIN_MS / 5, 512, &events);
        int64_t now_ms = clock_monotonic_ms(&tail->clock);
        if (!tail->answers && now_ms - begun_ms >= timeout_ms)
            return error_set(error, STATUS_AGAIN, "%s: its publisher does not answer; is it running?",
                             tail->stream);
        enum status status =
            now_ms - tried_ms >= ASK_AGAIN_MS ? follow_owner(tail, tail->service, error) : STATUS_OK;
        if (status != STATUS_OK)
            return status;
        if (now_ms - tried_ms >= ASK_AGAIN_MS) { /* also finds rows at the tail that the live frames lost */
            request_rows(tail);
            tried_ms = now_ms;
        }
    }
    if (tail->failed)
        *error = tail->error;
    return tail->failed ? STATUS_NOT_FOUND : STATUS_OK;
}

int verb_tail(const struct invocation *invocation)
{
    struct tail tail = {.clock = clock_system()};
    struct config *config;
    struct error error = {{0}};
    int64_t from;
    if (!invocation_number(invocation, "--from", TAIL_BEHIND_ALL, &from) ||
        !invocation_number(invocation, "--count", -1, &tail.left))
        return EXIT_WRONG_USE;
    tail.next = invocation_value(invocation, "--from") && from == 0 ? 1 : from;
    enum status status = topic_take(&tail, invocation->words[0], &error);
    if (status == STATUS_OK)
        status = place_run(NULL, tail.run_id, &config, &error);
    if (status != STATUS_OK)
        return complain(exit_of(status), "%s", error.text);
    status = open_stream(&tail, config, &error);
    if (status == STATUS_OK && tail.left != 0)
        status = follow(&tail, invocation->timeout_ms, &error);
    bus_destroy(tail.bus);
    config_destroy(config);
    return status == STATUS_OK ? EXIT_FINE : complain(EXIT_REFUSED, "%s", error.text);
}
