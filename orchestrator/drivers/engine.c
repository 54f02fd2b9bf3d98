#include "engine.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine_call.h"
#include "engine_text.h"
#include "net/line_stream.h"
#include "net/rest_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING_MAX = 256, URL_BYTES = 1024 };

/* task: what the worker is to do. */
struct task {
    enum engine_verb verb;
    struct engine_container container;
    int signal;
};

struct engine {
    char project[128];
    char *socket_path;
    struct rest_client *client; /* the caller's own */
    struct line_stream *events;
    int poll_descriptor;
    int results[2]; /* struct engine_news, one per record, from the worker's [1] */
    pthread_t worker;
    bool has_worker;
    pthread_mutex_t mutex;
    pthread_cond_t given;
    struct task tasks[WAITING_MAX]; /* a ring */
    size_t first, count;
    bool stopping;
};

/* --- the worker --- */

static enum status perform(struct rest_client *client, const struct task *task, struct error *error)
{
    char path[URL_BYTES];
    switch (task->verb) {
    case ENGINE_START: snprintf(path, sizeof path, "/containers/%s/start", task->container.id); break;
    case ENGINE_PAUSE: snprintf(path, sizeof path, "/containers/%s/pause", task->container.id); break;
    case ENGINE_UNPAUSE: snprintf(path, sizeof path, "/containers/%s/unpause", task->container.id); break;
    case ENGINE_KILL:
        snprintf(path, sizeof path, "/containers/%s/kill?signal=%d", task->container.id, task->signal);
        break;
    }
    return engine_call(client, "POST", path, NULL, NULL, error);
}

/* task_take: false: the worker is to end, and what has been asked for before is done. */
static bool task_take(struct engine *engine, struct task *out_task)
{
    pthread_mutex_lock(&engine->mutex);
    while (!engine->count && !engine->stopping)
        pthread_cond_wait(&engine->given, &engine->mutex);
    bool got = engine->count > 0;
    if (got) {
        *out_task = engine->tasks[engine->first];
        engine->first = (engine->first + 1) % WAITING_MAX;
        engine->count--;
    }
    pthread_mutex_unlock(&engine->mutex);
    return got;
}

static void *work(void *context)
{
    struct engine *engine = context;
    struct rest_client *client;
    struct error error = {{0}};
    struct task task;
    if (engine_client_make(engine->socket_path, &client, &error) != STATUS_OK)
        client = NULL;
    while (task_take(engine, &task)) {
        if (client && perform(client, &task, &error) == STATUS_OK)
            continue;
        struct engine_news news = {.kind = ENGINE_FAILED, .container = task.container, .verb = task.verb};
        snprintf(news.reason, sizeof news.reason, "%.255s", error.text);
        ssize_t sent = send(engine->results[1], &news, sizeof news, MSG_NOSIGNAL);
        (void)sent;
    }
    rest_client_destroy(client);
    return NULL;
}

void engine_ask(struct engine *engine, enum engine_verb verb, const struct engine_container *container,
                int signal)
{
    pthread_mutex_lock(&engine->mutex);
    bool room = engine->count < WAITING_MAX;
    if (room)
        engine->tasks[(engine->first + engine->count++) % WAITING_MAX] =
            (struct task){.verb = verb, .container = *container, .signal = signal};
    pthread_cond_signal(&engine->given);
    pthread_mutex_unlock(&engine->mutex);
    if (!room)
        log_event(LOG_ERROR, "engine_busy", "instance=%s reason=\"%d requests wait already\"",
                  container->instance, WAITING_MAX);
}

/* --- life --- */

static enum status events_open(struct engine *engine, struct error *error)
{
    char url[URL_BYTES], label[256];
    snprintf(label, sizeof label, "com.docker.compose.project%%3D%s", engine->project);
    snprintf(
        url, sizeof url,
        "http://docker/v1.41/events?filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%5D%%2C"
        "%%22event%%22%%3A%%5B%%22start%%22%%2C%%22die%%22%%5D%%2C%%22label%%22%%3A%%5B%%22%s%%22%%5D%%7D",
        label);
    return line_stream_open(engine->socket_path, url, &engine->events, error);
}

static enum status threads_open(struct engine *engine, struct error *error)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, engine->results) != 0)
        return error_set(error, STATUS_IO, "no sockets for the engine's answers: %m");
    engine->poll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(engine->poll_descriptor, EPOLL_CTL_ADD, engine->results[0], &event);
    epoll_ctl(engine->poll_descriptor, EPOLL_CTL_ADD, line_stream_descriptor(engine->events), &event);
    engine->has_worker = pthread_create(&engine->worker, NULL, work, engine) == 0;
    return engine->has_worker ? STATUS_OK : error_set(error, STATUS_IO, "no thread for the engine");
}

