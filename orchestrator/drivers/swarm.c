#include "swarm.h"

#include "base/log.h"
#include "base/memory.h"
#include "engine_call.h"
#include "engine_text.h"
#include "engine_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct swarm {
    char stack[STACK_BYTES];
    struct engine_worker *worker;
};

/* --- in the worker's thread --- */

static enum status look(const struct swarm *swarm, struct engine_client *client, const char *host,
                        struct buffer *out_service, struct error *error)
{
    char path[STACK_BYTES + INSTANCE_BYTES + 16];
    snprintf(path, sizeof path, "/services/%s_%s", swarm->stack, host);
    return engine_call(client, "GET", path, NULL, out_service, error);
}

static enum status make(const struct swarm *swarm, struct engine_client *client, const char *service,
                        const char *instance, struct error *error)
{
    struct buffer model, wanted;
    buffer_init(&model, 0);
    buffer_init(&wanted, 0);
    enum status status = look(swarm, client, service, &model, error);
    if (status == STATUS_OK && !engine_text_service_like(&model, swarm->stack, instance, &wanted))
        status = error_set(error, STATUS_MALFORMED, "service %s_%s cannot be a model for %s", swarm->stack,
                           service, instance);
    if (status == STATUS_OK)
        status = engine_call(client, "POST", "/services/create", &wanted, NULL, error);
    if (status == STATUS_OK)
        log_event(LOG_INFO, "service_made", "instance=%s like=%s_%s", instance, swarm->stack, service);
    buffer_finish(&model);
    buffer_finish(&wanted);
    return status;
}

/* need: the only thing it is asked for. */
static enum status need(void *context, struct engine_worker *worker, struct engine_client *client,
                        const struct engine_task *task, struct error *error)
{
    const struct swarm *swarm = context;
    const char *instance = task->container.instance;
    char service[INSTANCE_BYTES], host[INSTANCE_BYTES];
    (void)worker;
    snprintf(service, sizeof service, "%.*s", (int)strcspn(instance, "."), instance);
    engine_text_host(instance, host);
    enum status status = look(swarm, client, host, NULL, error);
    return status == STATUS_NOT_FOUND ? make(swarm, client, service, instance, error) : status;
}

/* --- life --- */

enum status swarm_open(const char *socket_path, struct swarm **out_swarm, struct error *error)
{
    struct swarm *swarm = memory_allocate(sizeof *swarm);
    struct engine_client *client = NULL;
    enum status status = engine_client_make(socket_path, &client, error);
    if (status == STATUS_OK)
        status = engine_call_own(client, engine_text_stack, "no compose project and to no stack",
                                 swarm->stack, sizeof swarm->stack, error);
    if (status == STATUS_OK)
        status = engine_worker_open(socket_path, need, swarm, &swarm->worker, error);
    engine_client_destroy(client);
    if (status == STATUS_OK)
        *out_swarm = swarm;
    else
        swarm_close(swarm);
    return status;
}

void swarm_close(struct swarm *swarm)
{
    if (!swarm)
        return;
    engine_worker_close(swarm->worker);
    free(swarm);
}

void swarm_need(struct swarm *swarm, const char *instance)
{
    struct engine_task task = {.verb = ENGINE_MAKE};
    snprintf(task.container.instance, sizeof task.container.instance, "%s", instance);
    engine_worker_ask(swarm->worker, &task);
}

int swarm_descriptor(const struct swarm *swarm)
{
    return engine_worker_descriptor(swarm->worker);
}

bool swarm_take(struct swarm *swarm, struct engine_news *out_news)
{
    return engine_worker_take(swarm->worker, out_news);
}
