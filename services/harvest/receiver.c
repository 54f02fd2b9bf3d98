/* Everything below receiver_main runs in the receiver's own thread; what other threads see is atomic or under the mutex. */
#include "receiver.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/rest_client.h"
#include "net/websocket_client.h"
#include "streams.h"

#include <ctype.h>
#include <inttypes.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IDLE_TURN_MS = 100,
    REST_TURN_MS = 1,        /* while answers are awaited */
    DRAIN_TURNS = 8,         /* reads before an answer is looked at, so that what was sent before it comes before it */
    ASK_AGAIN_MS = 1000,     /* between two tries for one snapshot (data.md §1.4.4) */
    SLOWER_MS = 10000,       /* after 429 */
    BANNED_MS = 120000,      /* after 418 */
    REST_TIMEOUT_MS = 10000,
    SIMULATOR_TIMEOUT_MS = 3600 * 1000, /* its market may be far from the snapshot */
    REST_ATTEMPTS = 5,
    BACKFILL_TRADES_MAX = 1000,
    SNAPSHOT_LEVELS = 1000,
    SNAPSHOT_LEVELS_SPOT = 5000,
    QUEUE_RETRY_MS = 100,
    CONN_ID_MAX = CAPTURE_ALL_CONNECTIONS - 1,
};

enum phase { PHASE_WAITING, PHASE_STREAMS, PHASE_INSTRUMENTS, PHASE_OPEN, PHASE_STOPPED };

/* connection: one websocket of a link. */
struct connection {
    struct receiver *receiver;
    size_t link;
    struct websocket *socket;
    uint16_t conn_id; /* of the present opening */
    int64_t opened_ms; /* monotonic */
};

/* link: a set of streams on one URL; for a moment two connections while one relieves the other. */
struct link {
    char *url;
    struct connection *current;
    struct connection *successor;
    bool has_ended; /* the recording's end was reached */
    _Atomic int64_t messages;
};

struct want {
    _Atomic int64_t snapshot_ticket; /* wanted by the feed, 0: none */
    _Atomic int64_t hole_first;
    _Atomic int64_t hole_last; /* 0: none */
    _Atomic bool reconnect;
    /* The thread's own. */
    int64_t asked_ticket;
    int64_t not_before_ms;
    int64_t asked_hole_first;
    bool has_reconnected;
};

enum rest_purpose { REST_STREAMS, REST_INSTRUMENTS, REST_SNAPSHOT, REST_BACKFILL, REST_PURPOSES };

struct receiver {
    struct receiver_config config; /* its texts are copies */
    char *texts[6 + 1];
    char **symbols;
    pthread_t thread;
    bool has_thread;
    struct websocket_client *sockets;
    struct rest_client *rest;
    struct streams streams;
    struct link links[RECEIVER_SOCKETS_MAX];
    size_t link_count;
    struct want *wants;
    enum phase phase;
    uint16_t next_conn_id;
    int64_t watched_ms;
    int64_t next_snapshot_ms; /* spacing of snapshots over all symbols */
    int64_t next_streams_ms;  /* asking the simulator again */
    bool is_paused;
    uint64_t flushed_seq; /* at the last wake */
    struct buffer queue;  /* records the disk did not take: struct queued, payload, … */
    int64_t queue_retry_ms;
    pthread_mutex_t mutex; /* endpoints */
    struct receiver_endpoint endpoints[RECEIVER_SOCKETS_MAX];
    _Atomic bool is_going;
    _Atomic bool is_stopping;
    _Atomic bool is_quitting;
    _Atomic bool is_stopped;
    _Atomic bool shows_pause;
    _Atomic uint64_t consumed_seq;
    _Atomic int64_t endpoint_count;
    struct receiver_atomics {
        _Atomic int64_t messages, message_bytes, queue_dropped, messages_too_large, connections_open, openings,
            planned_reconnects, refused_attempts, substream_timeouts, rest_requests, rest_failures, snapshots_asked,
            pauses;
    } figures;
};

struct queued {
    int64_t recv_ns, mono_ns;
    uint64_t bytes;
    uint16_t kind, conn_id;
};

static int64_t now_ms(const struct receiver *receiver)
{
    return clock_monotonic_ms(&receiver->config.clock);
}

static void add_to(_Atomic int64_t *figure, int64_t amount)
{
    atomic_fetch_add_explicit(figure, amount, memory_order_relaxed);
}

/* --- appending -------------------------------------------------------------------------------------------------- */

