// The receiver from go to the end: its streams, what the end waits for, a stop, a connection that breaks.
// links: service_harvest market journal net proto base yyjson
// timeout: 120
#include "receiver_bench.h"

static void test_a_recording_is_received_from_its_streams_to_its_end(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench.venue.streams_failures = 2;
    bench_go_as_set(&bench);
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
    struct receiver_config settings = bench_settings(&bench);
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
    struct receiver_config settings = bench_settings(&bench);
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
    bench_go_as_set(&bench);
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
    struct receiver_config settings = bench_settings(&bench);
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
    bench_go_as_set(&bench);
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
    bench_go_as_set(&bench);
    UNTIL(&bench, strchr(buffer_text(&bench.kinds), 'O'));
    receiver_stop_intake(bench.receiver);
    UNTIL(&bench, receiver_stopped(bench.receiver) && bench.venue.closed == 1 && bench.last_closed.length);
    assert_string_equal(buffer_text(&bench.last_closed), "1001 intake stopped");
    assert_false(feed_ended(bench.feed));
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
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
