#include "swarm.h"

#include "base/log.h"
#include "base/memory.h"
#include "engine_call.h"
#include "engine_text.h"
#include "net/rest_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct swarm {
    char stack[STACK_BYTES];
    struct rest_client *client;
};

enum status swarm_open(const char *socket_path, struct swarm **out_swarm, struct error *error)
{
    struct swarm *swarm = memory_allocate(sizeof *swarm);
    enum status status = engine_client_make(socket_path, &swarm->client, error);
    if (status == STATUS_OK)
        status = engine_call_own(swarm->client, engine_text_stack, "no compose project and to no stack",
                                 swarm->stack, sizeof swarm->stack, error);
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
    rest_client_destroy(swarm->client);
    free(swarm);
}

static enum status look(struct swarm *swarm, const char *host, struct buffer *out_service,
                        struct error *error)
{
    char path[STACK_BYTES + INSTANCE_BYTES + 16];
    snprintf(path, sizeof path, "/services/%s_%s", swarm->stack, host);
    return engine_call(swarm->client, "GET", path, NULL, out_service, error);
}

static enum status make(struct swarm *swarm, const char *service, const char *instance, struct error *error)
{
    struct buffer model, wanted;
    buffer_init(&model, 0);
    buffer_init(&wanted, 0);
    enum status status = look(swarm, service, &model, error);
    if (status == STATUS_OK && !engine_text_service_like(&model, swarm->stack, instance, &wanted))
        status = error_set(error, STATUS_MALFORMED, "service %s_%s cannot be a model for %s", swarm->stack,
                           service, instance);
    if (status == STATUS_OK)
        status = engine_call(swarm->client, "POST", "/services/create", &wanted, NULL, error);
    if (status == STATUS_OK)
        log_event(LOG_INFO, "service_made", "instance=%s like=%s_%s", instance, swarm->stack, service);
    buffer_finish(&model);
    buffer_finish(&wanted);
    return status;
}

enum status swarm_need(struct swarm *swarm, const char *instance, struct error *error)
{
    char service[INSTANCE_BYTES], host[INSTANCE_BYTES];
    struct error unused;
    snprintf(service, sizeof service, "%.*s", (int)strcspn(instance, "."), instance);
    engine_text_host(instance, host);
    enum status status = look(swarm, host, NULL, &unused);
    return status == STATUS_NOT_FOUND ? make(swarm, service, instance, error)
           : status == STATUS_OK      ? STATUS_OK
                                      : error_set(error, status, "%s", unused.text);
}