static void enqueue(struct receiver *receiver, const struct queued *head, const void *payload)
{
    struct buffer *queue = &receiver->queue;
    if (queue->length + sizeof *head + head->bytes > RECEIVER_QUEUE_BYTES_MAX) {
        add_to(&receiver->figures.queue_dropped, 1);
        return;
    }
    buffer_append(queue, head, sizeof *head);
    buffer_append(queue, payload, head->bytes);
}

static void append(struct receiver *receiver, enum capture_kind kind, uint16_t conn_id, const void *payload,
                   size_t bytes)
{
    struct queued head = {
        .recv_ns = clock_wall_ns(&receiver->config.clock),
        .mono_ns = clock_monotonic_ns(&receiver->config.clock),
        .bytes = bytes,
        .kind = (uint16_t)kind,
        .conn_id = conn_id,
    };
    enum status status = STATUS_IO;
    if (receiver->queue.length == 0)
        status = capture_append(receiver->config.writer, kind, conn_id, head.recv_ns, head.mono_ns, payload, bytes, NULL);
    if (status == STATUS_LIMIT)
        add_to(&receiver->figures.messages_too_large, 1);
    else if (status != STATUS_OK)
        enqueue(receiver, &head, payload);
}

/* dequeue: what the disk refused before; the rest stays when it still refuses. */
static void dequeue(struct receiver *receiver)
{
    struct buffer *queue = &receiver->queue;
    size_t at = 0;
    if (queue->length == 0 || now_ms(receiver) < receiver->queue_retry_ms)
        return;
    while (at < queue->length) {
        struct queued head;
        memcpy(&head, queue->data + at, sizeof head);
        if (capture_append(receiver->config.writer, (enum capture_kind)head.kind, head.conn_id, head.recv_ns,
                           head.mono_ns, queue->data + at + sizeof head, head.bytes, NULL) != STATUS_OK)
            break;
        at += sizeof head + head.bytes;
    }
    memmove(queue->data, queue->data + at, queue->length - at);
    queue->length -= at;
    receiver->queue_retry_ms = now_ms(receiver) + QUEUE_RETRY_MS;
}

static void flush(struct receiver *receiver)
{
    dequeue(receiver);
    if (capture_flush(receiver->config.writer) != STATUS_OK)
        log_event(LOG_ERROR, "capture_write_failed", "queued_bytes=%zu what=\"kept in memory, tried again\"",
                  receiver->queue.length);
    uint64_t flushed_seq = capture_flushed_seq(receiver->config.writer);
    if (flushed_seq != receiver->flushed_seq) {
        receiver->flushed_seq = flushed_seq;
        receiver->config.wake(receiver->config.wake_context);
    }
}

/* --- endpoints, for the manifest -------------------------------------------------------------------------------- */

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

static void endpoint_closed(struct receiver *receiver, size_t link)
{
    pthread_mutex_lock(&receiver->mutex);
    receiver->endpoints[link].closed_ms = clock_wall_ms(&receiver->config.clock);
    pthread_mutex_unlock(&receiver->mutex);
}

/* --- connections ------------------------------------------------------------------------------------------------ */

static void connection_begin(struct receiver *receiver, size_t link, struct connection **out_connection)
{
    struct connection *connection = memory_allocate(sizeof *connection);
    struct error error;
    connection->receiver = receiver;
    connection->link = link;
    if (websocket_add(receiver->sockets, receiver->links[link].url, connection, &connection->socket, &error) !=
        STATUS_OK) {
        log_event(LOG_ERROR, "socket_url", "reason=\"%s\"", error.text);
        free(connection);
        return;
    }
    websocket_pause(connection->socket, receiver->is_paused);
    *out_connection = connection;
}

static void connection_drop(struct receiver *receiver, struct connection **connection, const char *reason)
{
    struct connection *gone = *connection;
    if (!gone)
        return;
    if (gone->conn_id) {
        append(receiver, CAPTURE_CLOSED, gone->conn_id, reason, strlen(reason));
        add_to(&receiver->figures.connections_open, -1);
    }
    websocket_remove(gone->socket);
    free(gone);
    *connection = NULL;
}

static void note_stream_times(struct receiver *receiver, size_t link)
{
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (receiver->streams.items[i].link == link)
            receiver->streams.items[i].last_ms = now_ms(receiver);
}

static void opened(void *context, struct websocket *socket)
{
    struct receiver *receiver = context;
    struct connection *connection = websocket_data(socket);
    const char *url = websocket_url(socket);
    receiver->next_conn_id = (uint16_t)(receiver->next_conn_id % CONN_ID_MAX + 1);
    connection->conn_id = receiver->next_conn_id;
    connection->opened_ms = now_ms(receiver);
    append(receiver, CAPTURE_OPENED, connection->conn_id, url, strlen(url));
    add_to(&receiver->figures.connections_open, 1);
    add_to(&receiver->figures.openings, 1);
    note_stream_times(receiver, connection->link);
    endpoint_opened(receiver, connection->link);
    log_event(LOG_INFO, "socket_open", "conn=%d url=%.200s", connection->conn_id, url);
}

