/* One thread, one loop: the bus, descriptors and the nearest deadline wake it, first while the run is at work, then while its files are
 * read. */
#include "run_parts.h"

#include "alerts/alerting.h"
#include "base/crash_point.h"
#include "bus/bus.h"
#include "control/late_verbs.h"
#include "control/own_log.h"
#include "control/own_status.h"
#include "exporting.h"
#include "faults/faults.h"
#include "manifest/conclude.h"
#include "supervision/record.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { POLL_MESSAGES = 256, POLL_MS_MAX = 1000, EPOLL_EVENTS = 32 };

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)topic, (void)topic_length;
    struct run *run = context;
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].connection == connection)
            process_take_frame(run, &run->processes[i], data, bytes);
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    struct run *run = context;
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        if (process->connection != connection)
            continue;
        commands_take_answer(run, process, head, head_bytes);
        if (body)
            process_take_frame(run, process, body, body_bytes); /* of `status`: its heartbeat */
    }
}

/* take_all_news: of every slot: a driver that is told by somebody else has one descriptor for all. */
static void take_all_news(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++)
        process_take_news(run, &run->processes[i]);
}

static void take_docker(struct run *run)
{
    docker_turn(run->docker);
    take_all_news(run);
}

static void answer(struct run *run, const struct control_verb *verbs, const struct bus_peer_id *peer,
                   const void *data, size_t bytes)
{
    struct buffer text;
    buffer_init(&text, 0);
    if (run->docker && docker_hear(run->docker, peer, data, bytes, &text)) {
        bus_answer(run->bus, peer, text.data, text.length, NULL, 0);
        buffer_finish(&text);
        take_all_news(run);
        return;
    }
    const struct control_verb *verb =
        control_handle(&run->control, verbs, run, data, bytes, run_now_ms(run), &text);
    bool changes = verb && verb->changes;
    if (changes) {
        log_event(LOG_INFO, "control", "request=%.*s", (int)(bytes < 500 ? bytes : 500), (const char *)data);
        record_write(run); /* what is answered is known to who comes after us: whoever asked acts on it */
    }
    bus_answer(run->bus, peer, text.data, text.length, NULL, 0);
    if (changes)
        crash_point("answered");
    buffer_finish(&text);
}

static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    answer(context, RUN_VERBS, peer, data, bytes);
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signal_descriptor, &info, sizeof info) == (ssize_t)sizeof info)
        lifecycle_interrupt(run);
}

static void take_descriptors(struct run *run)
{
    struct epoll_event events[EPOLL_EVENTS];
    int count = epoll_wait(run->epoll_descriptor, events, EPOLL_EVENTS, 0);
    for (int i = 0; i < count; i++)
        if (events[i].data.u64 == RUN_SIGNAL_EVENT)
            take_signals(run);
        else if (events[i].data.u64 == RUN_DOCKER_EVENT)
            take_docker(run);
        else if (events[i].data.u64 == RUN_CONCLUSION_EVENT)
            conclusions_wake(run);
        else if (events[i].data.u64 != RUN_ERRAND_EVENT)
            process_take_news(run, &run->processes[events[i].data.u64]);
}

/* What only looks on: alerts, export, the status file. */

enum status run_watch_open(struct run *run, struct error *error)
{
    enum status status = exporting_open(run, error);
    return status == STATUS_OK ? alerting_open(run, error) : status;
}

static void watch_step(struct run *run)
{
    alerting_step(run);
    exporting_step(run);
    own_status_step(run);
}

static int64_t watch_due_ms(const struct run *run)
{
    int64_t alerting_ms = alerting_due_ms(run), exporting_ms = exporting_due_ms(run);
    int64_t quality_ms = quality_watch_due_ms(run);
    exporting_ms = quality_ms < exporting_ms ? quality_ms : exporting_ms;
    return alerting_ms < exporting_ms ? alerting_ms : exporting_ms;
}

