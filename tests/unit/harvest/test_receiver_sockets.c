// What the receiver does with sockets and REST: answers, sizes, symbols that come and go, silence, back-off.
// links: service_harvest market journal net proto base yyjson
// timeout: 120
#include "receiver_bench.h"

static void test_answers_that_are_none_are_asked_for_again_and_not_recorded(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench.venue.depth_failures = 1;
    bench_go_as_set(&bench);
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
    bench_go_as_set(&bench);
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

static void test_old_connections_are_relieved_before_the_venue_cuts_them(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = bench_settings(&bench);
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
    struct receiver_config settings = bench_settings(&bench);
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
    receiver_forget(bench.receiver, 0, NULL);
    UNTIL(&bench, strstr(bench.venue.heard, "UNSUBSCRIBE"));
    assert_non_null(
        strstr(bench.venue.heard, "[\"btcusdt@trade\",\"btcusdt@depth@0ms\",\"btcusdt@bookTicker\"]"));
    receiver_forget(bench.receiver, 1, NULL); /* nothing is left on it */
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
    struct receiver_config settings = bench_settings(&bench);
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
    struct receiver_config settings = bench_settings(&bench);
    settings.is_simulator = false;
    settings.depth_stream = "@depth@0ms";
    settings.trade_idle_ms = 1200;
    settings.book_idle_ms = 1000000;
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket);
    assert_string_equal(bench.venue.target, "btcusdt@depth@0ms/btcusdt@trade/btcusdt@bookTicker");
    UNTIL(&bench, bench.venue.opened >= 2 && bench.last_closed.length);
    int openings = bench.venue.opened; /* more than two where this thread lost its processor for a second */
    assert_in_range(receiver_figures(bench.receiver).substream_timeouts, openings - 1, openings);
    assert_string_equal(buffer_text(&bench.last_closed), "4001 a stream stayed silent");
    bench_finish(&bench);
}

static void test_unknown_hosts_and_bad_urls_are_told_at_the_start(void **state)
{
    (void)state;
    struct bench bench;
    struct error error = {""};
    bench_begin(&bench);
    struct receiver_config settings = bench_settings(&bench);
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
        cmocka_unit_test(test_answers_that_are_none_are_asked_for_again_and_not_recorded),
        cmocka_unit_test(test_large_messages_arrive_whole_and_too_large_ones_are_passed_over),
        cmocka_unit_test(test_old_connections_are_relieved_before_the_venue_cuts_them),
        cmocka_unit_test(test_symbols_come_and_go_on_an_open_socket),
        cmocka_unit_test(test_an_instance_without_symbols_waits_for_one),
        cmocka_unit_test(test_a_silent_stream_has_its_socket_reopened),
        cmocka_unit_test(test_unknown_hosts_and_bad_urls_are_told_at_the_start),
        cmocka_unit_test(test_the_back_off_grows_is_capped_and_varies),
        cmocka_unit_test(test_rest_repeats_what_got_no_answer_and_hands_over_every_answer),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