/* relieve: the successor has delivered: the older connection may go. */
static void relieve(struct receiver *receiver, struct link *link)
{
    connection_drop(receiver, &link->current, "planned");
    link->current = link->successor;
    link->successor = NULL;
    add_to(&receiver->figures.planned_reconnects, 1);
}

static void message(void *context, struct websocket *socket, const char *text, size_t bytes)
{
    struct receiver *receiver = context;
    struct connection *connection = websocket_data(socket);
    struct link *link = &receiver->links[connection->link];
    append(receiver, CAPTURE_MESSAGE, connection->conn_id, text, bytes);
    add_to(&receiver->figures.messages, 1);
    add_to(&receiver->figures.message_bytes, (int64_t)bytes);
    add_to(&link->messages, 1);
    if (receiver->config.trade_idle_ms || receiver->config.book_idle_ms) {
        size_t stream = streams_find(&receiver->streams, text, bytes);
        if (stream != MAP_ABSENT)
            receiver->streams.items[stream].last_ms = now_ms(receiver);
    }
    if (connection == link->successor)
        relieve(receiver, link);
}

static void skipped(void *context, struct websocket *socket, size_t bytes)
{
    struct receiver *receiver = context;
    add_to(&receiver->figures.messages_too_large, 1);
    log_event(LOG_WARNING, "message_too_large", "bytes=%zu url=%.200s", bytes, websocket_url(socket));
}

static bool all_ended(const struct receiver *receiver)
{
    for (size_t i = 0; i < receiver->link_count; i++)
        if (!receiver->links[i].has_ended)
            return false;
    return receiver->link_count > 0;
}

static bool lost(void *context, struct websocket *socket, const char *reason)
{
    static const char END_OF_RECORDING[] = "1000 end of recording";
    struct receiver *receiver = context;
    struct connection *connection = websocket_data(socket);
    struct link *link = &receiver->links[connection->link];
    bool is_end = strncmp(reason, END_OF_RECORDING, sizeof END_OF_RECORDING - 1) == 0;
    append(receiver, CAPTURE_CLOSED, connection->conn_id, reason, strlen(reason));
    connection->conn_id = 0;
    add_to(&receiver->figures.connections_open, -1);
    endpoint_closed(receiver, connection->link);
    log_event(is_end ? LOG_INFO : LOG_WARNING, is_end ? "recording_end" : "reconnect", "socket=%.200s detail=\"%s\"",
              websocket_url(socket), reason);
    link->has_ended = link->has_ended || is_end;
    if (all_ended(receiver))
        receiver->phase = PHASE_STOPPED;
    if (!is_end && connection == link->current && link->successor) {
        websocket_remove(socket);
        free(connection);
        link->current = link->successor;
        link->successor = NULL;
    }
    return !is_end;
}

