/* engine: the containers of one project, through the Docker Engine's unix socket (API 1.41).
 *
 * Deaths and starts come from one endless request. What is asked of the engine is done by a thread of its own, in order
 * (engine_worker.h): what comes of it, or fails, is told as news. */
#pragma once

#include "base/status.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;

enum { CONTAINER_ID_BYTES = 72, STACK_BYTES = 128 };

struct engine_container {
    char id[CONTAINER_ID_BYTES];
    char instance
        [INSTANCE_BYTES]; /* whose it is: label orderflow.instance, else the name of its compose service */
    bool running;
};

enum engine_verb { ENGINE_START, ENGINE_KILL, ENGINE_PAUSE, ENGINE_UNPAUSE, ENGINE_MAKE, ENGINE_LOOK };

enum engine_news_kind {
    ENGINE_STARTED, /* a container of the project runs */
    ENGINE_DIED,
    ENGINE_MADE,   /* as was asked for; its start follows */
    ENGINE_SEEN,   /* looked at, as was asked for at `asked_ns` */
    ENGINE_FAILED, /* what was asked for was not done; `reason` */
    ENGINE_OPENED, /* the stream of news begins, maybe again: look how things are */
};

struct engine_news {
    enum engine_news_kind kind;
    struct engine_container container;
    int exit_code;         /* ENGINE_DIED; ENGINE_SEEN of one that has ended, -1: not known */
    int64_t asked_ns;      /* ENGINE_SEEN, by the monotonic clock */
    enum engine_verb verb; /* ENGINE_FAILED */
    char reason[256];
};

/* engine_open: the project is that of our own container. STATUS_IO, STATUS_NOT_FOUND with a sentence. */
enum status engine_open(const char *socket_path, struct engine **out_engine, struct error *error) MUST_USE;
void engine_close(struct engine *engine); /* accepts NULL */

/* engine_descriptor: readable when there is news. */
int engine_descriptor(const struct engine *engine);
bool engine_take(struct engine *engine, struct engine_news *out_news);

/* engine_list: all containers of the project that belong to an instance. Waits for the engine: before the loop. */
typedef void engine_visit(void *context, const struct engine_container *container);
enum status engine_list(struct engine *engine, engine_visit *visit, void *context,
                        struct error *error) MUST_USE;

/* engine_ask: to be done behind what has been asked for before. A container of which no id is known is one that has been asked for
 * with engine_ask_like, and is meant by its name. */
void engine_ask(struct engine *engine, enum engine_verb verb, const struct engine_container *container,
                int signal);

/* engine_ask_like: one more container like `model`, for another instance of the same service, and its start: same image and
 * configuration, its last argument and its names in the network are the instance's. */
void engine_ask_like(struct engine *engine, const char *model_id, const char *instance);

/* engine_ask_all: how all of them are (ENGINE_SEEN). */
void engine_ask_all(struct engine *engine);
