/* server_http: requests and their answers. */
#include "server_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 2048, BODY_BLOCK_BYTES = SERVER_BLOCK_BYTES };

struct server_request {
    struct server *server;
    struct lws *connection;
    struct server_target *target;
    const char *method;
    void *data;
    bool answered;
    bool headers_sent;
    unsigned status;
    char *content_type;
    char *header_name, *header_value;
    struct buffer body; /* LWS_PRE bytes of room, then the text */
    size_t body_sent;
};

/* ---- target ---- */

static char *copy_token(struct lws *connection, enum lws_token_indexes token, int fragment)
{
    int length = fragment < 0 ? lws_hdr_total_length(connection, token)
                              : lws_hdr_fragment_length(connection, token, fragment);
    if (length <= 0)
        return NULL;
    char *text = memory_allocate((size_t)length + 1);
    int copied = fragment < 0 ? lws_hdr_copy(connection, text, length + 1, token)
                              : lws_hdr_copy_fragment(connection, text, length + 1, token, fragment);
    if (copied < 0) {
        free(text);
        return NULL;
    }
    return text;
}

struct server_target *target_create(struct lws *connection)
{
    static const enum lws_token_indexes METHOD_TOKENS[] = {
        WSI_TOKEN_GET_URI, WSI_TOKEN_POST_URI, WSI_TOKEN_HEAD_URI, WSI_TOKEN_PUT_URI, WSI_TOKEN_DELETE_URI};
    struct server_target *target = memory_allocate(sizeof *target);
    for (size_t i = 0; i < sizeof METHOD_TOKENS / sizeof *METHOD_TOKENS && !target->path; i++)
        target->path = copy_token(connection, METHOD_TOKENS[i], -1);
    if (!target->path)
        target->path = memory_copy_text("");
    target->arguments = memory_allocate(SERVER_ARGUMENTS_MAX * sizeof *target->arguments);
    while (target->argument_count < SERVER_ARGUMENTS_MAX) {
        char *argument = copy_token(connection, WSI_TOKEN_HTTP_URI_ARGS, (int)target->argument_count);
        if (!argument)
            break;
        target->arguments[target->argument_count++] = argument;
    }
    return target;
}

void target_destroy(struct server_target *target)
{
    if (!target)
        return;
    for (size_t i = 0; i < target->argument_count; i++)
        free(target->arguments[i]);
    free(target->arguments);
    free(target->path);
    free(target);
}

const char *server_target_argument(const struct server_target *target, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < target->argument_count; i++)
        if (strncmp(target->arguments[i], name, length) == 0 && target->arguments[i][length] == '=')
            return target->arguments[i] + length + 1;
    return NULL;
}

/* ---- requests ---- */

const struct server_target *server_request_target(const struct server_request *request)
{
    return request->target;
}

const char *server_request_method(const struct server_request *request)
{
    return request->method;
}

void server_request_set_data(struct server_request *request, void *data)
{
    request->data = data;
}

void *server_request_data(const struct server_request *request)
{
    return request->data;
}

void server_answer(struct server_request *request, const struct server_answer *answer)
{
    if (request->answered)
        return;
    request->answered = true;
    request->status = answer->status;
    request->content_type = memory_copy_text(answer->content_type);
    if (answer->header_name) {
        request->header_name = memory_allocate(strlen(answer->header_name) + 2);
        sprintf(request->header_name, "%s:", answer->header_name);
        request->header_value = memory_copy_text(answer->header_value);
    }
    static const uint8_t ROOM[LWS_PRE];
    buffer_append(&request->body, ROOM, sizeof ROOM);
    buffer_append(&request->body, answer->body, answer->body_bytes);
    lws_callback_on_writable(request->connection);
}

static void request_end(struct session *session, bool delivered)
{
    struct server_request *request = session->request;
    session->request = NULL;
    if (!request)
        return;
    if (request->server->handlers.finished)
        request->server->handlers.finished(request->server->context, request, delivered);
    target_destroy(request->target);
    buffer_finish(&request->body);
    free(request->content_type);
    free(request->header_name);
    free(request->header_value);
    free(request);
}

static const char *method_of(struct lws *connection)
{
    char *uri;
    int length;
    switch (lws_http_get_uri_and_method(connection, &uri, &length)) {
    case LWSHUMETH_GET: return "GET";
    case LWSHUMETH_HEAD: return "HEAD";
    case LWSHUMETH_POST: return "POST";
    case LWSHUMETH_PUT: return "PUT";
    case LWSHUMETH_DELETE: return "DELETE";
    case LWSHUMETH_OPTIONS: return "OPTIONS";
    case LWSHUMETH_PATCH: return "PATCH";
    default: return "";
    }
}

static int request_begin(struct server *server, struct lws *connection, struct session *session)
{
    request_end(session, false);
    struct server_request *request = memory_allocate(sizeof *request);
    *request =
        (struct server_request){.server = server, .connection = connection, .method = method_of(connection)};
    request->target = target_create(connection);
    buffer_init(&request->body, 0);
    session->request = request;
    lws_set_timeout(connection, NO_PENDING_TIMEOUT, 0); /* the answer may take as long as the user likes */
    if (server->handlers.request)
        server->handlers.request(server->context, request);
    else
        server_answer(request, &(struct server_answer){.status = 404, .content_type = "text/plain"});
    return 0;
}

static int send_headers(struct server_request *request)
{
    struct lws *connection = request->connection;
    uint8_t room[LWS_PRE + HEADER_BYTES];
    uint8_t *start = room + LWS_PRE, *at = start, *end = room + sizeof room - 1;
    if (lws_add_http_common_headers(connection, request->status, request->content_type,
                                    request->body.length - LWS_PRE, &at, end))
        return -1;
    if (request->header_name && lws_add_http_header_by_name(connection, (const uint8_t *)request->header_name,
                                                            (const uint8_t *)request->header_value,
                                                            (int)strlen(request->header_value), &at, end))
        return -1;
    if (lws_finalize_write_http_header(connection, start, &at, end))
        return -1;
    request->headers_sent = true;
    return 0;
}

/* finish_request: the connection waits for its next request, or goes (nonzero). */
static int finish_request(struct session *session)
{
    struct lws *connection = session->request->connection;
    bool reusable = strcmp(session->request->method, "GET") == 0;
    request_end(session, true);
    return lws_http_transaction_completed(connection) || !reusable ? -1 : 0;
}

static int request_writable(struct session *session)
{
    struct server_request *request = session->request;
    if (!request || !request->answered)
        return 0;
    if (!request->headers_sent) {
        if (send_headers(request) != 0)
            return -1;
        request->body_sent = LWS_PRE;
        lws_callback_on_writable(request->connection);
        return 0;
    }
    size_t left = request->body.length - request->body_sent;
    if (strcmp(request->method, "HEAD") == 0)
        left = 0;
    size_t bytes = left < BODY_BLOCK_BYTES ? left : BODY_BLOCK_BYTES;
    bool last = bytes == left;
    if (bytes && lws_write(request->connection, request->body.data + request->body_sent, bytes,
                           last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
        return -1;
    request->body_sent += bytes;
    if (last)
        return finish_request(session);
    lws_callback_on_writable(request->connection);
    return 0;
}

int http_event(struct server *server, struct lws *connection, enum lws_callback_reasons reason,
               struct session *session)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP: return request_begin(server, connection, session);
    case LWS_CALLBACK_HTTP_WRITEABLE: return request_writable(session);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (session)
            request_end(session, false);
        return 0;
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (session)
            request_end(session, false);
        return 0;
    default: return 0;
    }
}
