// The feed and its books: synchronisation, gaps, audit, partial books (data.md §1.4, §1.5, algorithms.md §1).
// links: service_harvest market journal proto base yyjson
#include "feed_harness.h"

/* --- synchronisation
 * ---------------------------------------------------------------------------------------------- */

static void test_everything_is_held_until_the_snapshot_and_then_comes_in_arrival_order(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    assert_int_equal(feed_wants_snapshot(harness.feed, 0), 1);
    diff(&harness, 1000, 1, 4, 0);
    trade(&harness, 1010, 1);
    diff(&harness, 1020, 6, 9, 4);
    ticker(&harness, 9, 9);
    trade(&harness, 1030, 2);
    diff(&harness, 1090, 11, 14, 9);
    expect(&harness, "");
    assert_int_equal(feed_held(harness.feed, 0), 6);
    assert_true(feed_event_ms(harness.feed, 0) == FIELD_NULL_I64); /* held messages do not move C */
    snapshot(&harness, 7);
    expect(&harness, "reset 9, trade 1, trade 2, book 14");
    assert_int_equal(feed_wants_snapshot(harness.feed, 0), 0);
    assert_int_equal(feed_held(harness.feed, 0), 0);
    assert_int_equal(counted(&harness, FEED_DIFFS_BEFORE_SNAPSHOT), 1);
    assert_int_equal(harness.last_book.first_id, 11);
    assert_int_equal(harness.last_book.prev_last_id, 9);
    assert_int_equal(harness.last_book.watermark_ms, 1040);
    assert_int_equal(harness.last_book.levels, 2);
    ticker(&harness, 14, 14);
    ticker(&harness, 20, 20);
    expect(&harness, "agree 9, agree 14");
    snapshot(&harness, 100);
    assert_int_equal(counted(&harness, FEED_SNAPSHOTS_UNUSED), 1);
    finish(&harness);
}

static void test_a_snapshot_before_the_first_diff_waits_for_the_one_that_bridges(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    snapshot(&harness, 10);
    assert_int_equal(feed_wants_snapshot(harness.feed, 0), 0);
    trade(&harness, 1000, 1);
    diff(&harness, 1010, 3, 6, 2);
    expect(&harness, "");
    diff(&harness, 1055, 7, 10, 6); /* u = L is enough */
    expect(&harness, "trade 1, reset 10");
    finish(&harness);
}

static void test_the_join_rules_of_the_markets(void **state)
{
    (void)state;
    static const struct {
        enum venue_market market;
        int64_t last_update_id, first, last, previous;
        bool joins;
    } CASES[] = {
        {VENUE_USDM, 5123107856276, 5123107853791, 5123107856276, 5123107853766, true},
        {VENUE_USDM, 600859605486, 600859603597, 600859605486, 600859599831, true},
        {VENUE_USDM, 5123107852948, 5123107850310, 5123107853551, 5123107850146, true},
        {VENUE_USDM, 600859605486, 600859609657, 600859609902, 600859605486, true}, /* pu = L */
        {VENUE_USDM, 600859605486, 600859609657, 600859609902, 600859605485, false},
        {VENUE_COINM, 10, 11, 12, 9, false},
        {VENUE_SPOT, 10, 11, 12, 0, true},
        {VENUE_SPOT, 10, 5, 11, 0, true},
        {VENUE_SPOT, 10, 12, 13, 0, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct harness harness;
        begin(&harness, CASES[i].market);
        snapshot(&harness, CASES[i].last_update_id);
        diff(&harness, 1000, CASES[i].first, CASES[i].last, CASES[i].previous);
        assert_int_equal(counted(&harness, FEED_EMITTED_BOOKS), CASES[i].joins);
        assert_int_equal(counted(&harness, FEED_SNAPSHOTS_REFUSED), !CASES[i].joins);
        assert_int_equal(feed_wants_snapshot(harness.feed, 0), CASES[i].joins ? 0 : 2);
        finish(&harness);
    }
}

static void test_spot_drops_a_diff_that_ends_with_the_snapshot(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_SPOT);
    diff(&harness, 1000, 8, 10, 0);
    diff(&harness, 1001, 11, 12, 0);
    snapshot(&harness, 10);
    expect(&harness, "reset 12");
    diff(&harness, 1002, 13, 13, 0);
    diff(&harness, 1003, 15, 15, 0);
    expect(&harness, "book 13, gap 1003");
    assert_string_equal(harness.last_event.meta_json,
                        "{\"from\":13,\"gap_kind\":\"book_seq\",\"missing\":null,\"to\":15}");
    assert_true(harness.last_book.prev_last_id == FIELD_NULL_I64);
    finish(&harness);
}