static bool refused(void *context, struct websocket *socket, const char *reason)
{
    struct receiver *receiver = context;
    add_to(&receiver->figures.refused_attempts, 1);
    log_event(LOG_WARNING, "connect_failed", "socket=%.200s detail=\"%s\"", websocket_url(socket), reason);
    return true;
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

/* assign_links: which socket carries which stream: books and tickers apart from trades when routed. */
static void assign_links(struct receiver *receiver)
{
    const struct receiver_config *config = &receiver->config;
    size_t per_socket = config->is_simulator ? SIZE_MAX : RECEIVER_STREAMS_PER_SOCKET;
    struct {
        size_t link, used;
        bool begun;
    } route[2] = {0};
    receiver->link_count = 0;
    for (size_t i = 0; i < receiver->streams.count; i++) {
        struct stream *stream = &receiver->streams.items[i];
        size_t which = config->is_routed && stream->use == STREAM_TRADE;
        bool is_full = route[which].used >= per_socket && receiver->link_count < RECEIVER_SOCKETS_MAX;
        if (!route[which].begun || is_full) {
            route[which].begun = true;
            route[which].link = receiver->link_count++;
            route[which].used = 0;
        }
        stream->link = route[which].link;
        route[which].used++;
    }
}

static const char *base_of_link(const struct receiver *receiver, size_t link)
{
    const struct receiver_config *config = &receiver->config;
    if (!config->is_routed)
        return config->combined_url;
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (receiver->streams.items[i].link == link && receiver->streams.items[i].use == STREAM_TRADE)
            return config->market_url;
    return config->public_url;
}

static void open_sockets(struct receiver *receiver)
{
    assign_links(receiver);
    for (size_t i = 0; i < receiver->link_count; i++) {
        struct buffer url;
        buffer_init(&url, WEBSOCKET_URL_BYTES_MAX);
        streams_url(&receiver->streams, i, base_of_link(receiver, i), &url);
        receiver->links[i].url = memory_copy_text(buffer_text(&url));
        buffer_finish(&url);
        connection_begin(receiver, i, &receiver->links[i].current);
    }
    atomic_store(&receiver->endpoint_count, (int64_t)receiver->link_count);
    receiver->phase = PHASE_OPEN;
}

/* --- REST ------------------------------------------------------------------------------------------------------- */

static const char *api_prefix(enum venue_market market)
{
    static const char *const PREFIXES[] = {[VENUE_USDM] = "/fapi/v1", [VENUE_COINM] = "/dapi/v1", [VENUE_SPOT] = "/api/v3"};
    return PREFIXES[market];
}

static bool request(struct receiver *receiver, enum rest_purpose purpose, size_t symbol, const char *url)
{
    struct rest_request wanted = {
        .url = url,
        .timeout_ms = receiver->config.is_simulator && purpose == REST_SNAPSHOT ? SIMULATOR_TIMEOUT_MS : REST_TIMEOUT_MS,
        .attempts = purpose == REST_STREAMS ? 1 : REST_ATTEMPTS,
        .data = (void *)(uintptr_t)(symbol * REST_PURPOSES + purpose),
    };
    if (rest_request_start(receiver->rest, &wanted) != STATUS_OK)
        return false;
    add_to(&receiver->figures.rest_requests, 1);
    return true;
}

static void ask_streams(struct receiver *receiver)
{
    char url[1024];
    snprintf(url, sizeof url, "%s/simulator/streams", receiver->config.rest_url);
    if (now_ms(receiver) < receiver->next_streams_ms || rest_client_pending(receiver->rest))
        return;
    receiver->next_streams_ms = now_ms(receiver) + ASK_AGAIN_MS / 4;
    request(receiver, REST_STREAMS, 0, url);
}

static void ask_instruments(struct receiver *receiver)
{
    struct buffer url;
    buffer_init(&url, 0);
    buffer_format(&url, "%s%s/exchangeInfo", receiver->config.rest_url, api_prefix(receiver->config.market));
    if (receiver->config.market == VENUE_SPOT) { /* all of spot would be more than a payload may have */
        buffer_append_text(&url, "?symbols=%5B");
        for (size_t i = 0; i < receiver->config.symbol_count; i++)
            buffer_format(&url, "%s%%22%s%%22", i ? "%2C" : "", receiver->config.symbols[i]);
        buffer_append_text(&url, "%5D");
    }
    receiver->phase = PHASE_INSTRUMENTS;
    if (!request(receiver, REST_INSTRUMENTS, 0, buffer_text(&url)))
        open_sockets(receiver);
    buffer_finish(&url);
}

/* is_venue_answer: an answer with a JSON body; what a proxy says in HTML is none. */
static bool is_venue_answer(const struct rest_answer *answer)
{
    return answer->http_status != 0 && answer->body_bytes > 0 && (answer->body[0] == '{' || answer->body[0] == '[');
}

static void append_answer(struct receiver *receiver, const struct rest_answer *answer)
{
    struct buffer payload;
    buffer_init(&payload, CAPTURE_PAYLOAD_BYTES_MAX);
    buffer_append_text(&payload, answer->url);
    buffer_append_byte(&payload, '\n');
    buffer_append(&payload, answer->body, answer->body_bytes);
    if (payload.overflowed)
        add_to(&receiver->figures.messages_too_large, 1);
    else
        append(receiver, CAPTURE_REST, 0, payload.data, payload.length);
    buffer_finish(&payload);
}

static void streams_answered(struct receiver *receiver, const struct rest_answer *answer)
{
    struct error error;
    if (answer->http_status != 200)
        return; /* asked again by the next turn */
    if (streams_choose_offered(&receiver->streams, &receiver->config, answer->body, answer->body_bytes, &error) !=
        STATUS_OK) {
        log_event(LOG_ERROR, "simulator_streams", "reason=\"%s\"", error.text);
        return;
    }
    ask_instruments(receiver);
}

static void snapshot_answered(struct receiver *receiver, size_t symbol, const struct rest_answer *answer)
{
    struct want *want = &receiver->wants[symbol];
    int64_t pause_ms = answer->http_status == 418 ? BANNED_MS : answer->http_status == 429 ? SLOWER_MS : ASK_AGAIN_MS;
    want->not_before_ms = now_ms(receiver) + pause_ms;
    if (!is_venue_answer(answer))
        want->asked_ticket = 0; /* nothing was recorded, so the feed still wants the same */
}

static void answered(void *context, void *data, const struct rest_answer *answer)
{
    struct receiver *receiver = context;
    enum rest_purpose purpose = (enum rest_purpose)((uintptr_t)data % REST_PURPOSES);
    size_t symbol = (uintptr_t)data / REST_PURPOSES;
    bool is_answer = is_venue_answer(answer);
    if (!is_answer) {
        add_to(&receiver->figures.rest_failures, 1);
        log_event(LOG_WARNING, "rest_failed", "url=%.200s status=%ld detail=\"%s\"", answer->url, answer->http_status,
                  answer->error ? answer->error : "not an answer of the venue");
    }
    if (receiver->phase == PHASE_STOPPED)
        return;
    if (is_answer && purpose != REST_STREAMS)
        append_answer(receiver, answer);
    switch (purpose) {
    case REST_STREAMS:
        streams_answered(receiver, answer);
        break;
    case REST_INSTRUMENTS:
        open_sockets(receiver);
        break;
    case REST_SNAPSHOT:
        snapshot_answered(receiver, symbol, answer);
        break;
    case REST_BACKFILL:
    case REST_PURPOSES:
        break;
    }
}

/* --- what the feed wants ---------------------------------------------------------------------------------------- */

/* book_link: the link that carries a symbol's books; the first one when none does. */
static struct link *book_link(struct receiver *receiver, size_t symbol)
{
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (receiver->streams.items[i].symbol == symbol && receiver->streams.items[i].use == STREAM_BOOK)
            return &receiver->links[receiver->streams.items[i].link];
    return &receiver->links[0];
}

static bool link_is_open(const struct link *link)
{
    return link->current && websocket_is_open(link->current->socket);
}

/* snapshot_spacing_ms: the venue's request weights allow so many snapshots. */
static int64_t snapshot_spacing_ms(const struct receiver *receiver)
{
    if (receiver->config.is_simulator)
        return 0;
    return receiver->config.market == VENUE_SPOT ? 2600 : 520;
}

static void ask_snapshot(struct receiver *receiver, size_t symbol)
{
    struct want *want = &receiver->wants[symbol];
    int64_t ticket = atomic_load_explicit(&want->snapshot_ticket, memory_order_acquire), now = now_ms(receiver);
    if (!ticket || ticket == want->asked_ticket || now < want->not_before_ms || now < receiver->next_snapshot_ms ||
        !link_is_open(book_link(receiver, symbol)))
        return;
    char url[1024];
    snprintf(url, sizeof url, "%s%s/depth?symbol=%s&limit=%d", receiver->config.rest_url,
             api_prefix(receiver->config.market), receiver->config.symbols[symbol],
             receiver->config.market == VENUE_SPOT ? SNAPSHOT_LEVELS_SPOT : SNAPSHOT_LEVELS);
    want->not_before_ms = now + ASK_AGAIN_MS;
    if (!request(receiver, REST_SNAPSHOT, symbol, url))
        return;
    want->asked_ticket = ticket;
    receiver->next_snapshot_ms = now + snapshot_spacing_ms(receiver);
    add_to(&receiver->figures.snapshots_asked, 1);
}

static void ask_backfill(struct receiver *receiver, size_t symbol)
{
    struct want *want = &receiver->wants[symbol];
    int64_t last = atomic_load_explicit(&want->hole_last, memory_order_acquire);
    int64_t first = atomic_load_explicit(&want->hole_first, memory_order_acquire);
    if (!receiver->config.backfill || !last || first == want->asked_hole_first || first > last)
        return;
    int64_t limit = last - first + 1 < BACKFILL_TRADES_MAX ? last - first + 1 : BACKFILL_TRADES_MAX;
    char url[1024];
    snprintf(url, sizeof url, "%s%s/aggTrades?symbol=%s&fromId=%" PRId64 "&limit=%" PRId64, receiver->config.rest_url,
             api_prefix(receiver->config.market), receiver->config.symbols[symbol], first, limit);
    if (request(receiver, REST_BACKFILL, symbol, url))
        want->asked_hole_first = first;
}

/* reconnect_for: five snapshots did not fit: one re-opening of the book socket for each such time. */
static void reconnect_for(struct receiver *receiver, size_t symbol)
{
    struct want *want = &receiver->wants[symbol];
    bool wanted = atomic_load_explicit(&want->reconnect, memory_order_acquire);
    struct link *link = book_link(receiver, symbol);
    if (wanted && !want->has_reconnected && !receiver->config.is_simulator && link_is_open(link)) {
        want->has_reconnected = true;
        websocket_restart(link->current->socket, "4000 no snapshot fits");
    } else if (!wanted) {
        want->has_reconnected = false;
    }
}

static void serve_wants(struct receiver *receiver)
{
    for (size_t i = 0; receiver->phase == PHASE_OPEN && i < receiver->config.symbol_count; i++) {
        ask_snapshot(receiver, i);
        ask_backfill(receiver, i);
        reconnect_for(receiver, i);
    }
}

/* --- watching --------------------------------------------------------------------------------------------------- */

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
        struct link *link = &receiver->links[stream->link];
        int64_t limit_ms = idle_limit_ms(receiver, stream->use);
        if (!limit_ms || !link_is_open(link) || now - stream->last_ms <= limit_ms)
            continue;
        add_to(&receiver->figures.substream_timeouts, 1);
        log_event(LOG_WARNING, "substream_timeout", "symbol=%s socket=%.200s detail=\"%s silent for %" PRId64 " ms\"",
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
        if (link_is_open(link) && !link->successor && now - link->current->opened_ms > limit_ms)
            connection_begin(receiver, i, &link->successor);
    }
}

