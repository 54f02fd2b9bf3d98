/* server: the loop, WebSocket sockets and their frames. HTTP is in server_http.c.
 *
 * Frames are put together here and written as raw blocks of whole frames: one system call carries as many
 * messages as fit, where lws_write would make one call for each. libwebsockets still owns the connection:
 * handshake, pings and pongs, TLS, and what the kernel did not take at once. */
#include "server_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BLOCKS_PER_TURN = 8,
    CLOSE_PROTOCOL = 1002,
    CLOSE_TOO_BIG = 1009,
    FRAME_TEXT = 0x81,
    FRAME_CLOSE = 0x88
};

struct server_socket {
    struct server *server;
    struct lws *connection;
    void *data;
    struct buffer received;
    bool closing; /* a close frame is asked for or sent: nothing else goes out */
    bool close_sent;
    bool cut;
    unsigned close_code;
    char close_reason[SERVER_REASON_BYTES_MAX + 1];
};

/* ---- frames ---- */

static void append_frame_header(struct buffer *block, uint8_t first_byte, size_t bytes)
{
    uint8_t header[10] = {first_byte};
    size_t length = 2;
    if (bytes < 126) {
        header[1] = (uint8_t)bytes;
    } else if (bytes < 65536) {
        header[1] = 126;
        length = 4;
    } else {
        header[1] = 127;
        length = 10;
    }
    for (size_t i = 2; i < length; i++)
        header[i] = (uint8_t)(bytes >> 8 * (length - 1 - i));
    buffer_append(block, header, length);
}

bool server_socket_send(struct server_socket *socket, const char *text, size_t bytes)
{
    struct buffer *block = &socket->server->block;
    append_frame_header(block, FRAME_TEXT, bytes);
    buffer_append(block, text, bytes);
    return block->length < LWS_PRE + SERVER_BLOCK_BYTES;
}

bool server_socket_is_clear(const struct server_socket *socket)
{
    return !lws_partial_buffered(socket->connection);
}

void server_socket_cut(struct server_socket *socket, const char *text, size_t bytes)
{
    append_frame_header(&socket->server->block, FRAME_TEXT, bytes);
    buffer_append(&socket->server->block, text, bytes / 2);
    socket->cut = true;
}

void server_socket_close(struct server_socket *socket, unsigned code, const char *reason)
{
    if (socket->closing)
        return;
    socket->closing = true;
    socket->close_code = code;
    size_t length = strnlen(reason, SERVER_REASON_BYTES_MAX);
    memcpy(socket->close_reason, reason, length);
    server_socket_ask(socket);
}

static void append_close_frame(struct server_socket *socket)
{
    struct buffer *block = &socket->server->block;
    size_t length = strlen(socket->close_reason);
    append_frame_header(block, FRAME_CLOSE, 2 + length);
    buffer_append_byte(block, (uint8_t)(socket->close_code >> 8));
    buffer_append_byte(block, (uint8_t)socket->close_code);
    buffer_append(block, socket->close_reason, length);
    socket->close_sent = true;
}

/* ---- sockets ---- */

void server_socket_set_data(struct server_socket *socket, void *data)
{
    socket->data = data;
}

void *server_socket_data(const struct server_socket *socket)
{
    return socket->data;
}

void server_socket_ask(struct server_socket *socket)
{
    lws_callback_on_writable(socket->connection);
}

