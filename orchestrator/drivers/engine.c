#include "engine.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "engine_call.h"
#include "engine_text.h"
#include "engine_worker.h"
#include "net/line_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { URL_BYTES = 1024, NAME_BYTES = 256 };

struct engine {
    char project[128];
    struct engine_client *client; /* the caller's own */
    struct line_stream *events;
    int poll_descriptor;
    struct engine_worker *worker;
};

/* --- in the worker's thread --- */

static void name_of(const struct engine *engine, const char *instance, char out_name[NAME_BYTES])
{
    snprintf(out_name, NAME_BYTES, "%s_%s", engine->project, instance);
    for (char *at = out_name; *at; at++)
        *at = *at == '.' ? '_' : *at;
}

static enum status create(const struct engine *engine, struct engine_client *client,
                          const struct engine_task *task, struct engine_container *out_container,
                          struct error *error)
{
    char path[URL_BYTES], name[NAME_BYTES];
    struct buffer model, wanted, made;
    buffer_init(&model, 0);
    buffer_init(&wanted, 0);
    buffer_init(&made, 0);
    snprintf(path, sizeof path, "/containers/%s/json", task->model);
    enum status status = engine_call(client, "GET", path, NULL, &model, error);
    if (status == STATUS_OK && !engine_text_like(&model, task->container.instance, &wanted))
        status = error_set(error, STATUS_MALFORMED, "container %.12s cannot be a model for %s", task->model,
                           task->container.instance);
    name_of(engine, task->container.instance, name);
    snprintf(path, sizeof path, "/containers/create?name=%s", name);
    if (status == STATUS_OK)
        status = engine_call(client, "POST", path, &wanted, &made, error);
    *out_container = task->container;
    if (status == STATUS_OK && !engine_text_id(&made, out_container->id))
        status = error_set(error, STATUS_MALFORMED, "the engine does not say which container it made");
    buffer_finish(&model);
    buffer_finish(&wanted);
    buffer_finish(&made);
    return status;
}

static enum status start(struct engine_client *client, const char *id, struct error *error)
{
    char path[URL_BYTES];
    snprintf(path, sizeof path, "/containers/%s/start", id);
    return engine_call(client, "POST", path, NULL, NULL, error);
}

/* make: told before it is started: whoever fails then is there all the same. */
static enum status make(const struct engine *engine, struct engine_worker *worker,
                        struct engine_client *client, const struct engine_task *task, struct error *error)
{
    struct engine_news news = {.kind = ENGINE_MADE};
    enum status status = create(engine, client, task, &news.container, error);
    if (status != STATUS_OK)
        return status;
    engine_worker_tell(worker, &news);
    return start(client, news.container.id, error);
}

static int exit_code(struct engine_client *client, const char *id)
{
    char path[URL_BYTES];
    struct buffer body;
    buffer_init(&body, 0);
    snprintf(path, sizeof path, "/containers/%s/json", id);
    int code =
        engine_call(client, "GET", path, NULL, &body, NULL) == STATUS_OK ? engine_text_exit_code(&body) : -1;
    buffer_finish(&body);
    return code;
}

static enum status list(const struct engine *engine, struct engine_client *client, engine_visit *visit,
                        void *context, struct error *error)
{
    char path[URL_BYTES];
    struct buffer body;
    buffer_init(&body, 0);
    snprintf(path, sizeof path,
             "/containers/"
             "json?all=1&filters=%%7B%%22label%%22%%3A%%5B%%22com.docker.compose.project%%3D%s%%22%%5D%%7D",
             engine->project);
    enum status status = engine_call(client, "GET", path, NULL, &body, error);
    if (status == STATUS_OK && !engine_text_list(&body, visit, context))
        status =
            error_set(error, STATUS_MALFORMED, "the engine's list of containers is not what API 1.41 says");
    buffer_finish(&body);
    return status;
}

struct look {
    struct engine_worker *worker;
    struct engine_client *client;
    int64_t asked_ns;
};