static void watch(struct receiver *receiver)
{
    int64_t now = now_ms(receiver);
    if (receiver->phase != PHASE_OPEN || now < receiver->watched_ms + 1000)
        return;
    receiver->watched_ms = now;
    for (size_t i = 0; receiver->is_paused && i < receiver->link_count; i++)
        note_stream_times(receiver, i); /* silent because nobody listens */
    watch_streams(receiver, now);
    relieve_old(receiver, now);
}

static int64_t backlog_of(const struct receiver *receiver)
{
    uint64_t consumed = atomic_load_explicit(&receiver->consumed_seq, memory_order_acquire);
    uint64_t appended = capture_appended_seq(receiver->config.writer);
    return appended > consumed ? (int64_t)(appended - consumed) : 0;
}

/* set_pause: reading stops when the stage loop or the disk is behind, and goes on at half of that. */
static void set_pause(struct receiver *receiver)
{
    int64_t backlog = backlog_of(receiver);
    int64_t limit = receiver->is_paused ? RECEIVER_BACKLOG_MAX / 2 : RECEIVER_BACKLOG_MAX;
    bool pause = receiver->queue.length > 0 || (receiver->config.waits_when_full && backlog > limit);
    if (pause == receiver->is_paused)
        return;
    receiver->is_paused = pause;
    atomic_store(&receiver->shows_pause, pause);
    add_to(&receiver->figures.pauses, pause);
    for (size_t i = 0; i < receiver->link_count; i++) {
        if (receiver->links[i].current)
            websocket_pause(receiver->links[i].current->socket, pause);
        if (receiver->links[i].successor)
            websocket_pause(receiver->links[i].successor->socket, pause);
    }
}

