/* receiver_bench: a receiver, its capture and its feed against a venue that runs in the test's own thread. */
#pragma once

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/rest_client.h"
#include "net/server.h"
#include "net/websocket_client.h"
#include "services/harvest/receiver.h"
#include "tests/support/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTBOX_MAX = 256, PATIENCE_MS = 60000 };

/* venue: the other side; runs in the test's own thread. */
struct venue_double {
    struct server *server;
    struct server_socket *socket; /* the newest one */
    char *target;                 /* of it */
    char *outbox[OUTBOX_MAX];
    size_t outbox_count, outbox_sent;
    int64_t flood, flood_sent; /* so many small messages besides */
    const char *close_reason;
    unsigned close_code;
    bool cuts;
    int opened, closed;
    int depth_requests, depth_failures; /* so many depth requests get no proper answer */
    int streams_failures;
    int trade_requests, trade_failures; /* likewise */
    char depth_body[600];
    char trades_body[600];
    char heard[300];                       /* what the client said last */
    const char *refusal;                   /* the answer to what it says next */
    const char *opens;                     /* a path that is accepted besides /stream */
    const char *mark;                      /* the socket whose streams contain this text … */
    struct server_socket *marked, *ending; /* … and the one that the recording's end reaches */
};

/* bench: everything of one test. */
struct bench {
    struct venue_double venue;
    struct capture_writer *writer;
    struct capture_reader *reader;
    struct feed *feed;
    struct receiver *receiver;
    char folder[64];
    char ws_url[64], http_url[64];
    size_t symbol_count; /* of the feed */
    bool feeds;          /* the stage loop's part: read the capture, feed, ask */
    struct buffer kinds; /* one letter per record: M message, O opened, C closed, R REST, V move */
    struct buffer last_closed, last_rest;
    int64_t largest;
    int64_t rows;
};

/* --- the venue
 * ------------------------------------------------------------------------------------------------------ */

static inline unsigned accept_any(void *context, const struct server_target *target)
{
    const struct venue_double *venue = context;
    bool opens = venue->opens && strcmp(target->path, venue->opens) == 0;
    return opens || strcmp(target->path, "/stream") == 0 ? 101 : 404;
}

static inline void socket_open(void *context, struct server_socket *socket,
                               const struct server_target *target)
{
    struct venue_double *venue = context;
    venue->socket = socket;
    venue->opened++;
    free(venue->target);
    const char *streams = server_target_argument(target, "streams");
    venue->target = memory_copy_text(streams ? streams : "");
    if (venue->mark && strstr(venue->target, venue->mark))
        venue->marked = socket;
    server_socket_ask(socket);
}

static inline void venue_say(struct venue_double *venue, const char *text)
{
    assert_true(venue->outbox_count < OUTBOX_MAX);
    venue->outbox[venue->outbox_count++] = memory_copy_text(text);
    if (venue->socket)
        server_socket_ask(venue->socket);
}

static inline void socket_message(void *context, struct server_socket *socket, const char *text, size_t bytes)
{
    struct venue_double *venue = context;
    (void)socket;
    snprintf(venue->heard, sizeof venue->heard, "%.*s", (int)bytes, text);
    if (venue->refusal)
        venue_say(venue, venue->refusal);
    venue->refusal = NULL;
}

static inline bool socket_writable(void *context, struct server_socket *socket)
{
    static const char SMALL[] = "{\"stream\":\"btcusdt@nothing\",\"data\":{}}";
    struct venue_double *venue = context;
    if (socket == venue->ending)
        server_socket_close(socket, 1000, "end of recording");
    if (socket == venue->ending || socket != venue->socket)
        return false;
    while (venue->outbox_sent < venue->outbox_count) {
        const char *text = venue->outbox[venue->outbox_sent];
        if (venue->cuts && venue->outbox_sent + 1 == venue->outbox_count) {
            venue->outbox_sent++;
            venue->cuts = false;
            server_socket_cut(socket, text, strlen(text));
            return false;
        }
        venue->outbox_sent++;
        if (!server_socket_send(socket, text, strlen(text)))
            return true;
    }
    while (venue->flood_sent < venue->flood) {
        venue->flood_sent++;
        if (!server_socket_send(socket, SMALL, sizeof SMALL - 1))
            return true;
    }
    if (venue->close_reason)
        server_socket_close(socket, venue->close_code, venue->close_reason);
    return false;
}

