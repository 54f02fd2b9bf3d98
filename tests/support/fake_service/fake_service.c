/* fake_service: a daemon that behaves as a test wants, for tests of the orchestrator. It speaks what a daemon
 * speaks (readiness line, heartbeats, commands) and computes nothing: a producer's rows are a number that
 * rises while the feed is open, a consumer's position follows its producers' heartbeats.
 *
 * Its name is its instance's. How it behaves stands in the file fake/<instance> of the current folder, one
 * word per line, read at every start: no_ready, ready_after_ms=N, exit_code=N (before READY),
 * crash_after_ms=N (after READY, exit 1), ignore_term, hangs (no heartbeats; read again before each), end_after_ms=N (harvest: ends its
 * streams so long after go), end_late_ms=N (so long after stop_intake), no_drain, refuse_go, stands_at=N (so many rows from its first heartbeat on, never more),
 * deaf (its heartbeats tell no configuration), queue_dropped=N, deadletter_rows=N, stage_plan_version=N, stage_acquired_version=N
 * (counters of its heartbeats; read again before each), event_ms_per_row=N (its rows are so far apart in event time), no_control
 * (a decision is never committed),
 * flood_kb=N (so much on its standard error every turn), forks=N (so many processes of its own that end with nobody).
 *
 * The decisions it is told of (verb control) stand in fake/<instance>.controls, one per line, as often as they are said.
 *
 * It is its own witness: it holds fake/<instance>.alive for life, as do its forks, and one that finds it held says so in
 * fake/doubled. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "bus/bus.h"
#include "config/config.h"
#include "proto/frame.h"
#include "proto/heartbeat.h"
#include "proto/request.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { INPUTS_MAX = 4, BEAT_MS = 50, POLL_MS = 10, FLOOD_LINE_BYTES = 1024 };

static const struct reads {
    const char *service;
    const char *inputs[INPUTS_MAX + 1];
} READS[] = {
    {"harvest", {NULL}},
    {"archive", {"harvest", "features", NULL}},
    {"features", {"harvest", NULL}},
    {"signal", {"features", NULL}},
    {"broker", {"signal", NULL}},
    {"report", {"harvest", "features", "signal", "broker", NULL}},
};

struct fake {
    const char *instance;
    int64_t generation;
    struct config *config;
    struct bus *bus;
    struct clock clock;
    struct buffer behaviour;
    struct buffer newest_beat; /* its frame */
    const struct reads *reads;
    size_t input_count;
    const char *inputs[INPUTS_MAX];
    size_t connections[INPUTS_MAX];
    struct stream_status_row upstream[INPUTS_MAX];
    int64_t begun_ms, go_ms, stop_ms, beat_ms, seq, rows;
    bool draining, ended, stopped;
};

static bool word(struct fake *fake, const char *name, int64_t *out_value)
{
    const char *at = strstr(buffer_text(&fake->behaviour), name);
    if (at && out_value && at[strlen(name)] == '=')
        *out_value = strtoll(at + strlen(name) + 1, NULL, 10);
    return at != NULL;
}

/* word_now: as its file says now: a test may change it while it runs. */
static bool word_now(const struct fake *fake, const char *name, int64_t *out_value)
{
    struct fake now = *fake;
    char path[PATH_BYTES];
    buffer_init(&now.behaviour, 0);
    path_join(path, "fake", "%s", fake->instance);
    bool found =
        file_exists(path) && file_read(path, &now.behaviour) == STATUS_OK && word(&now, name, out_value);
    buffer_finish(&now.behaviour);
    return found;
}

static bool enabled(const struct fake *fake, const char *service)
{
    struct config_list names = config_list(fake->config, "run.enable");
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.texts[i], service) == 0)
            return true;
    return false;
}

/* service_bytes: of its instance's name, without the number. */
static int service_bytes(const struct fake *fake)
{
    return (int)strcspn(fake->instance, ".");
}

static void connect_inputs(struct fake *fake)
{
    struct error error;
    for (size_t i = 0; i < sizeof READS / sizeof *READS; i++)
        if (strncmp(READS[i].service, fake->instance, (size_t)service_bytes(fake)) == 0)
            fake->reads = &READS[i];
    for (size_t i = 0; fake->reads && fake->reads->inputs[i]; i++) {
        const char *service = fake->reads->inputs[i];
        if (!enabled(fake, service))
            continue;
        if (bus_connect(fake->bus, service, &fake->connections[fake->input_count], &error) != STATUS_OK)
            exit(1);
        bus_subscribe(fake->bus, fake->connections[fake->input_count], "heartbeat/");
        fake->inputs[fake->input_count++] = service;
    }
}