/* --- the thread ------------------------------------------------------------------------------------------------- */

static void stop_intake(struct receiver *receiver)
{
    receiver->phase = PHASE_STOPPED;
    for (size_t i = 0; i < receiver->link_count; i++) {
        connection_drop(receiver, &receiver->links[i].current, "1001 intake stopped");
        connection_drop(receiver, &receiver->links[i].successor, "1001 intake stopped");
        endpoint_closed(receiver, i);
    }
}

static void begin(struct receiver *receiver)
{
    static const char RESTARTED[] = "harvest was restarted";
    if (capture_continued(receiver->config.writer))
        append(receiver, CAPTURE_CLOSED, CAPTURE_ALL_CONNECTIONS, RESTARTED, sizeof RESTARTED - 1);
    if (receiver->config.is_simulator) {
        receiver->phase = PHASE_STREAMS;
        return;
    }
    streams_choose(&receiver->streams, &receiver->config);
    ask_instruments(receiver);
}

static void obey(struct receiver *receiver)
{
    if (atomic_load(&receiver->is_stopping) && receiver->phase != PHASE_STOPPED)
        stop_intake(receiver);
    if (receiver->phase == PHASE_WAITING && atomic_load(&receiver->is_going))
        begin(receiver);
    if (receiver->phase == PHASE_STREAMS)
        ask_streams(receiver);
}

/* read_sockets: waits for the sockets, and before an awaited answer is looked at reads them empty. */
static enum status read_sockets(struct receiver *receiver)
{
    bool awaits = rest_client_pending(receiver->rest) > 0;
    enum status status = websocket_client_run_once(receiver->sockets, awaits ? REST_TURN_MS : IDLE_TURN_MS);
    int64_t before = -1;
    for (int i = 0; awaits && status == STATUS_OK && i < DRAIN_TURNS && before != receiver->figures.messages; i++) {
        before = receiver->figures.messages;
        status = websocket_client_run_once(receiver->sockets, 0);
    }
    return status;
}

