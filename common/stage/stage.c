#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "stage/stage_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READY_DESCRIPTOR = 3, PULL_WAIT_MS = 10 };

/* --- what services may ask --- */

const struct config *stage_config(const struct stage *stage)
{
    return stage->config;
}

const char *stage_run_id(const struct stage *stage)
{
    return stage->run_id;
}

const char *stage_fingerprint(const struct stage *stage)
{
    return stage->fingerprint;
}

const char *stage_instance(const struct stage *stage)
{
    return stage->instance;
}

const struct clock *stage_clock(const struct stage *stage)
{
    return &stage->clock;
}

size_t stage_symbol_count(const struct stage *stage)
{
    return stage->symbol_count;
}

const char *stage_symbol(const struct stage *stage, size_t index)
{
    return stage->symbols[index];
}

size_t stage_symbol_index(const struct stage *stage, const char *symbol)
{
    return map_get(stage->symbol_indexes, symbol);
}

int stage_levels(const struct stage *stage)
{
    return stage->levels > BOOK_LEVELS_DEFAULT ? stage->levels : BOOK_LEVELS_DEFAULT;
}

const char *stage_option_value(const struct stage *stage, const char *name)
{
    for (size_t i = stage->options.service_value_count; i > 0; i--)
        if (strcmp(stage->options.service_values[i - 1].key, name) == 0)
            return stage->options.service_values[i - 1].value;
    return NULL;
}

const char *const *stage_replay_files(const struct stage *stage)
{
    return stage->options.replay_count ? stage->options.replay_files : NULL;
}

void stage_event_time(struct stage *stage, int64_t event_ts_ms)
{
    if (event_ts_ms > stage->event_ts_ms)
        stage->event_ts_ms = event_ts_ms;
}

void stage_watch(struct stage *stage, int descriptor)
{
    bus_watch(stage->bus, descriptor);
}

void stage_wake(struct stage *stage)
{
    uint64_t one = 1;
    if (write(stage->wake_descriptor, &one, sizeof one) < 0) {
        /* Full means it is awake already. */
    }
}

void stage_end(struct stage *stage)
{
    if (!stage->own_end)
        stage->state_dirty = true;
    stage->own_end = true;
}

void stage_touch(struct stage *stage)
{
    stage->state_dirty = true;
}

void stage_note_loss(struct stage *stage)
{
    stage->state_dirty = stage->loss_unsaved = true;
}

bool stage_rereads(const struct stage *stage, size_t symbol_index)
{
    const struct output *output = &stage->outputs[symbol_index];
    return output->emitted < journal_last(stage->journal, output->journal_stream);
}

bool stage_draining(const struct stage *stage)
{
    return stage->draining || stage->stopping;
}

struct journal *stage_journal(const struct stage *stage)
{
    return stage->journal;
}

void stage_fail(struct stage *stage, const struct error *error)
{
    log_event(LOG_ERROR, "failed", "reason=\"%s\"", error->text);
    stage->exit_code = EXIT_INTERNAL;
    stage->stopping = true;
}

/* --- life --- */

static enum status open_signals(struct stage *stage, struct error *error)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    stage->signal_descriptor = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    stage->wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (stage->signal_descriptor < 0 || stage->wake_descriptor < 0)
        return error_set(error, STATUS_IO, "signal descriptors: %m");
    return STATUS_OK;
}

/* block_signals: before any thread exists, so that none of them takes TERM. */
static void block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static enum status open_bus(struct stage *stage, struct error *error)
{
    struct bus_config config = bus_config_of(stage->config, stage->instance);
    enum status status = bus_create(&config, &stage->bus, error);
    if (status == STATUS_OK)
        status = bus_bind(stage->bus, error);
    if (status != STATUS_OK)
        return status;
    bus_injure(stage->bus, stage->injuries);
    bus_watch(stage->bus, stage->signal_descriptor);
    bus_watch(stage->bus, stage->wake_descriptor);
    return STATUS_OK;
}

enum status stage_open(struct stage *stage, struct error *error)
{
    enum status status = open_signals(stage, error);
    if (status == STATUS_OK)
        status = stage_replay_start(stage, error);
    if (status == STATUS_OK)
        status = open_bus(stage, error);
    if (status == STATUS_OK)
        status = stage_plan_open(stage, error);
    if (status == STATUS_OK)
        status = stage_outputs_open(stage, error);
    if (status == STATUS_OK)
        status = stage_state_owned(stage, error);
    if (status == STATUS_OK)
        status = stage->service->open(stage, &stage->state, error);
    if (status == STATUS_OK)
        status = stage_inputs_open(stage, error);
    if (status == STATUS_OK)
        status = stage_state_load(stage, true, error);
    if (status == STATUS_OK)
        status = stage_hand_over_open(stage, error);
    if (status == STATUS_OK)
        status = stage_sinks_open(stage, error);
    return status;
}

/* find_ready_descriptor: descriptor 3 when our parent made it a pipe; started by hand it may be anything, or free and
 * soon a file of our own. */
