/* Sockets: which streams on which, opening, losing, relieving and watching them, and when not to read. */
#include "receiver_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- endpoints, for the manifest
 * -------------------------------------------------------------------------------- */

static void endpoint_opened(struct receiver *receiver, size_t link)
{
    pthread_mutex_lock(&receiver->mutex);
    struct receiver_endpoint *endpoint = &receiver->endpoints[link];
    snprintf(endpoint->url, sizeof endpoint->url, "%s", receiver->links[link].url);
    if (!endpoint->opened_ms)
        endpoint->opened_ms = clock_wall_ms(&receiver->config.clock);
    endpoint->closed_ms = 0;
    pthread_mutex_unlock(&receiver->mutex);
}

void receiver_endpoint_closed(struct receiver *receiver, size_t link)
{
    pthread_mutex_lock(&receiver->mutex);
    receiver->endpoints[link].closed_ms = clock_wall_ms(&receiver->config.clock);
    pthread_mutex_unlock(&receiver->mutex);
}

/* --- connections
 * ------------------------------------------------------------------------------------------------ */

static void connection_begin(struct receiver *receiver, size_t link, struct connection **out_connection)
{
    struct connection *connection = memory_allocate(sizeof *connection);
    struct error error;
    connection->receiver = receiver;
    connection->link = link;
    if (websocket_add(receiver->sockets, receiver->links[link].url, connection, &connection->socket,
                      &error) != STATUS_OK) {
        log_event(LOG_ERROR, "socket_url", "reason=\"%s\"", error.text);
        free(connection);
        return;
    }
    websocket_pause(connection->socket, receiver->is_paused);
    *out_connection = connection;
}

void receiver_drop(struct receiver *receiver, struct connection **connection, const char *reason)
{
    struct connection *gone = *connection;
    if (!gone)
        return;
    if (gone->conn_id) {
        receiver_forget_answers(receiver, gone->conn_id);
        receiver_append(receiver, CAPTURE_CLOSED, gone->conn_id, reason, strlen(reason));
        receiver_add(&receiver->figures.connections_open, -1);
    }
    websocket_remove(gone->socket);
    free(gone);
    *connection = NULL;
}

static void note_stream_times(struct receiver *receiver, size_t link)
{
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (receiver->streams.items[i].link == link)
            receiver->streams.items[i].last_ms = receiver_now_ms(receiver);
}

void receiver_opened(void *context, struct websocket *socket)
{
    struct receiver *receiver = context;
    struct connection *connection = websocket_data(socket);
    const char *url = websocket_url(socket);
    receiver->next_conn_id = (uint16_t)(receiver->next_conn_id % CONN_ID_MAX + 1);
    connection->conn_id = receiver->next_conn_id;
    connection->opened_ms = receiver_now_ms(receiver);
    receiver_append(receiver, CAPTURE_OPENED, connection->conn_id, url, strlen(url));
    receiver_add(&receiver->figures.connections_open, 1);
    receiver_add(&receiver->figures.openings, 1);
    note_stream_times(receiver, connection->link);
    endpoint_opened(receiver, connection->link);
    receiver_forget_requests(receiver, connection->link);
    receiver_note_served(receiver);
    log_event(LOG_INFO, "socket_open", "conn=%d url=%.200s", connection->conn_id, url);
}

/* relieve: the successor has delivered: the older connection may go. */
static void relieve(struct receiver *receiver, struct link *link)
{
    receiver_drop(receiver, &link->current, "planned");
    link->current = link->successor;
    link->successor = NULL;
    receiver_add(&receiver->figures.planned_reconnects, 1);
    receiver_note_served(receiver);
}

void receiver_message(void *context, struct websocket *socket, const char *text, size_t bytes)
{
    struct receiver *receiver = context;
    struct connection *connection = websocket_data(socket);
    struct link *link = &receiver->links[connection->link];
    receiver_append(receiver, CAPTURE_MESSAGE, connection->conn_id, text, bytes);
    receiver_add(&receiver->figures.messages, 1);
    receiver_add(&receiver->figures.message_bytes, (int64_t)bytes);
    receiver_add(&link->messages, 1);
    if (receiver->config.trade_idle_ms || receiver->config.book_idle_ms) {
        size_t stream = streams_find(&receiver->streams, text, bytes);
        if (stream != MAP_ABSENT)
            receiver->streams.items[stream].last_ms = receiver_now_ms(receiver);
    }
    bool is_answer =
        receiver->asking_count && receiver_take_answer(receiver, connection->conn_id, text, bytes);
    if (connection == link->successor && !is_answer)
        relieve(receiver, link);
}

