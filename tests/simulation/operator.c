#include "tests/simulation/operator.h"

#include "bus/bus.h"
#include "proto/frame.h"
#include "proto/heartbeat.h"
#include "proto/request.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/moves.h"
#include "tests/simulation/trace.h"

#include <stdio.h>
#include <string.h>

enum { MS = 1000000, TURN_MS = 10, COMMAND_MS = 60, DEADLINE_S = 240, BACKOFF_MS = 200 };

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_LAST_DRAIN, PHASE_STOPPING };

struct watched {
    size_t connection;
    int64_t generation; /* of the newest heartbeat */
    char state[16];
    unsigned ended; /* of its inputs, as it says: bits of streams; harvest: of its own */
    struct operator_view view;
    int64_t sent_ns;
    int64_t restart_ns; /* dead: when it is started again */
};

static struct {
    struct bus *bus;
    enum phase phase;
    int64_t ended_ns;
    struct watched watched[PROCESS_COUNT];
} world;

/* Streams as bits: a service's two symbols. */
enum { OF_HARVEST = 0x03, OF_FEATURES = 0x0C, OF_SIGNAL = 0x30, OF_BROKER = 0xC0 };
static const char *const STREAMS[] = {"harvest/BTCUSDT",  "harvest/ETHUSDT", "features/BTCUSDT",
                                      "features/ETHUSDT", "signal/BTCUSDT",  "signal/ETHUSDT",
                                      "broker/BTCUSDT",   "broker/ETHUSDT"};

/* ROLES: what must have ended until a service has; instances of one share it. */
static const struct role {
    unsigned streams;
    int partner; /* the other instance, or itself */
} ROLES[PROCESS_COUNT] = {
    [PROCESS_HARVEST] = {OF_HARVEST, PROCESS_HARVEST_2},
    [PROCESS_HARVEST_2] = {OF_HARVEST, PROCESS_HARVEST},
    [PROCESS_FEATURES] = {OF_HARVEST, PROCESS_FEATURES_2},
    [PROCESS_FEATURES_2] = {OF_HARVEST, PROCESS_FEATURES},
    [PROCESS_SIGNAL] = {OF_FEATURES, PROCESS_SIGNAL_2},
    [PROCESS_SIGNAL_2] = {OF_FEATURES, PROCESS_SIGNAL},
    [PROCESS_BROKER] = {OF_SIGNAL, PROCESS_BROKER},
    [PROCESS_ARCHIVE] = {OF_HARVEST | OF_FEATURES, PROCESS_ARCHIVE},
    [PROCESS_REPORT] = {OF_HARVEST | OF_FEATURES | OF_SIGNAL | OF_BROKER, PROCESS_REPORT},
};

int64_t operator_ended_ns(void)
{
    return world.ended_ns;
}

/* --- heartbeats --- */

static unsigned bit_of(const char *stream)
{
    for (unsigned i = 0; i < sizeof STREAMS / sizeof STREAMS[0]; i++)
        if (strcmp(STREAMS[i], stream) == 0)
            return 1U << i;
    trace_complain("a heartbeat tells of %s", stream);
    return 0;
}

static void take_stream(struct watched *watched, size_t process, const struct stream_status_row *stream)
{
    unsigned bit = bit_of(stream->stream);
    if (stream->ended && stream->published == process_is_harvest(&processes[process]))
        watched->ended |= bit;
    if (stream->published) /* symbols alternate */
        watched->view.published[(bit & 0xAA) != 0] = true;
}

static void take_counter(struct watched *watched, const struct counter_row *counter)
{
    if (strcmp(counter->name, "stage_plan_version") == 0)
        watched->view.plan_version = counter->value;
    else if (strcmp(counter->name, "stage_acquired_version") == 0)
        watched->view.acquired_version = counter->value;
    else if (strcmp(counter->name, "connections_open") == 0)
        watched->view.connections_open = counter->value;
}