static void test_five_useless_answers_let_the_trades_go(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    trade(&harness, 1000, 1);
    diff(&harness, 1060, 50, 60, 40);
    for (int64_t i = 0; i < 4; i++) {
        assert_int_equal(feed_wants_snapshot(harness.feed, 0), i + 1);
        if (i % 2)
            snapshot(&harness, 10); /* too old */
        else
            record(&harness, CAPTURE_REST,
                   "http://h/depth?symbol=BTCUSDT\n{\"code\":-1003,\"msg\":\"slow down\"}");
    }
    expect(&harness, "");
    record(&harness, CAPTURE_REST, "http://h/depth?symbol=BTCUSDT\n<html>bad gateway</html>");
    assert_int_equal(feed_wants_snapshot(harness.feed, 0), 0);
    assert_true(feed_wants_reconnect(harness.feed, 0));
    trade(&harness, 1061, 2);
    expect(&harness, "trade 1, trade 2");
    diff(&harness, 1062, 61, 62, 60);
    expect(&harness, "");
    snapshot(&harness, 61); /* it helps even now */
    expect(&harness, "reset 62");
    assert_false(feed_wants_reconnect(harness.feed, 0));
    finish(&harness);
}

static void test_a_reopened_socket_counts_the_tries_anew(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@depth/btcusdt@trade");
    for (int i = 0; i < 5; i++)
        record(&harness, CAPTURE_REST, "http://h/depth?symbol=BTCUSDT\n{\"code\":-1}");
    assert_true(feed_wants_reconnect(harness.feed, 0));
    record(&harness, CAPTURE_CLOSED, "1006 gone");
    record(&harness, CAPTURE_OPENED, "ws://other:99/stream?streams=btcusdt@depth/btcusdt@trade");
    assert_false(feed_wants_reconnect(harness.feed, 0));
    assert_true(feed_wants_snapshot(harness.feed, 0) > 0);
    assert_int_equal(counted(&harness, FEED_RECONNECTS), 1);
    finish(&harness);
}

static void test_the_hold_is_bounded_by_diffs_and_keeps_the_trades(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    enum { SURPLUS = 5, DIFFS = 10000 + SURPLUS };
    for (int64_t i = 0; i < DIFFS; i++) {
        diff(&harness, 1000, 10 * i + 1, 10 * i + 10, 10 * i);
        if (i < 20)
            trade(&harness, 1000, i + 1);
    }
    assert_int_equal(feed_held(harness.feed, 0), 10000 + 20);
    assert_int_equal(counted(&harness, FEED_DIFFS_DROPPED), SURPLUS);
    snapshot(&harness, 10 * DIFFS - 5);
    assert_int_equal(counted(&harness, FEED_EMITTED_BOOKS), 1);
    diff(&harness, 1060, 10 * DIFFS + 1, 10 * DIFFS + 2, 10 * DIFFS);
    assert_int_equal(counted(&harness, FEED_EMITTED_TRADES), 20);
    finish(&harness);
}

/* --- a live book
 * -------------------------------------------------------------------------------------------------- */

