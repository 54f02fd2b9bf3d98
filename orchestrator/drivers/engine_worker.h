/* engine_worker: does what is asked of the engine, in order, in a thread of its own with a client of its own, so that an engine that
 * takes its time never holds the orchestrator up. What comes of it is told as news. */
#pragma once

#include "engine.h"

struct engine_worker;
struct engine_client;

/* engine_task: what is to be done; a container of which no id is known yet is meant by its name. */
struct engine_task {
    enum engine_verb verb;
    struct engine_container container;
    char model[CONTAINER_ID_BYTES]; /* ENGINE_MAKE: like which one */
    int signal;                     /* ENGINE_KILL */
    int64_t asked_ns;
};

/* engine_perform: in the worker's thread. What fails is told as ENGINE_FAILED with the sentence, anything else by itself
 * (engine_worker_tell). */
typedef enum status engine_perform(void *context, struct engine_worker *worker, struct engine_client *client,
                                   const struct engine_task *task, struct error *error);

enum status engine_worker_open(const char *socket_path, engine_perform *perform, void *context,
                               struct engine_worker **out_worker, struct error *error) MUST_USE;

/* engine_worker_close: accepts NULL. What waits and nobody needs behind the run is dropped; what ends containers is done first, unless the
 * engine takes longer than ENGINE_CLOSE_MS. The log names what was left (engine_left). */
enum { ENGINE_CLOSE_MS = 5000 };
void engine_worker_close(struct engine_worker *worker);

void engine_worker_ask(struct engine_worker *worker, const struct engine_task *task);
void engine_worker_tell(struct engine_worker *worker, const struct engine_news *news);

/* engine_worker_descriptor: readable when there is news. */
int engine_worker_descriptor(const struct engine_worker *worker);
bool engine_worker_take(struct engine_worker *worker, struct engine_news *out_news);
