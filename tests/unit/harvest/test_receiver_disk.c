// The receiver and its capture: a disk that takes nothing, a stage that is behind, a capture that goes on.
// links: service_harvest market journal net proto base yyjson
// timeout: 120
#include "receiver_bench.h"

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
    bench_go_as_set(&bench);
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
    bench_go_as_set(&bench);
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
    bench_go_as_set(&bench);
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

/* beyond: a message of a stream, or of none, with so many bytes besides. */
static char *beyond(const char *stream, size_t bytes)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_format(&text, "{\"stream\":\"%s\",\"data\":\"", stream);
    for (size_t i = 0; i < bytes; i++)
        buffer_append_byte(&text, 'x');
    buffer_append_text(&text, "\"}");
    char *copy = memory_copy_text(buffer_text(&text));
    buffer_finish(&text);
    return copy;
}

/* say_all: each so many times; waits until all have been received. */
static void say_all(struct bench *bench, const char *const *texts, const int *times, size_t count)
{
    int64_t wanted = receiver_figures(bench->receiver).messages;
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < times[i]; k++, wanted++)
            venue_say(&bench->venue, texts[i]);
    UNTIL(bench, receiver_figures(bench->receiver).messages == wanted);
}

static void test_what_is_dropped_is_counted_by_the_symbol_whose_it_was(void **state)
{
    (void)state;
    static const char *const SYMBOLS[] = {"BTCUSDT", "XRPUSDT"};
    struct bench bench;
    bench_begin(&bench);
    bench_feed(&bench, SYMBOLS, 2, BOOK_SOURCE_DIFF);
    struct receiver_config settings = bench_settings(&bench);
    settings.symbols = SYMBOLS;
    settings.symbol_count = 2;
    bench_go(&bench, &settings);
    UNTIL(&bench, bench.venue.socket && feed_count(bench.feed, FEED_ALL, FEED_REST_ANSWERS) >= 2);
    limit_files(1);
    char *texts[] = {beyond("btcusdt@trade", 10), beyond("xrpusdt@trade", 10),
                     beyond("btcusdt@depth@0ms", 10), beyond("solusdt@trade", 10)};
    say_all(&bench, (const char *const *)texts, (const int[]){2, 1, 1, 1}, 4);
    receiver_halt(bench.receiver, in_ms(300));
    assert_int_equal(receiver_dropped(bench.receiver, 0), 3);
    assert_int_equal(receiver_dropped(bench.receiver, 1), 1);
    int64_t all = receiver_figures(bench.receiver).queue_dropped;
    assert_true(all >= 5); /* one of nobody, and what else was to be recorded */
    limit_files(RLIM_INFINITY);
    for (size_t i = 0; i < 4; i++)
        free(texts[i]);
    bench_finish(&bench);
}

static void test_reading_stops_while_the_stage_is_behind_and_nothing_is_lost(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench_go_as_set(&bench);
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
    bench_go_as_set(&bench);
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
    bench_go_as_set(&bench);
    UNTIL(&bench, bench.venue.opened == 2);
    venue_say_diff(&bench.venue, 13, 14, 12);
    UNTIL(&bench, feed_count(bench.feed, 0, FEED_EMITTED_BOOKS) == 2);
    assert_string_equal(buffer_text(&bench.last_closed), "harvest was restarted");
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_RECONNECTS), 1);
    assert_int_equal(feed_count(bench.feed, FEED_ALL, FEED_PLANNED_RECONNECTS), 0);
    bench_finish(&bench);
}

int main(void)
{
    log_redirect(open("/dev/null", O_WRONLY));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_intake_is_not_over_while_the_disk_refuses_its_last_records),
        cmocka_unit_test(test_what_waits_for_the_disk_at_the_end_is_written_when_it_can_be),
        cmocka_unit_test(test_what_the_disk_does_not_take_to_the_end_is_counted_and_not_written_later),
        cmocka_unit_test(test_what_is_dropped_is_counted_by_the_symbol_whose_it_was),
        cmocka_unit_test(test_reading_stops_while_the_stage_is_behind_and_nothing_is_lost),
        cmocka_unit_test(test_a_restarted_harvest_closes_what_was_open),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
