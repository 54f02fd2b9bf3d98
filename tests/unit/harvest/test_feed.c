// The whole feed on small made-up streams: synchronisation, gaps, silences, reconnects, refusals, the end
// (data.md §1.4, §1.5, algorithms.md §1). Rows are noted as short words, in order.
// links: service_harvest market journal proto base yyjson
#include "proto/book.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/quote_audit.h"
#include "proto/trade.h"
#include "services/harvest/feed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* harness: a feed of one market, what it wrote, and the records it was given. */
struct harness {
    struct feed_config config;
    struct feed *feed;
    struct buffer said; /* "trade 5, book 12, gap …" of symbol 0 */
    struct trade_row last_trade;
    struct book_row last_book;
    struct event_row last_event;
    struct quote_audit_row last_audit;
    struct control_row last_control;
    int64_t sequence;
    uint64_t seq;
    int64_t recv_ms;
    uint16_t conn_id;
    const char *wire; /* stream prefix of symbol 0 */
};

static const char *const SYMBOLS[] = {"BTCUSDT", "ETHUSDT"};

static void say(struct harness *harness, const char *word, int64_t number)
{
    buffer_format(&harness->said, "%s%s %" PRId64, harness->said.length ? ", " : "", word, number);
}

static void collect(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct harness *harness = context;
    if (symbol != 0)
        return;
    harness->sequence++;
    if (message == &trade_message) {
        harness->last_trade = *(const struct trade_row *)row;
        say(harness, "trade", harness->last_trade.agg_trade_id);
    } else if (message == &book_message) {
        harness->last_book = *(const struct book_row *)row;
        say(harness, harness->last_book.book_reset ? "reset" : "book", harness->last_book.last_id);
    } else if (message == &event_message) {
        harness->last_event = *(const struct event_row *)row;
        assert_int_equal(harness->last_event.source, harness->sequence);
        say(harness, EVENT_TYPE_NAMES[harness->last_event.event_type], harness->last_event.ts_ms);
    } else if (message == &quote_audit_message) {
        harness->last_audit = *(const struct quote_audit_row *)row;
        say(harness, harness->last_audit.agrees ? "agree" : "disagree", harness->last_audit.last_id);
    } else {
        harness->last_control = *(const struct control_row *)row;
        assert_int_equal(harness->last_control.source, harness->sequence);
        say(harness, CONTROL_ACTION_NAMES[harness->last_control.action], harness->last_control.ts_ms);
    }
}

static void begin(struct harness *harness, enum venue_market market)
{
    memset(harness, 0, sizeof *harness);
    buffer_init(&harness->said, 0);
    feed_config_defaults(&harness->config);
    harness->config.market = market;
    harness->config.symbols = SYMBOLS;
    harness->config.symbol_count = 2;
    harness->config.raw_trades = true;
    harness->config.max_clock_skew_ms = 0;
    harness->conn_id = 1;
    harness->feed = feed_create(&harness->config, collect, harness, NULL);
    assert_non_null(harness->feed);
}