static void test_a_broken_link_makes_the_book_invalid_until_a_snapshot_bridges(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    diff(&harness, 1010, 13, 14, 12);
    diff(&harness, 1020, 21, 24, 20);
    expect(&harness, "book 14, gap 1020");
    assert_string_equal(harness.last_event.meta_json,
                        "{\"from\":14,\"gap_kind\":\"book_seq\",\"missing\":null,\"to\":20}");
    assert_int_equal(harness.last_event.channel, CHANNEL_BOOK);
    assert_int_equal(harness.last_event.ordinal, 1);
    assert_null(feed_book(harness.feed, 0));
    assert_int_equal(feed_wants_snapshot(harness.feed, 0), 2);
    trade(&harness, 1021, 1);
    diff(&harness, 1100, 25, 30, 24); /* kept, but C moves: the trade is due */
    expect(&harness, "trade 1");
    snapshot(&harness, 18); /* too old for what is kept: the first has U = 21 */
    assert_int_equal(feed_wants_snapshot(harness.feed, 0), 3);
    snapshot(&harness, 27);
    expect(&harness, "reset 30");
    assert_int_equal(counted(&harness, FEED_BOOK_SEQ_GAP), 1);
    assert_int_equal(counted(&harness, FEED_BOOK_RESYNC), 1);
    diff(&harness, 1110, 31, 31, 30);
    expect(&harness, "book 31");
    finish(&harness);
}

static void test_a_gap_inside_the_kept_diffs_is_a_new_gap(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    diff(&harness, 1020, 21, 24, 20);
    diff(&harness, 1021, 25, 26, 24);
    diff(&harness, 1022, 31, 34, 30);
    diff(&harness, 1023, 35, 36, 34);
    expect(&harness, "gap 1020");
    snapshot(&harness, 22);
    expect(&harness, "reset 24, book 26, gap 1022");
    assert_int_equal(feed_held(harness.feed, 0), 2);
    snapshot(&harness, 33);
    expect(&harness, "reset 34, book 36");
    finish(&harness);
}

static void test_repeated_and_old_diffs_are_refused_without_a_gap(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    diff(&harness, 1010, 13, 14, 12);
    diff(&harness, 1010, 13, 14, 12);
    diff(&harness, 1000, 9, 12, 8);
    diff(&harness, 1020, 15, 16, 14);
    expect(&harness, "book 14, book 16");
    assert_int_equal(counted(&harness, FEED_BOOK_BACKWARD), 2);
    assert_int_equal(counted(&harness, FEED_BOOK_SEQ_GAP), 0);
    finish(&harness);
}

/* Rule 14: what is refused for its time or shape is applied all the same. */
static void test_refused_snapshots_are_still_applied_to_the_book(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    diff(&harness, 999, 13, 14, 12); /* time runs backward */
    expect(&harness, "");
    assert_int_equal(counted(&harness, FEED_BOOK_TIME_BACKWARD), 1);
    diff_levels(&harness, 1001, 15, 16, 14, "[[\"101\",\"3\"]]", "[]"); /* locked */
    assert_int_equal(counted(&harness, FEED_BOOK_CROSSED), 1);
    diff_levels(&harness, 1002, 17, 18, 16, "[[\"101\",\"0\"],[\"100\",\"0\"],[\"99\",\"0\"]]", "[]");
    assert_int_equal(counted(&harness, FEED_BOOK_EMPTY), 1);
    expect(&harness, "");
    diff_levels(&harness, 1003, 19, 20, 18, "[[\"98\",\"5\"],[\"55\",\"0\"]]", "[]");
    expect(&harness, "book 20");
    assert_int_equal(harness.last_book.best_bid.units, 9800000000);
    assert_int_equal(counted(&harness, FEED_DIFFS_APPLIED), 5);
    assert_int_equal(counted(&harness, FEED_UNKNOWN_DELETES), 1);
    finish(&harness);
}

/* §2.2: not in legacy. Without one side there is no mid, so an empty book stays out even there. */
static void test_a_crossed_book_is_published_for_legacy(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    feed_destroy(harness.feed);
    harness.config.crossed_books = true;
    harness.feed = feed_create(&harness.config, collect, &harness, NULL);
    snapshot(&harness, 10);
    diff(&harness, 1000, 9, 12, 8);
    diff_levels(&harness, 1001, 13, 14, 12, "[[\"102\",\"3\"]]", "[]");
    expect(&harness, "reset 12, book 14");
    assert_true(harness.last_book.spread_bps < 0);
    diff_levels(&harness, 1002, 15, 16, 14, "[[\"102\",\"0\"],[\"100\",\"0\"],[\"99\",\"0\"]]", "[]");
    expect(&harness, "");
    assert_int_equal(counted(&harness, FEED_BOOK_EMPTY), 1);
    assert_int_equal(counted(&harness, FEED_BOOK_CROSSED), 0);
    finish(&harness);
}

