// The receiver against a venue made of net/server: what it opens, asks and appends, and how it behaves when things
// go wrong.
// links: service_harvest market journal net proto base yyjson
// timeout: 120
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/rest_client.h"
#include "net/server.h"
#include "net/websocket_client.h"
#include "services/harvest/receiver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { OUTBOX_MAX = 256, PATIENCE_MS = 20000 };

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
    char heard[300]; /* what the client said last */
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
    bool feeds;          /* the stage loop's part: read the capture, feed, ask */
    struct buffer kinds; /* one letter per record: M message, O opened, C closed, R REST, V move */
    struct buffer last_closed, last_rest;
    int64_t largest;
    int64_t rows;
};

/* --- the venue
 * ------------------------------------------------------------------------------------------------------ */

static unsigned accept_any(void *context, const struct server_target *target)
{
    (void)context;
    return strcmp(target->path, "/stream") == 0 ? 101 : 404;
}

static void socket_open(void *context, struct server_socket *socket, const struct server_target *target)
{
    struct venue_double *venue = context;
    venue->socket = socket;
    venue->opened++;
    free(venue->target);
    const char *streams = server_target_argument(target, "streams");
    venue->target = memory_copy_text(streams ? streams : "");
    server_socket_ask(socket);
}

static void socket_message(void *context, struct server_socket *socket, const char *text, size_t bytes)
{
    struct venue_double *venue = context;
    (void)socket;
    snprintf(venue->heard, sizeof venue->heard, "%.*s", (int)bytes, text);
}