static void finish(struct harness *harness)
{
    struct error error = {""};
    if (feed_imbalance(harness->feed, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    feed_destroy(harness->feed);
    buffer_finish(&harness->said);
}

/* expect: what was said since the last expectation. */
static void expect(struct harness *harness, const char *text)
{
    assert_string_equal(buffer_text(&harness->said), text);
    buffer_clear(&harness->said);
}

static enum status record(struct harness *harness, enum capture_kind kind, const char *payload)
{
    struct capture_record item = {
        .seq = ++harness->seq,
        .recv_ns = harness->recv_ms * 1000000,
        .kind = (uint16_t)kind,
        .conn_id = harness->conn_id,
        .payload = payload,
        .payload_bytes = strlen(payload),
    };
    enum status status = feed_record(harness->feed, &item, NULL);
    assert_int_equal(feed_position(harness->feed), harness->seq);
    return status;
}

static void trade(struct harness *harness, int64_t time_ms, int64_t id)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"t\":%" PRId64
             ",\"p\":\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}",
             time_ms, time_ms, id);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

static void diff_levels(struct harness *harness, int64_t time_ms, int64_t first, int64_t last,
                        int64_t previous, const char *bids, const char *asks)
{
    char text[600];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"U\":%" PRId64
             ",\"u\":%" PRId64 ",\"pu\":%" PRId64 ",\"b\":%s,\"a\":%s}}",
             time_ms, time_ms, first, last, previous, bids, asks);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

/* diff: sets the bid at 100 to the quantity u, so that states differ. */
static void diff(struct harness *harness, int64_t time_ms, int64_t first, int64_t last, int64_t previous)
{
    char bids[64];
    snprintf(bids, sizeof bids, "[[\"100\",\"%" PRId64 "\"]]", last % 100000);
    diff_levels(harness, time_ms, first, last, previous, bids, "[]");
}

static void ticker(struct harness *harness, int64_t id, int64_t bid_qty)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":%" PRId64
             ",\"b\":\"100.00\",\"B\":\"%" PRId64 "\",\"a\":\"101.00\",\"A\":\"7\"}}",
             id, bid_qty);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

static enum status snapshot(struct harness *harness, int64_t last_id)
{
    char text[400];
    snprintf(text, sizeof text,
             "http://h/depth?symbol=BTCUSDT\n{\"lastUpdateId\":%" PRId64
             ",\"bids\":[[\"100\",\"1\"],[\"99\",\"1\"]],\"asks\":[[\"101\",\"7\"],[\"102\",\"1\"]]}",
             last_id);
    return record(harness, CAPTURE_REST, text);
}

static int64_t counted(const struct harness *harness, enum feed_counter counter)
{
    return feed_count(harness->feed, FEED_ALL, counter);
}

/* live: a synchronised book, last u 10, at T = 1000. */
static void begin_live(struct harness *harness, enum venue_market market)
{
    begin(harness, market);
    snapshot(harness, 10);
    diff(harness, 1000, market == VENUE_SPOT ? 11 : 9, 12, 8);
    expect(harness, "reset 12");
}

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

/* --- trades
 * ------------------------------------------------------------------------------------------------------- */

static void test_missing_ids_give_an_event_before_the_trade(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    trade(&harness, 1001, 5);
    diff(&harness, 1060, 13, 14, 12);
    trade(&harness, 1061, 9);
    diff(&harness, 1111, 15, 16, 14);
    expect(&harness, "trade 5, book 14, gap 1061, trade 9, book 16");
    assert_string_equal(harness.last_event.meta_json,
                        "{\"from\":5,\"gap_kind\":\"trade_id\",\"missing\":3,\"to\":9}");
    assert_int_equal(harness.last_event.channel, CHANNEL_TRADE);
    assert_int_equal(harness.last_trade.gap_before, 3);
    assert_int_equal(harness.last_trade.watermark_ms, 1011);
    assert_int_equal(harness.last_trade.watermark_after_ms, 1061);
    assert_int_equal(harness.last_book.watermark_ms, 1061);
    trade(&harness, 1061, 5);
    assert_int_equal(counted(&harness, FEED_DEDUP_HITS), 1);
    trade(&harness, 1061, 7);
    assert_int_equal(counted(&harness, FEED_LATE_EVENTS), 1);
    finish(&harness);
}

static void test_non_market_prints_are_published_and_nothing_else(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    trade(&harness, 1001, 1);
    diff(&harness, 1060, 13, 14, 12);
    record(&harness, CAPTURE_MESSAGE,
           "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":200000,\"T\":200000,\"t\":2,\"p\":\"0\",\"q\":"
           "\"2\",\"X\":\"INSURANCE_FUND\",\"m\":true}}");
    expect(&harness, "trade 1, book 14, trade 2"); /* no silence event from it */
    assert_int_equal(harness.last_trade.is_market, 0);
    assert_true(harness.last_trade.recv_rate_tps == 0);
    assert_int_equal(feed_event_ms(harness.feed, 0), 200000);
    trade(&harness, 200001, 3);
    expect(&harness, "gap 200001, trade 3");
    assert_true(harness.last_trade.recv_rate_tps == 1 / 60.0);
    assert_int_equal(counted(&harness, FEED_NON_MARKET_TRADES), 1);
    finish(&harness);
}