static bool all_ended(const struct fake *fake)
{
    for (size_t i = 0; i < fake->input_count; i++)
        if (fake->upstream[i].ended != 1)
            return false;
    return fake->input_count > 0;
}

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)topic, (void)topic_length;
    struct fake *fake = context;
    struct frame frame;
    struct row_view view;
    struct stream_status_row row;
    if (frame_open(&frame, data, bytes, NULL) != STATUS_OK)
        return;
    for (size_t i = 0; i < fake->input_count; i++)
        while (fake->connections[i] == connection && frame_next(&frame, &view))
            if (view.kind == ROW_STREAM_STATUS &&
                row_decode(&view, &stream_status_message, &row, NULL) == STATUS_OK && row.published == 1)
                fake->upstream[i] = row;
}

static void beat_row(struct fake *fake, struct heartbeat_row *row)
{
    int64_t apart_ms;
    message_clear(&heartbeat_message, row);
    if (word(fake, "event_ms_per_row", &apart_ms) && fake->rows)
        row->event_ts_ms = 1700000000000 + fake->rows * apart_ms;
    snprintf(row->name, sizeof row->name, "%s", fake->instance);
    const char *state = !fake->draining                    ? "running"
                        : word_now(fake, "no_drain", NULL) ? "draining"
                                                           : "drained";
    if (fake->draining && fake->input_count && !all_ended(fake))
        state = "draining";
    snprintf(row->state, sizeof row->state, "%s", word_now(fake, "lacks_disk", NULL) ? "degraded" : state);
    row->pid = getpid();
    row->generation = fake->generation;
    row->seq = ++fake->seq;
    row->wall_ms = clock_wall_ms(&fake->clock);
    row->mono_ms = clock_monotonic_ms(&fake->clock);
    row->progress = fake->rows;
    row->caught_up = 1;
    if (!word(fake, "deaf", NULL))
        config_fingerprint(fake->config, row->config_fingerprint);
    row->rss_mb = 1;
    row->open_files = 10;
}

static void add(struct buffer *rows, size_t *count, const struct message *message, const void *row)
{
    row_encode(rows, message, message->field_count, row);
    ++*count;
}

/* add_counters: those that its file names now. */
static void add_counters(const struct fake *fake, struct buffer *rows, size_t *count)
{
    static const char *const NAMES[] = {"queue_dropped", "deadletter_rows", "stage_plan_version",
                                        "stage_acquired_version"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct counter_row row = {.value = -1};
        snprintf(row.name, sizeof row.name, "%s", NAMES[i]);
        if (word_now(fake, NAMES[i], &row.value) && row.value >= 0)
            add(rows, count, &counter_message, &row);
    }
}

static void beat(struct fake *fake)
{
    struct heartbeat_row row;
    struct frame_header header = {.generation = fake->generation};
    struct buffer rows, *frame = &fake->newest_beat;
    char topic[96];
    if (word_now(fake, "hangs", NULL))
        return;
    fake->beat_ms = clock_monotonic_ms(&fake->clock);
    buffer_init(&rows, 0);
    buffer_clear(frame);
    beat_row(fake, &row);
    add(&rows, &header.row_count, &heartbeat_message, &row);
    struct stream_status_row own = {.published = 1, .last_sequence = fake->rows};
    own.ended = fake->input_count ? all_ended(fake) : fake->ended;
    snprintf(own.stream, sizeof own.stream, "%.*s/TESTUSDT", service_bytes(fake), fake->instance);
    add(&rows, &header.row_count, &stream_status_message, &own);
    for (size_t i = 0; i < fake->input_count; i++) {
        struct stream_status_row input = {.last_sequence = fake->upstream[i].last_sequence,
                                          .ended = fake->upstream[i].ended == 1};
        snprintf(input.stream, sizeof input.stream, "%s/TESTUSDT", fake->inputs[i]);
        add(&rows, &header.row_count, &stream_status_message, &input);
    }
    add_counters(fake, &rows, &header.row_count);
    snprintf(header.run_id, sizeof header.run_id, "%s", config_text(fake->config, "run.run_id"));
    snprintf(header.instance, sizeof header.instance, "%s", fake->instance);
    frame_encode(frame, &header, rows.data, rows.length);
    snprintf(topic, sizeof topic, "heartbeat/%s", fake->instance);
    bus_publish(fake->bus, topic, frame->data, frame->length);
    buffer_finish(&rows);
}