static bool socket_writable(void *context, struct server_socket *socket)
{
    static const char SMALL[] = "{\"stream\":\"btcusdt@nothing\",\"data\":{}}";
    struct venue_double *venue = context;
    if (socket != venue->socket)
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

static void socket_closed(void *context, struct server_socket *socket)
{
    struct venue_double *venue = context;
    venue->closed++;
    if (venue->socket == socket)
        venue->socket = NULL;
}

static void answer(struct server_request *request, unsigned status, const char *body)
{
    server_answer(request, &(struct server_answer){.status = status,
                                                   .content_type = "application/json",
                                                   .body = body,
                                                   .body_bytes = strlen(body)});
}

static void request_came(void *context, struct server_request *request)
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

static void venue_say(struct venue_double *venue, const char *text)
{
    assert_true(venue->outbox_count < OUTBOX_MAX);
    venue->outbox[venue->outbox_count++] = memory_copy_text(text);
    if (venue->socket)
        server_socket_ask(venue->socket);
}

static void venue_say_diff(struct venue_double *venue, int64_t first, int64_t last, int64_t previous)
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

static void take_row(void *context, size_t symbol, const struct message *message, const void *row)
{
    (void)symbol, (void)message, (void)row;
    ((struct bench *)context)->rows++;
}

static void no_wake(void *context)
{
    (void)context; /* the test's loop turns all the time */
}

static struct receiver_config receiver_settings(struct bench *bench)
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

static void open_capture(struct bench *bench)
{
    struct capture_writer_config capture = {
        .folder = bench->folder, .run_id = "r", .metadata_json = "{}", .clock = clock_system()};
    struct error error = {""};
    if (capture_writer_open(&capture, &bench->writer, &error) != STATUS_OK ||
        capture_reader_open(bench->folder, "r", bench->writer, &bench->reader, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static void bench_begin(struct bench *bench)
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
    struct feed_config feed;
    feed_config_defaults(&feed);
    feed.symbols = SYMBOLS;
    feed.symbol_count = 1;
    feed.raw_trades = true;
    feed.max_clock_skew_ms = 0;
    bench->feed = feed_create(&feed, take_row, bench, NULL);
    bench->feeds = true;
}

static void bench_go(struct bench *bench, const struct receiver_config *settings)
{
    struct error error = {""};
    if (receiver_create(settings, &bench->receiver, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    receiver_go(bench->receiver);
}

static void bench_finish(struct bench *bench)
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

static void note_record(struct bench *bench, const struct capture_record *record)
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
static void turn(struct bench *bench)
{
    struct capture_record record;
    assert_int_equal(server_run_once(bench->venue.server, 1), STATUS_OK);
    for (int i = 0; bench->feeds && i < 20000 && capture_next(bench->reader, &record, NULL) == STATUS_OK;
         i++) {
        note_record(bench, &record);
        feed_record(bench->feed, &record, NULL);
    }
    if (bench->feeds && bench->receiver)
        receiver_ask(bench->receiver, 0, bench->feed);
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

/* --- tests
 * ----------------------------------------------------------------------------------------------------------
 * */

static void test_a_recording_is_received_from_its_streams_to_its_end(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench.venue.streams_failures = 2;
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    assert_string_equal(bench.venue.target, "btcusdt@trade/btcusdt@depth@0ms/btcusdt@bookTicker");
    UNTIL(&bench, bench.venue.depth_requests == 1);
    venue_say_diff(&bench.venue, 9, 12, 8);
    venue_say_diff(&bench.venue, 13, 14, 12);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_EMITTED_BOOKS) == 2);
    bench.venue.close_code = 1000;
    bench.venue.close_reason = "end of recording";
    server_socket_ask(bench.venue.socket);
    UNTIL(&bench, feed_ended(bench.feed) && receiver_stopped(bench.receiver));
    assert_memory_equal(bench.kinds.data, "mRO",
                        3); /* exchangeInfo is there before the first message can be */
    assert_int_equal(bench.kinds.data[bench.kinds.length - 1], 'C');
    assert_string_equal(buffer_text(&bench.last_closed), "1000 end of recording");
    assert_non_null(strstr(buffer_text(&bench.last_rest),
                           "/fapi/v1/depth?symbol=BTCUSDT&limit=1000\n{\"lastUpdateId\":10"));
    struct receiver_figures figures = receiver_figures(bench.receiver);
    assert_int_equal(figures.messages, 2);
    assert_int_equal(figures.queue_dropped, 0);
    assert_int_equal(figures.openings, 1);
    assert_int_equal(figures.connections_open, 0);
    struct receiver_endpoint endpoint;
    assert_true(receiver_endpoint(bench.receiver, 0, &endpoint));
    assert_int_equal(endpoint.messages, 2);
    assert_true(endpoint.opened_ms > 0 && endpoint.closed_ms >= endpoint.opened_ms);
    assert_non_null(strstr(endpoint.url, "/stream?streams=btcusdt@trade/"));
    assert_false(receiver_endpoint(bench.receiver, 1, &endpoint));
    bench_finish(&bench);
}

/* use_aggregate_trades: a bench whose feed wants what it missed. */
static void use_aggregate_trades(struct bench *bench, struct receiver_config *settings)
{
    struct feed_config feed;
    feed_config_defaults(&feed);
    feed.symbols = settings->symbols;
    feed.symbol_count = 1;
    feed.max_clock_skew_ms = 0;
    feed_destroy(bench->feed);
    bench->feed = feed_create(&feed, take_row, bench, NULL);
    settings->raw_trades = false;
    settings->backfill = true;
}

static void venue_say_trade(struct venue_double *venue, int64_t id)
{
    char text[300];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"a\":%" PRId64
             ",\"p\":\"1\",\"q\":\"2\",\"f\":1,\"l\":2,\"m\":true}}",
             1000 * id, 1000 * id, id);
    venue_say(venue, text);
}

/* break_behind_trade_5: a live book, trade 5, then the connection is gone and comes back. */
static void break_behind_trade_5(struct bench *bench)
{
    UNTIL(bench, bench->venue.socket);
    venue_say_diff(&bench->venue, 9, 12, 8);
    venue_say_trade(&bench->venue, 5);
    UNTIL(bench, feed_count(bench->feed, 0, FEED_EMITTED_BOOKS) == 1);
    bench->venue.cuts = true;
    venue_say_trade(&bench->venue, 6); /* breaks off in the middle */
    UNTIL(bench, bench->venue.opened == 2);
}

static void end_recording(struct bench *bench)
{
    bench->venue.close_code = 1000;
    bench->venue.close_reason = "end of recording";
    server_socket_ask(bench->venue.socket);
    UNTIL(bench, feed_ended(bench->feed) && receiver_stopped(bench->receiver));
    assert_int_equal(bench->kinds.data[bench->kinds.length - 1], 'C');
    assert_string_equal(buffer_text(&bench->last_closed), "1000 end of recording");
}

static void test_the_end_waits_for_what_its_last_records_show_missing(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    use_aggregate_trades(&bench, &settings);
    snprintf(bench.venue.trades_body, sizeof bench.venue.trades_body,
             "[{\"a\":6,\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,\"T\":6000,\"m\":true},"
             "{\"a\":7,\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,\"T\":7000,\"m\":true}]");
    bench_go(&bench, &settings);
    break_behind_trade_5(&bench);
    bench.feeds = false; /* the stage loop is busy elsewhere: it sees all of it only behind the end */
    venue_say_trade(&bench.venue, 8);
    bench.venue.close_code = 1000;
    bench.venue.close_reason = "end of recording";
    server_socket_ask(bench.venue.socket);
    UNTIL(&bench, bench.venue.closed == 2);
    bench.feeds = true;
    UNTIL(&bench, feed_ended(bench.feed) && receiver_stopped(bench.receiver));
    assert_string_equal(buffer_text(&bench.last_closed), "1000 end of recording");
    assert_int_equal(feed_count(bench.feed, 0, FEED_EMITTED_TRADES), 4);
    assert_int_equal(feed_count(bench.feed, 0, FEED_BACKFILLED_TRADES), 2);
    assert_int_equal(feed_count(bench.feed, 0, FEED_TRADE_GAP_IDS), 0);
    assert_non_null(
        strstr(buffer_text(&bench.last_rest), "/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=6&limit="));
    bench_finish(&bench);
}

static void test_trades_nobody_answers_for_are_recorded_so(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    use_aggregate_trades(&bench, &settings);
    bench.venue.trade_failures = 1000;
    bench_go(&bench, &settings);
    break_behind_trade_5(&bench);
    venue_say_trade(&bench.venue, 8);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_BACKFILLS_GIVEN_UP) == 1);
    assert_int_equal(bench.venue.trade_requests, FEED_PAGE_TRIES_MAX);
    assert_string_equal(strchr(buffer_text(&bench.last_rest), '\n'), "\n");
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_REST_ERRORS), FEED_PAGE_TRIES_MAX);
    end_recording(&bench);
    assert_int_equal(feed_count(bench.feed, 0, FEED_TRADE_GAP_IDS), 2);
    bench_finish(&bench);
}

