/* Each connection attempt is one lws wsi; a socket outlives its wsis. Whatever way an attempt ends (the call
 * gives NULL, an error callback, a close) it ends in attempt_over, once: the wsi pointer tells. */
#include "net/websocket_client.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "loop.h"

#include <libwebsockets.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT_FILES = 256 };

struct websocket {
    struct websocket_client *client;
    struct websocket *next;
    char *url;
    char *host;
    char *path;
    int port;
    bool is_secure;
    bool is_numeric; /* the host is an address */
    void *data;
    struct lws *wsi;    /* NULL: no attempt under way */
    bool is_connecting; /* inside lws_client_connect_via_info, which frees it if need be */
    bool is_telling;    /* inside attempt_over, likewise */
    bool is_open;
    bool is_removed;
    bool is_finished; /* not to come back */
    bool is_paused;
    bool comes_back_at_once;
    unsigned failures;
    lws_usec_t opened_us;
    lws_sorted_usec_list_t timer; /* the next attempt */
    char reason[WEBSOCKET_REASON_BYTES];
    struct buffer message;
    struct buffer outgoing; /* texts, each ended by a NUL */
    size_t skipped_bytes;   /* of the message being skipped */
};

struct websocket_client {
    struct websocket_client_config config;
    char *certificate_path;
    struct loop loop;
    struct lws_protocols protocols[2];
    lws_retry_bo_t policy;
    uint32_t policy_table[1];
    struct random random;
    struct websocket *sockets;
};

/* --- the next attempt
 * ------------------------------------------------------------------------------------------- */

int64_t websocket_next_delay_ms(const struct websocket_client_config *config, unsigned failures, double unit)
{
    double delay_ms = (double)config->backoff_initial_ms;
    for (unsigned i = 0; i < failures && delay_ms < (double)config->backoff_cap_ms; i++)
        delay_ms *= config->backoff_factor;
    if (delay_ms > (double)config->backoff_cap_ms)
        delay_ms = (double)config->backoff_cap_ms;
    return (int64_t)(delay_ms * (1.0 + config->backoff_jitter * (2.0 * unit - 1.0)));
}

static void attempt(lws_sorted_usec_list_t *timer);

static void schedule(struct websocket *socket)
{
    struct websocket_client *client = socket->client;
    int64_t delay_ms = 0;
    if (socket->comes_back_at_once)
        socket->comes_back_at_once = false;
    else
        delay_ms = websocket_next_delay_ms(&client->config, socket->failures++, random_unit(&client->random));
    lws_sul_schedule(client->loop.lws, 0, &socket->timer, attempt, (lws_usec_t)delay_ms * 1000 + 1);
}

static void free_socket(struct websocket *socket)
{
    buffer_finish(&socket->message);
    buffer_finish(&socket->outgoing);
    free(socket->url);
    free(socket->host);
    free(socket->path);
    free(socket);
}

/* attempt_over: the wsi is gone; tells the user and plans the next one. */
static void attempt_over(struct websocket *socket, const char *reason)
{
    struct websocket_client *client = socket->client;
    const struct websocket_handlers *handlers = &client->config.handlers;
    bool was_open = socket->is_open;
    socket->wsi = NULL;
    socket->is_open = false;
    socket->skipped_bytes = 0;
    buffer_clear(&socket->message);
    buffer_clear(&socket->outgoing);
    if (socket->is_removed) {
        if (!socket->is_connecting)
            free_socket(socket);
        return;
    }
    socket->is_telling = true;
    if (was_open && lws_now_usecs() - socket->opened_us >= client->config.backoff_reset_s * LWS_US_PER_SEC)
        socket->failures = 0;
    bool comes_back = true;
    if (was_open)
        comes_back = handlers->lost(client->config.context, socket, reason);
    else if (handlers->refused)
        comes_back = handlers->refused(client->config.context, socket, reason);
    socket->is_telling = false;
    if (socket->is_removed) {
        if (!socket->is_connecting)
            free_socket(socket);
        return;
    }
    socket->is_finished = !comes_back;
    if (comes_back)
        schedule(socket);
}

