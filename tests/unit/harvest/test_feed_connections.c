// The feed behind its connections: reconnects, control inputs, the end (data.md §1.5).
// links: service_harvest market journal proto base yyjson
#include "feed_harness.h"

/* --- connections, control, end
 * ------------------------------------------------------------------------------------ */

static void test_a_reopened_socket_gives_one_event_at_the_next_item_of_its_symbols(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    harness.recv_ms = 5000;
    record(&harness, CAPTURE_OPENED,
           "ws://h:1/stream?streams=btcusdt@depth/btcusdt@trade/btcusdt@bookTicker");
    diff(&harness, 1010, 13, 14, 12);
    ticker(&harness, 14, 14);
    harness.recv_ms = 6000;
    record(&harness, CAPTURE_CLOSED, "1006 \"broke\"");
    harness.recv_ms = 7500;
    harness.conn_id = 2;
    record(&harness, CAPTURE_OPENED,
           "ws://h:2/stream?streams=btcusdt@depth/btcusdt@trade/btcusdt@bookTicker");
    expect(&harness, "book 14");
    diff(&harness, 1020, 15, 16, 14); /* nothing was missed: the book goes on */
    expect(&harness, "reconnect 1020, book 16");
    assert_string_equal(harness.last_event.meta_json,
                        "{\"down_ms\":1500,\"reason\":\"1006 "
                        "\\\"broke\\\"\",\"socket\":\"ws://h:2/stream?streams=btcusdt@depth/btcusdt@trade/"
                        "btcusdt@bookTicker\"}");
    assert_int_equal(harness.last_event.channel, CHANNEL_SOCKET);
    ticker(&harness, 30, 30); /* the tickers in between are unknown: 14 and 16 are not judged */
    expect(&harness, "");
    assert_int_equal(counted(&harness, FEED_RECONNECTS), 1);

    harness.recv_ms = 8000;
    record(&harness, CAPTURE_CLOSED, "1006 again");
    harness.conn_id = 3;
    record(&harness, CAPTURE_OPENED,
           "ws://h:2/stream?streams=btcusdt@depth/btcusdt@trade/btcusdt@bookTicker");
    diff(&harness, 1030, 25, 26, 24); /* missed by us: told, but no break of the venue's sequence */
    expect(&harness, "reconnect 1030, gap 1030");
    assert_string_equal(harness.last_event.meta_json,
                        "{\"from\":16,\"gap_kind\":\"book_seq\",\"missing\":null,\"to\":24}");
    assert_int_equal(counted(&harness, FEED_BOOK_SEQ_GAP), 0);
    assert_int_equal(counted(&harness, FEED_BOOK_RESYNC), 1);
    diff(&harness, 1040, 27, 28, 26);
    snapshot(&harness, 26);
    expect(&harness, "reset 26, book 28");
    finish(&harness);
}

static void test_other_symbols_and_planned_relief_give_no_event(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=ethusdt@depth");
    record(&harness, CAPTURE_CLOSED, "1006");
    harness.conn_id = 2;
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=ethusdt@depth");
    trade(&harness, 1001, 1);
    harness.conn_id = 3;
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@depth");
    harness.conn_id = 4;
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@depth");
    harness.conn_id = 3;
    record(&harness, CAPTURE_CLOSED, "planned");
    diff(&harness, 1060, 13, 14, 12);
    expect(&harness, "trade 1, book 14");
    assert_int_equal(counted(&harness, FEED_RECONNECTS), 1);
    assert_int_equal(counted(&harness, FEED_PLANNED_RECONNECTS), 1);
    finish(&harness);
}

static void reopen(struct harness *harness, const char *url)
{
    record(harness, CAPTURE_OPENED, url);
    record(harness, CAPTURE_CLOSED, "1006");
    harness->conn_id++;
    record(harness, CAPTURE_OPENED, url);
    harness->conn_id++;
}

static void test_each_symbol_counts_the_sockets_that_carry_it_and_all_count_sockets(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    reopen(&harness, "ws://h/stream?streams=btcusdt@depth/btcusdt@trade/ethusdt@depth");
    assert_int_equal(feed_count(harness.feed, 0, FEED_RECONNECTS), 1); /* one socket, two of its streams */
    assert_int_equal(feed_count(harness.feed, 1, FEED_RECONNECTS), 1); /* though its messages are held back */
    reopen(&harness, "ws://h/stream?streams=ethusdt@trade");
    assert_int_equal(feed_count(harness.feed, 0, FEED_RECONNECTS), 1);
    assert_int_equal(feed_count(harness.feed, 1, FEED_RECONNECTS), 2);
    assert_int_equal(counted(&harness, FEED_RECONNECTS), 2);
    finish(&harness);
}

