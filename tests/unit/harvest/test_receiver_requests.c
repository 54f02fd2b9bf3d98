// What the receiver does when a symbol comes and not all goes well: refusals, sockets that do not open or do not read, an end.
// links: service_harvest market journal net proto base yyjson
// timeout: 120
#include "receiver_bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { MANY = 600 }; /* more than WEBSOCKET_OUTGOING_BYTES_MAX holds of the requests to come and to go */

static const char *const BOTH[] = {"BTCUSDT", "XRPUSDT"};
static const bool FIRST_ONLY[] = {true, false};

static struct receiver_config two_symbols(struct bench *bench)
{
    struct receiver_config settings = bench_settings(bench);
    settings.symbols = BOTH;
    settings.symbol_count = 2;
    settings.is_heard = FIRST_ONLY;
    return settings;
}

static void test_a_refused_subscription_is_told_and_counted_and_another_socket_asks_for_it(void **state)
{
    (void)state;
    struct bench bench;
    struct buffer told;
    char log_path[128];
    bench_begin(&bench);
    snprintf(log_path, sizeof log_path, "%s/log", bench.folder);
    int log_file = open(log_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    log_redirect(log_file);
    bench.venue.refusal = "{\"error\":{\"code\":2,\"msg\":\"Invalid request: \\\"unknown\\\"\"},\"id\":1}";
    struct receiver_config settings = two_symbols(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, receiver_serves(bench.receiver, 0));
    venue_say_diff(&bench.venue, 9, 12, 8);
    receiver_listen(bench.receiver, 1, "{}");
    UNTIL(&bench, receiver_figures(bench.receiver).requests_refused == 1);
    UNTIL(&bench, bench.venue.opened == 2);
    assert_string_equal(bench.venue.target,
                        "btcusdt@trade/btcusdt@depth@0ms/btcusdt@bookTicker/xrpusdt@trade");
    UNTIL(&bench, receiver_serves(bench.receiver, 1));
    venue_say_diff(&bench.venue, 13, 14, 12); /* the new one delivers: the old one may go */
    UNTIL(&bench, receiver_figures(bench.receiver).planned_reconnects == 1 && bench.venue.closed == 1);
    UNTIL(&bench, strcmp(buffer_text(&bench.last_closed), "planned") == 0);
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_RECONNECTS), 0);
    assert_int_equal(receiver_figures(bench.receiver).requests_refused, 1);
    log_redirect(open("/dev/null", O_WRONLY));
    buffer_init(&told, 0);
    assert_ok(file_read(log_path, &told));
    assert_non_null(strstr(buffer_text(&told), "request_refused"));
    assert_non_null(strstr(buffer_text(&told), "symbol=XRPUSDT method=SUBSCRIBE code=2 "
                                               "detail=\"Invalid request: 'unknown'\""));
    buffer_finish(&told);
    close(log_file);
    bench_finish(&bench);
}

static void test_a_symbol_is_served_when_the_venue_has_answered(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct receiver_config settings = two_symbols(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, receiver_serves(bench.receiver, 0));
    receiver_listen(bench.receiver, 1, "{}");
    UNTIL(&bench, *bench.venue.heard);
    assert_false(receiver_serves(bench.receiver, 1));
    venue_say(&bench.venue, "{\"result\":null,\"id\":1}");
    UNTIL(&bench, receiver_serves(bench.receiver, 1));
    assert_int_equal(bench.venue.opened, 1);
    assert_int_equal(receiver_figures(bench.receiver).requests_refused, 0);
    bench_finish(&bench);
}

/* Whoever has read the capture up to there knows what was lost. */
static void test_a_socket_that_comes_back_serves_from_behind_the_record_of_its_loss(void **state)
{
    (void)state;
    struct bench bench;
    size_t closed = 0, opened = 0;
    bench_begin(&bench);
    struct receiver_config settings = two_symbols(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, receiver_serves(bench.receiver, 0));
    uint64_t before = receiver_serves(bench.receiver, 0);
    bench.venue.cuts = true;
    venue_say_diff(&bench.venue, 9, 12, 8);
    UNTIL(&bench, receiver_serves(bench.receiver, 0) > before);
    uint64_t since = receiver_serves(bench.receiver, 0);
    UNTIL(&bench, feed_position(bench.feed) >= since && bench.kinds.length >= since);
    for (size_t i = before; i < since; i++) {
        closed += bench.kinds.data[i] == 'C';
        opened += bench.kinds.data[i] == 'O';
    }
    assert_int_equal(closed, 1);
    assert_int_equal(opened, 1);
    bench_finish(&bench);
}

static void test_what_a_relieved_socket_never_answered_is_not_waited_for(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench.venue.refusal = "{\"error\":{\"code\":2,\"msg\":\"no\"},\"id\":1}";
    struct receiver_config settings = two_symbols(&bench);
    bench_go(&bench, &settings);
    UNTIL(&bench, receiver_serves(bench.receiver, 0));
    receiver_listen(bench.receiver, 1, "{}");
    UNTIL(&bench, bench.venue.opened == 2 && receiver_serves(bench.receiver, 1));
    receiver_forget(bench.receiver, 1, NULL);
    UNTIL(&bench, strstr(bench.venue.heard, "\"id\":2")); /* on both; only the new one answers */
    venue_say(&bench.venue, "{\"result\":null,\"id\":2}");
    venue_say_diff(&bench.venue, 9, 12, 8);
    UNTIL(&bench, receiver_figures(bench.receiver).planned_reconnects == 1);
    receiver_listen(bench.receiver, 1, "{}");
    UNTIL(&bench, strstr(bench.venue.heard, "\"id\":3"));
    venue_say(&bench.venue, "{\"result\":null,\"id\":3}");
    UNTIL(&bench, receiver_serves(bench.receiver, 1));
    bench_finish(&bench);
}

