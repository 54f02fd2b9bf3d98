#include "base/log.h"
#include "base/memory.h"
#include "stage/stage_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One thread per sink: waits for rows in the journal behind the sink's position, hands them over, retries. */

enum { SINK_READ_BYTES = 256 * 1024, BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000, IDLE_WAIT_MS = 1000 };

static int64_t pending_rows(const struct sink_runner *runner)
{
    const struct stage *stage = runner->stage;
    int64_t pending = 0;
    for (size_t i = 0; i < stage->symbol_count; i++) {
        if (!stage_owns(stage, i))
            continue;
        int64_t position = runner->sink->position(runner->sink->context, stage->outputs[i].stream);
        int64_t last = journal_last(stage->journal, stage->outputs[i].journal_stream);
        pending += last > position ? last - position : 0; /* less: the symbol is just coming */
    }
    return pending;
}

static bool is_unfinished(const struct sink *sink)
{
    return sink->unfinished && sink->unfinished(sink->context);
}

/* wait_ms: sleeps until notified or the time is over; the mutex is held. */
static void wait_ms(struct sink_runner *runner, int milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    until.tv_sec += milliseconds / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&runner->changed, &runner->mutex, &until);
}

static int64_t now_ms(const struct sink_runner *runner)
{
    return clock_monotonic_ms(&runner->stage->clock);
}

/* wait_for_batch: until enough rows wait, or the oldest has waited long enough. False: stop, nothing is left. */
static bool wait_for_batch(struct sink_runner *runner)
{
    int64_t since_ms = 0;
    bool work = false;
    pthread_mutex_lock(&runner->mutex);
    for (;;) {
        if (runner->job.kind && !runner->job.done)
            stage_sink_job_run(runner);
        int64_t pending = pending_rows(runner);
        runner->status.lag_rows = pending;
        if (pending && !since_ms)
            since_ms = now_ms(runner);
        int64_t left_ms = pending ? since_ms + runner->sink->flush_ms - now_ms(runner) : IDLE_WAIT_MS;
        bool unfinished = is_unfinished(runner->sink);
        work = pending > 0 || unfinished;
        if (runner->stop || unfinished || (runner->hurry && pending) ||
            pending >= (int64_t)runner->sink->batch_rows || (pending && left_ms <= 0))
            break;
        wait_ms(runner, (int)left_ms);
    }
    pthread_mutex_unlock(&runner->mutex);
    return work;
}

/* note_dropped: retention took rows before the sink had them. Said behind the batch that goes past them: one that fails is tried
 * again. */
static void note_dropped(struct sink_runner *runner)
{
    for (size_t i = 0; i < runner->stage->symbol_count; i++) {
        const struct sink_drop *drop = &runner->drops[i];
        if (!drop->from)
            continue;
        pthread_mutex_lock(&runner->mutex);
        runner->status.dropped += drop->first - drop->from;
        pthread_mutex_unlock(&runner->mutex);
        log_event(LOG_ERROR, "data_dropped", "sink=%s stream=%s from=%lld to=%lld", runner->sink->name,
                  runner->stage->outputs[i].stream, (long long)drop->from, (long long)drop->first - 1);
    }
}

/* write_stream: one piece of one stream behind the sink's position. */
static enum status write_stream(struct sink_runner *runner, size_t symbol, struct buffer *rows,
                                size_t *out_count, struct error *error)
{
    struct stage *stage = runner->stage;
    const struct output *output = &stage->outputs[symbol];
    int64_t from = runner->sink->position(runner->sink->context, output->stream) + 1;
    *out_count = 0;
    if (!stage_owns(stage, symbol) || from > journal_last(stage->journal, output->journal_stream))
        return STATUS_OK;
    buffer_clear(rows);
    enum status status = journal_read(stage->journal, output->journal_stream, from, SINK_READ_BYTES, SIZE_MAX,
                                      rows, out_count, error);
    if (status == STATUS_NOT_FOUND) {
        runner->drops[symbol].from = from;
        from = runner->drops[symbol].first = journal_first(stage->journal, output->journal_stream);
        status = journal_read(stage->journal, output->journal_stream, from, SINK_READ_BYTES, SIZE_MAX, rows,
                              out_count, error);
    }
    if (status != STATUS_OK || !*out_count)
        return status;
    struct sink_rows piece = {
        .stream = output->stream,
        .symbol = stage->symbols[symbol],
        .first_sequence = from,
        .row_count = *out_count,
        .data = rows->data,
        .bytes = rows->length,
    };
    return runner->sink->write(runner->sink->context, &piece, error);
}

static enum status write_batch(struct sink_runner *runner, struct buffer *rows, struct error *error)
{
    struct sink *sink = runner->sink;
    int64_t written = 0;
    size_t count;
    memset(runner->drops, 0, runner->stage->symbol_count * sizeof *runner->drops);
    enum status status = sink->begin(sink->context, error);
    for (size_t i = 0; status == STATUS_OK && i < runner->stage->symbol_count; i++) {
        status = write_stream(runner, i, rows, &count, error);
        written += (int64_t)count;
    }
    if (status == STATUS_OK)
        status = sink->commit(sink->context, error);
    if (status != STATUS_OK) {
        sink->rollback(sink->context);
        return status;
    }
    note_dropped(runner);
    pthread_mutex_lock(&runner->mutex);
    runner->status.written += written;
    runner->status.last_write_ms = clock_wall_ms(&runner->stage->clock);
    pthread_mutex_unlock(&runner->mutex);
    return STATUS_OK;
}