static inline void socket_closed(void *context, struct server_socket *socket)
{
    struct venue_double *venue = context;
    venue->closed++;
    if (venue->socket == socket)
        venue->socket = NULL;
}

static inline void answer(struct server_request *request, unsigned status, const char *body)
{
    server_answer(request, &(struct server_answer){.status = status,
                                                   .content_type = "application/json",
                                                   .body = body,
                                                   .body_bytes = strlen(body)});
}

static inline void request_came(void *context, struct server_request *request)
{
    struct venue_double *venue = context;
    const char *path = server_request_target(request)->path;
    if (strcmp(path, "/simulator/streams") == 0 && venue->streams_failures-- > 0)
        answer(request, 503, "starting");
    else if (strcmp(path, "/simulator/streams") == 0)
        answer(request, 200,
               "{\"market\":\"usdm\",\"symbols\":[\"BTCUSDT\",\"XRPUSDT\"],\"streams\":[\"btcusdt@trade\","
               "\"btcusdt@depth@0ms\","
               "\"btcusdt@aggTrade\",\"btcusdt@markPrice@1s\",\"btcusdt@depth5\",\"btcusdt@bookTicker\","
               "\"xrpusdt@trade\"]}");
    else if (strcmp(path, "/fapi/v1/exchangeInfo") == 0)
        answer(request, 200, "{\"symbols\":[]}");
    else if (strcmp(path, "/fapi/v1/depth") == 0 && ++venue->depth_requests <= venue->depth_failures)
        answer(request, 502, "<html>bad gateway</html>");
    else if (strcmp(path, "/fapi/v1/depth") == 0)
        answer(request, 200, venue->depth_body);
    else if (strcmp(path, "/fapi/v1/aggTrades") == 0 && ++venue->trade_requests <= venue->trade_failures)
        answer(request, 502, "<html>bad gateway</html>");
    else if (strcmp(path, "/fapi/v1/aggTrades") == 0)
        answer(request, 200, venue->trades_body);
    else
        answer(request, 404, "{\"code\":-1}");
}

static inline void venue_say_diff(struct venue_double *venue, int64_t first, int64_t last, int64_t previous)
{
    char text[300];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@depth@0ms\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"U\":%" PRId64
             ",\"u\":%" PRId64 ",\"pu\":%" PRId64 ",\"b\":[[\"100\",\"2\"]],\"a\":[]}}",
             last, last, first, last, previous);
    venue_say(venue, text);
}

/* --- the bench
 * ------------------------------------------------------------------------------------------------------ */

static inline void take_row(void *context, size_t symbol, const struct message *message, const void *row)
{
    (void)symbol, (void)message, (void)row;
    ((struct bench *)context)->rows++;
}

static inline void no_wake(void *context)
{
    (void)context; /* the test's loop turns all the time */
}

static inline struct receiver_config bench_settings(struct bench *bench)
{
    static const char *const SYMBOLS[] = {"BTCUSDT"};
    return (struct receiver_config){
        .writer = bench->writer,
        .market = VENUE_USDM,
        .symbols = SYMBOLS,
        .symbol_count = 1,
        .raw_trades = true,
        .is_simulator = true,
        .combined_url = bench->ws_url,
        .rest_url = bench->http_url,
        .depth_stream = "@depth@100ms",
        .waits_when_full = true,
        .ping_interval_s = 20,
        .pong_timeout_s = 10,
        .backoff_initial_ms = 20,
        .backoff_factor = 2,
        .backoff_cap_ms = 100,
        .backoff_jitter = 0.2,
        .backoff_reset_s = 300,
        .clock = clock_system(),
        .wake = no_wake,
    };
}