static void test_a_symbol_whose_second_socket_is_refused_is_not_served(void **state)
{
    (void)state;
    struct bench bench;
    char market_url[96];
    bench_begin(&bench);
    struct receiver_config settings = bench_settings(&bench);
    snprintf(market_url, sizeof market_url, "%s/market", bench.ws_url);
    settings.is_simulator = false;
    settings.is_routed = true;
    settings.public_url = bench.ws_url;
    settings.market_url = market_url;
    settings.depth_stream = "@depth@0ms";
    bench_go(&bench, &settings);
    UNTIL(&bench, receiver_figures(bench.receiver).connections_open == 1 &&
                      receiver_figures(bench.receiver).refused_attempts > 1);
    assert_false(receiver_serves(bench.receiver, 0));
    bench.venue.opens = "/market/stream";
    UNTIL(&bench, receiver_serves(bench.receiver, 0));
    assert_int_equal(receiver_figures(bench.receiver).connections_open, 2);
    bench_finish(&bench);
}

/* gate: holds the receiver's thread where it wakes the stage. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool is_closed;
    _Atomic bool is_held;
};

static void pass_gate(void *context)
{
    struct gate *gate = context;
    pthread_mutex_lock(&gate->mutex);
    while (gate->is_closed) {
        atomic_store(&gate->is_held, true);
        pthread_cond_wait(&gate->opened, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
}

static void gate_set(struct gate *gate, bool is_closed)
{
    pthread_mutex_lock(&gate->mutex);
    gate->is_closed = is_closed;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->mutex);
}

static void test_requests_that_a_socket_does_not_take_are_told_and_asked_by_another_one(void **state)
{
    (void)state;
    struct bench bench;
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
    bench_begin(&bench);
    struct receiver_config settings = two_symbols(&bench);
    settings.wake = pass_gate;
    settings.wake_context = &gate;
    bench_go(&bench, &settings);
    UNTIL(&bench, receiver_serves(bench.receiver, 0));
    venue_say_diff(&bench.venue, 9, 12, 8);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_EMITTED_BOOKS) == 1);
    gate_set(&gate, true);
    venue_say(&bench.venue, "{}"); /* what it wakes for */
    UNTIL(&bench, atomic_load(&gate.is_held));
    for (int i = 0; i < MANY; i++) {
        receiver_listen(bench.receiver, 1, NULL);
        receiver_forget(bench.receiver, 1, NULL);
    }
    receiver_listen(bench.receiver, 1, NULL);
    gate_set(&gate, false);
    UNTIL(&bench, receiver_serves(bench.receiver, 1));
    assert_true(receiver_figures(bench.receiver).requests_unsaid > 0);
    assert_int_equal(bench.venue.opened, 2);
    assert_non_null(strstr(bench.venue.target, "xrpusdt@trade"));
    venue_say_diff(&bench.venue, 13, 14, 12); /* the new one delivers: the old one may go */
    UNTIL(&bench, receiver_figures(bench.receiver).planned_reconnects == 1);
    UNTIL(&bench, strcmp(buffer_text(&bench.last_closed), "planned") == 0);
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_RECONNECTS), 0);
    bench_finish(&bench);
}

/* Of XRPUSDT there is a trade stream only: when BTCUSDT goes, the socket for books has nothing to carry. */
static void test_the_end_comes_when_the_last_socket_that_has_not_seen_it_is_closed(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench_feed(&bench, BOTH, 2, BOOK_SOURCE_DIFF);
    bench.venue.mark = "xrpusdt@trade";
    struct receiver_config settings = two_symbols(&bench);
    settings.is_heard = NULL;
    settings.is_routed = true;
    settings.public_url = settings.market_url = bench.ws_url;
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.marked && receiver_serves(bench.receiver, 0));
    bench.venue.ending = bench.venue.marked;
    server_socket_ask(bench.venue.ending);
    UNTIL(&bench, strcmp(buffer_text(&bench.last_closed), "1000 end of recording") == 0);
    assert_false(receiver_stopped(bench.receiver));
    assert_false(feed_ended(bench.feed));
    receiver_forget(bench.receiver, 0, NULL);
    UNTIL(&bench, feed_ended(bench.feed) && receiver_stopped(bench.receiver));
    assert_string_equal(buffer_text(&bench.last_closed), "1000 end of recording");
    bench_finish(&bench);
}

int main(void)
{
    log_redirect(open("/dev/null", O_WRONLY));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refused_subscription_is_told_and_counted_and_another_socket_asks_for_it),
        cmocka_unit_test(test_a_symbol_is_served_when_the_venue_has_answered),
        cmocka_unit_test(test_a_socket_that_comes_back_serves_from_behind_the_record_of_its_loss),
        cmocka_unit_test(test_what_a_relieved_socket_never_answered_is_not_waited_for),
        cmocka_unit_test(test_a_symbol_whose_second_socket_is_refused_is_not_served),
        cmocka_unit_test(test_requests_that_a_socket_does_not_take_are_told_and_asked_by_another_one),
        cmocka_unit_test(test_the_end_comes_when_the_last_socket_that_has_not_seen_it_is_closed),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