static void odd_trade(struct harness *harness, int64_t id, const char *numbers)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":9000,\"T\":9000,\"t\":%" PRId64
             ",%s,\"X\":\"MARKET\",\"m\":true}}",
             id, numbers);
    record(harness, CAPTURE_MESSAGE, text);
}

/* §3.1 rule 2, §1 rule 10: nq is 0 when all of a trade were RPI orders: rejected, so it moves nothing; but it was there,
 * so its id is no hole. */
static void test_a_trade_without_net_quantity_is_only_counted(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    feed_destroy(harness.feed);
    harness.config.use_nq = true;
    harness.feed = feed_create(&harness.config, collect, &harness, NULL);
    snapshot(&harness, 10);
    diff(&harness, 1000, 9, 12, 8);
    expect(&harness, "reset 12");
    trade(&harness, 1001, 1);
    for (int64_t id = 2; id <= 4; id++)
        odd_trade(&harness, id, "\"p\":\"1\",\"q\":\"2\",\"nq\":\"0.000\"");
    diff(&harness, 1060, 13, 14, 12);
    assert_int_equal(feed_event_ms(harness.feed, 0), 1060);
    trade(&harness, 1070, 5);
    expect(&harness, "trade 1, book 14, trade 5");
    assert_int_equal(harness.last_trade.gap_before, 0);
    assert_true(harness.last_trade.recv_rate_tps == 2 / 60.0);
    assert_int_equal(counted(&harness, FEED_INVALID_QTY), 3);
    assert_int_equal(counted(&harness, FEED_PARSE_ERRORS), 0);
    finish(&harness);
}

/* Were the id of such a message believed, all that follows would be old. */
static void test_of_a_trade_with_an_impossible_number_nothing_is_believed(void **state)
{
    (void)state;
    static const char *const NUMBERS[] = {"\"p\":\"0\",\"q\":\"2\"", "\"p\":\"-1\",\"q\":\"2\"",
                                          "\"p\":\"1\",\"q\":\"0.000\"", "\"p\":\"1\",\"q\":\"-2\""};
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    trade(&harness, 1001, 1);
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        odd_trade(&harness, 9000000000000, NUMBERS[i]);
    trade(&harness, 1002, 2);
    diff(&harness, 1060, 13, 14, 12); /* the first id of all waits for the watermark */
    expect(&harness, "trade 1, trade 2, book 14");
    assert_int_equal(counted(&harness, FEED_MALFORMED_NUMBER), 4);
    assert_int_equal(counted(&harness, FEED_TRADE_GAP_IDS), 0);
    finish(&harness);
}

static void test_silences_end_with_an_event(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    trade(&harness, 1000, 1);
    diff(&harness, 1060, 13, 14, 12);
    diff(&harness, 1060 + 180000, 15, 16, 14); /* exactly the limit is no silence */
    expect(&harness, "trade 1, book 14, book 16");
    trade(&harness, 1000 + 150001, 2);
    expect(&harness, "gap 151001, trade 2");
    assert_string_equal(harness.last_event.meta_json,
                        "{\"from\":1000,\"gap_kind\":\"silence\",\"missing\":null,\"to\":151001}");
    diff(&harness, 361061, 17, 18, 16);
    expect(&harness, "gap 361061, book 18");
    assert_int_equal(harness.last_event.channel, CHANNEL_BOOK);
    assert_int_equal(counted(&harness, FEED_SILENCES), 2);
    finish(&harness);
}

static void test_the_rate_counts_the_last_minute(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    trade(&harness, 1000, 1);
    diff(&harness, 1050, 13, 14, 12);
    for (int64_t i = 2; i <= 61; i++)
        trade(&harness, 1000 * i, i);
    assert_true(harness.last_trade.recv_rate_tps == 60 / 60.0); /* T > 61000 - 60000 leaves the first out */
    trade(&harness, 61000, 62);
    assert_true(harness.last_trade.recv_rate_tps == 61 / 60.0);
    finish(&harness);
}

