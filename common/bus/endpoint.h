/* endpoint: where an instance listens.
 *
 *   ipc   ipc://<folder>/<instance>.pub and .ctl
 *   tcp   tcp://<host>:<port> (PUB) and tcp://<host>:<port + 1> (ROUTER). The host is the instance's name, '.' as '-': in a
 *         network of containers that is the name the network's DNS knows. A line "NAME=HOST[:PORT]" of bus.hosts goes before it. */
#pragma once

#include "base/status.h"

#include <stddef.h>

enum { ENDPOINT_BYTES = 320, ENDPOINT_HOST_BYTES = 256 };

enum endpoint_kind { ENDPOINT_PUBLISHER, ENDPOINT_ROUTER };

struct endpoint_place {
    const char *folder; /* ipc; NULL: tcp */
    const char *const *hosts;
    size_t host_count;
    int port;
};

/* endpoint_of: where to connect to. */
void endpoint_of(const struct endpoint_place *place, const char *instance, enum endpoint_kind kind,
                 char out_text[ENDPOINT_BYTES]);

/* endpoint_to_bind: where the instance itself listens; `address` is an address of this machine. */
void endpoint_to_bind(const struct endpoint_place *place, const char *instance, const char *address,
                      enum endpoint_kind kind, char out_text[ENDPOINT_BYTES]);