static void test_a_stop_does_not_wait_for_the_answers_an_end_waits_for(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    bench.feeds = false; /* so its last records are never consumed */
    venue_say_diff(&bench.venue, 9, 12, 8);
    bench.venue.close_code = 1000;
    bench.venue.close_reason = "end of recording";
    server_socket_ask(bench.venue.socket);
    UNTIL(&bench, bench.venue.closed == 1);
    for (int i = 0; i < 50; i++)
        turn(&bench);
    assert_false(receiver_stopped(bench.receiver));
    receiver_stop_intake(bench.receiver);
    UNTIL(&bench, receiver_stopped(bench.receiver));
    bench_finish(&bench);
}

static void test_nothing_is_opened_before_go(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    assert_int_equal(receiver_create(&settings, &bench.receiver, NULL), STATUS_OK);
    for (int i = 0; i < 50; i++)
        turn(&bench);
    assert_int_equal(receiver_figures(bench.receiver).rest_requests, 0);
    receiver_go(bench.receiver);
    UNTIL(&bench, bench.venue.opened == 1);
    bench_finish(&bench);
}

static void test_a_broken_connection_comes_back_and_both_ends_are_recorded(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    venue_say_diff(&bench.venue, 9, 12, 8);
    bench.venue.cuts = true;
    venue_say_diff(&bench.venue, 13, 14, 12); /* breaks off in the middle */
    UNTIL(&bench, bench.venue.opened == 2);
    venue_say_diff(&bench.venue, 13, 14, 12);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_EMITTED_BOOKS) == 2);
    assert_string_equal(buffer_text(&bench.last_closed), "1006 the connection broke");
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_RECONNECTS), 1);
    assert_int_equal(receiver_figures(bench.receiver).openings, 2);
    bench_finish(&bench);
}

static void test_a_stop_ends_the_intake_and_says_so(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, strchr(buffer_text(&bench.kinds), 'O'));
    receiver_stop_intake(bench.receiver);
    UNTIL(&bench, receiver_stopped(bench.receiver) && bench.venue.closed == 1 && bench.last_closed.length);
    assert_string_equal(buffer_text(&bench.last_closed), "1001 intake stopped");
    assert_false(feed_ended(bench.feed));
    bench_finish(&bench);
}