static int write_block(struct server_socket *socket)
{
    struct buffer *block = &socket->server->block;
    size_t bytes = block->length - LWS_PRE;
    return bytes && lws_write(socket->connection, block->data + LWS_PRE, bytes, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

/* fill_block: gathers the next frames; returns whether more are waiting. */
static bool fill_block(struct server_socket *socket)
{
    struct server *server = socket->server;
    server->block.length = LWS_PRE;
    bool more = !socket->closing && server->handlers.writable(server->context, socket);
    if (socket->closing && !socket->close_sent && !socket->cut)
        append_close_frame(socket);
    return more && !socket->closing && !socket->cut;
}

static int socket_writable(struct server_socket *socket)
{
    for (int blocks = 0; blocks < BLOCKS_PER_TURN; blocks++) {
        if (socket->cut)
            return -1;
        bool more = fill_block(socket);
        if (write_block(socket) < 0)
            return -1;
        if (socket->cut)
            break;
        if (!more)
            return 0;
        if (lws_partial_buffered(socket->connection) || lws_send_pipe_choked(socket->connection))
            break;
    }
    server_socket_ask(socket);
    return 0;
}

static int socket_opened(struct server *server, struct lws *connection, struct session *session)
{
    struct server_socket *socket = memory_allocate(sizeof *socket);
    *socket = (struct server_socket){.server = server, .connection = connection};
    buffer_init(&socket->received, SERVER_MESSAGE_BYTES_MAX);
    session->socket = socket;
    server->socket_count++; // NOLINT: whoever opens a socket has a server
    int bytes = server->send_buffer_bytes;
    if (bytes && setsockopt(lws_get_socket_fd(connection), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0)
        log_event(LOG_WARNING, "send_buffer", "bytes=%d", bytes);
    server->handlers.open(server->context, socket, session->target);
    target_destroy(session->target);
    session->target = NULL;
    return 0;
}

static int socket_received(struct server_socket *socket, const char *data, size_t bytes)
{
    if (socket->closing)
        return 0;
    buffer_append(&socket->received, data, bytes);
    if (socket->received.overflowed) {
        server_socket_close(socket, CLOSE_TOO_BIG, "message too long");
        return 0;
    }
    if (!lws_is_final_fragment(socket->connection) || lws_remaining_packet_payload(socket->connection))
        return 0;
    struct server *server = socket->server;
    server->handlers.message(server->context, socket, buffer_text(&socket->received),
                             socket->received.length);
    buffer_clear(&socket->received);
    return 0;
}

static void socket_closed(struct session *session)
{
    struct server_socket *socket = session->socket;
    session->socket = NULL;
    if (!socket)
        return;
    socket->server->socket_count--;
    socket->server->handlers.closed(socket->server->context, socket);
    buffer_finish(&socket->received);
    free(socket);
}

/* refuse_upgrade: by hand, because lws_return_http_status would answer in HTTP/1.0 here, which no client
 * expects. */
static int refuse_upgrade(struct lws *connection, unsigned status)
{
    uint8_t room[LWS_PRE + 128];
    char *text = (char *)room + LWS_PRE;
    int length = snprintf(text, sizeof room - LWS_PRE,
                          "HTTP/1.1 %u Refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", status);
    if (lws_write(connection, room + LWS_PRE, (size_t)length, LWS_WRITE_HTTP) < 0)
        log_event(LOG_DEBUG, "refused", "status=%u", status);
    return -1;
}

/* upgrade_asked: nonzero: no upgrade, the refusal has been sent. */
static int upgrade_asked(struct server *server, struct lws *connection, const char *kind)
{
    if (strcmp(kind, "websocket") != 0)
        return 0;
    struct server_target *target = target_create(connection);
    // NOLINTNEXTLINE: whoever asks for an upgrade has a server
    unsigned status = server->handlers.accept ? server->handlers.accept(server->context, target) : 404;
    target_destroy(target);
    if (status == 101)
        return 0;
    return refuse_upgrade(connection, status);
}

/* upgrade_begins: the headers are still there; they are gone when the socket is open. */
static int upgrade_begins(struct lws *connection, struct session *session)
{
    target_destroy(session->target);
    session->target = target_create(connection);
    return 0;
}

static int session_event(struct lws *connection, enum lws_callback_reasons reason, void *user, void *in,
                         size_t bytes)
{
    struct session *session = user;
    struct lws_context *context = lws_get_context(connection);
    struct server *server = context ? lws_context_user(context) : NULL;
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return upgrade_asked(server, connection, in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: return upgrade_begins(connection, session);
    case LWS_CALLBACK_ESTABLISHED: return socket_opened(server, connection, session);
    case LWS_CALLBACK_SERVER_WRITEABLE: return session->socket ? socket_writable(session->socket) : -1;
    case LWS_CALLBACK_RECEIVE: return session->socket ? socket_received(session->socket, in, bytes) : -1;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        /* Our own close frame has been answered: done. Otherwise libwebsockets answers theirs. */
        return session->socket && session->socket->close_sent;
    case LWS_CALLBACK_CLOSED: socket_closed(session); return 0;
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
        socket_closed(session);
        target_destroy(session->target);
        session->target = NULL;
        return 0;
    default: return http_event(server, connection, reason, session);
    }
}

/* ---- the loop ---- */

static void log_line(int level, const char *line)
{
    int length = (int)strcspn(line, "\n");
    log_event(level == LLL_ERR ? LOG_WARNING : LOG_DEBUG, "libwebsockets", "text=\"%.*s\"", length, line);
}

static void describe_loop(struct server *server, const struct server_config *config,
                          struct lws_context_creation_info *info)
{
    server->protocols[0] = (struct lws_protocols){
        .name = "orderflow",
        .callback = session_event,
        .per_session_data_size = sizeof(struct session),
        .rx_buffer_size = 4096,
        .tx_packet_size = (size_t)2 * SERVER_BLOCK_BYTES,
    };
    server->idle_table[0] = 1000;
    server->idle_policy = (lws_retry_bo_t){
        .retry_ms_table = server->idle_table,
        .retry_ms_table_count = 1,
        .secs_since_valid_ping = (uint16_t)config->ping_interval_s,
        .secs_since_valid_hangup = (uint16_t)(config->ping_interval_s + config->pong_timeout_s),
    };
    *info = (struct lws_context_creation_info){
        .iface = config->host,
        .port = config->port,
        .protocols = server->protocols,
        .gid = -1,
        .uid = -1,
        .user = server,
        .alpn = "http/1.1",
        .retry_and_idle_policy = &server->idle_policy,
        .fd_limit_per_thread = (unsigned)config->connections_max + 8,
        .max_http_header_data2 = SERVER_TARGET_BYTES_MAX,
        .max_http_header_pool2 = (unsigned)config->connections_max, /* a waiting request keeps its own */
        .keepalive_timeout = 60,
        .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
    };
    if (config->certificate_path) {
        info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info->ssl_cert_filepath = config->certificate_path;
        info->ssl_private_key_filepath = config->key_path;
    }
}

/* probe_address: libwebsockets waits in silence for an address that is not this machine's; we want to know
 * now. */
static enum status probe_address(const struct server_config *config, struct error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)config->port)};
    if (inet_pton(AF_INET, config->host, &address.sin_addr) != 1)
        return error_set(error, STATUS_INVALID, "cannot listen on '%s': not an IPv4 address", config->host);
    int yes = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool free_port = descriptor >= 0 &&
                     setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                     bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0;
    enum status status = STATUS_OK;
    if (!free_port)
        status = error_set(error, STATUS_IO, "cannot listen on %s:%d: %s", config->host, config->port,
                           strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

enum status server_create(const struct server_config *config, struct server **out_server, struct error *error)
{
    enum status status = probe_address(config, error);
    if (status != STATUS_OK)
        return status;
    lws_set_log_level(LLL_ERR, log_line);
    struct server *server = memory_allocate(sizeof *server);
    server->handlers = config->handlers;
    server->context = config->context;
    server->send_buffer_bytes = config->send_buffer_bytes;
    buffer_init(&server->block, 0);
    if (!buffer_reserve(&server->block, LWS_PRE + 2 * SERVER_BLOCK_BYTES))
        abort();
    memset(server->block.data, 0, LWS_PRE);
    struct lws_context_creation_info info;
    describe_loop(server, config, &info);
    info.options |= LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    server->loop.lws = lws_create_context(&info);
    server->vhost = server->loop.lws ? lws_create_vhost(server->loop.lws, &info) : NULL;
    if (!server->vhost) {
        server_destroy(server);
        return error_set(error, STATUS_IO, "cannot listen on %s:%d%s: is the port taken%s?", config->host,
                         config->port, config->certificate_path ? " with TLS" : "",
                         config->certificate_path ? ", or the certificate or its key unusable" : "");
    }
    *out_server = server;
    return STATUS_OK;
}

void server_destroy(struct server *server)
{
    if (!server)
        return;
    if (server->loop.lws) {
        loop_finish(&server->loop);
        lws_context_destroy(server->loop.lws);
    }
    buffer_finish(&server->block);
    free(server);
}

int server_port(const struct server *server)
{
    return lws_get_vhost_listen_port(server->vhost);
}

size_t server_socket_count(const struct server *server)
{
    return server->socket_count;
}

enum status server_run_once(struct server *server, int timeout_ms)
{
    return loop_run_once(&server->loop, timeout_ms);
}

void server_wake(struct server *server)
{
    loop_wake(&server->loop);
}