static void find_ready_descriptor(struct stage *stage)
{
    struct stat found;
    bool pipe = fstat(READY_DESCRIPTOR, &found) == 0 && (S_ISFIFO(found.st_mode) || S_ISSOCK(found.st_mode));
    stage->ready_descriptor =
        pipe && fcntl(READY_DESCRIPTOR, F_SETFD, FD_CLOEXEC) == 0 ? READY_DESCRIPTOR : -1;
}

/* find_fields: where the kinds that have them keep event time and source. */
static void find_fields(struct stage *stage)
{
    const struct message *message;
    for (size_t i = 0; (message = message_at(i)); i++) {
        stage->time_fields[message->kind] = message_field(message, "ts_ms");
        stage->source_fields[message->kind] = message_field(message, "source");
    }
}

static void announce_ready(struct stage *stage)
{
    log_event(LOG_INFO, "ready", "instance=%s generation=%lld pid=%d", stage->instance,
              (long long)stage->options.generation, (int)getpid());
    if (stage->ready_descriptor >= 0) {
        if (write(stage->ready_descriptor, "READY\n", 6) != 6)
            log_event(LOG_WARNING, "ready_unheard", "reason=\"%m\"");
        close(stage->ready_descriptor);
        stage->ready_descriptor = -1;
    }
    stage_beat(stage, true);
}

static void drain_descriptor(int descriptor)
{
    uint64_t count;
    while (read(descriptor, &count, sizeof count) > 0)
        ;
}

static void take_signals(struct stage *stage)
{
    struct signalfd_siginfo info;
    while (read(stage->signal_descriptor, &info, sizeof info) == (ssize_t)sizeof info)
        stage->stopping = true;
    drain_descriptor(stage->wake_descriptor);
}

static void pull(struct stage *stage)
{
    struct error error = {{0}};
    stage->pull_more = false;
    stage->pull_held = stage->service->pull && !stage_may_consume(stage);
    if (!stage->service->pull || stage->pull_held)
        return;
    enum status status =
        stage->service->pull(stage->state, STAGE_PULL_BUDGET, PULL_WAIT_MS, &stage->pull_more, &error);
    if (status != STATUS_OK)
        stage_fail(stage, &error);
}

void stage_step(struct stage *stage)
{
    struct error error = {{0}};
    int64_t now_ms = clock_monotonic_ms(&stage->clock);
    if (stage->service->accepts)
        stage->full = !stage->service->accepts(stage->state);
    stage_inputs_retry(stage);
    if (now_ms >= stage->register_due_ms) {
        stage->register_due_ms = now_ms + STAGE_REGISTER_MS;
        stage_inputs_register(stage);
    }
    if (stage->journal && now_ms >= stage->relax_due_ms) {
        stage->relax_due_ms = now_ms + STAGE_RELAX_MS;
        journal_relax(stage->journal);
    }
    if (stage->service->turn && stage->service->turn(stage->state, &error) != STATUS_OK)
        stage_fail(stage, &error);
    else if (stage_commit(stage, false, &error) != STATUS_OK ||
             stage_hand_over_turn(stage, &error) != STATUS_OK)
        stage_fail(stage, &error);
}

static bool replay_done(struct stage *stage)
{
    if (!stage->options.replay_count || stage->options.replay_link)
        return false;
    return (stage->own_end || stage_inputs_ended(stage)) &&
           (!stage->service->idle || stage->service->idle(stage->state)) && stage_sinks_idle(stage);
}

static void loop(struct stage *stage)
{
    struct error error = {{0}};
    while (!stage->stopping) {
        stage_inputs_poll(stage, stage_poll_timeout(stage));
        take_signals(stage);
        if (stage->stopping)
            break;
        pull(stage);
        stage_step(stage);
        stage_beat(stage, false);
        injury_turn(stage->injuries);
        if (replay_done(stage))
            stage->stopping = true;
        else if (stage_replay_check(stage, &error) != STATUS_OK)
            stage_fail(stage, &error);
    }
}

/* last_commit: a disk that takes nothing is waited for as long as sinks are, and in any case left before KILL comes: what is then
 * lost has to be told. */
static void last_commit(struct stage *stage, int64_t kill_near_ms)
{
    struct error error = {{0}};
    int64_t until_ms = clock_monotonic_ms(&stage->clock) + STAGE_DRAIN_MS;
    until_ms = until_ms < kill_near_ms ? until_ms : kill_near_ms;
    do {
        if (stage->exit_code == EXIT_CLEAN && stage_commit(stage, true, &error) != STATUS_OK)
            stage_fail(stage, &error);
        if (stage->unwritten)
            stage_inputs_poll(stage, STAGE_COMMIT_RETRY_MS);
    } while (stage->exit_code == EXIT_CLEAN && stage->unwritten &&
             clock_monotonic_ms(&stage->clock) < until_ms);
    if (stage->exit_code == EXIT_CLEAN && stage->unwritten) {
        error_set(&error, STATUS_IO, "the journal took nothing to the end: %.200s", stage->last_error);
        stage_fail(stage, &error);
    }
}