/* note_control: what was decided, as it was said. */
static void note_control(const struct fake *fake, const char *arguments)
{
    char path[PATH_BYTES];
    path_join(path, "fake", "%s.controls", fake->instance);
    FILE *file = fopen(path, "a");
    if (file) {
        fprintf(file, "%s\n", arguments);
        fclose(file);
    }
}

static void obey(struct fake *fake, const struct command_row *command, struct command_answer_row *answer)
{
    answer->ok = 1;
    if (strcmp(command->verb, "go") == 0 && word(fake, "refuse_go", NULL)) {
        answer->ok = 0;
        snprintf(answer->text, sizeof answer->text, "not today");
    } else if (strcmp(command->verb, "go") == 0 && !fake->go_ms) {
        fake->go_ms = clock_monotonic_ms(&fake->clock);
    } else if (strcmp(command->verb, "control") == 0) {
        note_control(fake, command->arguments);
        answer->ok = !word(fake, "no_control", NULL);
        snprintf(answer->text, sizeof answer->text, "%s", answer->ok ? "" : "wait: not yet");
    } else if (strcmp(command->verb, "stop_intake") == 0) {
        fake->ended = !word(fake, "end_late_ms", NULL);
        fake->stop_ms = fake->stop_ms ? fake->stop_ms : clock_monotonic_ms(&fake->clock);
    } else if (strcmp(command->verb, "drain") == 0) {
        fake->draining = true;
    }
}

static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    struct fake *fake = context;
    struct frame frame;
    struct row_view view;
    struct command_row command;
    if (frame_open(&frame, data, bytes, NULL) != STATUS_OK || !frame_next(&frame, &view) ||
        row_decode(&view, &command_message, &command, NULL) != STATUS_OK)
        return;
    struct command_answer_row answer = {.ok = 1};
    struct frame_header header = {.generation = fake->generation, .row_count = 1};
    struct buffer row, head;
    memcpy(answer.request_id, command.request_id, sizeof answer.request_id);
    obey(fake, &command, &answer);
    buffer_init(&row, 0);
    buffer_init(&head, 0);
    row_encode(&row, &command_answer_message, command_answer_message.field_count, &answer);
    frame_encode(&head, &header, row.data, row.length);
    bool glance =
        strcmp(command.verb, "status") == 0; /* as the daemons: asked often, its lines would hide others */
    buffer_clear(&fake->newest_beat);
    if (glance)
        beat(fake);
    const struct buffer *body = fake->newest_beat.length ? &fake->newest_beat : NULL; /* none: it hangs */
    bus_answer(fake->bus, peer, head.data, head.length, body ? body->data : NULL, body ? body->length : 0);
    buffer_finish(&row);
    buffer_finish(&head);
    log_event(glance ? LOG_DEBUG : LOG_INFO, "command", "verb=%s generation=%lld", command.verb,
              (long long)fake->generation);
    if (!glance)
        beat(fake);
}

static void work(struct fake *fake)
{
    int64_t now_ms = clock_monotonic_ms(&fake->clock), value;
    bool producer = fake->input_count == 0;
    if (producer && fake->go_ms && !fake->ended)
        fake->rows++;
    if (producer && fake->go_ms && word(fake, "end_after_ms", &value) && now_ms - fake->go_ms > value)
        fake->ended = true;
    if (fake->stop_ms && !fake->ended && word(fake, "end_late_ms", &value) &&
        now_ms - fake->stop_ms > value) {
        fake->ended = true;
        log_event(LOG_INFO, "ended", "rows=%lld", (long long)fake->rows);
    }
    for (size_t i = 0; i < fake->input_count; i++)
        if (fake->upstream[i].last_sequence > fake->rows)
            fake->rows = fake->upstream[i].last_sequence;
    word(fake, "stands_at", &fake->rows);
    if (word(fake, "crash_after_ms", &value) && now_ms - fake->begun_ms >= value)
        exit(1);
    if (now_ms - fake->beat_ms >= BEAT_MS)
        beat(fake);
}