static inline void open_capture(struct bench *bench)
{
    struct capture_writer_config capture = {
        .folder = bench->folder, .run_id = "r", .metadata_json = "{}", .clock = clock_system()};
    struct error error = {""};
    if (capture_writer_open(&capture, &bench->writer, &error) != STATUS_OK ||
        capture_reader_open(bench->folder, "r", bench->writer, &bench->reader, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

/* bench_feed: in the place of the one there was. */
static inline void bench_feed(struct bench *bench, const char *const *symbols, size_t count,
                              enum book_source source)
{
    struct feed_config feed;
    feed_config_defaults(&feed);
    feed.symbols = symbols;
    feed.symbol_count = bench->symbol_count = count;
    feed.raw_trades = true;
    feed.book_source = source;
    feed.max_clock_skew_ms = 0;
    feed_destroy(bench->feed);
    bench->feed = feed_create(&feed, take_row, bench, NULL);
}

static inline void bench_begin(struct bench *bench)
{
    static const char *const SYMBOLS[] = {"BTCUSDT"};
    memset(bench, 0, sizeof *bench);
    snprintf(bench->folder, sizeof bench->folder, "/tmp/orderflow-receiver-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    struct server_config server = {
        .host = "127.0.0.1",
        .connections_max = 64,
        .ping_interval_s = 180,
        .pong_timeout_s = 10,
        .handlers = {.accept = accept_any,
                     .open = socket_open,
                     .message = socket_message,
                     .writable = socket_writable,
                     .closed = socket_closed,
                     .request = request_came},
        .context = &bench->venue,
    };
    struct error error = {""};
    if (server_create(&server, &bench->venue.server, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    snprintf(bench->ws_url, sizeof bench->ws_url, "ws://127.0.0.1:%d", server_port(bench->venue.server));
    snprintf(bench->http_url, sizeof bench->http_url, "http://127.0.0.1:%d",
             server_port(bench->venue.server));
    snprintf(bench->venue.depth_body, sizeof bench->venue.depth_body,
             "{\"lastUpdateId\":10,\"bids\":[[\"100\",\"1\"]],\"asks\":[[\"101\",\"1\"]]}");
    open_capture(bench);
    bench_feed(bench, SYMBOLS, 1, BOOK_SOURCE_DIFF);
    bench->feeds = true;
}

static inline void bench_go(struct bench *bench, const struct receiver_config *settings)
{
    struct error error = {""};
    if (receiver_create(settings, &bench->receiver, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    receiver_go(bench->receiver);
}

/* bench_go_as_set: with bench_settings as they are. */
static inline void bench_go_as_set(struct bench *bench)
{
    struct receiver_config settings = bench_settings(bench);
    bench_go(bench, &settings);
}

static inline void bench_finish(struct bench *bench)
{
    receiver_destroy(bench->receiver);
    capture_reader_close(bench->reader);
    capture_writer_close(bench->writer);
    feed_destroy(bench->feed);
    server_destroy(bench->venue.server);
    for (size_t i = 0; i < bench->venue.outbox_count; i++)
        free(bench->venue.outbox[i]);
    free(bench->venue.target);
    buffer_finish(&bench->kinds);
    buffer_finish(&bench->last_closed);
    buffer_finish(&bench->last_rest);
    assert_int_equal(folder_remove(bench->folder), STATUS_OK);
}

static inline void note_record(struct bench *bench, const struct capture_record *record)
{
    static const char LETTERS[] = "?MOCR.mV";
    buffer_append_byte(&bench->kinds, (uint8_t)LETTERS[record->kind]);
    struct buffer *kept = record->kind == CAPTURE_CLOSED ? &bench->last_closed
                          : record->kind == CAPTURE_REST ? &bench->last_rest
                                                         : NULL;
    if (kept) {
        buffer_clear(kept);
        buffer_append(kept, record->payload, record->payload_bytes);
    }
    if ((int64_t)record->payload_bytes > bench->largest)
        bench->largest = (int64_t)record->payload_bytes;
}

/* turn: one round of the venue's loop and of what the stage loop does. */
static inline void turn(struct bench *bench)
{
    struct capture_record record;
    assert_int_equal(server_run_once(bench->venue.server, 1), STATUS_OK);
    for (int i = 0; bench->feeds && i < 20000 && capture_next(bench->reader, &record, NULL) == STATUS_OK;
         i++) {
        note_record(bench, &record);
        feed_record(bench->feed, &record, NULL);
    }
    for (size_t i = 0; bench->feeds && bench->receiver && i < bench->symbol_count; i++)
        receiver_ask(bench->receiver, i, bench->feed);
}

/* UNTIL: turns until the condition holds; fails after PATIENCE_MS. */
#define UNTIL(bench, condition)                                                        \
    do {                                                                               \
        struct clock until_clock = clock_system();                                     \
        int64_t until_end = clock_monotonic_ms(&until_clock) + PATIENCE_MS;            \
        while (!(condition)) {                                                         \
            turn(bench);                                                               \
            if (clock_monotonic_ms(&until_clock) > until_end)                          \
                fail_msg("waited in vain for: %s; records so far: %.300s", #condition, \
                         buffer_text(&(bench)->kinds));                                \
        }                                                                              \
    } while (0)
