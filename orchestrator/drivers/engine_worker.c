#include "engine_worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine_call.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING_MAX = 256 };

/* What is asked for, by its name; of what has not been done when the worker is closed, these still matter: without them a container
 * would go on behind the run. What a container is to do for the run nobody waits for any more. */
static const struct {
    const char *name;
    bool outlives_run;
} VERBS[] = {
    [ENGINE_START] = {"start", false},    [ENGINE_KILL] = {"kill", true},  [ENGINE_PAUSE] = {"pause", false},
    [ENGINE_UNPAUSE] = {"unpause", true}, [ENGINE_MAKE] = {"make", false}, [ENGINE_LOOK] = {"look", false},
};

struct engine_worker {
    struct engine_client *client;
    engine_perform *perform;
    void *context;
    int results[2]; /* struct engine_news, one per record, from the thread's [1] */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t given;
    struct engine_task tasks[WAITING_MAX]; /* a ring */
    size_t first, count;
    bool stopping;
};

/* task_take: false: the worker is to end, and nothing is left to do. */
static bool task_take(struct engine_worker *worker, struct engine_task *out_task)
{
    pthread_mutex_lock(&worker->mutex);
    while (!worker->count && !worker->stopping)
        pthread_cond_wait(&worker->given, &worker->mutex);
    bool got = worker->count > 0;
    if (got) {
        *out_task = worker->tasks[worker->first];
        worker->first = (worker->first + 1) % WAITING_MAX;
        worker->count--;
    }
    pthread_mutex_unlock(&worker->mutex);
    return got;
}

void engine_worker_tell(struct engine_worker *worker, const struct engine_news *news)
{
    ssize_t sent = send(worker->results[1], news, sizeof *news, MSG_NOSIGNAL);
    (void)sent; /* nobody is there any more */
}

static void left(enum log_level level, const struct engine_task *task, const char *reason)
{
    log_event(level, "engine_left", "verb=%s instance=%s reason=\"%s\"", VERBS[task->verb].name,
              task->container.instance, reason);
}

static void *work(void *context)
{
    struct engine_worker *worker = context;
    struct error error = {{0}};
    struct engine_task task;
    while (task_take(worker, &task)) {
        if (worker->perform(worker->context, worker, worker->client, &task, &error) == STATUS_OK)
            continue;
        struct engine_news news = {.kind = ENGINE_FAILED, .container = task.container, .verb = task.verb};
        snprintf(news.reason, sizeof news.reason, "%.255s", error.text);
        engine_worker_tell(worker, &news);
        if (engine_client_ends(worker->client)) /* no news reach anybody any more */
            left(LOG_WARNING, &task, error.text);
    }
    return NULL;
}

enum status engine_worker_open(const char *socket_path, engine_perform *perform, void *context,
                               struct engine_worker **out_worker, struct error *error)
{
    struct engine_worker *worker = memory_allocate(sizeof *worker);
    worker->perform = perform;
    worker->context = context;
    worker->results[0] = worker->results[1] = -1;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->given, NULL);
    enum status status = engine_client_make(socket_path, &worker->client, error);
    if (status == STATUS_OK && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, worker->results) != 0)
        status = error_set(error, STATUS_IO, "no sockets for the engine's answers: %m");
    worker->has_thread = status == STATUS_OK && pthread_create(&worker->thread, NULL, work, worker) == 0;
    if (status == STATUS_OK && !worker->has_thread)
        status = error_set(error, STATUS_IO, "no thread for the engine");
    if (status == STATUS_OK)
        *out_worker = worker;
    else
        engine_worker_close(worker);
    return status;
}

static void descriptor_close(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

/* drop: of what waits only what outlives the run is kept, in its order. */
static void drop(struct engine_worker *worker)
{
    size_t kept = 0;
    for (size_t i = 0; i < worker->count; i++) {
        const struct engine_task task = worker->tasks[(worker->first + i) % WAITING_MAX];
        if (VERBS[task.verb].outlives_run)
            worker->tasks[(worker->first + kept++) % WAITING_MAX] = task;
        else
            left(LOG_INFO, &task, "nobody waits for it any more");
    }
    worker->count = kept;
}

void engine_worker_close(struct engine_worker *worker)
{
    if (!worker)
        return;
    struct clock clock = clock_system();
    pthread_mutex_lock(&worker->mutex);
    worker->stopping = true;
    drop(worker);
    if (worker->client)
        engine_client_end(worker->client, clock_monotonic_ms(&clock) + ENGINE_CLOSE_MS);
    pthread_cond_signal(&worker->given);
    pthread_mutex_unlock(&worker->mutex);
    descriptor_close(
        worker->results[0]); /* what it tells now nobody waits for, and it must not wait either */
    if (worker->has_thread)
        pthread_join(worker->thread, NULL);
    descriptor_close(worker->results[1]);
    pthread_mutex_destroy(&worker->mutex);
    pthread_cond_destroy(&worker->given);
    engine_client_destroy(worker->client);
    free(worker);
}

void engine_worker_ask(struct engine_worker *worker, const struct engine_task *task)
{
    struct clock clock = clock_system();
    pthread_mutex_lock(&worker->mutex);
    bool room = worker->count < WAITING_MAX;
    if (room) {
        struct engine_task *place = &worker->tasks[(worker->first + worker->count++) % WAITING_MAX];
        *place = *task;
        place->asked_ns = clock_monotonic_ns(&clock);
    }
    pthread_cond_signal(&worker->given);
    pthread_mutex_unlock(&worker->mutex);
    if (!room)
        log_event(LOG_ERROR, "engine_busy", "instance=%s reason=\"%d requests wait already\"",
                  task->container.instance, WAITING_MAX);
}

int engine_worker_descriptor(const struct engine_worker *worker)
{
    return worker->results[0];
}

bool engine_worker_take(struct engine_worker *worker, struct engine_news *out_news)
{
    return recv(worker->results[0], out_news, sizeof *out_news, MSG_DONTWAIT) == (ssize_t)sizeof *out_news;
}