static void *receiver_main(void *context)
{
    struct receiver *receiver = context;
    enum status status = STATUS_OK;
    while (!atomic_load(&receiver->is_quitting) && status == STATUS_OK) {
        obey(receiver);
        serve_wants(receiver);
        watch(receiver);
        set_pause(receiver);
        status = read_sockets(receiver);
        rest_client_run(receiver->rest, 0);
        flush(receiver);
        if (receiver->phase == PHASE_STOPPED && receiver->queue.length == 0 && !atomic_load(&receiver->is_stopped)) {
            atomic_store(&receiver->is_stopped, true);
            receiver->config.wake(receiver->config.wake_context);
        }
    }
    if (status != STATUS_OK)
        log_event(LOG_ERROR, "receiver_broken", "detail=\"the socket loop ended\"");
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static char *copy_or_null(const char *text)
{
    return text ? memory_copy_text(text) : NULL;
}

static void copy_texts(struct receiver *receiver)
{
    struct receiver_config *config = &receiver->config;
    const char **fields[] = {&config->public_url, &config->market_url,   &config->combined_url,
                             &config->rest_url,   &config->depth_stream, &config->certificate_path};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        *fields[i] = receiver->texts[i] = copy_or_null(*fields[i]);
    receiver->symbols = memory_allocate(config->symbol_count * sizeof *receiver->symbols);
    for (size_t i = 0; i < config->symbol_count; i++)
        receiver->symbols[i] = memory_copy_text(config->symbols[i]);
    config->symbols = (const char *const *)receiver->symbols;
}

/* resolve: whether the host of a URL has an address. */
static enum status resolve(const char *url, struct error *error)
{
    const char *host = url ? strstr(url, "://") : NULL;
    char name[256];
    if (!host)
        return error_set(error, STATUS_INVALID, "receiver: \"%s\" is not a URL", url ? url : "");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(host + 3, ":/?"), host + 3);
    struct addrinfo *found = NULL;
    int result = getaddrinfo(name, NULL, NULL, &found);
    if (result != 0)
        return error_set(error, STATUS_IO, "receiver: the host %s has no address: %s", name, gai_strerror(result));
    freeaddrinfo(found);
    return STATUS_OK;
}

static enum status resolve_hosts(const struct receiver_config *config, struct error *error)
{
    enum status status = resolve(config->rest_url, error);
    if (status == STATUS_OK)
        status = resolve(config->is_routed ? config->public_url : config->combined_url, error);
    if (status == STATUS_OK && config->is_routed)
        status = resolve(config->market_url, error);
    return status;
}

static enum status create_clients(struct receiver *receiver, struct error *error)
{
    const struct receiver_config *config = &receiver->config;
    struct websocket_client_config sockets = {
        .ping_interval_s = config->ping_interval_s,
        .pong_timeout_s = config->pong_timeout_s,
        .backoff_initial_ms = config->backoff_initial_ms,
        .backoff_factor = config->backoff_factor,
        .backoff_cap_ms = config->backoff_cap_ms,
        .backoff_jitter = config->backoff_jitter,
        .backoff_reset_s = config->backoff_reset_s,
        .jitter_seed = (uint64_t)clock_wall_ns(&config->clock),
        .message_bytes_max = CAPTURE_PAYLOAD_BYTES_MAX,
        .certificate_path = config->certificate_path,
        .handlers = {.opened = opened, .message = message, .skipped = skipped, .lost = lost, .refused = refused},
        .context = receiver,
    };
    struct rest_client_config rest = {
        .certificate_path = config->certificate_path,
        .close_connections = config->is_simulator,
        .clock = config->clock,
        .done = answered,
        .context = receiver,
    };
    enum status status = websocket_client_create(&sockets, &receiver->sockets, error);
    return status == STATUS_OK ? rest_client_create(&rest, &receiver->rest, error) : status;
}

/* start_thread: signals are the stage's affair, not this thread's. */
static enum status start_thread(struct receiver *receiver, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int result = pthread_create(&receiver->thread, NULL, receiver_main, receiver);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return error_set(error, STATUS_IO, "receiver: no thread: %s", strerror(result));
    receiver->has_thread = true;
    return STATUS_OK;
}

