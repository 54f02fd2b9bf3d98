/* The thread and its life. */
#include "receiver_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the thread
 * ------------------------------------------------------------------------------------------------- */

static void stop_intake(struct receiver *receiver)
{
    receiver->phase = PHASE_STOPPED;
    for (size_t i = 0; i < receiver->link_count; i++) {
        receiver_drop(receiver, &receiver->links[i].current, "1001 intake stopped");
        receiver_drop(receiver, &receiver->links[i].successor, "1001 intake stopped");
        receiver_endpoint_closed(receiver, i);
    }
}

static void begin(struct receiver *receiver)
{
    static const char RESTARTED[] = "harvest was restarted";
    if (capture_continued(receiver->config.writer))
        receiver_append(receiver, CAPTURE_CLOSED, CAPTURE_ALL_CONNECTIONS, RESTARTED, sizeof RESTARTED - 1);
    if (receiver->config.is_simulator) {
        receiver->phase = PHASE_STREAMS;
        return;
    }
    streams_choose(&receiver->streams, &receiver->config);
    receiver_ask_instruments(receiver);
}

static void record_end(struct receiver *receiver)
{
    receiver_append(receiver, CAPTURE_CLOSED, receiver->last_conn_id, receiver->last_reason,
                    strlen(receiver->last_reason));
    receiver->phase = PHASE_STOPPED;
}

static void obey(struct receiver *receiver)
{
    if (receiver->phase != PHASE_WAITING) /* the first record is that of the life before */
        receiver_obey_orders(receiver);
    if (atomic_load(&receiver->is_stopping) && receiver->phase < PHASE_ENDING)
        stop_intake(receiver);
    if (atomic_load(&receiver->is_stopping) && receiver->phase == PHASE_ENDING)
        record_end(receiver);
    if (receiver->phase == PHASE_WAITING && atomic_load(&receiver->is_going))
        begin(receiver);
    if (receiver->phase == PHASE_STREAMS)
        receiver_ask_streams(receiver);
}

/* end: the recording's end is recorded once every answer has arrived, also to what the feed found missing in the
 * last records, so that their moment changes nothing. */
static void end(struct receiver *receiver)
{
    if (receiver->phase == PHASE_ENDING && rest_client_pending(receiver->rest) == 0 &&
        !receiver_wants_more(receiver))
        record_end(receiver);
}

/* all_readable: neither the queue nor the capture's batch holds a record that the disk has not taken yet. */
static bool all_readable(const struct receiver *receiver)
{
    const struct capture_writer *writer = receiver->config.writer;
    return receiver->queue.length == 0 && capture_flushed_seq(writer) == capture_appended_seq(writer);
}

/* is_calm: nothing is done by the clock but the glance at the streams, once a second. */
static bool is_calm(const struct receiver *receiver)
{
    bool settled =
        receiver->phase == PHASE_WAITING || receiver->phase == PHASE_OPEN || receiver->phase == PHASE_STOPPED;
    return settled && all_readable(receiver) && !receiver_wants_more(receiver) &&
           !atomic_load(&receiver->shows_pause);
}

/* read_sockets: waits for the sockets, and before an awaited answer is looked at reads them empty. */
static enum status read_sockets(struct receiver *receiver)
{
    bool awaits =
        rest_client_pending(receiver->rest) > 0 || receiver->phase == PHASE_ENDING || receiver->awaits_time;
    enum status status = websocket_client_run_once(receiver->sockets, awaits              ? REST_TURN_MS
                                                                      : is_calm(receiver) ? CALM_TURN_MS
                                                                                          : IDLE_TURN_MS);
    int64_t before = -1;
    int turns_max = receiver->streams.awaits_read ? DRAIN_TURNS_STANDING : DRAIN_TURNS;
    for (int i = 0; awaits && status == STATUS_OK && i < turns_max && before != receiver->figures.messages;
         i++) {
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
        receiver_serve_wants(receiver);
        receiver_watch(receiver);
        receiver_set_pause(receiver);
        status = read_sockets(receiver);
        rest_client_run(receiver->rest, 0);
        if (receiver->phase == PHASE_OPEN || receiver->awaits_time)
            receiver->awaits_time = venue_clock_run(receiver->venue_clock);
        end(receiver);
        receiver_flush(receiver);
        if (receiver->phase == PHASE_STOPPED && all_readable(receiver) &&
            !atomic_load(&receiver->is_stopped)) {
            atomic_store(&receiver->is_stopped, true);
            receiver->config.wake(receiver->config.wake_context);
        }
    }
    if (status != STATUS_OK)
        log_event(LOG_ERROR, "receiver_broken", "detail=\"the socket loop ended\"");
    return NULL;
}