/* back_off: a failed write is told, counted and tried again; never given up while the stage lives. */
static bool back_off(struct sink_runner *runner, const struct error *error, int *delay_ms)
{
    log_event(LOG_ERROR, "write_error", "sink=%s reason=\"%s\" retry_in_ms=%d", runner->sink->name,
              error->text, *delay_ms);
    pthread_mutex_lock(&runner->mutex);
    runner->status.write_errors++;
    bool stop = runner->stop;
    if (!stop)
        wait_ms(runner, *delay_ms);
    pthread_mutex_unlock(&runner->mutex);
    *delay_ms = 2 * *delay_ms < BACKOFF_MAX_MS ? 2 * *delay_ms : BACKOFF_MAX_MS;
    return !stop;
}

static enum status sink_open(struct sink_runner *runner, struct error *error)
{
    struct sink *sink = runner->sink;
    enum status status = sink->open(sink->context, runner->stage->journal, error);
    if (status == STATUS_OK)
        status = stage_sink_restore(runner, error);
    return status == STATUS_OK && sink->resume ? sink->resume(sink->context, error) : status;
}

static void *sink_thread(void *context)
{
    struct sink_runner *runner = context;
    struct buffer rows;
    struct error error = {{0}};
    int delay_ms = BACKOFF_FIRST_MS;
    buffer_init(&rows, 0);
    runner->drops = memory_allocate(runner->stage->symbol_count * sizeof *runner->drops);
    enum status status = sink_open(runner, &error);
    pthread_mutex_lock(&runner->mutex);
    runner->opened = true;
    runner->open_status = status;
    runner->open_error = error;
    pthread_cond_broadcast(&runner->changed);
    pthread_mutex_unlock(&runner->mutex);
    while (status == STATUS_OK && wait_for_batch(runner)) {
        bool written = write_batch(runner, &rows, &error) == STATUS_OK;
        if (runner->hurry) /* somebody waits for it */
            stage_wake(runner->stage);
        if (written)
            delay_ms = BACKOFF_FIRST_MS;
        else if (!back_off(runner, &error, &delay_ms))
            break;
    }
    if (status == STATUS_OK)
        runner->sink->close(runner->sink->context);
    buffer_finish(&rows);
    free(runner->drops);
    return NULL;
}

void stage_add_sink(struct stage *stage, struct sink *sink)
{
    if (stage->sink_count == STAGE_SINKS_MAX) {
        fprintf(stderr, "more than %d sinks\n", STAGE_SINKS_MAX);
        abort();
    }
    stage->sinks[stage->sink_count++] = (struct sink_runner){.sink = sink, .stage = stage};
}

static enum status sink_start(struct sink_runner *runner, struct error *error)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&runner->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&runner->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    message_clear(&sink_status_message, &runner->status);
    snprintf(runner->status.sink, sizeof runner->status.sink, "%s", runner->sink->name);
    if (pthread_create(&runner->thread, NULL, sink_thread, runner) != 0)
        return error_set(error, STATUS_IO, "sink %s: no thread: %m", runner->sink->name);
    runner->started = true;
    pthread_mutex_lock(&runner->mutex);
    while (!runner->opened)
        pthread_cond_wait(&runner->changed, &runner->mutex);
    enum status status = runner->open_status;
    if (status != STATUS_OK)
        *error = runner->open_error;
    pthread_mutex_unlock(&runner->mutex);
    return status;
}

enum status stage_sinks_open(struct stage *stage, struct error *error)
{
    for (size_t i = 0; i < stage->sink_count; i++) {
        enum status status = sink_start(&stage->sinks[i], error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

void stage_sinks_notify(struct stage *stage)
{
    for (size_t i = 0; i < stage->sink_count; i++)
        if (stage->sinks[i].started) {
            pthread_mutex_lock(&stage->sinks[i].mutex);
            pthread_cond_signal(&stage->sinks[i].changed);
            pthread_mutex_unlock(&stage->sinks[i].mutex);
        }
}

bool stage_sinks_idle(struct stage *stage)
{
    for (size_t i = 0; i < stage->sink_count; i++)
        if (stage->sinks[i].started &&
            (pending_rows(&stage->sinks[i]) > 0 || is_unfinished(stage->sinks[i].sink)))
            return false;
    return true;
}

void stage_sink_status(struct stage *stage, size_t index, struct sink_status_row *out_status)
{
    struct sink_runner *runner = &stage->sinks[index];
    pthread_mutex_lock(&runner->mutex);
    *out_status = runner->status;
    pthread_mutex_unlock(&runner->mutex);
    out_status->lag_rows = pending_rows(runner);
    out_status->position = 0;
    for (size_t i = 0; i < stage->symbol_count; i++)
        if (stage_owns(stage, i))
            out_status->position += runner->sink->position(runner->sink->context, stage->outputs[i].stream);
    if (runner->sink->figures)
        runner->sink->figures(runner->sink->context, out_status);
}

void stage_sinks_close(struct stage *stage)
{
    for (size_t i = 0; i < stage->sink_count; i++) {
        struct sink_runner *runner = &stage->sinks[i];
        if (!runner->started)
            continue;
        pthread_mutex_lock(&runner->mutex);
        runner->stop = true;
        pthread_cond_signal(&runner->changed);
        pthread_mutex_unlock(&runner->mutex);
        pthread_join(runner->thread, NULL);
        pthread_cond_destroy(&runner->changed);
        pthread_mutex_destroy(&runner->mutex);
        buffer_finish(&runner->job.bytes);
        runner->started = false;
    }
}