enum status receiver_create(const struct receiver_config *config, struct receiver **out_receiver, struct error *error)
{
    enum status status = resolve_hosts(config, error);
    if (status != STATUS_OK)
        return status;
    struct receiver *receiver = memory_allocate(sizeof *receiver);
    receiver->config = *config;
    copy_texts(receiver);
    if (config->is_simulator)
        receiver->config.trade_idle_ms = receiver->config.book_idle_ms = 0;
    receiver->wants = memory_allocate(config->symbol_count * sizeof *receiver->wants);
    streams_init(&receiver->streams);
    buffer_init(&receiver->queue, 0);
    pthread_mutex_init(&receiver->mutex, NULL);
    atomic_store(&receiver->consumed_seq, capture_appended_seq(config->writer));
    status = create_clients(receiver, error);
    if (status == STATUS_OK)
        status = start_thread(receiver, error);
    if (status != STATUS_OK) {
        receiver_destroy(receiver);
        return status;
    }
    *out_receiver = receiver;
    return STATUS_OK;
}

void receiver_destroy(struct receiver *receiver)
{
    if (!receiver)
        return;
    if (receiver->has_thread) {
        atomic_store(&receiver->is_quitting, true);
        websocket_client_wake(receiver->sockets);
        pthread_join(receiver->thread, NULL);
    }
    websocket_client_destroy(receiver->sockets);
    rest_client_destroy(receiver->rest);
    for (size_t i = 0; i < receiver->link_count; i++) {
        free(receiver->links[i].url);
        free(receiver->links[i].current);
        free(receiver->links[i].successor);
    }
    for (size_t i = 0; i < receiver->config.symbol_count; i++)
        free(receiver->symbols[i]);
    for (size_t i = 0; i < sizeof receiver->texts / sizeof receiver->texts[0]; i++)
        free(receiver->texts[i]);
    free(receiver->symbols);
    free(receiver->wants);
    streams_finish(&receiver->streams);
    buffer_finish(&receiver->queue);
    pthread_mutex_destroy(&receiver->mutex);
    free(receiver);
}

void receiver_go(struct receiver *receiver)
{
    atomic_store(&receiver->is_going, true);
    websocket_client_wake(receiver->sockets);
}

void receiver_stop_intake(struct receiver *receiver)
{
    atomic_store(&receiver->is_stopping, true);
    websocket_client_wake(receiver->sockets);
}

bool receiver_stopped(const struct receiver *receiver)
{
    return atomic_load(&receiver->is_stopped);
}

/* put: stores a value; true when it is a new one. */
static bool put(_Atomic int64_t *place, int64_t value)
{
    return atomic_exchange_explicit(place, value, memory_order_acq_rel) != value;
}

void receiver_ask(struct receiver *receiver, size_t symbol, const struct feed *feed)
{
    struct want *want = &receiver->wants[symbol];
    int64_t first = 0, last = 0;
    if (!feed_wants_trades(feed, symbol, &first, &last))
        first = last = 0;
    bool is_new = put(&want->snapshot_ticket, feed_wants_snapshot(feed, symbol));
    is_new = put(&want->hole_first, first) || is_new;
    is_new = put(&want->hole_last, last) || is_new;
    bool reconnect = feed_wants_reconnect(feed, symbol);
    is_new = atomic_exchange_explicit(&want->reconnect, reconnect, memory_order_acq_rel) != reconnect || is_new;
    atomic_store_explicit(&receiver->consumed_seq, feed_position(feed), memory_order_release);
    bool may_resume = atomic_load(&receiver->shows_pause) && backlog_of(receiver) < RECEIVER_BACKLOG_MAX / 2;
    if (is_new || may_resume)
        websocket_client_wake(receiver->sockets);
}

struct receiver_figures receiver_figures(const struct receiver *receiver)
{
    const struct receiver_atomics *figures = &receiver->figures;
    return (struct receiver_figures){
        .messages = figures->messages,
        .message_bytes = figures->message_bytes,
        .queue_dropped = figures->queue_dropped,
        .messages_too_large = figures->messages_too_large,
        .connections_open = figures->connections_open,
        .openings = figures->openings,
        .planned_reconnects = figures->planned_reconnects,
        .refused_attempts = figures->refused_attempts,
        .substream_timeouts = figures->substream_timeouts,
        .rest_requests = figures->rest_requests,
        .rest_failures = figures->rest_failures,
        .snapshots_asked = figures->snapshots_asked,
        .pauses = figures->pauses,
        .backlog = backlog_of(receiver),
    };
}

bool receiver_endpoint(struct receiver *receiver, size_t index, struct receiver_endpoint *out_endpoint)
{
    if ((int64_t)index >= atomic_load(&receiver->endpoint_count))
        return false;
    pthread_mutex_lock(&receiver->mutex);
    *out_endpoint = receiver->endpoints[index];
    out_endpoint->messages = receiver->links[index].messages;
    pthread_mutex_unlock(&receiver->mutex);
    return true;
}
