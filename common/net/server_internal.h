/* server_internal: what server.c and server_http.c share. */
#pragma once

#include "loop.h"
#include "server.h"

#include "base/buffer.h"

#include <libwebsockets.h>

/* session: libwebsockets' memory for one connection; it is a request or a socket, one after the other. */
struct session {
    struct server_target *target; /* of an upgrade on its way */
    struct server_socket *socket;
    struct server_request *request;
};

struct server {
    struct loop loop;
    struct lws_vhost *vhost;
    struct server_handlers handlers;
    void *context;
    int send_buffer_bytes;
    struct buffer block; /* LWS_PRE bytes of room, then the frames of one write */
    struct lws_protocols protocols[2];
    lws_retry_bo_t idle_policy;
    uint32_t idle_table[1];
    size_t socket_count;
};

struct server_target *target_create(struct lws *connection);
void target_destroy(struct server_target *target);

/* http_event: the HTTP half of the protocol callback; nonzero ends the connection. */
int http_event(struct server *server, struct lws *connection, enum lws_callback_reasons reason,
               struct session *session);