static int poll_timeout(const struct run *run)
{
    static int64_t (*const DUE_MS[])(const struct run *) = {
        lifecycle_due_ms,    inspect_due_ms,    self_due_ms,         watch_due_ms,
        faults_due_ms,       scale_due_ms,      rolling_back_due_ms, control_inputs_due_ms,
        canary_watch_due_ms, conclusions_due_ms};
    int64_t due_ms = NEVER_MS;
    for (size_t i = 0; i < sizeof DUE_MS / sizeof *DUE_MS; i++) {
        int64_t one_ms = DUE_MS[i](run);
        due_ms = one_ms < due_ms ? one_ms : due_ms;
    }
    for (size_t i = 0; i < run->process_count; i++) {
        int64_t process_ms = process_due_ms(run, &run->processes[i]);
        int64_t command_ms = commands_due_ms(run, &run->processes[i]);
        due_ms = process_ms < due_ms ? process_ms : due_ms;
        due_ms = command_ms < due_ms ? command_ms : due_ms;
    }
    int64_t left_ms = due_ms - run_now_ms(run);
    return left_ms < 0 ? 0 : left_ms > POLL_MS_MAX ? POLL_MS_MAX : (int)left_ms;
}

void run_loop(struct run *run)
{
    const struct bus_events events = {
        .context = run, .frame = on_frame, .answer = on_answer, .request = on_request};
    lifecycle_step(run);
    while (run->phase != PHASE_ENDED) {
        bus_poll(run->bus, poll_timeout(run), 0, &events); /* only waits, so that the turn can be measured */
        int64_t begun_ns = clock_monotonic_ns(&run->clock), begun_cpu_ns = self_cpu_ns();
        size_t taken = bus_poll(run->bus, 0, POLL_MESSAGES, &events);
        take_descriptors(run);
        for (size_t i = 0; taken < POLL_MESSAGES && i < run->process_count; i++)
            process_timers(run, &run->processes[i]); /* only when no unread heartbeat is left */
        faults_step(run);
        lifecycle_step(run);
        scale_step(run);
        rolling_back_step(run);
        conclusions_step(run);
        canary_watch_step(run);
        control_inputs_step(run);
        for (size_t i = 0; i < run->process_count; i++)
            commands_send(run, &run->processes[i]);
        inspect_step(run);
        quality_watch_step(run);
        watch_step(run);
        record_write(run);
        own_log_step(&run->own_log);
        self_turn(run, begun_ns, begun_cpu_ns);
    }
}

/* --- concluding --- */

/* late: who has gone on asking. */
struct late {
    struct run *run;
    struct control_verb verbs[LATE_VERBS_MAX];
};

static void on_late_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    const struct late *late = context;
    answer(late->run, late->verbs, peer, data, bytes);
}

/* What daemons said last has been heard, or is of no use any more. */
static void on_late_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                          const void *data, size_t bytes)
{
    (void)context, (void)connection, (void)topic, (void)topic_length, (void)data, (void)bytes;
}

static void on_late_answer(void *context, size_t connection, const void *head, size_t head_bytes,
                           const void *body, size_t body_bytes)
{
    (void)context, (void)connection, (void)head, (void)head_bytes, (void)body, (void)body_bytes;
}

static void late_turn(struct run *run, const struct bus_events *events)
{
    bool pending = conclusions_pending(run);
    conclusions_step(run);
    rolling_back_step(run); /* what the disk has not taken yet */
    if (pending && !conclusions_pending(run))
        return; /* that was what is waited for */
    int64_t conclusions_ms = conclusions_due_ms(run), record_ms = rolling_back_due_ms(run);
    int64_t left_ms = (conclusions_ms < record_ms ? conclusions_ms : record_ms) - run_now_ms(run);
    left_ms = left_ms < 0 ? 0 : left_ms;
    bus_poll(run->bus, left_ms < POLL_MS_MAX ? (int)left_ms : POLL_MS_MAX, POLL_MESSAGES, events);
    take_descriptors(run);
}

int run_conclude(struct run *run)
{
    struct late late = {.run = run};
    const struct bus_events events = {
        .context = &late, .frame = on_late_frame, .answer = on_late_answer, .request = on_late_request};
    late_verbs_make(RUN_VERBS, late.verbs);
    while (
        conclusions_pending(run)) /* theirs and ours name some of the same files, and the worse code counts */
        late_turn(run, &events);
    while (run->judging && !conclude_judged(run)) /* of a run that was interrupted meanwhile */
        late_turn(run, &events);
    struct concluding *concluding = conclude_start(run);
    while (!conclude_done(run, concluding))
        late_turn(run, &events);
    return conclude_finish(run, concluding);
}