void receiver_skipped(void *context, struct websocket *socket, size_t bytes)
{
    struct receiver *receiver = context;
    receiver_add(&receiver->figures.messages_too_large, 1);
    log_event(LOG_WARNING, "message_too_large", "bytes=%zu url=%.200s", bytes, websocket_url(socket));
}

static bool all_ended(const struct receiver *receiver)
{
    bool any = false;
    for (size_t i = 0; i < receiver->link_count; i++) {
        if (receiver->links[i].used && !receiver->links[i].has_ended)
            return false;
        any = any || receiver->links[i].used;
    }
    return any;
}

void receiver_begin_end(struct receiver *receiver)
{
    if (receiver->phase == PHASE_OPEN && all_ended(receiver))
        receiver->phase = PHASE_ENDING;
}

bool receiver_lost(void *context, struct websocket *socket, const char *reason)
{
    static const char END_OF_RECORDING[] = "1000 end of recording";
    struct receiver *receiver = context;
    struct connection *connection = websocket_data(socket);
    struct link *link = &receiver->links[connection->link];
    bool is_end = strncmp(reason, END_OF_RECORDING, sizeof END_OF_RECORDING - 1) == 0;
    link->has_ended = link->has_ended || is_end;
    if (is_end) { /* of the last one it is recorded behind the answers that are still awaited */
        receiver->last_conn_id = connection->conn_id;
        snprintf(receiver->last_reason, sizeof receiver->last_reason, "%s", reason);
    }
    receiver_begin_end(receiver);
    if (receiver->phase != PHASE_ENDING)
        receiver_append(receiver, CAPTURE_CLOSED, connection->conn_id, reason, strlen(reason));
    receiver_forget_answers(receiver, connection->conn_id);
    connection->conn_id = 0;
    receiver_add(&receiver->figures.connections_open, -1);
    receiver_endpoint_closed(receiver, connection->link);
    log_event(is_end ? LOG_INFO : LOG_WARNING, is_end ? "recording_end" : "reconnect",
              "socket=%.200s detail=\"%s\"", websocket_url(socket), reason);
    if (!is_end && connection == link->current && link->successor) {
        websocket_remove(socket);
        free(connection);
        link->current = link->successor;
        link->successor = NULL;
    }
    receiver_note_served(receiver);
    return !is_end;
}

bool receiver_refused(void *context, struct websocket *socket, const char *reason)
{
    struct receiver *receiver = context;
    receiver_add(&receiver->figures.refused_attempts, 1);
    log_event(LOG_WARNING, "connect_failed", "socket=%.200s detail=\"%s\"", websocket_url(socket), reason);
    return true;
}

/* --- opening
 * ---------------------------------------------------------------------------------------------------- */

static const char *base_of_link(const struct receiver *receiver, size_t link)
{
    const struct receiver_config *config = &receiver->config;
    if (!config->is_routed)
        return config->combined_url;
    return receiver->links[link].is_market ? config->market_url : config->public_url;
}

void receiver_connect(struct receiver *receiver, size_t index)
{
    struct link *link = &receiver->links[index];
    struct error error;
    struct buffer url;
    buffer_init(&url, WEBSOCKET_URL_BYTES_MAX);
    streams_url(&receiver->streams, index, base_of_link(receiver, index), &url);
    free(link->url);
    link->url = memory_copy_text(buffer_text(&url));
    buffer_finish(&url);
    struct connection *connections[] = {link->current, link->successor};
    for (size_t i = 0; i < sizeof connections / sizeof *connections; i++)
        if (connections[i] && websocket_move(connections[i]->socket, link->url, &error) != STATUS_OK)
            log_event(LOG_ERROR, "socket_url", "reason=\"%s\"", error.text);
    if (!link->current)
        connection_begin(receiver, index, &link->current);
    if (link->is_lacking)
        receiver_make_whole(receiver, index);
}

