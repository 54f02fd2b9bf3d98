#include "reading.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RING_STEPS = 4096 };

/* source: one track with its next step. */
struct source {
    struct reading_track track;
    struct row_stream *stream;
    struct row_step step;
    bool loaded, ended;
};

struct reading {
    struct source *sources; /* the thread's own */
    size_t source_count;
    void (*wake)(void *context);
    void *wake_context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t room;
    /* Under the mutex; what lies in ring[first … first + count) belongs to who takes. */
    struct played *ring;
    size_t first, count;
    bool starved; /* who takes has found nothing */
    bool stop;
    enum status status; /* STATUS_OK while it reads, STATUS_END behind the last */
    struct error error;
};

/* --- the thread --- */

/* load: the next step of every source that has none. */
static enum status load(struct reading *reading, struct error *error)
{
    for (size_t i = 0; i < reading->source_count; i++) {
        struct source *source = &reading->sources[i];
        if (source->loaded || source->ended)
            continue;
        enum status status = row_stream_next(source->stream, &source->step, error);
        if (status != STATUS_OK && status != STATUS_END)
            return status;
        source->loaded = true;
        source->ended = status == STATUS_END;
    }
    return STATUS_OK;
}

/* earliest: whose step comes next: an end at once, else the lowest time, of one time in the order of the tracks. */
static struct source *earliest(struct reading *reading)
{
    struct source *found = NULL;
    for (size_t i = 0; i < reading->source_count; i++) {
        struct source *source = &reading->sources[i];
        if (source->loaded && source->ended)
            return source;
        if (source->loaded && (!found || source->step.ts_ms < found->step.ts_ms))
            found = source;
    }
    return found;
}

/* put: waits for room. False: it is to stop. */
static bool put(struct reading *reading, const struct source *source)
{
    pthread_mutex_lock(&reading->mutex);
    while (reading->count == RING_STEPS && !reading->stop)
        pthread_cond_wait(&reading->room, &reading->mutex);
    bool goes_on = !reading->stop;
    bool starved = reading->starved;
    if (goes_on) {
        struct played *played = &reading->ring[(reading->first + reading->count) % RING_STEPS];
        *played = (struct played){.symbol = source->track.symbol, .end = source->ended};
        if (!source->ended) {
            played->ts_ms = source->step.ts_ms;
            played->has_row = source->step.row != NULL;
            if (played->has_row)
                memcpy(&played->row, source->step.row, sizeof played->row);
            played->repeated = source->step.repeated;
            memcpy(played->rejected, source->step.rejected, sizeof played->rejected);
        }
        reading->count++;
        reading->starved = false;
    }
    pthread_mutex_unlock(&reading->mutex);
    if (goes_on && starved)
        reading->wake(reading->wake_context);
    return goes_on;
}

static void finish(struct reading *reading, enum status status, const struct error *error)
{
    pthread_mutex_lock(&reading->mutex);
    reading->status = status;
    reading->error = *error;
    pthread_mutex_unlock(&reading->mutex);
    reading->wake(reading->wake_context);
}

static void *run(void *context)
{
    struct reading *reading = context;
    struct error error = {{0}};
    enum status status;
    while ((status = load(reading, &error)) == STATUS_OK) {
        struct source *source = earliest(reading);
        if (!source)
            status = STATUS_END;
        if (!source || !put(reading, source))
            break;
        source->loaded = false;
    }
    finish(reading, status, &error);
    return NULL;
}

/* --- who takes --- */

static void release(struct reading *reading)
{
    for (size_t i = 0; i < reading->source_count; i++)
        row_stream_destroy(reading->sources[i].stream);
    pthread_cond_destroy(&reading->room);
    pthread_mutex_destroy(&reading->mutex);
    free(reading->sources);
    free(reading->ring);
    free(reading);
}

enum status reading_start(struct row_files *files, const struct reading_track *tracks, size_t track_count,
                          void (*wake)(void *context), void *wake_context, struct reading **out_reading,
                          struct error *error)
{
    struct reading *reading = memory_allocate(sizeof *reading);
    reading->sources = memory_allocate(track_count * sizeof *reading->sources);
    reading->source_count = track_count;
    reading->ring = memory_allocate(RING_STEPS * sizeof *reading->ring);
    reading->wake = wake;
    reading->wake_context = wake_context;
    for (size_t i = 0; i < track_count; i++)
        reading->sources[i] = (struct source){
            .track = tracks[i], .stream = row_stream_create(files, tracks[i].name, tracks[i].behind_ts_ms)};
    pthread_mutex_init(&reading->mutex, NULL);
    pthread_cond_init(&reading->room, NULL);
    int code = pthread_create(&reading->thread, NULL, run, reading);
    if (code) {
        release(reading);
        return error_set(error, STATUS_IO, "the reader's thread cannot be started: %s", strerror(code));
    }
    *out_reading = reading;
    return STATUS_OK;
}

void reading_stop(struct reading *reading)
{
    if (!reading)
        return;
    pthread_mutex_lock(&reading->mutex);
    reading->stop = true;
    pthread_cond_signal(&reading->room);
    pthread_mutex_unlock(&reading->mutex);
    pthread_join(reading->thread, NULL);
    release(reading);
}

enum status reading_peek(struct reading *reading, const struct played **out_played, struct error *error)
{
    pthread_mutex_lock(&reading->mutex);
    enum status status = reading->count                 ? STATUS_OK
                         : reading->status == STATUS_OK ? STATUS_AGAIN
                                                        : reading->status;
    if (status == STATUS_OK)
        *out_played = &reading->ring[reading->first];
    else if (status != STATUS_AGAIN && status != STATUS_END)
        *error = reading->error;
    reading->starved = status == STATUS_AGAIN;
    pthread_mutex_unlock(&reading->mutex);
    return status;
}

void reading_take(struct reading *reading)
{
    pthread_mutex_lock(&reading->mutex);
    reading->first = (reading->first + 1) % RING_STEPS;
    reading->count--;
    pthread_cond_signal(&reading->room);
    pthread_mutex_unlock(&reading->mutex);
}