static void test_missing_aggregate_trades_are_wanted_and_inserted(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, VENUE_USDM);
    feed_destroy(harness.feed);
    harness.config.raw_trades = false;
    harness.feed = feed_create(&harness.config, collect, &harness, NULL);
    snapshot(&harness, 10);
    diff(&harness, 1000, 9, 12, 8);
    const char *form = "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"E\":%d,\"T\":%d,\"a\":%d,\"f\":1,\"l\":"
                       "2,\"p\":\"1\",\"q\":\"2\",\"m\":true}}";
    char text[300];
    int64_t first, last, ticket;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, form, 1000, 1000, 5);
    record(&harness, CAPTURE_MESSAGE, text);
    diff(&harness, 1050, 13, 14, 12);
    snprintf(text, sizeof text, form, 1060, 1060, 8);
    record(&harness, CAPTURE_MESSAGE, text);
#pragma GCC diagnostic pop
    assert_true(feed_wants_trades(harness.feed, 0, &first, &last, &ticket));
    assert_int_equal(first, 6);
    assert_int_equal(last, 7);
    record(&harness, CAPTURE_REST,
           "http://h/"
           "aggTrades?symbol=BTCUSDT&fromId=6\n[{\"a\":5,\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,\"T\":1000,"
           "\"m\":true},"
           "{\"a\":6,\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,\"T\":1055,\"m\":true},{\"a\":7,\"p\":\"1\","
           "\"q\":\"1\",\"f\":1,\"l\":1,\"T\":1056,\"m\":true}]");
    expect(&harness, "reset 12, trade 5, book 14, trade 6, trade 7, trade 8");
    assert_int_equal(counted(&harness, FEED_BACKFILLED_TRADES), 2);
    assert_int_equal(counted(&harness, FEED_TRADE_GAP_IDS), 0);
    assert_false(feed_wants_trades(harness.feed, 0, &first, &last, &ticket));
    finish(&harness);
}

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

/* --- refusals
 * ----------------------------------------------------------------------------------------------------- */

static void test_hostile_messages_change_no_row_of_the_others(void **state)
{
    (void)state;
    static const char *const HOSTILE[] = {
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"tra",
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":1,\"T\":99999999999999999,\"t\":9,\"p\":\"1\",\"q\":"
        "\"1\",\"m\":true}}",
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":1,\"T\":1,\"t\":9223372036854775807,\"p\":\"1\",\"q\":"
        "\"1\",\"m\":true}}",
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":1,\"T\":1,\"t\":3,\"p\":\"1e9\",\"q\":\"1\",\"m\":"
        "true}}",
        "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":1,\"T\":1,\"U\":1,\"u\":1,\"pu\":1,\"b\":[[\"x\","
        "\"y\"]],\"a\":[]}}",
        "{\"stream\":\"nobody@knows\",\"data\":{}}",
        "\x00\x01\x02",
        "null",
    };
    struct harness harness;
    begin_live(&harness, VENUE_USDM);
    int64_t refused = 0;
    for (size_t i = 0; i < sizeof HOSTILE / sizeof HOSTILE[0]; i++)
        refused += record(&harness, CAPTURE_MESSAGE, HOSTILE[i]) != STATUS_OK;
    assert_int_equal(refused, sizeof HOSTILE / sizeof HOSTILE[0]);
    assert_int_equal(record(&harness, (enum capture_kind)77, "?"), STATUS_UNSUPPORTED);
    diff(&harness, 1001, 13, 14, 12);
    expect(&harness, "book 14");
    assert_int_equal(counted(&harness, FEED_PARSE_ERRORS), refused - 1);
    assert_int_equal(counted(&harness, FEED_FILTERED_UNKNOWN_STREAM), 1);
    finish(&harness);
}