static void tell_seen(void *context, const struct engine_container *container)
{
    const struct look *look = context;
    struct engine_news news = {.kind = ENGINE_SEEN,
                               .container = *container,
                               .exit_code = container->running ? -1 : exit_code(look->client, container->id),
                               .asked_ns = look->asked_ns};
    engine_worker_tell(look->worker, &news);
}

static enum status perform(void *context, struct engine_worker *worker, struct engine_client *client,
                           const struct engine_task *task, struct error *error)
{
    const struct engine *engine = context;
    struct look look = {worker, client, task->asked_ns};
    char path[URL_BYTES], name[NAME_BYTES];
    name_of(engine, task->container.instance, name);
    const char *id = *task->container.id ? task->container.id : name;
    switch (task->verb) {
    case ENGINE_MAKE: return make(engine, worker, client, task, error);
    case ENGINE_LOOK: return list(engine, client, tell_seen, &look, error);
    case ENGINE_START: return start(client, id, error);
    case ENGINE_PAUSE: snprintf(path, sizeof path, "/containers/%s/pause", id); break;
    case ENGINE_UNPAUSE: snprintf(path, sizeof path, "/containers/%s/unpause", id); break;
    case ENGINE_KILL: snprintf(path, sizeof path, "/containers/%s/kill?signal=%d", id, task->signal); break;
    }
    return engine_call(client, "POST", path, NULL, NULL, error);
}

/* --- life --- */

static enum status events_open(struct engine *engine, const char *socket_path, struct error *error)
{
    char url[URL_BYTES], label[256];
    snprintf(label, sizeof label, "com.docker.compose.project%%3D%s", engine->project);
    snprintf(
        url, sizeof url,
        "http://docker/v1.41/events?filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%5D%%2C"
        "%%22event%%22%%3A%%5B%%22start%%22%%2C%%22die%%22%%5D%%2C%%22label%%22%%3A%%5B%%22%s%%22%%5D%%7D",
        label);
    return line_stream_open(socket_path, url, &engine->events, error);
}

static enum status worker_open(struct engine *engine, const char *socket_path, struct error *error)
{
    enum status status = engine_worker_open(socket_path, perform, engine, &engine->worker, error);
    if (status != STATUS_OK)
        return status;
    engine->poll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(engine->poll_descriptor, EPOLL_CTL_ADD, engine_worker_descriptor(engine->worker), &event);
    epoll_ctl(engine->poll_descriptor, EPOLL_CTL_ADD, line_stream_descriptor(engine->events), &event);
    return STATUS_OK;
}

enum status engine_open(const char *socket_path, struct engine **out_engine, struct error *error)
{
    struct engine *engine = memory_allocate(sizeof *engine);
    engine->poll_descriptor = -1;
    enum status status = engine_client_make(socket_path, &engine->client, error);
    if (status == STATUS_OK)
        status = engine_call_own(engine->client, engine_text_project, "no compose project", engine->project,
                                 sizeof engine->project, error);
    status = status == STATUS_OK ? events_open(engine, socket_path, error) : status;
    status = status == STATUS_OK ? worker_open(engine, socket_path, error) : status;
    if (status == STATUS_OK)
        *out_engine = engine;
    else
        engine_close(engine);
    return status;
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    engine_worker_close(engine->worker);
    line_stream_close(engine->events);
    engine_client_destroy(engine->client);
    if (engine->poll_descriptor >= 0)
        close(engine->poll_descriptor);
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
    if (engine_worker_take(engine->worker, out_news))
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
    return list(engine, engine->client, visit, context, error);
}

void engine_ask(struct engine *engine, enum engine_verb verb, const struct engine_container *container,
                int signal)
{
    engine_worker_ask(engine->worker,
                      &(struct engine_task){.verb = verb, .container = *container, .signal = signal});
}

void engine_ask_like(struct engine *engine, const char *model_id, const char *instance)
{
    struct engine_task task = {.verb = ENGINE_MAKE};
    snprintf(task.container.instance, sizeof task.container.instance, "%s", instance);
    snprintf(task.model, sizeof task.model, "%s", model_id);
    engine_worker_ask(engine->worker, &task);
}

void engine_ask_all(struct engine *engine)
{
    engine_worker_ask(engine->worker, &(struct engine_task){.verb = ENGINE_LOOK});
}
