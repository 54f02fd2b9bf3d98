#include "endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* line_of: what bus.hosts says about the instance, behind the '='; NULL: nothing. */
static const char *line_of(const struct endpoint_place *place, const char *instance)
{
    size_t length = strlen(instance);
    for (size_t i = 0; i < place->host_count; i++)
        if (strncmp(place->hosts[i], instance, length) == 0 && place->hosts[i][length] == '=')
            return place->hosts[i] + length + 1;
    return NULL;
}

static void host_of(const struct endpoint_place *place, const char *instance,
                    char out_host[ENDPOINT_HOST_BYTES], int *out_port)
{
    const char *line = line_of(place, instance);
    *out_port = place->port;
    snprintf(out_host, ENDPOINT_HOST_BYTES, "%s", line ? line : instance);
    char *colon = strrchr(out_host, ':');
    if (line && colon) {
        *out_port = atoi(colon + 1);
        *colon = 0;
    }
    for (char *at = out_host; !line && *at; at++)
        if (*at == '.')
            *at = '-';
}

static void ipc_of(const struct endpoint_place *place, const char *instance, enum endpoint_kind kind,
                   char out_text[ENDPOINT_BYTES])
{
    snprintf(out_text, ENDPOINT_BYTES, "ipc://%s/%s.%s", place->folder, instance,
             kind == ENDPOINT_PUBLISHER ? "pub" : "ctl");
}

/* write_endpoint: address: NULL: the one at which others reach it. */
static void write_endpoint(const struct endpoint_place *place, const char *instance, const char *address,
                           enum endpoint_kind kind, char out_text[ENDPOINT_BYTES])
{
    char host[ENDPOINT_HOST_BYTES];
    int port;
    if (place->folder) {
        ipc_of(place, instance, kind, out_text);
        return;
    }
    host_of(place, instance, host, &port);
    snprintf(out_text, ENDPOINT_BYTES, "tcp://%s:%d", address ? address : host,
             port + (kind == ENDPOINT_ROUTER));
}

void endpoint_of(const struct endpoint_place *place, const char *instance, enum endpoint_kind kind,
                 char out_text[ENDPOINT_BYTES])
{
    write_endpoint(place, instance, NULL, kind, out_text);
}

void endpoint_to_bind(const struct endpoint_place *place, const char *instance, const char *address,
                      enum endpoint_kind kind, char out_text[ENDPOINT_BYTES])
{
    write_endpoint(place, instance, address, kind, out_text);
}
