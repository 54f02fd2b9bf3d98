#include "tests/support/world.h"

#include "base/clock.h"
#include "base/hash.h"
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_MS = 5, READY_DESCRIPTOR = 3 };

const char *const SERVICE_NAMES[SERVICES] = {"counter", "adder"};

static const char *const ALWAYS[] = {"--run-id", "run-1",         "--symbols",
                                     "AAA,BBB",  "--set",         "health.heartbeat_ms=20",
                                     "--set",    "run.debug=true"};

int64_t world_now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

/* --- beginning and end --- */

void world_begin(struct world *world)
{
    struct error error = {{0}};
    memset(world, 0, sizeof *world);
    check_folder(world->folder);
    path_join(world->home, world->folder, "runtime/bus");
    struct bus_config config = {.folder = world->home, .instance = "ear", .high_water_mark = 10000};
    if (bus_create(&config, &world->ear, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    for (enum who who = COUNTER; who < SERVICES; who++) {
        world->services[who].exit_code = -1;
        assert_ok(bus_connect(world->ear, SERVICE_NAMES[who], &world->services[who].connection, NULL));
        bus_subscribe(world->ear, world->services[who].connection, "heartbeat/");
    }
}

void world_end(struct world *world)
{
    for (enum who who = COUNTER; who < SERVICES; who++)
        if (world->services[who].pid) {
            kill(world->services[who].pid, SIGKILL);
            waitpid(world->services[who].pid, NULL, 0);
        }
    bus_destroy(world->ear);
    check_folder_remove(world->folder);
}

/* --- processes --- */

static void log_path(const struct world *world, enum who who, char out_path[PATH_BYTES])
{
    path_join(out_path, world->folder, "%s.log", SERVICE_NAMES[who]);
}

/* run_child: never returns; the parent's end of the READY pipe is already gone. */
static void run_child(const struct world *world, const struct service *service, enum who who, int ready,
                      pid_t parent)
{
    const char *arguments[WORLD_ARGUMENTS + 16] = {"test_services", SERVICE_NAMES[who]};
    char program[PATH_BYTES], path[PATH_BYTES], generation[16];
    size_t count = 2;
    sigset_t none;
    process_folder(program);
    path_join(program, program, "test_services");
    for (size_t i = 0; i < sizeof ALWAYS / sizeof ALWAYS[0]; i++)
        arguments[count++] = ALWAYS[i];
    snprintf(generation, sizeof generation, "%d", service->lives);
    arguments[count++] = "--generation";
    arguments[count++] = generation;
    for (size_t i = 0; service->arguments[i]; i++)
        arguments[count++] = service->arguments[i];
    log_path(world, who, path);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (service->crashes > 0)
        setenv("ORDERFLOW_CRASH_POINT", service->crash, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(log, 1) < 0 || dup2(log, 2) < 0 || dup2(ready, READY_DESCRIPTOR) < 0 ||
        chdir(world->folder) != 0 || getppid() != parent)
        _exit(126);
    execv(program, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

/* spawn: returns the end of the pipe on which READY will stand. */
static int spawn(struct world *world, enum who who)
{
    struct service *service = &world->services[who];
    int channel[2];
    pid_t parent = getpid();
    assert_int_equal(pipe2(channel, O_CLOEXEC), 0);
    service->lives++;
    service->counter_count = 0;
    memset(&service->beat, 0, sizeof service->beat);
    memset(&service->sink, 0, sizeof service->sink);
    service->pid = fork();
    assert_true(service->pid >= 0);
    if (service->pid == 0)
        run_child(world, service, who, channel[1], parent);
    service->armed = service->crashes > 0;
    service->crashes -= service->armed;
    close(channel[1]);
    return channel[0];
}

void world_spawn(struct world *world, enum who who)
{
    close(spawn(world, who));
}

void world_start(struct world *world, enum who who)
{
    char text[8] = "";
    int ready = spawn(world, who);
    struct pollfd wait = {.fd = ready, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, WORLD_PATIENCE_MS), 1);
    ssize_t got = read(ready, text, sizeof text - 1);
    close(ready);
    if (!world->revive && got != 6)
        fail_msg("%s did not get ready; see %s", SERVICE_NAMES[who], world->folder);
    if (got > 0)
        assert_string_equal(text, "READY\n");
}

void world_signal(struct world *world, enum who who, int signal)
{
    assert_true(world->services[who].pid > 0);
    assert_int_equal(kill(world->services[who].pid, signal), 0);
}

static int code_of(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* reap: notes deaths; those by SIGKILL are followed by a new life where that was asked for. */
static void reap(struct world *world)
{
    for (enum who who = COUNTER; who < SERVICES; who++) {
        struct service *service = &world->services[who];
        int status;
        if (!service->pid || waitpid(service->pid, &status, WNOHANG) != service->pid)
            continue;
        service->pid = 0;
        service->exit_code = code_of(status);
        if (service->exit_code == -SIGKILL && world->revive)
            close(spawn(world, who));
    }
}

void world_disarm(struct world *world, enum who who)
{
    struct service *service = &world->services[who];
    int lives = service->lives;
    service->crashes = 0;
    if (service->armed && service->pid) {
        world_signal(world, who, SIGKILL);
        UNTIL(world, service->lives > lives);
    }
}

int world_wait(struct world *world, enum who who)
{
    bool revive = world->revive;
    world->revive = false;
    UNTIL(world, !world->services[who].pid);
    world->revive = revive;
    return world->services[who].exit_code;
}

/* --- hearing --- */

static void note_stream(struct world *world, const struct stream_status_row *row)
{
    size_t i = 0;
    while (i < world->stream_count && strcmp(world->streams[i].stream, row->stream) != 0)
        i++;
    assert_true(i < WORLD_STREAMS);
    world->stream_count += i == world->stream_count;
    world->streams[i] = *row;
}

static void note_counter(struct service *service, const struct counter_row *row)
{
    assert_true(service->counter_count < sizeof service->counters / sizeof service->counters[0]);
    memcpy(service->counters[service->counter_count].name, row->name, sizeof row->name);
    service->counters[service->counter_count++].value = row->value;
}

static void note_row(struct world *world, struct service *service, const struct row_view *view)
{
    union {
        struct stream_status_row stream;
        struct counter_row counter;
        struct gauge_row gauge;
        struct sink_status_row sink;
    } row;
    const struct message *message = message_of_kind(view->kind);
    assert_non_null(message);
    assert_ok(row_decode(view, message, &row, NULL));
    if (view->kind == ROW_STREAM_STATUS && row.stream.published)
        note_stream(world, &row.stream);
    else if (view->kind == ROW_COUNTER)
        note_counter(service, &row.counter);
    else if (view->kind == ROW_SINK_STATUS)
        service->sink = row.sink;
}

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    struct world *world = context;
    struct service *service = &world->services[connection];
    struct heartbeat_row beat;
    struct frame frame;
    struct row_view view;
    (void)topic;
    (void)topic_length;
    if (frame_open(&frame, data, bytes, NULL) != STATUS_OK || !frame_next(&frame, &view) ||
        row_decode(&view, &heartbeat_message, &beat, NULL) != STATUS_OK)
        return; /* a test sends such */
    if (beat.pid != service->pid || beat.seq < service->beat.seq)
        return; /* of an earlier life, or overtaken by an answer that held a newer one */
    service->beat = beat;
    service->counter_count = 0;
    while (frame_next(&frame, &view))
        note_row(world, service, &view);
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    struct service *service = &((struct world *)context)->services[connection];
    struct frame frame;
    struct row_view view;
    assert_ok(frame_open(&frame, head, head_bytes, NULL));
    assert_true(frame_next(&frame, &view));
    if (row_decode(&view, &command_answer_message, &service->answer, NULL) == STATUS_OK &&
        strcmp(service->answer.request_id, "asked") == 0)
        service->answered = true;
    if (body_bytes) /* of a status: the newest heartbeat */
        on_frame(context, connection, "", 0, body, body_bytes);
}

/* One message at a time: what only one heartbeat tells is seen, however late this process gets to it. */
void world_step(struct world *world)
{
    const struct bus_events events = {.context = world, .frame = on_frame, .answer = on_answer};
    bus_poll(world->ear, STEP_MS, 1, &events);
    reap(world);
}

/* --- asking --- */

void world_send(struct world *world, enum who who, const void *data, size_t bytes)
{
    UNTIL(world, bus_request(world->ear, world->services[who].connection, data, bytes) == STATUS_OK);
}

const struct command_answer_row *world_tell(struct world *world, enum who who, const char *verb)
{
    struct service *service = &world->services[who];
    struct command_row command = {.request_id = "asked", .run_id = "run-1"};
    struct frame_header header = {.run_id = "run-1", .instance = "ear", .row_count = 1};
    struct buffer row, frame;
    snprintf(command.verb, sizeof command.verb, "%s", verb);
    buffer_init(&row, 0);
    buffer_init(&frame, 0);
    row_encode(&row, &command_message, command_message.field_count, &command);
    frame_encode(&frame, &header, row.data, row.length);
    service->answered = false;
    world_send(world, who, frame.data, frame.length);
    UNTIL(world, service->answered);
    buffer_finish(&row);
    buffer_finish(&frame);
    return &service->answer;
}

const struct stream_status_row *world_stream(const struct world *world, const char *stream)
{
    for (size_t i = 0; i < world->stream_count; i++)
        if (strcmp(world->streams[i].stream, stream) == 0)
            return &world->streams[i];
    return NULL;
}

bool world_ended(const struct world *world, enum who who)
{
    int ended = 0;
    for (size_t i = 0; i < world->stream_count; i++) {
        size_t length = strlen(SERVICE_NAMES[who]);
        bool of_service = strncmp(world->streams[i].stream, SERVICE_NAMES[who], length) == 0;
        ended += of_service && world->streams[i].ended;
    }
    return ended == WORLD_SYMBOLS;
}

int64_t world_counter(const struct world *world, enum who who, const char *name)
{
    const struct service *service = &world->services[who];
    for (size_t i = 0; i < service->counter_count; i++)
        if (strcmp(service->counters[i].name, name) == 0)
            return service->counters[i].value;
    return 0;
}

bool world_logged(const struct world *world, enum who who, const char *text)
{
    char path[PATH_BYTES];
    struct buffer log;
    log_path(world, who, path);
    buffer_init(&log, 0);
    bool found = file_read(path, &log) == STATUS_OK && strstr(buffer_text(&log), text);
    buffer_finish(&log);
    return found;
}

void world_digest(const struct world *world, enum who who, char out_hex[65])
{
    static const char *const SYMBOLS[WORLD_SYMBOLS] = {"AAA", "BBB"};
    char folder[PATH_BYTES];
    uint8_t digest[SHA256_BYTES];
    struct journal *journal;
    struct error error = {{0}};
    enum journal_beginning beginning;
    struct sha256 hash;
    struct buffer rows;
    path_join(folder, world->folder, "state/journal/%s", SERVICE_NAMES[who]);
    struct journal_config config = {.folder = folder,
                                    .run_id = "run-1",
                                    .config_fingerprint = world->services[who].beat.config_fingerprint,
                                    .max_bytes = 1 << 28};
    if (journal_open(&config, &journal, &beginning, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(beginning, JOURNAL_WARM);
    sha256_init(&hash);
    buffer_init(&rows, 0);
    for (size_t i = 0; i < WORLD_SYMBOLS; i++) {
        char name[STREAM_BYTES];
        snprintf(name, sizeof name, "%s/%s", SERVICE_NAMES[who], SYMBOLS[i]);
        size_t stream = journal_stream(journal, name), count = 1;
        for (int64_t next = 1; count; next += (int64_t)count) {
            buffer_clear(&rows);
            assert_ok(journal_read(journal, stream, next, 1 << 20, SIZE_MAX, &rows, &count, NULL));
            sha256_update(&hash, rows.data, rows.length);
        }
    }
    sha256_finish(&hash, digest);
    sha256_hex_of(digest, out_hex);
    buffer_finish(&rows);
    journal_close(journal);
}
