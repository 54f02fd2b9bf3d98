#include "worker.h"

#include "base/log.h"
#include "base/memory.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_STEP_MS = 50 };

struct worker {
    struct reporter *reporter;
    struct clock clock;
    void (*wake)(void *context);
    void *context;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool ending;
    bool final; /* the request being worked on */
    uint64_t version;
    struct given given;
    struct worker_figures figures;
};

/* pause_ms: sleeps unless the worker is to end. */
static void pause_ms(struct worker *worker, int milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)milliseconds % 1000 * 1000000;
    until.tv_sec += milliseconds / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&worker->mutex);
    while (!worker->ending && pthread_cond_timedwait(&worker->changed, &worker->mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&worker->mutex);
}

static bool is_ending(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    bool ending = worker->ending;
    pthread_mutex_unlock(&worker->mutex);
    return ending;
}

static enum status attempt(struct worker *worker, const struct given *given, bool patient,
                           struct error *error)
{
    struct reporter_job job = {
        .now_ms = clock_wall_ms(&worker->clock),
        .final = worker->final,
        .patient = patient,
        .given = given,
    };
    return reporter_write(worker->reporter, &job, error);
}

static void note_failure(struct worker *worker, const struct error *error)
{
    log_event(LOG_ERROR, "summary_failed", "final=%d reason=\"%s\"", worker->final, error->text);
    pthread_mutex_lock(&worker->mutex);
    worker->figures.failures++;
    pthread_mutex_unlock(&worker->mutex);
}

/* work: one request to its end. */
static bool work(struct worker *worker, const struct given *given)
{
    int64_t patient_until_ms = clock_monotonic_ms(&worker->clock) + WORKER_PATIENCE_MS;
    int delay_ms = WORKER_RETRY_FIRST_MS;
    for (;;) {
        struct error error = {{0}};
        bool patient = clock_monotonic_ms(&worker->clock) < patient_until_ms && !is_ending(worker);
        enum status status = attempt(worker, given, patient, &error);
        if (status == STATUS_OK)
            return true;
        if (status == STATUS_AGAIN && patient) {
            pause_ms(worker, PATIENCE_STEP_MS);
            continue;
        }
        note_failure(worker, &error);
        if (!worker->final || is_ending(worker))
            return false;
        pause_ms(worker, delay_ms);
        delay_ms = 2 * delay_ms < WORKER_RETRY_LAST_MS ? 2 * delay_ms : WORKER_RETRY_LAST_MS;
    }
}

static void finish_request(struct worker *worker, bool written)
{
    pthread_mutex_lock(&worker->mutex);
    worker->figures.busy = false;
    worker->figures.done_version = worker->version;
    worker->figures.done_final = worker->final;
    if (written) {
        worker->figures.written++;
        worker->figures.last_written_ms = clock_monotonic_ms(&worker->clock);
    }
    pthread_mutex_unlock(&worker->mutex);
    log_event(LOG_INFO, "summary", "final=%d written=%d", worker->final, written);
    if (worker->wake)
        worker->wake(worker->context);
}

static void *run(void *context)
{
    struct worker *worker = context;
    struct given given;
    given_init(&given);
    for (;;) {
        pthread_mutex_lock(&worker->mutex);
        while (!worker->figures.busy && !worker->ending)
            pthread_cond_wait(&worker->changed, &worker->mutex);
        bool busy = worker->figures.busy;
        if (busy)
            given_copy(&given, &worker->given);
        pthread_mutex_unlock(&worker->mutex);
        if (!busy)
            break;
        finish_request(worker, work(worker, &given));
        malloc_trim(0); /* a summary is a burst that grows with the day; without this the heap would keep its largest */
    }
    given_finish(&given);
    return NULL;
}

enum status worker_create(struct reporter *reporter, const struct clock *clock, void (*wake)(void *context),
                          void *context, struct worker **out_worker, struct error *error)
{
    struct worker *worker = memory_allocate(sizeof *worker);
    worker->reporter = reporter;
    worker->clock = *clock;
    worker->wake = wake;
    worker->context = context;
    given_init(&worker->given);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int code = pthread_create(&worker->thread, NULL, run, worker);
    if (code == 0) {
        *out_worker = worker;
        return STATUS_OK;
    }
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
    return error_set(error, STATUS_IO, "the summary thread cannot be started: %s", strerror(code));
}

void worker_destroy(struct worker *worker)
{
    if (!worker)
        return;
    pthread_mutex_lock(&worker->mutex);
    worker->ending = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    given_finish(&worker->given);
    reporter_destroy(worker->reporter);
    free(worker);
}

bool worker_request(struct worker *worker, bool final, uint64_t version, const struct given *given)
{
    pthread_mutex_lock(&worker->mutex);
    bool accepted = !worker->figures.busy;
    if (accepted) {
        worker->figures.busy = true;
        worker->final = final;
        worker->version = version;
        given_copy(&worker->given, given);
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->mutex);
    return accepted;
}

struct worker_figures worker_figures(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    struct worker_figures figures = worker->figures;
    pthread_mutex_unlock(&worker->mutex);
    return figures;
}