void receiver_make_whole(struct receiver *receiver, size_t index)
{
    struct link *link = &receiver->links[index];
    link->is_lacking = false;
    if (link->current && !link->successor)
        connection_begin(receiver, index, &link->successor);
    else if (link->successor && websocket_is_open(link->successor->socket)) /* it may lack the same */
        websocket_restart(link->successor->socket, "4002 it is to ask anew");
}

void receiver_open_sockets(struct receiver *receiver)
{
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (receiver->is_heard[receiver->streams.items[i].symbol])
            receiver_assign(receiver, &receiver->streams.items[i]);
    for (size_t i = 0; i < receiver->link_count; i++)
        receiver_connect(receiver, i);
    receiver->phase = PHASE_OPEN;
}

bool receiver_link_is_open(const struct link *link)
{
    return link->current && websocket_is_open(link->current->socket);
}

/* --- watching
 * --------------------------------------------------------------------------------------------------- */

static int64_t idle_limit_ms(const struct receiver *receiver, enum stream_use use)
{
    if (receiver->config.is_simulator || use == STREAM_TICKER)
        return 0;
    return use == STREAM_BOOK ? receiver->config.book_idle_ms : receiver->config.trade_idle_ms;
}

/* watch_streams: a silent stream has its socket re-established, only that one. */
static void watch_streams(struct receiver *receiver, int64_t now)
{
    for (size_t i = 0; i < receiver->streams.count; i++) {
        struct stream *stream = &receiver->streams.items[i];
        if (stream->link == STREAM_UNHEARD)
            continue;
        struct link *link = &receiver->links[stream->link];
        int64_t limit_ms = idle_limit_ms(receiver, stream->use);
        if (!limit_ms || !receiver_link_is_open(link) || now - stream->last_ms <= limit_ms)
            continue;
        receiver_add(&receiver->figures.substream_timeouts, 1);
        log_event(LOG_WARNING, "substream_timeout",
                  "symbol=%s socket=%.200s detail=\"%s silent for %" PRId64 " ms\"",
                  receiver->config.symbols[stream->symbol], link->url, stream->name, now - stream->last_ms);
        note_stream_times(receiver, stream->link);
        websocket_restart(link->current->socket, "4001 a stream stayed silent");
    }
}

static void relieve_old(struct receiver *receiver, int64_t now)
{
    int64_t limit_ms = receiver->config.max_connection_ms;
    for (size_t i = 0; limit_ms && i < receiver->link_count; i++) {
        struct link *link = &receiver->links[i];
        if (receiver_link_is_open(link) && !link->successor && now - link->current->opened_ms > limit_ms)
            connection_begin(receiver, i, &link->successor);
    }
}

void receiver_watch(struct receiver *receiver)
{
    int64_t now = receiver_now_ms(receiver);
    if (receiver->phase != PHASE_OPEN || now < receiver->watched_ms + 1000)
        return;
    receiver->watched_ms = now;
    for (size_t i = 0; receiver->is_paused && i < receiver->link_count; i++)
        note_stream_times(receiver, i); /* silent because nobody listens */
    watch_streams(receiver, now);
    relieve_old(receiver, now);
}

int64_t receiver_backlog(const struct receiver *receiver)
{
    uint64_t consumed = atomic_load_explicit(&receiver->consumed_seq, memory_order_acquire);
    uint64_t appended = capture_appended_seq(receiver->config.writer);
    return appended > consumed ? (int64_t)(appended - consumed) : 0;
}

/* set_pause: reading stops when the stage loop or the disk is behind, and goes on at half of that. */
void receiver_set_pause(struct receiver *receiver)
{
    int64_t backlog = receiver_backlog(receiver);
    int64_t limit = receiver->is_paused ? RECEIVER_BACKLOG_MAX / 2 : RECEIVER_BACKLOG_MAX;
    bool pause = receiver->queue.length > 0 || (receiver->config.waits_when_full && backlog > limit);
    if (pause == receiver->is_paused)
        return;
    receiver->is_paused = pause;
    atomic_store(&receiver->shows_pause, pause);
    receiver_add(&receiver->figures.pauses, pause);
    for (size_t i = 0; i < receiver->link_count; i++) {
        if (receiver->links[i].current)
            websocket_pause(receiver->links[i].current->socket, pause);
        if (receiver->links[i].successor)
            websocket_pause(receiver->links[i].successor->socket, pause);
    }
}