/* flood: lines as fast as they are taken. */
static void flood(struct fake *fake)
{
    char line[FLOOD_LINE_BYTES];
    int64_t kilobytes = 0;
    if (!word(fake, "flood_kb", &kilobytes))
        return;
    memset(line, 'f', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int64_t i = 0; i < kilobytes; i++)
        if (write(STDERR_FILENO, line, sizeof line) < 0)
            return;
}

/* bear_witness: no other of this name lives. Before there is a thread, since it forks. */
static void bear_witness(struct fake *fake)
{
    char path[PATH_BYTES];
    int64_t forks = 0;
    path_join(path, "fake", "%s.alive", fake->instance);
    int alive = open(path, O_RDWR | O_CREAT, 0600);
    if (alive < 0)
        return; /* no test that wants to know */
    if (file_lock(alive) != STATUS_OK) {
        int doubled = open("fake/doubled", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dprintf(doubled, "%s generation %lld\n", fake->instance, (long long)fake->generation);
        close(doubled);
    }
    word(fake, "forks", &forks);
    for (int64_t i = 0; i < forks; i++)
        if (fork() == 0) {
            setsid();
            signal(SIGTERM, SIG_IGN);
            fork(); /* a grandchild each, too */
            for (;;)
                pause();
        }
}

/* wait_ms: a daemon that is slow to get ready. */
static void wait_ms(struct fake *fake, int signal_descriptor, int64_t duration_ms)
{
    const struct bus_events nothing = {.context = fake};
    struct signalfd_siginfo info;
    int64_t until_ms = clock_monotonic_ms(&fake->clock) + duration_ms;
    while (clock_monotonic_ms(&fake->clock) < until_ms) {
        bus_poll(fake->bus, POLL_MS, 1, &nothing);
        if (read(signal_descriptor, &info, sizeof info) > 0 && !word(fake, "ignore_term", NULL))
            exit(0);
    }
}

static void announce(struct fake *fake, int signal_descriptor)
{
    int64_t value = 0;
    if (word(fake, "exit_code", &value))
        exit((int)value);
    if (word(fake, "no_ready", NULL))
        wait_ms(fake, signal_descriptor, INT32_MAX);
    if (word(fake, "ready_after_ms", &value))
        wait_ms(fake, signal_descriptor, value);
    if (write(3, "READY\n", 6) == 6)
        close(3);
    fake->begun_ms = clock_monotonic_ms(&fake->clock);
    beat(fake);
}

static void open_fake(struct fake *fake, const char *effective)
{
    struct config_errors errors;
    struct error error = {{0}};
    char path[PATH_BYTES];
    fake->clock = clock_system();
    fake->config = config_create();
    buffer_init(&fake->behaviour, 0);
    config_errors_init(&errors);
    path_join(path, "fake", "%s", fake->instance);
    if (config_load_file(fake->config, effective, &errors) != STATUS_OK ||
        (file_exists(path) && file_read(path, &fake->behaviour) != STATUS_OK))
        exit(2);
    bear_witness(fake);
    struct bus_config bus = bus_config_of(fake->config, fake->instance);
    if (bus_create(&bus, &fake->bus, &error) != STATUS_OK || bus_bind(fake->bus, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(5);
    }
    connect_inputs(fake);
    word(fake, "stands_at", &fake->rows);
}

int main(int argc, char **argv)
{
    struct fake fake = {0};
    const char *effective = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--effective") == 0)
            effective = argv[i + 1];
        else if (strcmp(argv[i], "--instance") == 0)
            fake.instance = argv[i + 1];
        else if (strcmp(argv[i], "--generation") == 0)
            fake.generation = strtoll(argv[i + 1], NULL, 10);
    }
    if (!effective || !fake.instance)
        return 2;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signal_descriptor = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    open_fake(&fake, effective);
    bus_watch(fake.bus, signal_descriptor);
    announce(&fake, signal_descriptor);
    const struct bus_events events = {.context = &fake, .frame = on_frame, .request = on_request};
    while (!fake.stopped) {
        struct signalfd_siginfo info;
        bus_poll(fake.bus, POLL_MS, 100, &events);
        if (read(signal_descriptor, &info, sizeof info) > 0 && !word(&fake, "ignore_term", NULL))
            fake.stopped = true;
        work(&fake);
        flood(&fake);
    }
    log_event(LOG_INFO, "stop", "exit_code=0");
    bus_destroy(fake.bus);
    config_destroy(fake.config);
    buffer_finish(&fake.behaviour);
    buffer_finish(&fake.newest_beat);
    return 0;
}