enum status engine_open(const char *socket_path, struct engine **out_engine, struct error *error)
{
    struct engine *engine = memory_allocate(sizeof *engine);
    engine->results[0] = engine->results[1] = engine->poll_descriptor = -1;
    engine->socket_path = memory_copy_text(socket_path);
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->given, NULL);
    enum status status = engine_client_make(socket_path, &engine->client, error);
    if (status == STATUS_OK)
        status = engine_call_own(engine->client, engine_text_project, "no compose project", engine->project,
                                 sizeof engine->project, error);
    status = status == STATUS_OK ? events_open(engine, error) : status;
    status = status == STATUS_OK ? threads_open(engine, error) : status;
    if (status == STATUS_OK)
        *out_engine = engine;
    else
        engine_close(engine);
    return status;
}

static void descriptor_close(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    pthread_mutex_lock(&engine->mutex);
    engine->stopping = true;
    pthread_cond_signal(&engine->given);
    pthread_mutex_unlock(&engine->mutex);
    if (engine->has_worker)
        pthread_join(engine->worker, NULL);
    line_stream_close(engine->events);
    rest_client_destroy(engine->client);
    descriptor_close(engine->poll_descriptor);
    descriptor_close(engine->results[0]);
    descriptor_close(engine->results[1]);
    pthread_mutex_destroy(&engine->mutex);
    pthread_cond_destroy(&engine->given);
    free(engine->socket_path);
    free(engine);
}

/* --- news --- */

int engine_descriptor(const struct engine *engine)
{
    return engine->poll_descriptor;
}

bool engine_take(struct engine *engine, struct engine_news *out_news)
{
    char line[LINE_STREAM_BYTES_MAX];
    if (recv(engine->results[0], out_news, sizeof *out_news, MSG_DONTWAIT) == (ssize_t)sizeof *out_news)
        return true;
    while (line_stream_read(engine->events, line) == STATUS_OK) {
        *out_news = (struct engine_news){.kind = ENGINE_OPENED};
        if (!*line || engine_text_event(line, out_news))
            return true;
    }
    return false;
}

/* --- asking --- */

enum status engine_list(struct engine *engine, engine_visit *visit, void *context, struct error *error)
{
    char path[URL_BYTES];
    struct buffer body;
    buffer_init(&body, 0);
    snprintf(path, sizeof path,
             "/containers/"
             "json?all=1&filters=%%7B%%22label%%22%%3A%%5B%%22com.docker.compose.project%%3D%s%%22%%5D%%7D",
             engine->project);
    enum status status = engine_call(engine->client, "GET", path, NULL, &body, error);
    if (status == STATUS_OK && !engine_text_list(&body, visit, context))
        status =
            error_set(error, STATUS_MALFORMED, "the engine's list of containers is not what API 1.41 says");
    buffer_finish(&body);
    return status;
}

int engine_exit_code(struct engine *engine, const char *id)
{
    char path[URL_BYTES];
    struct buffer body;
    buffer_init(&body, 0);
    snprintf(path, sizeof path, "/containers/%s/json", id);
    int code = engine_call(engine->client, "GET", path, NULL, &body, NULL) == STATUS_OK
                   ? engine_text_exit_code(&body)
                   : -1;
    buffer_finish(&body);
    return code;
}

enum status engine_create(struct engine *engine, const char *model_id, const char *instance,
                          struct engine_container *out_container, struct error *error)
{
    char path[URL_BYTES], name[INSTANCE_BYTES];
    struct buffer model, wanted, made;
    buffer_init(&model, 0);
    buffer_init(&wanted, 0);
    buffer_init(&made, 0);
    snprintf(path, sizeof path, "/containers/%s/json", model_id);
    enum status status = engine_call(engine->client, "GET", path, NULL, &model, error);
    if (status == STATUS_OK && !engine_text_like(&model, instance, &wanted))
        status = error_set(error, STATUS_MALFORMED, "container %.12s cannot be a model for %s", model_id,
                           instance);
    snprintf(name, sizeof name, "%s", instance);
    for (char *at = name; *at; at++)
        *at = *at == '.' ? '_' : *at;
    snprintf(path, sizeof path, "/containers/create?name=%s_%s", engine->project, name);
    if (status == STATUS_OK)
        status = engine_call(engine->client, "POST", path, &wanted, &made, error);
    *out_container = (struct engine_container){0};
    snprintf(out_container->instance, sizeof out_container->instance, "%s", instance);
    if (status == STATUS_OK && !engine_text_id(&made, out_container->id))
        status = error_set(error, STATUS_MALFORMED, "the engine does not say which container it made");
    buffer_finish(&model);
    buffer_finish(&wanted);
    buffer_finish(&made);
    return status;
}