/* --- life
 * ------------------------------------------------------------------------------------------------------- */

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
    receiver->is_heard = memory_allocate(config->symbol_count * sizeof *receiver->is_heard);
    receiver->is_wanted = memory_allocate(config->symbol_count * sizeof *receiver->is_wanted);
    receiver->served_since = memory_allocate(config->symbol_count * sizeof *receiver->served_since);
    for (size_t i = 0; i < config->symbol_count; i++)
        receiver->is_heard[i] = receiver->is_wanted[i] = !config->is_heard || config->is_heard[i];
    config->is_heard = receiver->is_heard;
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
        return error_set(error, STATUS_IO, "receiver: the host %s has no address: %s", name,
                         gai_strerror(result));
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
        .handlers = {.opened = receiver_opened,
                     .message = receiver_message,
                     .skipped = receiver_skipped,
                     .lost = receiver_lost,
                     .refused = receiver_refused},
        .context = receiver,
    };
    struct rest_client_config rest = {
        .certificate_path = config->certificate_path,
        .close_connections = config->is_simulator,
        .clock = config->clock,
        .done = receiver_answered,
        .context = receiver,
    };
    enum status status = websocket_client_create(&sockets, &receiver->sockets, error);
    status = status == STATUS_OK ? rest_client_create(&rest, &receiver->rest, error) : status;
    struct venue_clock_config clock = {.rest_url = config->rest_url,
                                       .market = config->market,
                                       .certificate_path = config->certificate_path,
                                       .clock = config->clock};
    return status == STATUS_OK && config->measures_clock
               ? venue_clock_create(&clock, &receiver->venue_clock, error)
               : status;
}

/* start_thread: signals are the stage's affair, not this thread's. */
static enum status start_thread(struct receiver *receiver, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGXFSZ); /* tells a thread that its own write was refused (injury/effect.c counts) */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int result = pthread_create(&receiver->thread, NULL, receiver_main, receiver);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return error_set(error, STATUS_IO, "receiver: no thread: %s", strerror(result));
    receiver->has_thread = true;
    return STATUS_OK;
}

enum status receiver_create(const struct receiver_config *config, struct receiver **out_receiver,
                            struct error *error)
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
    receiver->dropped = memory_allocate(config->symbol_count * sizeof *receiver->dropped);
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

static void end_thread(struct receiver *receiver)
{
    if (!receiver->has_thread)
        return;
    atomic_store(&receiver->is_quitting, true);
    websocket_client_wake(receiver->sockets);
    pthread_join(receiver->thread, NULL);
    receiver->has_thread = false;
}

/* hang_up: no end is recorded: as after a kill, the next life's first record is the end of them all. */
static void hang_up(struct connection **connection)
{
    if (*connection)
        websocket_remove((*connection)->socket);
    free(*connection);
    *connection = NULL;
}

void receiver_halt(struct receiver *receiver, int64_t until_ms)
{
    end_thread(receiver);
    for (size_t i = 0; i < receiver->link_count; i++) {
        hang_up(&receiver->links[i].current);
        hang_up(&receiver->links[i].successor);
    }
    receiver->queue_retry_ms = 0;
    receiver_flush(receiver);
    while (!all_readable(receiver) && receiver_now_ms(receiver) < until_ms &&
           websocket_client_run_once(receiver->sockets, QUEUE_RETRY_MS) == STATUS_OK)
        receiver_flush(receiver);
    if (!all_readable(receiver))
        receiver_give_up(receiver);
}

void receiver_destroy(struct receiver *receiver)
{
    if (!receiver)
        return;
    end_thread(receiver);
    websocket_client_destroy(receiver->sockets);
    rest_client_destroy(receiver->rest);
    venue_clock_destroy(receiver->venue_clock);
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
    free(receiver->is_heard);
    free(receiver->is_wanted);
    free(receiver->served_since);
    receiver_orders_drop(receiver);
    free(receiver->wants);
    free(receiver->dropped);
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
    int64_t first = 0, last = 0, ticket = 0;
    if (!feed_wants_trades(feed, symbol, &first, &last, &ticket))
        first = last = ticket = 0;
    bool is_new = put(&want->snapshot_ticket, feed_wants_snapshot(feed, symbol));
    is_new = put(&want->hole_first, first) || is_new;
    is_new = put(&want->hole_last, last) || is_new;
    is_new = put(&want->hole_ticket, ticket) || is_new;
    bool reconnect = feed_wants_reconnect(feed, symbol);
    is_new =
        atomic_exchange_explicit(&want->reconnect, reconnect, memory_order_acq_rel) != reconnect || is_new;
    if (symbol + 1 == receiver->config.symbol_count) /* only now is known what all of them want */
        atomic_store_explicit(&receiver->consumed_seq, feed_position(feed), memory_order_release);
    bool may_resume =
        atomic_load(&receiver->shows_pause) && receiver_backlog(receiver) < RECEIVER_BACKLOG_MAX / 2;
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
        .requests_refused = figures->requests_refused,
        .requests_unsaid = figures->requests_unsaid,
        .backlog = receiver_backlog(receiver),
        .clock_offset_ms = venue_clock_offset_ms(receiver->venue_clock),
        .clock_failures = venue_clock_failures(receiver->venue_clock),
    };
}

int64_t receiver_dropped(const struct receiver *receiver, size_t symbol)
{
    return receiver->dropped[symbol];
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