static void attempt(lws_sorted_usec_list_t *timer)
{
    struct websocket *socket = lws_container_of(timer, struct websocket, timer);
    struct websocket_client *client = socket->client;
    struct lws_client_connect_info info = {
        .context = client->loop.lws,
        .address = socket->host,
        .port = socket->port,
        .path = socket->path,
        .host = socket->host,
        .ssl_connection = socket->is_secure ? LCCSCF_USE_SSL : 0,
        .local_protocol_name = client->protocols[0].name,
        .ietf_version_or_minus_one = -1,
        .userdata = socket,
        .pwsi = &socket->wsi,
        .retry_and_idle_policy = &client->policy,
        .alpn = "http/1.1",
    };
    if (client->certificate_path && socket->is_numeric)
        info.ssl_connection |= LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    socket->reason[0] = 0;
    socket->is_connecting = true;
    struct lws *wsi = lws_client_connect_via_info(&info);
    socket->is_connecting = false;
    bool told =
        socket->wsi == NULL && (socket->is_removed || socket->is_finished || socket->timer.list.owner);
    if (socket->is_removed && !socket->wsi)
        free_socket(socket);
    else if (!wsi && !told)
        attempt_over(socket, socket->reason[0] ? socket->reason : "no connection could be begun");
}

/* --- events
 * ----------------------------------------------------------------------------------------------------- */

static void keep_reason(struct websocket *socket, const char *text, size_t bytes)
{
    snprintf(socket->reason, sizeof socket->reason, "%.*s", (int)(bytes < 120 ? bytes : 120), text);
}

static int socket_opened(struct websocket *socket)
{
    if (socket->is_removed)
        return -1;
    socket->is_open = true;
    socket->opened_us = lws_now_usecs();
    socket->reason[0] = 0;
    if (socket->is_paused)
        lws_rx_flow_control(socket->wsi, 0);
    socket->client->config.handlers.opened(socket->client->config.context, socket);
    return socket->is_removed ? -1 : 0;
}

static void message_complete(struct websocket *socket, const char *text, size_t bytes)
{
    const struct websocket_client_config *config = &socket->client->config;
    if (socket->skipped_bytes) {
        size_t skipped_bytes = socket->skipped_bytes + bytes;
        socket->skipped_bytes = 0;
        if (config->handlers.skipped)
            config->handlers.skipped(config->context, socket, skipped_bytes);
        return;
    }
    config->handlers.message(config->context, socket, text, bytes);
}

static int socket_received(struct websocket *socket, const char *data, size_t bytes)
{
    if (socket->is_removed)
        return -1;
    bool is_last = lws_is_final_fragment(socket->wsi) && lws_remaining_packet_payload(socket->wsi) == 0;
    size_t limit = socket->client->config.message_bytes_max;
    if (!socket->skipped_bytes && socket->message.length + bytes > limit) {
        socket->skipped_bytes = socket->message.length;
        buffer_clear(&socket->message);
        if (socket->skipped_bytes == 0)
            socket->skipped_bytes = 1, bytes--;
    }
    if (is_last && socket->message.length == 0) {
        message_complete(socket, data, bytes);
    } else if (socket->skipped_bytes) {
        socket->skipped_bytes += bytes;
    } else {
        buffer_append(&socket->message, data, bytes);
        if (is_last) {
            message_complete(socket, buffer_text(&socket->message), socket->message.length);
            buffer_clear(&socket->message);
        }
    }
    return socket->is_removed ? -1 : 0;
}

/* send_next: the oldest text that waits. */
static int send_next(struct websocket *socket)
{
    struct buffer *outgoing = &socket->outgoing, frame;
    if (socket->is_removed || !outgoing->length)
        return socket->is_removed ? -1 : 0;
    size_t bytes = strlen((const char *)outgoing->data);
    buffer_init(&frame, 0);
    uint8_t *room = buffer_reserve(&frame, LWS_PRE + bytes);
    memcpy(room + LWS_PRE, outgoing->data, bytes);
    int sent = lws_write(socket->wsi, room + LWS_PRE, bytes, LWS_WRITE_TEXT);
    buffer_finish(&frame);
    outgoing->length -= bytes + 1;
    memmove(outgoing->data, outgoing->data + bytes + 1, outgoing->length);
    if (outgoing->length)
        lws_callback_on_writable(socket->wsi);
    return sent < (int)bytes ? -1 : 0;
}

/* peer_closes: the close frame: two bytes of code, then a text. */
static void peer_closes(struct websocket *socket, const uint8_t *frame, size_t bytes)
{
    if (bytes < 2) {
        keep_reason(socket, "1005 no reason given", 20);
        return;
    }
    char text[WEBSOCKET_REASON_BYTES];
    int length = snprintf(text, sizeof text, "%d %.*s", frame[0] << 8 | frame[1],
                          (int)(bytes - 2 < 100 ? bytes - 2 : 100), (const char *)frame + 2);
    keep_reason(socket, text, (size_t)length);
}