static void test_impossible_configurations_are_refused(void **state)
{
    (void)state;
    struct error error = {""};
    struct feed_config config;
    feed_config_defaults(&config);
    assert_null(feed_create(&config, collect, NULL, &error));
    config.symbols = SYMBOLS;
    config.symbol_count = 2;
    config.levels = 21;
    assert_null(feed_create(&config, collect, NULL, &error));
    config.levels = 5;
    config.grid_ms = 0;
    assert_null(feed_create(&config, collect, NULL, &error));
    assert_non_null(strstr(error.text, "grid_ms"));
}

static void test_damaged_states_are_refused_and_never_crash(void **state)
{
    (void)state;
    static const char TRADE[] = "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":9,\"T\":8,\"t\":2,\"p\":\"1\","
                                "\"q\":\"2\",\"m\":true}}";
    struct harness harness;
    begin(&harness, VENUE_USDM);
    record(&harness, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@depth");
    diff(&harness, 1000, 5, 12, 4);
    trade(&harness, 1001, 1);
    ticker(&harness, 7, 1);
    struct buffer saved;
    buffer_init(&saved, 0);
    feed_save(harness.feed, &saved);
    struct error error = {""};
    size_t step = saved.length / 997 + 1;
    for (size_t bytes = 0; bytes < saved.length; bytes += step) {
        struct feed *feed = feed_create(&harness.config, collect, &harness, NULL);
        struct reader reader;
        reader_init(&reader, saved.data, bytes);
        assert_int_equal(feed_load(feed, &reader, &error), STATUS_MALFORMED);
        assert_true(error.text[0] != 0);
        feed_destroy(feed);
    }
    for (size_t at = 0; at < saved.length; at += 1 + at % 3) {
        struct feed *feed = feed_create(&harness.config, collect, &harness, NULL);
        struct reader reader;
        saved.data[at] ^= 0x81;
        reader_init(&reader, saved.data, saved.length);
        if (feed_load(feed, &reader, &error) == STATUS_OK) {
            struct feed *kept = harness.feed;
            harness.feed = feed;
            if (feed_sequence(feed, 0) == 0) {
                harness.sequence = 0;
                snapshot(&harness, 10);
                record(&harness, CAPTURE_MESSAGE, TRADE);
                feed_end(feed);
            }
            harness.feed = kept;
        }
        feed_destroy(feed);
        saved.data[at] ^= 0x81;
    }
    buffer_finish(&saved);
    finish(&harness);
}

static void test_every_counter_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < FEED_COUNTER_COUNT; i++) {
        assert_non_null(feed_counter_name((enum feed_counter)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(feed_counter_name((enum feed_counter)i),
                                    feed_counter_name((enum feed_counter)j));
    }
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
        cmocka_unit_test(test_missing_ids_give_an_event_before_the_trade),
        cmocka_unit_test(test_non_market_prints_are_published_and_nothing_else),
        cmocka_unit_test(test_a_trade_without_net_quantity_is_only_counted),
        cmocka_unit_test(test_of_a_trade_with_an_impossible_number_nothing_is_believed),
        cmocka_unit_test(test_silences_end_with_an_event),
        cmocka_unit_test(test_the_rate_counts_the_last_minute),
        cmocka_unit_test(test_missing_aggregate_trades_are_wanted_and_inserted),
        cmocka_unit_test(test_a_reopened_socket_gives_one_event_at_the_next_item_of_its_symbols),
        cmocka_unit_test(test_other_symbols_and_planned_relief_give_no_event),
        cmocka_unit_test(test_a_reconnect_inside_the_held_messages_keeps_its_place),
        cmocka_unit_test(test_control_inputs_become_rows_in_their_place),
        cmocka_unit_test(test_the_recording_ends_when_its_last_connection_says_so),
        cmocka_unit_test(test_an_end_without_any_snapshot_publishes_the_trades),
        cmocka_unit_test(test_partial_books_are_complete_by_themselves),
        cmocka_unit_test(test_hostile_messages_change_no_row_of_the_others),
        cmocka_unit_test(test_impossible_configurations_are_refused),
        cmocka_unit_test(test_damaged_states_are_refused_and_never_crash),
        cmocka_unit_test(test_every_counter_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
