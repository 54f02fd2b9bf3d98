/* Has the services of a running run write down what they have counted. Who reads is asked before whom it reads: so what was
 * taken is never more than what was given, and the difference is what is on its way. */
#include "base/clock.h"
#include "bus/bus.h"
#include "config/plan.h"
#include "proto/frame.h"
#include "proto/request.h"
#include "run_files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char PLAN_PATH[] = "runtime/plan.json"; /* of the folder the run lives in */

enum { ASK_AGAIN_MS = 100, POLL_MS = 20 };

struct asking {
    struct bus *bus;
    struct clock clock;
    const struct run_files *run;
    size_t connection;
    char request_id[sizeof((struct command_row *)0)->request_id];
    bool answered, done;
    char refusal[sizeof((struct command_answer_row *)0)->text];
};

static void send_command(struct asking *asking)
{
    struct command_row row = {.generation = 0};
    struct frame_header header = {.publish_ns = clock_wall_ns(&asking->clock), .row_count = 1};
    struct buffer encoded, frame;
    memcpy(row.request_id, asking->request_id, sizeof row.request_id);
    snprintf(row.run_id, sizeof row.run_id, "%s", asking->run->run_id);
    snprintf(row.verb, sizeof row.verb, "ledger");
    snprintf(row.arguments, sizeof row.arguments, "{}");
    snprintf(header.run_id, sizeof header.run_id, "%s", asking->run->run_id);
    snprintf(header.instance, sizeof header.instance, "account");
    buffer_init(&encoded, 0);
    buffer_init(&frame, 0);
    row_encode(&encoded, &command_message, command_message.field_count, &row);
    frame_encode(&frame, &header, encoded.data, encoded.length);
    enum status ignored = bus_request(asking->bus, asking->connection, frame.data, frame.length);
    (void)ignored; /* asked again until there is an answer */
    buffer_finish(&encoded);
    buffer_finish(&frame);
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    struct asking *asking = context;
    struct frame frame;
    struct row_view view;
    struct command_answer_row answer;
    (void)body, (void)body_bytes;
    if (connection != asking->connection || frame_open(&frame, head, head_bytes, NULL) != STATUS_OK ||
        !frame_next(&frame, &view) || view.kind != ROW_COMMAND_ANSWER ||
        row_decode(&view, &command_answer_message, &answer, NULL) != STATUS_OK ||
        strcmp(answer.request_id, asking->request_id) != 0)
        return;
    asking->answered = true;
    asking->done = answer.ok == 1;
    memcpy(asking->refusal, answer.text, sizeof asking->refusal);
}

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)context, (void)connection, (void)topic, (void)topic_length, (void)data, (void)bytes;
}

/* ask: until it has been done, or patience ends. One that is reading its input again refuses for a while. */
static void ask(struct asking *asking, int64_t timeout_ms)
{
    const struct bus_events events = {.context = asking, .frame = on_frame, .answer = on_answer};
    int64_t until_ms = clock_monotonic_ms(&asking->clock) + timeout_ms, again_ms = 0;
    while (!asking->done && clock_monotonic_ms(&asking->clock) < until_ms) {
        if (clock_monotonic_ms(&asking->clock) >= again_ms) {
            send_command(asking);
            again_ms = clock_monotonic_ms(&asking->clock) + ASK_AGAIN_MS;
        }
        bus_poll(asking->bus, POLL_MS, 64, &events);
    }
}

static void ask_instance(struct run_files *run, struct bus *bus, const char *name, int64_t timeout_ms)
{
    struct asking asking = {.bus = bus, .clock = clock_system(), .run = run};
    struct error error;
    snprintf(asking.request_id, sizeof asking.request_id, "ledger/%d-%s", (int)getpid(), name);
    if (bus_connect(bus, name, &asking.connection, &error) != STATUS_OK) {
        run_files_problem(run, "%s cannot be asked: %s", name, error.text);
        return;
    }
    ask(&asking, timeout_ms);
    if (asking.done)
        read_daemon(run, name);
    else if (asking.answered)
        run_files_problem(run, "%s does not say what it counted: %s", name, asking.refusal);
    else
        run_files_problem(run, "%s does not answer within %lld ms", name, (long long)timeout_ms);
}

/* ask_module: all instances that the run's plan has now; those that were scaled away have left their figures. */
static void ask_module(struct run_files *run, struct bus *bus, struct plan *plan, size_t module,
                       int64_t timeout_ms)
{
    const struct plan_service *service = plan_service(plan, module_at(module)->name);
    if (!service)
        ask_instance(run, bus, module_at(module)->name, timeout_ms);
    for (size_t i = 0; service && i < service->instance_count; i++)
        ask_instance(run, bus, service->instances[i], timeout_ms);
    if (service)
        read_departed(run, service);
}

/* next_reader: one that nobody still to be asked reads from; MODULE_COUNT: all have been asked. */
static size_t next_reader(module_set left)
{
    module_set read = 0;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (left & module_bit(i))
            read |= module_at(i)->inputs;
    for (size_t i = MODULE_COUNT; i > 0; i--)
        if (left & ~read & module_bit(i - 1))
            return i - 1;
    return MODULE_COUNT;
}

void ask_daemons(struct run_files *run, int64_t timeout_ms)
{
    struct bus_config config = bus_config_of(run->config, "account");
    struct bus *bus;
    struct error error;
    struct plan *plan = NULL;
    module_set left = 0;
    if (bus_create(&config, &bus, &error) != STATUS_OK) {
        run_files_problem(run, "the services cannot be asked: %s", error.text);
        return;
    }
    if (file_exists(PLAN_PATH) && plan_read(PLAN_PATH, &plan, &error) != STATUS_OK)
        run_files_problem(run, "%s", error.text);
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (module_at(i)->beats)
            left |= run->conditions.modules & module_bit(i);
    for (size_t module; (module = next_reader(left)) != MODULE_COUNT; left &= ~module_bit(module))
        ask_module(run, bus, plan, module, timeout_ms);
    plan_destroy(plan);
    bus_destroy(bus);
}