static void take_beat(struct watched *watched, size_t process, struct frame *frame)
{
    struct heartbeat_row beat;
    struct stream_status_row stream;
    struct counter_row counter;
    struct row_view view;
    if (!frame_next(frame, &view) || row_decode(&view, &heartbeat_message, &beat, NULL) != STATUS_OK)
        return;
    watched->ended = 0;
    watched->view = (struct operator_view){0};
    while (frame_next(frame, &view))
        if (view.kind == ROW_STREAM_STATUS &&
            row_decode(&view, &stream_status_message, &stream, NULL) == STATUS_OK)
            take_stream(watched, process, &stream);
        else if (faults_plan()->scaled && view.kind == ROW_COUNTER &&
                 row_decode(&view, &counter_message, &counter, NULL) == STATUS_OK)
            take_counter(watched, &counter);
    watched->generation = beat.generation;
    snprintf(watched->state, sizeof watched->state, "%s", beat.state);
}

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    struct frame frame;
    struct error error;
    (void)context;
    (void)topic;
    (void)topic_length;
    if (frame_open(&frame, data, bytes, &error) != STATUS_OK)
        trace_complain("a heartbeat that is no frame: %s", error.text);
    else
        take_beat(&world.watched[connection], connection, &frame);
}

static bool is_present(size_t process)
{
    return processes[process].alive && world.watched[process].generation == processes[process].generation;
}

const struct operator_view *operator_view(int process)
{
    return is_present((size_t)process) ? &world.watched[process].view : NULL;
}

/* has_ended: all streams that the instances of a service read, whichever of them reads which. */
static bool has_ended(size_t process)
{
    int partner = ROLES[process].partner;
    bool shared = processes[partner].present && is_present((size_t)partner);
    unsigned ended = world.watched[process].ended | (shared ? world.watched[partner].ended : 0);
    return ended == ROLES[process].streams;
}

static bool is_state(size_t process, const char *state)
{
    return is_present(process) && strcmp(world.watched[process].state, state) == 0;
}

/* --- commands --- */

void operator_say(int process, const char *verb, const char *arguments)
{
    struct command_row row = {.generation = processes[process].generation};
    struct frame_header header = {.row_count = 1};
    struct buffer encoded, frame;
    if (!is_present((size_t)process))
        return;
    snprintf(row.request_id, sizeof row.request_id, "%s/%d", verb, processes[process].generation);
    snprintf(row.run_id, sizeof row.run_id, OPERATOR_RUN_ID);
    snprintf(row.verb, sizeof row.verb, "%s", verb);
    snprintf(row.arguments, sizeof row.arguments, "%s", arguments);
    snprintf(header.run_id, sizeof header.run_id, OPERATOR_RUN_ID);
    snprintf(header.instance, sizeof header.instance, "orchestrator");
    buffer_init(&encoded, 0);
    buffer_init(&frame, 0);
    row_encode(&encoded, &command_message, command_message.field_count, &row);
    frame_encode(&frame, &header, encoded.data, encoded.length);
    enum status ignored = bus_request(world.bus, world.watched[process].connection, frame.data, frame.length);
    (void)ignored; /* sent again soon */
    buffer_finish(&encoded);
    buffer_finish(&frame);
}

static void command(size_t process, const char *verb)
{
    struct watched *watched = &world.watched[process];
    if (!is_present(process) || fiber_now_ns() - watched->sent_ns < COMMAND_MS * MS)
        return;
    watched->sent_ns = fiber_now_ns();
    operator_say((int)process, verb, "{}");
}

/* drain: says it to those that have not heard it. True when they all are drained. */
static bool drain(size_t from, size_t to)
{
    bool all = true;
    for (size_t i = from; i <= to; i++) {
        if (!processes[i].present || is_state(i, "drained"))
            continue;
        all = false;
        if (!is_state(i, "draining"))
            command(i, "drain");
    }
    return all;
}

/* --- processes --- */

static void note_exit(size_t index)
{
    struct process *process = &processes[index];
    struct watched *watched = &world.watched[index];
    bool asked = process->term_taken && process->exit_code == 0;
    if (process->exit_code >= 0 && !asked && !trace_write_errors_expected())
        trace_complain("%s ended by itself with exit code %d", process->name, process->exit_code);
    watched->restart_ns = fiber_now_ns() + fault_below(faults_plan()->restart_ns_max) +
                          (process->exit_code > 0 ? BACKOFF_MS * MS : 0);
}