static int event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
    struct websocket *socket = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED: return socket_opened(socket);
    case LWS_CALLBACK_CLIENT_RECEIVE: return socket_received(socket, in, bytes);
    case LWS_CALLBACK_CLIENT_WRITEABLE: return send_next(socket);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: peer_closes(socket, in, bytes); return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (socket->wsi == wsi || socket->is_connecting) {
            keep_reason(socket, in ? in : "no connection", in ? bytes : 13);
            attempt_over(socket, socket->reason);
        }
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (socket && socket->wsi == wsi)
            attempt_over(socket, socket->reason[0] ? socket->reason : "1006 the connection broke");
        return 0;
    default: return 0;
    }
}

/* --- URLs
 * ------------------------------------------------------------------------------------------------------- */

static bool is_numeric_address(const char *host)
{
    return host[0] == '[' || host[strspn(host, "0123456789.")] == 0;
}

/* url_split: scheme://host[:port]/path?query into the socket. */
static bool url_split(struct websocket *socket, const char *url)
{
    bool is_plain = strncmp(url, "ws://", 5) == 0;
    socket->is_secure = strncmp(url, "wss://", 6) == 0;
    if ((!is_plain && !socket->is_secure) || strlen(url) > WEBSOCKET_URL_BYTES_MAX)
        return false;
    const char *host = url + (is_plain ? 5 : 6);
    size_t host_bytes = strcspn(host, ":/?");
    const char *rest = host + host_bytes;
    socket->port = socket->is_secure ? 443 : 80;
    if (*rest == ':') {
        char *end;
        long port = strtol(rest + 1, &end, 10);
        if (end == rest + 1 || port < 1 || port > 65535)
            return false;
        socket->port = (int)port;
        rest = end;
    }
    if (host_bytes == 0 || (*rest != 0 && *rest != '/'))
        return false;
    free(socket->host);
    free(socket->path);
    free(socket->url);
    socket->host = memory_copy(host, host_bytes + 1);
    socket->host[host_bytes] = 0;
    socket->path = memory_copy_text(*rest ? rest : "/");
    socket->url = memory_copy_text(url);
    socket->is_numeric = is_numeric_address(socket->host);
    return true;
}

enum status websocket_add(struct websocket_client *client, const char *url, void *data,
                          struct websocket **out_socket, struct error *error)
{
    struct websocket *socket = memory_allocate(sizeof *socket);
    socket->client = client;
    socket->data = data;
    buffer_init(&socket->message, 0);
    buffer_init(&socket->outgoing, 0);
    if (!url_split(socket, url)) {
        free_socket(socket);
        return error_set(error, STATUS_INVALID, "\"%.200s\" is not ws://host[:port]/path or wss://…", url);
    }
    socket->next = client->sockets;
    client->sockets = socket;
    lws_sul_schedule(client->loop.lws, 0, &socket->timer, attempt, 1);
    *out_socket = socket;
    return STATUS_OK;
}

static void unlink_socket(struct websocket *socket)
{
    struct websocket **link = &socket->client->sockets;
    while (*link != socket)
        link = &(*link)->next;
    *link = socket->next;
}

void websocket_remove(struct websocket *socket)
{
    if (socket->is_removed)
        return;
    socket->is_removed = true;
    unlink_socket(socket);
    lws_sul_cancel(&socket->timer);
    if (socket->wsi)
        lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    else if (!socket->is_connecting && !socket->is_telling)
        free_socket(socket);
}

