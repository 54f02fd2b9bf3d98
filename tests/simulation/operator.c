#include "tests/simulation/operator.h"

#include "bus/bus.h"
#include "proto/frame.h"
#include "proto/heartbeat.h"
#include "proto/request.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/trace.h"

#include <stdio.h>
#include <string.h>

enum { MS = 1000000, TURN_MS = 10, COMMAND_MS = 60, SYMBOLS = 2, DEADLINE_S = 240, BACKOFF_MS = 200 };

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_LAST_DRAIN, PHASE_STOPPING };

struct watched {
    size_t connection;
    int64_t generation; /* of the newest heartbeat */
    char state[16];
    bool ended; /* all its streams, as it says */
    int64_t sent_ns;
    int64_t restart_ns; /* dead: when it is started again */
};

static struct {
    struct bus *bus;
    enum phase phase;
    int64_t ended_ns;
    struct watched watched[PROCESS_COUNT];
} world;

static const size_t INPUTS[PROCESS_COUNT] = {[PROCESS_FEATURES] = 1,
                                             [PROCESS_SIGNAL] = 1,
                                             [PROCESS_BROKER] = 1,
                                             [PROCESS_ARCHIVE] = 2,
                                             [PROCESS_REPORT] = 4};

int64_t operator_ended_ns(void)
{
    return world.ended_ns;
}

/* --- heartbeats --- */

static void take_beat(struct watched *watched, size_t process, struct frame *frame)
{
    struct heartbeat_row beat;
    struct stream_status_row stream;
    struct row_view view;
    size_t ended = 0, wanted = SYMBOLS * (process == PROCESS_HARVEST ? 1 : INPUTS[process]);
    if (!frame_next(frame, &view) || row_decode(&view, &heartbeat_message, &beat, NULL) != STATUS_OK)
        return;
    while (frame_next(frame, &view))
        if (view.kind == ROW_STREAM_STATUS &&
            row_decode(&view, &stream_status_message, &stream, NULL) == STATUS_OK)
            ended += stream.ended && stream.published == (process == PROCESS_HARVEST);
    watched->generation = beat.generation;
    watched->ended = ended == wanted;
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

static bool is_state(size_t process, const char *state)
{
    return is_present(process) && strcmp(world.watched[process].state, state) == 0;
}

/* --- commands --- */

static void command(size_t process, const char *verb)
{
    struct watched *watched = &world.watched[process];
    struct command_row row = {.generation = processes[process].generation};
    struct frame_header header = {.row_count = 1};
    struct buffer encoded, frame;
    if (!is_present(process) || fiber_now_ns() - watched->sent_ns < COMMAND_MS * MS)
        return;
    watched->sent_ns = fiber_now_ns();
    snprintf(row.request_id, sizeof row.request_id, "%s/%d", verb, processes[process].generation);
    snprintf(row.run_id, sizeof row.run_id, OPERATOR_RUN_ID);
    snprintf(row.verb, sizeof row.verb, "%s", verb);
    snprintf(row.arguments, sizeof row.arguments, "{}");
    snprintf(header.run_id, sizeof header.run_id, OPERATOR_RUN_ID);
    snprintf(header.instance, sizeof header.instance, "orchestrator");
    buffer_init(&encoded, 0);
    buffer_init(&frame, 0);
    row_encode(&encoded, &command_message, command_message.field_count, &row);
    frame_encode(&frame, &header, encoded.data, encoded.length);
    enum status ignored = bus_request(world.bus, watched->connection, frame.data, frame.length);
    (void)ignored; /* sent again soon */
    buffer_finish(&encoded);
    buffer_finish(&frame);
}

/* drain: says it to those that have not heard it. True when they all are drained. */
static bool drain(size_t from, size_t to)
{
    bool all = true;
    for (size_t i = from; i <= to; i++) {
        if (is_state(i, "drained"))
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
        if (process->alive || world.phase == PHASE_STOPPING)
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
        if (is_present(i) && world.watched[i].ended)
            fault_kill_at_end(&processes[i]);
}

static bool all_ended(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        if (!is_present(i) || !world.watched[i].ended)
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

static bool step(void)
{
    switch (world.phase) {
    case PHASE_RUNNING:
        if (is_state(PROCESS_HARVEST, "ready"))
            command(PROCESS_HARVEST, "go");
        kill_at_end();
        if (all_ended()) {
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
        if (!drain(PROCESS_FEATURES, PROCESS_REPORT) || !is_present(PROCESS_HARVEST) || any_disk_is_full())
            return false;
        world.phase = PHASE_STOPPING;
        for (size_t i = PROCESS_COUNT; i > 0; i--)
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
                                   world.watched[i].state, world.watched[i].ended ? ", ended" : "",
                                   is_present(i) ? "" : ", not there");
    trace_complain("the run did not end within %d s (phase %d):%s", DEADLINE_S, world.phase, text);
}

static void *operate(void *unused)
{
    const struct bus_events events = {.frame = on_frame};
    (void)unused;
    for (size_t i = 0; i < PROCESS_COUNT; i++)
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