/* limit_files: no file may grow beyond so many bytes: a full disk. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_the_intake_is_not_over_while_the_disk_refuses_its_last_records(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, strchr(buffer_text(&bench.kinds), 'O'));
    limit_files(1);
    receiver_stop_intake(bench.receiver);
    UNTIL(&bench,
          bench.venue.closed == 1 && capture_appended_seq(bench.writer) > capture_flushed_seq(bench.writer));
    for (int i = 0; i < 300; i++) {
        assert_false(receiver_stopped(bench.receiver));
        turn(&bench);
    }
    limit_files(RLIM_INFINITY);
    UNTIL(&bench, receiver_stopped(bench.receiver) && bench.last_closed.length);
    assert_string_equal(buffer_text(&bench.last_closed), "1001 intake stopped");
    bench_finish(&bench);
}

/* queue_up: a disk that takes nothing, and more than a batch received meanwhile; how many messages in all. */
static int64_t queue_up(struct bench *bench)
{
    enum { MESSAGE_BYTES = 200 * 1024 };
    char *text = memory_allocate(MESSAGE_BYTES + 1);
    memset(text, 'x', MESSAGE_BYTES);
    UNTIL(bench, feed_count(bench->feed, FEED_ALL, FEED_REST_ANSWERS) == 2); /* nothing else is on its way */
    limit_files(1);
    while (!receiver_figures(bench->receiver).pauses) {
        int64_t before = receiver_figures(bench->receiver).messages;
        venue_say(&bench->venue, text);
        UNTIL(bench, receiver_figures(bench->receiver).messages > before);
        for (int i = 0; i < 20; i++)
            turn(bench);
    }
    free(text);
    return receiver_figures(bench->receiver).messages;
}

static int64_t messages_in(struct bench *bench)
{
    int64_t count = 0;
    turn(bench);
    for (const char *kind = buffer_text(&bench->kinds); *kind; kind++)
        count += *kind == 'M';
    return count;
}

static int64_t in_ms(int64_t patience_ms)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock) + patience_ms;
}

static void test_what_waits_for_the_disk_at_the_end_is_written_when_it_can_be(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    int64_t received = queue_up(&bench);
    assert_int_equal(messages_in(&bench), 0);
    limit_files(RLIM_INFINITY);
    receiver_halt(bench.receiver, in_ms(PATIENCE_MS));
    assert_int_equal(messages_in(&bench), received);
    assert_int_equal(receiver_figures(bench.receiver).queue_dropped, 0);
    bench_finish(&bench);
}

static void test_what_the_disk_does_not_take_to_the_end_is_counted_and_not_written_later(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    int64_t received = queue_up(&bench);
    receiver_halt(bench.receiver, in_ms(300));
    assert_true(received >= 2); /* some in the batch, one behind it */
    assert_int_equal(receiver_figures(bench.receiver).queue_dropped, received);
    limit_files(RLIM_INFINITY);
    receiver_destroy(bench.receiver);
    bench.receiver = NULL;
    capture_reader_close(bench.reader);
    capture_writer_close(bench.writer);
    open_capture(&bench);
    assert_int_equal(messages_in(&bench), 0);
    bench_finish(&bench);
}

static void test_answers_that_are_none_are_asked_for_again_and_not_recorded(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench.venue.depth_failures = 1;
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    venue_say_diff(&bench.venue, 9, 12, 8);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_EMITTED_BOOKS) == 1);
    assert_int_equal(bench.venue.depth_requests, 2);
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_REST_ANSWERS),
                     2); /* exchangeInfo and the good one */
    assert_int_equal(feed_count(bench.feed, 0, FEED_SNAPSHOTS_REFUSED), 0);
    assert_int_equal(receiver_figures(bench.receiver).rest_failures, 1);
    bench_finish(&bench);
}