static void test_clock_skew_refuses_but_a_diff_is_applied(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    feed_destroy(harness.feed);
    harness.config.max_clock_skew_ms = 100;
    harness.feed = feed_create(&harness.config, collect, &harness, NULL);
    harness.recv_ms = 1000;
    snapshot(&harness, 10);
    diff(&harness, 1000, 9, 12, 8);
    trade(&harness, 1101, 1);
    trade(&harness, 899, 2);
    diff(&harness, 5000, 13, 14, 12);
    assert_int_equal(feed_event_ms(harness.feed, 0), 1000);
    diff(&harness, 1100, 15, 16, 14);
    expect(&harness, "reset 12, book 16");
    assert_int_equal(counted(&harness, FEED_INVALID_TIME_TRADES), 2);
    assert_int_equal(counted(&harness, FEED_INVALID_TIME_BOOKS), 1);
    finish(&harness);
}

/* Without a limit too: recorded times may be old, but none lies a year ahead of its receipt or a day from its own E. */
static void test_absurd_times_are_refused_whatever_the_skew_allowed(void **state)
{
    (void)state;
    static const int64_t YEAR_MS = (int64_t)366 * 86400 * 1000;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    trade(&harness, YEAR_MS + 1, 1);
    diff(&harness, YEAR_MS + 1, 13, 14, 12);
    assert_int_equal(record(&harness, CAPTURE_MESSAGE,
                            "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":1000,\"T\":86401001,\"t\":1,"
                            "\"p\":\"100.5\",\"q\":\"2\",\"m\":true}}"),
                     STATUS_OK);
    assert_int_equal(feed_event_ms(harness.feed, 0), 1000);
    assert_int_equal(counted(&harness, FEED_INVALID_TIME_TRADES), 2);
    assert_int_equal(counted(&harness, FEED_INVALID_TIME_BOOKS), 1);
    diff(&harness, 1100, 15, 16, 14);
    expect(&harness, "book 16");
    trade(&harness, YEAR_MS, 1);
    assert_int_equal(counted(&harness, FEED_INVALID_TIME_TRADES), 2);
    assert_true(feed_event_ms(harness.feed, 0) == YEAR_MS);
    finish(&harness);
}

static void test_the_audit_compares_by_id_and_waits_for_a_later_ticker(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM); /* state 12 has no ticker yet */
    ticker(&harness, 13, 13);
    expect(&harness, "");
    assert_int_equal(counted(&harness, FEED_AUDIT_UNCOUNTED), 1);
    diff(&harness, 1001, 13, 14, 12); /* bid quantity 14, the ticker of 13 said 13 */
    diff(&harness, 1002, 15, 16, 14);
    expect(&harness, "book 14, book 16");
    ticker(&harness, 16, 16);
    expect(&harness, "disagree 14");
    assert_int_equal(harness.last_audit.ticker_id, 13);
    assert_int_equal(harness.last_audit.book_bid_qty.units, 1400000000);
    ticker(&harness, 16, 99); /* a repeated one changes nothing */
    ticker(&harness, 22, 22);
    expect(&harness, "agree 16");
    diff(&harness, 1003, 17, 20, 16); /* arrives behind a newer ticker: judged at once */
    expect(&harness, "book 20, disagree 20");
    diff(&harness, 1004, 21, 22, 20);
    expect(&harness, "book 22");
    feed_end(harness.feed);
    expect(&harness, "agree 22, end_of_stream 1004");
    assert_int_equal(counted(&harness, FEED_TICKERS_BACKWARD), 1);
    finish(&harness);
}

/* --- partial books
 * ------------------------------------------------------------------------------------------------ */