static void restart_dead(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        struct process *process = &processes[i];
        struct watched *watched = &world.watched[i];
        if (!process->present || process->alive || world.phase == PHASE_STOPPING)
            continue;
        if (!watched->restart_ns)
            note_exit(i);
        if (fiber_now_ns() < watched->restart_ns)
            continue;
        watched->restart_ns = 0;
        process_start(process);
    }
}

static void kill_at_end(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        if (is_present(i) && has_ended(i))
            fault_kill_at_end(&processes[i]);
}

static bool all_ended(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        if (processes[i].present && (!is_present(i) || !has_ended(i)))
            return false;
    return true;
}

static bool all_gone(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        if (processes[i].alive)
            return false;
        if (processes[i].exit_code > 0) /* one that is killed now has nothing left to do */
            trace_complain("%s was stopped at the end and gave exit code %d", processes[i].name,
                           processes[i].exit_code);
    }
    return true;
}

/* any_disk_is_full: a daemon that cannot save its state says so with its exit code; a run is not stopped then. */
static bool any_disk_is_full(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        if (fiber_now_ns() < processes[i].refuses_writes_until_ns)
            return true;
    return false;
}

static bool harvests_are_there(void)
{
    return is_present(PROCESS_HARVEST) &&
           (!processes[PROCESS_HARVEST_2].present || is_present(PROCESS_HARVEST_2));
}

static bool step(void)
{
    bool ended;
    switch (world.phase) {
    case PHASE_RUNNING:
        for (size_t i = PROCESS_HARVEST; i <= PROCESS_HARVEST_2; i++)
            if (is_state(i, "ready"))
                command(i, "go");
        kill_at_end();
        ended = all_ended();
        if (moves_step(ended) && ended) {
            world.ended_ns = fiber_now_ns();
            world.phase = PHASE_DRAINING;
        }
        return false;
    case PHASE_DRAINING:
        kill_at_end();
        if (drain(PROCESS_FEATURES, PROCESS_ARCHIVE))
            world.phase = PHASE_LAST_DRAIN;
        return false;
    case PHASE_LAST_DRAIN:
        if (!drain(PROCESS_FEATURES, PROCESS_REPORT) || !harvests_are_there() || any_disk_is_full())
            return false;
        world.phase = PHASE_STOPPING;
        for (size_t i = PROCESS_COUNT; i > 0; i--)
            if (processes[i - 1].present)
                process_term(&processes[i - 1]);
        return false;
    case PHASE_STOPPING: return all_gone();
    }
    return true;
}

static void complain_late(void)
{
    char text[600] = "";
    size_t length = 0;
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, " %s %s%s%s;", processes[i].name,
                                   world.watched[i].state, has_ended(i) ? ", ended" : "",
                                   is_present(i) ? "" : ", not there");
    trace_complain("the run did not end within %d s (phase %d):%s", DEADLINE_S, world.phase, text);
}

static void *operate(void *unused)
{
    const struct bus_events events = {.frame = on_frame};
    (void)unused;
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        if (processes[i].present)
            process_start(&processes[i]);
    while (!trace_complaint()) {
        bus_poll(world.bus, TURN_MS, 1000, &events);
        faults_cut_power();
        restart_dead();
        if (world.phase != PHASE_STOPPING)
            faults_due();
        if (step())
            break;
        if (fiber_now_ns() > DEADLINE_S * 1000 * (int64_t)MS)
            complain_late();
    }
    fibers_stop();
    return unused;
}

void operator_start(void)
{
    const struct bus_config config = {.folder = "", .instance = "orchestrator", .high_water_mark = 100000};
    struct error error;
    memset(&world, 0, sizeof world);
    enum status status = bus_create(&config, &world.bus, &error);
    for (size_t i = 0; status == STATUS_OK && i < PROCESS_COUNT; i++) {
        status = bus_connect(world.bus, processes[i].name, &world.watched[i].connection, &error);
        bus_subscribe(world.bus, i, "heartbeat/");
    }
    fiber_start(NULL, operate, NULL);
}