static void test_large_messages_arrive_whole_and_too_large_ones_are_passed_over(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    char *large = memory_allocate(CAPTURE_PAYLOAD_BYTES_MAX + 100);
    memset(large, 'x', 3000000);
    venue_say(&bench.venue, large);
    memset(large, 'y', CAPTURE_PAYLOAD_BYTES_MAX + 50);
    venue_say(&bench.venue, large);
    venue_say(&bench.venue, "{\"stream\":\"btcusdt@nothing\",\"data\":{}}");
    UNTIL(&bench, feed_count(bench.feed, FEED_ALL, FEED_FILTERED_UNKNOWN_STREAM) == 1);
    assert_int_equal(bench.largest, 3000000);
    assert_int_equal(receiver_figures(bench.receiver).messages, 2);
    assert_int_equal(receiver_figures(bench.receiver).messages_too_large, 1);
    assert_int_equal(bench.venue.opened, 1);
    free(large);
    bench_finish(&bench);
}

static void test_reading_stops_while_the_stage_is_behind_and_nothing_is_lost(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    bench.feeds = false; /* the stage loop stands still */
    bench.venue.flood = 4 * (int64_t)RECEIVER_BACKLOG_MAX;
    server_socket_ask(bench.venue.socket);
    UNTIL(&bench, receiver_figures(bench.receiver).pauses == 1);
    int64_t received = 0;
    do { /* what was read before the pause trickles in */
        received = receiver_figures(bench.receiver).messages;
        for (int i = 0; i < 200; i++)
            turn(&bench);
    } while (received != receiver_figures(bench.receiver).messages);
    assert_true(received >= RECEIVER_BACKLOG_MAX && received < 2 * RECEIVER_BACKLOG_MAX);
    bench.feeds = true;
    UNTIL(&bench, feed_count(bench.feed, FEED_ALL, FEED_MESSAGES) == 4 * (int64_t)RECEIVER_BACKLOG_MAX);
    assert_int_equal(receiver_figures(bench.receiver).queue_dropped, 0);
    bench_finish(&bench);
}

static void test_a_restarted_harvest_closes_what_was_open(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    venue_say_diff(&bench.venue, 9, 12, 8);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_EMITTED_BOOKS) == 1);
    receiver_destroy(bench.receiver); /* as if killed: no end is recorded */
    bench.receiver = NULL;
    uint64_t seq = feed_position(bench.feed);
    capture_reader_close(bench.reader);
    capture_writer_close(bench.writer);
    open_capture(&bench);
    assert_int_equal(capture_seek(bench.reader, seq + 1, 0, NULL), STATUS_OK);
    settings = receiver_settings(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.opened == 2);
    venue_say_diff(&bench.venue, 13, 14, 12);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_EMITTED_BOOKS) == 2);
    assert_string_equal(buffer_text(&bench.last_closed), "harvest was restarted");
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_RECONNECTS), 1);
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_PLANNED_RECONNECTS), 0);
    bench_finish(&bench);
}

static void test_old_connections_are_relieved_before_the_venue_cuts_them(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    settings.max_connection_ms = 1;
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.opened == 2);
    venue_say_diff(&bench.venue, 9, 12, 8); /* the newest connection delivers */
    UNTIL(&bench, receiver_figures(bench.receiver).planned_reconnects == 1 && bench.last_closed.length);
    assert_string_equal(buffer_text(&bench.last_closed), "planned");
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_PLANNED_RECONNECTS), 1);
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_RECONNECTS), 0);
    bench_finish(&bench);
}

