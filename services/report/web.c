#include "web.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics.h"
#include "net/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURN_MS = 1000 };

struct web {
    struct web_config config;
    pthread_t thread;
    bool has_thread, told;
    struct server *server; /* of the thread; also woken under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool quitting; /* under the mutex */
    _Atomic int64_t requests, port, listen_errors, unusable_files;
};

/* ---- /metrics ---- */

struct collection {
    struct buffer texts[METRICS_FILES_MAX];
    size_t count;
};

static enum status collect(void *context, const char *path)
{
    struct collection *collection = context;
    size_t length = strlen(path);
    if (collection->count == METRICS_FILES_MAX || length < 5 || strcmp(path + length - 5, ".json") != 0)
        return STATUS_OK;
    struct buffer *text = &collection->texts[collection->count];
    buffer_init(text, WEB_STATUS_FILE_BYTES_MAX);
    if (file_read(path, text) == STATUS_OK)
        collection->count++;
    else
        buffer_finish(text); /* just replaced, or too large: not part of this answer */
    return STATUS_OK;
}

static void make_metrics(struct web *web, struct buffer *out)
{
    struct collection *collection = memory_allocate(sizeof *collection);
    struct metrics_file files[METRICS_FILES_MAX];
    char folder[PATH_BYTES];
    size_t unusable = 0;
    collection->count = 0;
    path_join(folder, web->config.output_dir, "status");
    if (folder_walk(folder, collect, collection) != STATUS_OK)
        log_event(LOG_WARNING, "read_error", "folder=%s", folder);
    for (size_t i = 0; i < collection->count; i++)
        files[i] = (struct metrics_file){buffer_text(&collection->texts[i]), collection->texts[i].length};
    metrics_text(files, collection->count, web->config.run_id, clock_wall_ms(&web->config.clock), out,
                 &unusable);
    atomic_fetch_add(&web->unusable_files, (int64_t)unusable);
    for (size_t i = 0; i < collection->count; i++)
        buffer_finish(&collection->texts[i]);
    free(collection);
}

/* ---- requests ---- */

static void answer_text(struct server_request *request, unsigned status, const char *text)
{
    struct server_answer answer = {.status = status,
                                   .content_type = "text/plain; charset=utf-8",
                                   .body = text,
                                   .body_bytes = strlen(text)};
    if (status == 405) {
        answer.header_name = "Allow";
        answer.header_value = "GET, HEAD";
    }
    server_answer(request, &answer);
}

static void answer_metrics(struct web *web, struct server_request *request)
{
    struct buffer text;
    buffer_init(&text, 0);
    make_metrics(web, &text);
    server_answer(request, &(struct server_answer){.status = 200,
                                                   .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                                   .body = text.data,
                                                   .body_bytes = text.length});
    buffer_finish(&text);
}

static void on_request(void *context, struct server_request *request)
{
    struct web *web = context;
    const char *method = server_request_method(request), *path = server_request_target(request)->path;
    atomic_fetch_add(&web->requests, 1);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        answer_text(request, 405, "only GET and HEAD: nothing can be changed here\n");
    else if (strcmp(path, "/metrics") == 0)
        answer_metrics(web, request);
    else if (strcmp(path, "/") == 0)
        answer_text(request, 200, "orderflow report: /metrics\n");
    else
        answer_text(request, 404, "there is only /metrics here\n");
}

/* ---- listening ---- */

static void write_port(struct web *web, int port)
{
    char path[PATH_BYTES], text[16];
    path_join(path, web->config.output_dir, "report.port");
    int length = snprintf(text, sizeof text, "%d\n", port);
    if (folder_make_for(path) != STATUS_OK || file_replace(path, text, (size_t)length, false) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", path);
}

static struct server *listen_once(struct web *web)
{
    struct error error = {{0}};
    struct server *server = NULL;
    struct server_config config = {.host = web->config.address,
                                   .port = web->config.port,
                                   .connections_max = WEB_CONNECTIONS_MAX,
                                   .handlers = {.request = on_request},
                                   .context = web};
    if (server_create(&config, &server, &error) == STATUS_OK) {
        int port = server_port(server);
        atomic_store(&web->port, port);
        write_port(web, port);
        log_event(LOG_INFO, "http", "address=%s port=%d", web->config.address, port);
        return server;
    }
    atomic_fetch_add(&web->listen_errors, 1);
    if (!web->told)
        log_event(LOG_WARNING, "http_unavailable",
                  "reason=\"%s\" remedy=\"set report.http_port to a free port, to 0 for any, or to -1 for "
                  "none; it is "
                  "tried again every %d s\"",
                  error.text, WEB_RETRY_MS / 1000);
    web->told = true;
    return NULL;
}

/* pause_for: until it is time for another attempt, or for the end. */
static void pause_for(struct web *web, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    while (!web->quitting && pthread_cond_timedwait(&web->changed, &web->mutex, &until) == 0) {}
}

static void serve(struct web *web)
{
    struct server *server = web->server;
    bool quitting = web->quitting;
    enum status status = STATUS_OK;
    while (!quitting && status == STATUS_OK) {
        pthread_mutex_unlock(&web->mutex);
        status = server_run_once(server, TURN_MS);
        pthread_mutex_lock(&web->mutex);
        quitting = web->quitting;
    }
    web->server = NULL;
    atomic_store(&web->port, 0);
    server_destroy(server);
}

static void *web_main(void *context)
{
    struct web *web = context;
    pthread_mutex_lock(&web->mutex);
    while (!web->quitting) {
        web->server = listen_once(web);
        if (web->server)
            serve(web);
        else
            pause_for(web, WEB_RETRY_MS);
    }
    pthread_mutex_unlock(&web->mutex);
    return NULL;
}

/* ---- life ---- */

enum status web_create(const struct web_config *config, struct web **out_web, struct error *error)
{
    sigset_t all, before;
    struct web *web = memory_allocate(sizeof *web);
    web->config = *config;
    pthread_mutex_init(&web->mutex, NULL);
    pthread_cond_init(&web->changed, NULL);
    sigfillset(&all);         /* signals are the stage's affair */
    sigdelset(&all, SIGXFSZ); /* tells a thread that its own write was refused (injury/effect.c counts) */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int result = pthread_create(&web->thread, NULL, web_main, web);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    web->has_thread = result == 0;
    if (result == 0) {
        *out_web = web;
        return STATUS_OK;
    }
    web_destroy(web);
    return error_set(error, STATUS_IO, "http: no thread: %s", strerror(result));
}

void web_destroy(struct web *web)
{
    if (!web)
        return;
    if (web->has_thread) {
        pthread_mutex_lock(&web->mutex);
        web->quitting = true;
        if (web->server)
            server_wake(web->server);
        pthread_cond_broadcast(&web->changed);
        pthread_mutex_unlock(&web->mutex);
        pthread_join(web->thread, NULL);
    }
    pthread_cond_destroy(&web->changed);
    pthread_mutex_destroy(&web->mutex);
    free(web);
}

struct web_figures web_figures(const struct web *web)
{
    return (struct web_figures){
        .requests = atomic_load(&web->requests),
        .port = atomic_load(&web->port),
        .listen_errors = atomic_load(&web->listen_errors),
        .unusable_files = atomic_load(&web->unusable_files),
    };
}