static void test_a_reconnect_inside_the_held_messages_keeps_its_place(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@depth");
    diff(&harness, 1000, 5, 12, 4);
    harness.conn_id = CAPTURE_ALL_CONNECTIONS;
    record(&harness, CAPTURE_CLOSED, "harvest was restarted");
    harness.conn_id = 1;
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@depth");
    diff(&harness, 1010, 13, 14, 12);
    snapshot(&harness, 10);
    expect(&harness, "reset 12, reconnect 1010, book 14");
    finish(&harness);
}

static void test_control_inputs_become_rows_in_their_place(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    const char *weight = "{\"decision\":\"slice_weight\",\"value\":0.5,\"why\":\"canary_auc\"}";
    record(&harness, CAPTURE_CONTROL, weight);
    expect(&harness, "input 1000");
    assert_string_equal(harness.last_control.value_json, weight);
    assert_int_equal(harness.last_control.action, CONTROL_INPUT);
    assert_int_equal(harness.last_control.decision, DECISION_SLICE_WEIGHT);
    assert_true(harness.last_control.value == 0.5);
    record(&harness, CAPTURE_CONTROL, "{\"symbol\":\"ETHUSDT\",\"decision\":\"lock_direction\"}");
    expect(&harness, "");
    assert_int_equal(feed_sequence(harness.feed, 1), 2);
    assert_int_equal(record(&harness, CAPTURE_CONTROL, "nonsense"), STATUS_MALFORMED);
    assert_int_equal(record(&harness, CAPTURE_CONTROL, "{\"symbol\":\"XRP\"}"), STATUS_UNSUPPORTED);
    assert_int_equal(record(&harness, CAPTURE_CONTROL, "{\"decision\":\"explode\"}"), STATUS_UNSUPPORTED);
    assert_int_equal(counted(&harness, FEED_CONTROL_MALFORMED), 3);
    finish(&harness);
}

static void test_the_recording_ends_when_its_last_connection_says_so(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@depth");
    harness.conn_id = 2;
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@trade");
    trade(&harness, 1000, 1);
    trade(&harness, 1010, 3);
    record(&harness, CAPTURE_CLOSED, "1000 end of recording");
    assert_false(feed_ended(harness.feed));
    harness.conn_id = 1;
    record(&harness, CAPTURE_CLOSED, "1000 end of recording");
    assert_true(feed_ended(harness.feed));
    expect(&harness, "trade 1, gap 1010, trade 3, end_of_stream 1010");
    assert_int_equal(feed_sequence(harness.feed, 1), 1); /* each symbol gets its end, also a silent one */
    feed_end(harness.feed);
    expect(&harness, "");
    char text[] = "{\"stream\":\"btcusdt@trade\",\"data\":{}}";
    assert_int_equal(record(&harness, CAPTURE_MESSAGE, text), STATUS_UNSUPPORTED);
    assert_int_equal(counted(&harness, FEED_FILTERED_AFTER_END), 1);
    finish(&harness);
}

static void test_an_end_without_any_snapshot_publishes_the_trades(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    trade(&harness, 1000, 1);
    diff(&harness, 1010, 1, 2, 0);
    trade(&harness, 1020, 2);
    feed_end(harness.feed);
    expect(&harness, "trade 1, trade 2, end_of_stream 1020");
    assert_int_equal(counted(&harness, FEED_DIFFS_DROPPED), 1);
    finish(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reopened_socket_gives_one_event_at_the_next_item_of_its_symbols),
        cmocka_unit_test(test_other_symbols_and_planned_relief_give_no_event),
        cmocka_unit_test(test_each_symbol_counts_the_sockets_that_carry_it_and_all_count_sockets),
        cmocka_unit_test(test_a_reconnect_inside_the_held_messages_keeps_its_place),
        cmocka_unit_test(test_control_inputs_become_rows_in_their_place),
        cmocka_unit_test(test_the_recording_ends_when_its_last_connection_says_so),
        cmocka_unit_test(test_an_end_without_any_snapshot_publishes_the_trades),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