static void test_symbols_come_and_go_on_an_open_socket(void **state)
{
    (void)state;
    static const char *const BOTH[] = {"BTCUSDT", "XRPUSDT"};
    static const bool FIRST_ONLY[] = {true, false};
    static const char MOVE[] = "{\"move\":\"expect\",\"symbol\":\"XRPUSDT\",\"version\":2}";
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    settings.symbols = BOTH;
    settings.symbol_count = 2;
    settings.is_heard = FIRST_ONLY;
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.opened == 1 && strchr(buffer_text(&bench.kinds), 'O'));
    assert_string_equal(bench.venue.target, "btcusdt@trade/btcusdt@depth@0ms/btcusdt@bookTicker");
    assert_false(receiver_listens(bench.receiver, 1));
    receiver_listen(bench.receiver, 1, MOVE);
    UNTIL(&bench, *bench.venue.heard);
    assert_string_equal(bench.venue.heard,
                        "{\"method\":\"SUBSCRIBE\",\"params\":[\"xrpusdt@trade\"],\"id\":1}");
    UNTIL(&bench, strchr(buffer_text(&bench.kinds), 'V')); /* recorded before anything of it can come */
    assert_int_equal(bench.venue.opened, 1);
    bench.venue.cuts = true; /* coming back it asks for all of them at once */
    venue_say(&bench.venue, "{}");
    UNTIL(&bench, bench.venue.opened == 2);
    assert_string_equal(bench.venue.target,
                        "btcusdt@trade/btcusdt@depth@0ms/btcusdt@bookTicker/xrpusdt@trade");
    UNTIL(&bench, receiver_figures(bench.receiver).connections_open == 1);
    receiver_forget(bench.receiver, 0);
    UNTIL(&bench, strstr(bench.venue.heard, "UNSUBSCRIBE"));
    assert_non_null(
        strstr(bench.venue.heard, "[\"btcusdt@trade\",\"btcusdt@depth@0ms\",\"btcusdt@bookTicker\"]"));
    receiver_forget(bench.receiver, 1); /* nothing is left on it */
    UNTIL(&bench, bench.venue.closed == 2);
    UNTIL(&bench, strcmp(buffer_text(&bench.last_closed), "1000 its symbols have moved") == 0);
    receiver_listen(bench.receiver, 0, NULL);
    UNTIL(&bench, bench.venue.opened == 3);
    assert_string_equal(bench.venue.target, "btcusdt@trade/btcusdt@depth@0ms/btcusdt@bookTicker");
    bench_finish(&bench);
}

static void test_an_instance_without_symbols_waits_for_one(void **state)
{
    (void)state;
    static const bool NONE[] = {false};
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    settings.is_heard = NONE;
    receiver_create(&settings, &bench.receiver, NULL) == STATUS_OK ? (void)0 : fail();
    receiver_listen(bench.receiver, 0, "{}"); /* before go: it waits */
    receiver_go(bench.receiver);
    UNTIL(&bench, bench.venue.opened == 1);
    UNTIL(&bench, strchr(buffer_text(&bench.kinds), 'O'));
    const char *move = strchr(buffer_text(&bench.kinds), 'V');
    assert_true(move && move < strchr(buffer_text(&bench.kinds), 'O'));
    bench_finish(&bench);
}

static void test_a_silent_stream_has_its_socket_reopened(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    settings.is_simulator = false;
    settings.depth_stream = "@depth@0ms";
    settings.trade_idle_ms = 1200;
    settings.book_idle_ms = 1000000;
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    assert_string_equal(bench.venue.target, "btcusdt@depth@0ms/btcusdt@trade/btcusdt@bookTicker");
    UNTIL(&bench, bench.venue.opened == 2 && bench.last_closed.length);
    assert_int_equal(receiver_figures(bench.receiver).substream_timeouts, 1);
    assert_string_equal(buffer_text(&bench.last_closed), "4001 a stream stayed silent");
    bench_finish(&bench);
}

static void test_unknown_hosts_and_bad_urls_are_told_at_the_start(void **state)
{
    (void)state;
    struct bench bench;
    struct error error = {""};
    bench_begin(&bench);
    struct receiver_config settings = receiver_settings(&bench);
    settings.rest_url = "http://no-such-host.invalid";
    assert_int_equal(receiver_create(&settings, &bench.receiver, &error), STATUS_IO);
    assert_non_null(strstr(error.text, "no-such-host.invalid"));
    settings.rest_url = "nonsense";
    assert_int_equal(receiver_create(&settings, &bench.receiver, &error), STATUS_INVALID);
    assert_null(bench.receiver);
    bench_finish(&bench);
}

static void test_the_back_off_grows_is_capped_and_varies(void **state)
{
    (void)state;
    struct websocket_client_config config = {
        .backoff_initial_ms = 1000, .backoff_factor = 2, .backoff_cap_ms = 60000, .backoff_jitter = 0.2};
    assert_int_equal(websocket_next_delay_ms(&config, 0, 0.5), 1000);
    assert_int_equal(websocket_next_delay_ms(&config, 3, 0.5), 8000);
    assert_int_equal(websocket_next_delay_ms(&config, 6, 0.5), 60000);
    assert_int_equal(websocket_next_delay_ms(&config, 4000000, 0.5), 60000);
    assert_int_equal(websocket_next_delay_ms(&config, 0, 0.0), 800);
    assert_int_equal(websocket_next_delay_ms(&config, 0, 1.0), 1200);
}

