// The feed and its trades: missing ids, prints, silences, rates, back-fill (data.md §1.5, algorithms.md §1).
// links: service_harvest market journal proto base yyjson
#include "feed_harness.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_ids_give_an_event_before_the_trade),
        cmocka_unit_test(test_non_market_prints_are_published_and_nothing_else),
        cmocka_unit_test(test_a_trade_without_net_quantity_is_only_counted),
        cmocka_unit_test(test_of_a_trade_with_an_impossible_number_nothing_is_believed),
        cmocka_unit_test(test_silences_end_with_an_event),
        cmocka_unit_test(test_the_rate_counts_the_last_minute),
        cmocka_unit_test(test_missing_aggregate_trades_are_wanted_and_inserted),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