static void partial(struct harness *harness, int64_t time_ms, int64_t last, int64_t previous,
                    const char *bids)
{
    char text[600];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@depth5@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":%" PRId64
             ",\"T\":%" PRId64 ",\"U\":1,\"u\":%" PRId64 ",\"pu\":%" PRId64
             ",\"b\":%s,\"a\":[[\"101\",\"1\"]]}}",
             time_ms, time_ms, last, previous, bids);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

static void test_partial_books_are_complete_by_themselves(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    feed_destroy(harness.feed);
    harness.config.book_source = BOOK_SOURCE_PARTIAL;
    harness.feed = feed_create(&harness.config, collect, &harness, NULL);
    assert_int_equal(feed_wants_snapshot(harness.feed, 0), 0);
    trade(&harness, 1000, 1);
    partial(&harness, 1050, 10, 5, "[[\"100\",\"1\"],[\"99\",\"1\"]]");
    expect(&harness, "trade 1, book 10");
    assert_int_equal(harness.last_book.source, BOOK_SOURCE_PARTIAL);
    partial(&harness, 1060, 20, 10, "[[\"98\",\"2\"]]"); /* nothing of the older one stays */
    expect(&harness, "book 20");
    assert_int_equal(harness.last_book.best_bid.units, 9800000000);
    assert_int_equal(harness.last_book.levels, 1);
    assert_true(decimal_is_null(harness.last_book.bid_price[1]));
    partial(&harness, 1070, 30, 25, "[[\"98\",\"3\"]]"); /* a gap; the snapshot itself is used */
    expect(&harness, "gap 1070, book 30");
    partial(&harness, 1080, 30, 20, "[[\"98\",\"3\"]]");
    partial(&harness, 1069, 40, 30, "[[\"98\",\"3\"]]");
    partial(&harness, 1090, 50, 40, "[[\"98\",\"3\"],[\"98\",\"4\"]]");
    partial(&harness, 1091, 60, 50, "[[\"101\",\"3\"]]");
    partial(&harness, 1092, 70, 60, "[]");
    expect(&harness, "");
    assert_int_equal(counted(&harness, FEED_BOOK_BACKWARD), 1);
    assert_int_equal(counted(&harness, FEED_BOOK_TIME_BACKWARD), 1);
    assert_int_equal(counted(&harness, FEED_BOOK_DUPLICATE_PRICE), 1);
    assert_int_equal(counted(&harness, FEED_BOOK_CROSSED), 1);
    assert_int_equal(counted(&harness, FEED_BOOK_EMPTY), 1);
    finish(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_held_until_the_snapshot_and_then_comes_in_arrival_order),
        cmocka_unit_test(test_a_snapshot_before_the_first_diff_waits_for_the_one_that_bridges),
        cmocka_unit_test(test_the_join_rules_of_the_markets),
        cmocka_unit_test(test_spot_drops_a_diff_that_ends_with_the_snapshot),
        cmocka_unit_test(test_five_useless_answers_let_the_trades_go),
        cmocka_unit_test(test_a_reopened_socket_counts_the_tries_anew),
        cmocka_unit_test(test_the_hold_is_bounded_by_diffs_and_keeps_the_trades),
        cmocka_unit_test(test_a_broken_link_makes_the_book_invalid_until_a_snapshot_bridges),
        cmocka_unit_test(test_a_gap_inside_the_kept_diffs_is_a_new_gap),
        cmocka_unit_test(test_repeated_and_old_diffs_are_refused_without_a_gap),
        cmocka_unit_test(test_refused_snapshots_are_still_applied_to_the_book),
        cmocka_unit_test(test_a_crossed_book_is_published_for_legacy),
        cmocka_unit_test(test_clock_skew_refuses_but_a_diff_is_applied),
        cmocka_unit_test(test_absurd_times_are_refused_whatever_the_skew_allowed),
        cmocka_unit_test(test_the_audit_compares_by_id_and_waits_for_a_later_ticker),
        cmocka_unit_test(test_partial_books_are_complete_by_themselves),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