static void keep_answer(void *context, void *data, const struct rest_answer *given)
{
    char *out = context;
    snprintf(out, 200, "%ld %d %s%s", given->http_status, given->attempts, given->body,
             given->error ? "failed" : "");
    assert_ptr_equal(data, context);
}

/* take_port_without_listening: connections to the URL are refused at once, whatever this machine filters or runs. */
static int take_port_without_listening(char *out_url, size_t capacity)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(taken >= 0 && bind(taken, (struct sockaddr *)&address, bytes) == 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&address, &bytes), 0);
    snprintf(out_url, capacity, "http://127.0.0.1:%d/nobody-listens", ntohs(address.sin_port));
    return taken;
}

static void test_rest_repeats_what_got_no_answer_and_hands_over_every_answer(void **state)
{
    (void)state;
    struct bench bench;
    char kept[200] = "";
    struct rest_client *client;
    bench_begin(&bench);
    struct rest_client_config config = {.clock = clock_system(), .done = keep_answer, .context = kept};
    assert_int_equal(rest_client_create(&config, &client, NULL), STATUS_OK);
    char url[128];
    snprintf(url, sizeof url, "%s/unknown", bench.http_url);
    struct rest_request request = {.url = url, .attempts = 3, .data = kept};
    assert_int_equal(rest_request_start(client, &request), STATUS_OK);
    UNTIL(&bench, (rest_client_run(client, 0), rest_client_pending(client) == 0));
    assert_string_equal(kept, "404 1 {\"code\":-1}");
    char refused_url[64];
    int taken = take_port_without_listening(refused_url, sizeof refused_url);
    request.url = refused_url;
    assert_int_equal(rest_request_start(client, &request), STATUS_OK);
    UNTIL(&bench, (rest_client_run(client, 0), rest_client_pending(client) == 0));
    assert_string_equal(kept, "0 3 failed");
    close(taken);
    request.url = "file:///etc/passwd";
    assert_int_equal(rest_request_start(client, &request), STATUS_INVALID);
    request.url = url;
    assert_int_equal(rest_request_start(client, &request), STATUS_OK);
    rest_client_destroy(client); /* with a request under way */
    bench_finish(&bench);
}

int main(void)
{
    log_redirect(open("/dev/null", O_WRONLY));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_recording_is_received_from_its_streams_to_its_end),
        cmocka_unit_test(test_the_end_waits_for_what_its_last_records_show_missing),
        cmocka_unit_test(test_trades_nobody_answers_for_are_recorded_so),
        cmocka_unit_test(test_a_stop_does_not_wait_for_the_answers_an_end_waits_for),
        cmocka_unit_test(test_nothing_is_opened_before_go),
        cmocka_unit_test(test_a_broken_connection_comes_back_and_both_ends_are_recorded),
        cmocka_unit_test(test_a_stop_ends_the_intake_and_says_so),
        cmocka_unit_test(test_the_intake_is_not_over_while_the_disk_refuses_its_last_records),
        cmocka_unit_test(test_what_waits_for_the_disk_at_the_end_is_written_when_it_can_be),
        cmocka_unit_test(test_what_the_disk_does_not_take_to_the_end_is_counted_and_not_written_later),
        cmocka_unit_test(test_answers_that_are_none_are_asked_for_again_and_not_recorded),
        cmocka_unit_test(test_large_messages_arrive_whole_and_too_large_ones_are_passed_over),
        cmocka_unit_test(test_reading_stops_while_the_stage_is_behind_and_nothing_is_lost),
        cmocka_unit_test(test_a_restarted_harvest_closes_what_was_open),
        cmocka_unit_test(test_symbols_come_and_go_on_an_open_socket),
        cmocka_unit_test(test_an_instance_without_symbols_waits_for_one),
        cmocka_unit_test(test_old_connections_are_relieved_before_the_venue_cuts_them),
        cmocka_unit_test(test_a_silent_stream_has_its_socket_reopened),
        cmocka_unit_test(test_unknown_hosts_and_bad_urls_are_told_at_the_start),
        cmocka_unit_test(test_the_back_off_grows_is_capped_and_varies),
        cmocka_unit_test(test_rest_repeats_what_got_no_answer_and_hands_over_every_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