/* wind_down: what has been consumed becomes durable; nothing new is consumed. */
static void wind_down(struct stage *stage)
{
    struct error error = {{0}};
    enum status ignored = injury_clear(stage->injuries, 0, NULL); /* nobody has to wait for their end */
    (void)ignored;
    int64_t begun_ms = clock_monotonic_ms(&stage->clock);
    int64_t kill_after_ms = (int64_t)(config_f64(stage->config, "supervisor.stop_timeout_s") * 1000);
    if (stage->service->halt)
        stage->service->halt(stage->state, begun_ms + kill_after_ms / 2);
    last_commit(stage, begun_ms + kill_after_ms * 3 / 4);
    stage_sinks_hurry(stage, true); /* no batch becomes fuller any more */
    int64_t until_ms = clock_monotonic_ms(&stage->clock) + STAGE_DRAIN_MS;
    while (stage->exit_code == EXIT_CLEAN && clock_monotonic_ms(&stage->clock) < until_ms &&
           !(stage_sinks_idle(stage) && (!stage->service->idle || stage->service->idle(stage->state)))) {
        stage_inputs_poll(stage, 5);
        if (stage->service->turn && stage->service->turn(stage->state, &error) != STATUS_OK)
            stage_fail(stage, &error);
    }
    if (stage->exit_code == EXIT_CLEAN && stage_ledger_write(stage, &error) != STATUS_OK)
        log_event(LOG_ERROR, "write_error", "reason=\"%s\"", error.text);
    stage->status_due_ms = 0; /* of the status file, too */
    stage_beat(stage, true);  /* the last word, while the sinks can still be asked */
    stage_sinks_close(stage);
}

void stage_close(struct stage *stage)
{
    stage_sinks_close(stage);
    if (stage->state)
        stage->service->close(stage->state);
    journal_close(stage->journal);
    bus_destroy(stage->bus);
    injury_table_destroy(stage->injuries); /* the clock of all of them goes through it */
    stage_replay_finish(stage);
    for (size_t i = 0; stage->outputs && i < stage->symbol_count; i++) {
        buffer_finish(&stage->outputs[i].rows);
        free(stage->outputs[i].chunks);
    }
    free(stage->outputs);
    free(stage->inputs);
    free(stage->consumers);
    for (size_t i = 0; i < stage->symbol_count; i++)
        free((void *)(uintptr_t)stage->symbols[i]);
    free(stage->symbols);
    free(stage->owned);
    stage_hand_over_close(stage);
    stage_tables_close(stage);
    plan_destroy(stage->plan);
    if (stage->symbol_indexes)
        map_finish(stage->symbol_indexes);
    free(stage->symbol_indexes);
    buffer_finish(&stage->scratch);
    buffer_finish(&stage->frame_scratch);
    buffer_finish(&stage->newest_beat);
    config_destroy(stage->config);
    stage_options_finish(&stage->options);
}

static int exit_code_of(enum status status)
{
    switch (status) {
    case STATUS_OK: return EXIT_CLEAN;
    case STATUS_INVALID:
    case STATUS_LIMIT: return EXIT_CONFIGURATION;
    case STATUS_EXISTS:
    case STATUS_CLOSED: return EXIT_TEMPORARY;
    default: return EXIT_INTERNAL;
    }
}

static int refuse(const struct stage *stage, enum status status, const struct error *error)
{
    char remedy[512] = "";
    if (status == STATUS_IO)
        stage_room_missing(stage, remedy, sizeof remedy);
    fprintf(stderr, "%s: %s%s\n", stage->service->name, error->text, remedy);
    return exit_code_of(status);
}

int stage_main(const struct stage_service *service, int argc, char **argv)
{
    struct stage *stage = memory_allocate(sizeof *stage);
    struct error error = {{0}};
    bool done;
    *stage = (struct stage){.service = service, .injuries = injury_table_create(), .wake_descriptor = -1};
    stage->clock = injury_clock(stage->injuries);
    find_ready_descriptor(stage);
    find_fields(stage);
    block_signals();
    enum status status = stage_options_parse(stage, argc, argv, &done, &error);
    if (status == STATUS_OK && !done)
        status = stage_config_load(stage, &error);
    if (status == STATUS_OK && !done)
        status = stage_open(stage, &error);
    int code = status == STATUS_OK ? EXIT_CLEAN : refuse(stage, status, &error);
    if (status == STATUS_OK && !done) {
        stage_inputs_join(stage);
        announce_ready(stage);
        loop(stage);
        wind_down(stage);
        code = stage->exit_code != EXIT_CLEAN && stage->loss_unsaved ? EXIT_LOSS_UNTOLD : stage->exit_code;
        log_event(LOG_INFO, "stop", "exit_code=%d", code);
    }
    stage_close(stage);
    free(stage);
    return code;
}