void websocket_restart(struct websocket *socket, const char *reason)
{
    if (!socket->wsi || socket->is_removed)
        return;
    keep_reason(socket, reason, strlen(reason));
    socket->comes_back_at_once = true;
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

enum status websocket_move(struct websocket *socket, const char *url, struct error *error)
{
    bool was_secure = socket->is_secure;
    int port = socket->port;
    if (url_split(socket, url)) {
        if (!socket->is_open) /* an attempt under way goes where it went before */
            websocket_restart(socket, "its URL has changed");
        return STATUS_OK;
    }
    socket->is_secure = was_secure;
    socket->port = port;
    return error_set(error, STATUS_INVALID, "\"%.200s\" is not ws://host[:port]/path or wss://…", url);
}

enum status websocket_say(struct websocket *socket, const char *text)
{
    size_t bytes = strlen(text) + 1;
    if (!socket->is_open || socket->is_removed)
        return STATUS_OK;
    if (socket->outgoing.length + bytes > WEBSOCKET_OUTGOING_BYTES_MAX)
        return STATUS_LIMIT;
    buffer_append(&socket->outgoing, text, bytes);
    lws_callback_on_writable(socket->wsi);
    return STATUS_OK;
}

void websocket_pause(struct websocket *socket, bool paused)
{
    if (socket->is_paused == paused)
        return;
    socket->is_paused = paused;
    if (socket->is_open)
        lws_rx_flow_control(socket->wsi, !paused);
}

bool websocket_is_open(const struct websocket *socket)
{
    return socket->is_open;
}

const char *websocket_url(const struct websocket *socket)
{
    return socket->url;
}

void *websocket_data(const struct websocket *socket)
{
    return socket->data;
}

/* --- the loop
 * --------------------------------------------------------------------------------------------------- */

static void log_line(int level, const char *line)
{
    int length = (int)strcspn(line, "\n");
    log_event(level == LLL_ERR ? LOG_WARNING : LOG_DEBUG, "libwebsockets", "text=\"%.*s\"", length, line);
}

static void describe_loop(struct websocket_client *client, struct lws_context_creation_info *info)
{
    const struct websocket_client_config *config = &client->config;
    client->protocols[0] = (struct lws_protocols){
        .name = "orderflow",
        .callback = event,
        .rx_buffer_size = WEBSOCKET_READ_BYTES,
    };
    client->policy_table[0] = 1000;
    /* Hang-up must be later than the ping, or libwebsockets asserts; the table's length is the number of
     * tries it hides. */
    client->policy = (lws_retry_bo_t){
        .retry_ms_table = client->policy_table,
        .retry_ms_table_count = 1,
        .conceal_count = 1,
        .secs_since_valid_ping = (uint16_t)config->ping_interval_s,
        .secs_since_valid_hangup = (uint16_t)(config->ping_interval_s + config->pong_timeout_s),
    };
    *info = (struct lws_context_creation_info){
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = client->protocols,
        .gid = -1,
        .uid = -1,
        .user = client,
        .retry_and_idle_policy = &client->policy,
        .pt_serv_buf_size = WEBSOCKET_READ_BYTES,
        .fd_limit_per_thread = CONTEXT_FILES,
        .timeout_secs = WEBSOCKET_CONNECT_TIMEOUT_S,
        .connect_timeout_secs = WEBSOCKET_CONNECT_TIMEOUT_S,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .client_ssl_ca_filepath = client->certificate_path,
    };
}

enum status websocket_client_create(const struct websocket_client_config *config,
                                    struct websocket_client **out_client, struct error *error)
{
    if (config->ping_interval_s < 1 || config->pong_timeout_s < 1 ||
        config->ping_interval_s + config->pong_timeout_s > UINT16_MAX || config->backoff_initial_ms < 0 ||
        config->backoff_factor < 1 || config->backoff_cap_ms < config->backoff_initial_ms ||
        config->backoff_jitter < 0 || config->backoff_jitter > 1)
        return error_set(error, STATUS_INVALID,
                         "websocket client: a ping or back-off value is outside its range");
    lws_set_log_level(LLL_ERR, log_line);
    struct websocket_client *client = memory_allocate(sizeof *client);
    client->config = *config;
    client->certificate_path = config->certificate_path ? memory_copy_text(config->certificate_path) : NULL;
    random_seed(&client->random, config->jitter_seed);
    struct lws_context_creation_info info;
    describe_loop(client, &info);
    client->loop.lws = lws_create_context(&info);
    if (!client->loop.lws) {
        websocket_client_destroy(client);
        return error_set(error, STATUS_IO, "websocket client: libwebsockets cannot begin%s%s",
                         config->certificate_path ? "; is this certificate readable: " : "",
                         config->certificate_path ? config->certificate_path : "");
    }
    *out_client = client;
    return STATUS_OK;
}

void websocket_client_destroy(struct websocket_client *client)
{
    if (!client)
        return;
    struct websocket *rest = client->sockets;
    for (struct websocket *socket = rest; socket; socket = socket->next) {
        /* Their last events, while the context goes, must find nobody: they are freed behind it. */
        socket->is_removed = socket->is_connecting = true;
        if (client->loop.lws)
            lws_sul_cancel(&socket->timer);
    }
    client->sockets = NULL;
    if (client->loop.lws) {
        loop_finish(&client->loop);
        lws_context_destroy(client->loop.lws);
    }
    while (rest) {
        struct websocket *next = rest->next;
        free_socket(rest);
        rest = next;
    }
    free(client->certificate_path);
    free(client);
}

enum status websocket_client_run_once(struct websocket_client *client, int timeout_ms)
{
    return loop_run_once(&client->loop, timeout_ms);
}

void websocket_client_wake(struct websocket_client *client)
{
    loop_wake(&client->loop);
}

const char *websocket_library_version(void)
{
    return lws_get_library_version();
}
