// Every message variant of the venue, in any order of keys, and everything it must refuse.
// links: service_harvest market proto base yyjson
#include "base/memory.h"
#include "base/random.h"
#include "services/harvest/venue.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char *const SYMBOLS[] = {"BTCUSDT", "ETHUSD_PERP"};

static struct venue *create(enum venue_market market, bool raw_trades, bool partial_books)
{
    struct venue_config config = {.market = market,
                                  .symbols = SYMBOLS,
                                  .symbol_count = 2,
                                  .raw_trades = raw_trades,
                                  .partial_books = partial_books};
    return venue_create(&config);
}

static void expect(struct venue *venue, const char *text, struct venue_message *out)
{
    enum venue_reason reason;
    struct error error = {""};
    if (venue_parse_text(venue, text, strlen(text), out, &reason, &error) != STATUS_OK)
        fail_msg("%s\n%s", error.text, text);
    assert_int_equal(reason, VENUE_FINE);
}

static void refuse(struct venue *venue, const char *text, enum venue_reason expected)
{
    struct venue_message message;
    enum venue_reason reason;
    struct error error = {""};
    enum status status = venue_parse_text(venue, text, strlen(text), &message, &reason, &error);
    if (reason != expected)
        fail_msg("%s instead of %s: %s", venue_reason_name(reason), venue_reason_name(expected), text);
    assert_int_equal(status, expected < VENUE_MALFORMED_END ? STATUS_MALFORMED : STATUS_UNSUPPORTED);
    assert_non_null(strstr(error.text, venue_reason_name(expected)));
}

static void test_aggregate_trades_of_all_markets_and_years(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1700000000005,\"a\":77,\"s\":"
        "\"BTCUSDT\",\"p\":"
        "\"100.5\",\"q\":\"0.25\",\"f\":80,\"l\":82,\"T\":1700000000001,\"m\":true}}",
        "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1700000000005,\"s\":\"BTCUSDT\","
        "\"a\":77,\"p\":"
        "\"100.50000000\",\"q\":\"0.25000000\",\"f\":80,\"l\":82,\"T\":1700000000001,\"m\":true,\"M\":true}}",
        "{\"data\":{\"m\":true,\"T\":1700000000001,\"st\":1,\"nq\":\"0.2\",\"l\":82,\"new\":{\"deep\":[1,{}]}"
        ",\"f\":80,"
        "\"q\":\"0.25\",\"p\":\"100.5\",\"a\":77,\"s\":\"BTCUSDT\",\"E\":1700000000005,\"e\":\"aggTrade\"},"
        "\"stream\":"
        "\"btcusdt@aggTrade\",\"x\":null}",
        "{\"e\":\"aggTrade\",\"E\":1700000000005,\"a\":77,\"s\":\"BTCUSDT\",\"p\":\"100.5\",\"q\":\"0.25\","
        "\"f\":80,\"l\":82,"
        "\"T\":1700000000001,\"m\":true}",
    };
    struct venue *venue = create(VENUE_USDM, false, false);
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct venue_message message;
        expect(venue, TEXTS[i], &message);
        assert_int_equal(message.kind, VENUE_TRADE);
        assert_int_equal(message.symbol, 0);
        assert_int_equal(message.trade.id, 77);
        assert_int_equal(message.trade.first_id, 80);
        assert_int_equal(message.trade.last_id, 82);
        assert_int_equal(message.transaction_ms, 1700000000001);
        assert_int_equal(message.event_ms, 1700000000005);
        assert_int_equal(message.trade.price_units, 10050000000);
        assert_int_equal(message.trade.qty_units, 25000000);
        assert_int_equal(message.trade.is_buyer_maker, 1);
        assert_int_equal(message.trade.is_market, 1);
    }
    venue_destroy(venue);
}

static void test_net_quantity_is_taken_where_asked_for(void **state)
{
    (void)state;
    struct venue_config config = {
        .market = VENUE_USDM, .symbols = SYMBOLS, .symbol_count = 2, .use_nq = true};
    struct venue *venue = venue_create(&config);
    struct venue_message message;
    expect(venue,
           "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"E\":5,\"a\":1,\"p\":\"1\",\"q\":\"3\",\"nq\":\"2\","
           "\"f\":1,\"l\":1,\"T\":4,\"m\":false}}",
           &message);
    assert_int_equal(message.trade.qty_units, 200000000);
    expect(venue,
           "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"E\":5,\"a\":1,\"p\":\"1\",\"q\":\"3\",\"f\":1,\"l\":"
           "1,\"T\":4,\"m\":false}}",
           &message);
    assert_int_equal(message.trade.qty_units, 300000000);
    venue_destroy(venue);
}

static void test_raw_trades_and_their_order_types(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        int is_market, unknown;
    } CASES[] = {{",\"X\":\"MARKET\"", 1, 0},
                 {"", 1, 0},
                 {",\"X\":null", 1, 0},
                 {",\"X\":\"INSURANCE_FUND\"", 0, 0},
                 {",\"X\":\"NEW_KIND\"", 0, 1},
                 {",\"X\":7", 0, 1},
                 {",\"b\":1,\"a\":2,\"M\":true", 1, 0}};
    struct venue *venue = create(VENUE_USDM, true, false);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[512];
        struct venue_message message;
        snprintf(text, sizeof text,
                 "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":9,\"T\":8,\"s\":\"BTCUSDT\","
                 "\"t\":55,\"p\":"
                 "\"1.5\",\"q\":\"2\"%s,\"m\":false}}",
                 CASES[i].more);
        expect(venue, text, &message);
        assert_int_equal(message.trade.id, 55);
        assert_int_equal(message.trade.first_id, 55);
        assert_int_equal(message.trade.last_id, 55);
        assert_int_equal(message.trade.is_market, CASES[i].is_market);
        assert_int_equal(message.unknown_values, CASES[i].unknown);
    }
    refuse(venue, "{\"stream\":\"btcusdt@aggTrade\",\"data\":{}}", VENUE_UNUSED_TRADES);
    venue_destroy(venue);
}

static void test_diffs_of_futures_and_spot(void **state)
{
    (void)state;
    struct venue_message message;
    struct venue *venue = create(VENUE_COINM, true, false);
    expect(venue,
           "{\"stream\":\"ethusd_perp@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":11,\"T\":10,\"s\":"
           "\"ETHUSD_PERP\",\"ps\":"
           "\"ETHUSD\",\"U\":5,\"u\":7,\"pu\":-1,\"b\":[[\"10.5\",\"0\"],[\"10.4\",\"3\"]],\"a\":[[\"11\","
           "\"2\",[]]]}}",
           &message);
    assert_int_equal(message.kind, VENUE_DIFF);
    assert_int_equal(message.symbol, 1);
    assert_int_equal(message.transaction_ms, 10);
    assert_int_equal(message.event_ms, 11);
    assert_int_equal(message.depth.first_id, 5);
    assert_int_equal(message.depth.last_id, 7);
    assert_int_equal(message.depth.prev_last_id, -1);
    assert_int_equal(message.depth.bid_count, 2);
    assert_int_equal(message.depth.ask_count, 1);
    assert_int_equal(message.bids[0].qty_units, 0);
    assert_int_equal(message.bids[1].price_units, 1040000000);
    assert_int_equal(message.asks[0].qty_units, 200000000);
    venue_destroy(venue);

    venue = create(VENUE_SPOT, true, false);
    expect(venue,
           "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":11,\"s\":\"BTCUSDT\",\"U\":5,\"u\":7,\"b\":[],"
           "\"a\":[]}}",
           &message);
    assert_int_equal(message.transaction_ms, 11); /* T := E */
    assert_true(message.depth.prev_last_id == FIELD_NULL_I64);
    assert_int_equal(message.depth.bid_count + message.depth.ask_count, 0);
    venue_destroy(venue);
}

/* The same content is a diff or a complete top, by the name of its stream alone. */
static void test_partial_and_diff_are_told_apart_by_the_stream(void **state)
{
    (void)state;
    static const char BODY[] = "\"data\":{\"e\":\"depthUpdate\",\"E\":11,\"T\":10,\"s\":\"BTCUSDT\",\"U\":5,"
                               "\"u\":7,\"pu\":4,\"b\":[[\"1\",\"1\"]],\"a\":[[\"2\",\"1\"]]}";
    static const char *const PARTIAL[] = {"depth5", "depth5@100ms", "depth10", "depth20@500ms"};
    static const char *const DIFF[] = {"depth", "depth@100ms", "depth@0ms", "depth@500ms"};
    for (int partial = 0; partial < 2; partial++) {
        struct venue *venue = create(VENUE_USDM, true, partial);
        for (size_t i = 0; i < 4; i++) {
            char text[400];
            struct venue_message message;
            snprintf(text, sizeof text, "{\"stream\":\"btcusdt@%s\",%s}", partial ? PARTIAL[i] : DIFF[i],
                     BODY);
            expect(venue, text, &message);
            assert_int_equal(message.kind, partial ? VENUE_PARTIAL : VENUE_DIFF);
            snprintf(text, sizeof text, "{\"stream\":\"btcusdt@%s\",%s}", partial ? DIFF[i] : PARTIAL[i],
                     BODY);
            refuse(venue, text, VENUE_UNUSED_BOOKS);
        }
        refuse(venue,
               "{\"e\":\"depthUpdate\",\"E\":11,\"T\":10,\"s\":\"BTCUSDT\",\"U\":5,\"u\":7,\"pu\":4,\"b\":[],"
               "\"a\":[]}",
               VENUE_UNKNOWN_STREAM);
        venue_destroy(venue);
    }
}

static void test_tickers_with_and_without_times(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":9,\"s\":\"BTCUSDT\",\"b\":\"1.1\",\"B\":\"2\","
        "\"a\":\"1.2\",\"A\":\"3\"}}",
        "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":9,\"s\":\"BTCUSDT\",\"ps\":"
        "\"BTCUSDT\",\"b\":\"1.1\",\"B\":\"2\",\"a\":\"1.2\",\"A\":\"3\",\"T\":5,\"E\":6,\"st\":1}}",
        "{\"stream\":\"!bookTicker\",\"data\":{\"u\":9,\"s\":\"BTCUSDT\",\"b\":\"1.1\",\"B\":\"2\",\"a\":\"1."
        "2\",\"A\":\"3\"}}",
        "{\"e\":\"bookTicker\",\"u\":9,\"s\":\"BTCUSDT\",\"b\":\"1.1\",\"B\":\"2\",\"a\":\"1.2\",\"A\":"
        "\"3\"}",
    };
    struct venue *venue = create(VENUE_SPOT, true, false);
    for (size_t i = 0; i < 4; i++) {
        struct venue_message message;
        expect(venue, TEXTS[i], &message);
        assert_int_equal(message.kind, VENUE_TICKER);
        assert_int_equal(message.ticker.update_id, 9);
        assert_int_equal(message.ticker.bid_price_units, 110000000);
        assert_int_equal(message.ticker.ask_qty_units, 300000000);
    }
    venue_destroy(venue);
}

static void test_what_is_not_for_us_is_said_by_reason(void **state)
{
    (void)state;
    struct venue *venue = create(VENUE_USDM, false, false);
    refuse(venue, "{\"stream\":\"btcusdt@markPrice@1s\",\"data\":{\"e\":\"markPriceUpdate\"}}",
           VENUE_OTHER_STREAM);
    refuse(venue, "{\"stream\":\"!markPrice@arr\",\"data\":[{}]}", VENUE_OTHER_STREAM);
    refuse(venue, "{\"stream\":\"btcusdt@kline_1m\",\"data\":{}}", VENUE_OTHER_STREAM);
    refuse(venue, "{\"stream\":\"!ticker@arr\",\"data\":[]}", VENUE_OTHER_STREAM);
    refuse(venue, "{\"stream\":\"btcusdt@somethingNew\",\"data\":{}}", VENUE_UNKNOWN_STREAM);
    refuse(venue, "{\"stream\":\"btcusdt\",\"data\":{}}", VENUE_UNKNOWN_STREAM);
    refuse(venue, "{\"stream\":\"\",\"data\":{}}", VENUE_UNKNOWN_STREAM);
    refuse(venue, "{\"stream\":\"xrpusdt@aggTrade\",\"data\":{}}", VENUE_OTHER_SYMBOL);
    refuse(venue, "{\"stream\":\"averyveryverylongsymbolnamethatnobodyhas@aggTrade\",\"data\":{}}",
           VENUE_OTHER_SYMBOL);
    refuse(venue, "{\"result\":null,\"id\":1}", VENUE_NOTICE);
    refuse(venue, "{\"error\":{\"code\":2,\"msg\":\"x\"},\"id\":1}", VENUE_NOTICE);
    venue_destroy(venue);
}

static void test_malformed_messages_are_refused_by_reason(void **state)
{
    (void)state;
    struct venue *venue = create(VENUE_USDM, true, false);
    refuse(venue, "", VENUE_BAD_JSON);
    refuse(venue, "{", VENUE_BAD_JSON);
    refuse(venue, "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"tr", VENUE_BAD_JSON);
    refuse(venue, "{\"stream\":\"btcusdt@trade\",\"data\":{}}{}", VENUE_BAD_JSON);
    refuse(venue, "{\"stream\":\"btc\xff\xfeusdt@trade\",\"data\":{}}", VENUE_BAD_JSON);
    refuse(venue, "[]", VENUE_BAD_ENVELOPE);
    refuse(venue, "42", VENUE_BAD_ENVELOPE);
    refuse(venue, "{}", VENUE_BAD_ENVELOPE);
    refuse(venue, "{\"stream\":7,\"data\":{}}", VENUE_BAD_ENVELOPE);
    refuse(venue, "{\"stream\":\"btcusdt@trade\"}", VENUE_BAD_ENVELOPE);
    refuse(venue, "{\"stream\":\"btcusdt@trade\",\"data\":[]}", VENUE_BAD_ENVELOPE);
    refuse(venue, "{\"stream\":\"btcusdt@trade\",\"data\":\"x\"}", VENUE_BAD_ENVELOPE);
    venue_destroy(venue);
}

/* replaced: a text with its first `from` replaced by `to`; free it. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    char *out = memory_allocate(strlen(text) + strlen(to) + 1);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static void test_each_required_key_and_number_is_checked(void **state)
{
    (void)state;
    static const char TRADE[] = "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":9,\"T\":8,"
                                "\"s\":\"BTCUSDT\",\"t\":55,\"p\":\"1.5\",\"q\":\"2\",\"m\":false}}";
    static const char DEPTH[] = "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":11,\"T\":10,\"s\":\"BTCUSDT\","
                                "\"U\":5,\"u\":7,\"pu\":4,\"b\":[[\"1\",\"1\"]],\"a\":[[\"2\",\"0\"]]}}";
    static const struct {
        const char *text, *from, *to;
        enum venue_reason reason;
    } CASES[] = {
        {TRADE, "\"t\":55", "\"z\":55", VENUE_BAD_FIELD},
        {TRADE, "\"t\":55", "\"t\":\"55\"", VENUE_BAD_FIELD},
        {TRADE, "\"t\":55", "\"t\":-1", VENUE_BAD_FIELD},
        {TRADE, "\"t\":55", "\"t\":5.5", VENUE_BAD_FIELD},
        {TRADE, "\"t\":55", "\"t\":18446744073709551615", VENUE_BAD_FIELD},
        {TRADE, "\"t\":55", "\"t\":9223372036854775807", VENUE_BAD_FIELD},
        {TRADE, "\"t\":55", "\"t\":1e300", VENUE_BAD_FIELD},
        {TRADE, "\"T\":8", "\"T\":0", VENUE_BAD_FIELD},
        {TRADE, "\"T\":8", "\"T\":99999999999999999", VENUE_BAD_FIELD},
        {TRADE, "\"E\":9", "\"E\":null", VENUE_BAD_FIELD},
        {TRADE, "\"m\":false", "\"m\":0", VENUE_BAD_FIELD},
        {TRADE, "\"s\":\"BTCUSDT\"", "\"s\":\"ETHUSDT\"", VENUE_BAD_FIELD},
        {TRADE, "\"s\":\"BTCUSDT\"", "\"s\":5", VENUE_BAD_FIELD},
        {TRADE, "\"1.5\"", "\"-1.5\"", VENUE_BAD_NUMBER},
        {TRADE, "\"1.5\"", "\"0\"", VENUE_BAD_NUMBER},
        {TRADE, "\"q\":\"2\"", "\"q\":\"0\"", VENUE_BAD_NUMBER},
        {TRADE, "\"1.5\"", "\"nan\"", VENUE_BAD_NUMBER},
        {TRADE, "\"1.5\"", "\"1e5\"", VENUE_BAD_NUMBER},
        {TRADE, "\"1.5\"", "\"\"", VENUE_BAD_NUMBER},
        {TRADE, "\"1.5\"", "1.5", VENUE_BAD_NUMBER},
        {TRADE, "\"1.5\"", "\"1.123456789\"", VENUE_BAD_NUMBER},
        {TRADE, "\"1.5\"", "\"99999999999999999999999999\"", VENUE_BAD_NUMBER},
        {TRADE, "\"q\":\"2\"", "\"q\":null", VENUE_BAD_NUMBER},
        {DEPTH, "\"U\":5", "\"U\":8", VENUE_BAD_FIELD},
        {DEPTH, "\"u\":7", "\"v\":7", VENUE_BAD_FIELD},
        {DEPTH, "\"pu\":4", "\"pv\":4", VENUE_BAD_FIELD},
        {DEPTH, "\"pu\":4", "\"pu\":-2", VENUE_BAD_FIELD},
        {DEPTH, "\"T\":10", "\"t\":10", VENUE_BAD_FIELD},
        {DEPTH, "[[\"1\",\"1\"]]", "{}", VENUE_BAD_NUMBER},
        {DEPTH, "[[\"1\",\"1\"]]", "[[\"1\"]]", VENUE_BAD_NUMBER},
        {DEPTH, "[[\"1\",\"1\"]]", "[\"1\",\"1\"]", VENUE_BAD_NUMBER},
        {DEPTH, "[[\"1\",\"1\"]]", "[[\"0\",\"1\"]]", VENUE_BAD_NUMBER},
        {DEPTH, "[[\"1\",\"1\"]]", "[[\"1\",\"-1\"]]", VENUE_BAD_NUMBER},
        {DEPTH, "[[\"1\",\"1\"]]", "[[1,1]]", VENUE_BAD_NUMBER},
    };
    struct venue *venue = create(VENUE_USDM, true, false);
    struct venue_message message;
    expect(venue, TRADE, &message);
    expect(venue, DEPTH, &message);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *text = replaced(CASES[i].text, CASES[i].from, CASES[i].to);
        refuse(venue, text, CASES[i].reason);
        free(text);
    }
    venue_destroy(venue);
}

static enum status rest(struct venue *venue, const char *payload, struct venue_message *out,
                        enum venue_reason *reason)
{
    return venue_parse_rest(venue, payload, strlen(payload), out, reason, NULL);
}

static void test_rest_answers(void **state)
{
    (void)state;
    struct venue *venue = create(VENUE_USDM, false, false);
    struct venue_message message;
    enum venue_reason reason;
    assert_int_equal(rest(venue,
                          "https://h/fapi/v1/depth?limit=1000&symbol=BTCUSDT\n{\"lastUpdateId\": 12, \"E\": "
                          "5, \"T\": 4, \"bids\": [[\"9\", \"1\"]], \"asks\": []}",
                          &message, &reason),
                     STATUS_OK);
    assert_int_equal(message.kind, VENUE_SNAPSHOT);
    assert_int_equal(message.symbol, 0);
    assert_int_equal(message.depth.last_id, 12);
    assert_int_equal(message.depth.bid_count, 1);
    assert_int_equal(message.bids[0].price_units, 900000000);

    assert_int_equal(rest(venue,
                          "https://h/fapi/v1/depth?symbol=BTCUSDT&limit=1000\n{\"code\":-1003,\"msg\":\"Too "
                          "many requests\"}",
                          &message, &reason),
                     STATUS_UNSUPPORTED);
    assert_int_equal(reason, VENUE_REST_ERROR);
    assert_int_equal(message.kind, VENUE_SNAPSHOT);
    assert_int_equal(message.symbol, 0);

    assert_int_equal(rest(venue, "https://h/fapi/v1/depth?symbol=BTCUSDT\n<html>", &message, &reason),
                     STATUS_MALFORMED);
    assert_int_equal(reason, VENUE_BAD_JSON);
    assert_int_equal(
        rest(venue, "https://h/fapi/v1/depth?symbol=BTCUSDT\n{\"bids\":[],\"asks\":[]}", &message, &reason),
        STATUS_MALFORMED);
    assert_int_equal(rest(venue,
                          "https://h/fapi/v1/depth?symbol=XYZ\n{\"lastUpdateId\":12,\"bids\":[],\"asks\":[]}",
                          &message, &reason),
                     STATUS_UNSUPPORTED);
    assert_int_equal(reason, VENUE_OTHER_SYMBOL);
    assert_int_equal(rest(venue, "no line end", &message, &reason), STATUS_MALFORMED);
    assert_int_equal(reason, VENUE_BAD_ENVELOPE);
    assert_int_equal(rest(venue, "", &message, &reason), STATUS_MALFORMED);
    assert_int_equal(rest(venue, "https://h/fapi/v1/time\n{\"serverTime\":5}", &message, &reason), STATUS_OK);
    assert_int_equal(message.kind, VENUE_NOTE);

    assert_int_equal(
        rest(venue,
             "https://h/fapi/v1/"
             "aggTrades?symbol=BTCUSDT&fromId=3\n[{\"a\":3,\"p\":\"1\",\"q\":\"2\",\"f\":1,\"l\":1,\"T\":7,"
             "\"m\":true},{\"a\":4,\"p\":\"1\",\"q\":\"2\",\"f\":2,\"l\":2,\"T\":8,\"m\":false}]",
             &message, &reason),
        STATUS_OK);
    assert_int_equal(message.kind, VENUE_TRADES);
    assert_int_equal(message.trade_count, 2);
    assert_int_equal(message.trades[1].id, 4);
    assert_int_equal(message.trades[1].event_ms, 8);
    assert_int_equal(message.trades[1].is_backfilled, 1);
    venue_destroy(venue);
}

static void test_exchange_information_sets_the_scale_until_the_first_message(void **state)
{
    (void)state;
    static const char INFO[] = "http://h/dapi/v1/"
                               "exchangeInfo\n{\"symbols\":[{\"symbol\":\"OTHER\"},{\"symbol\":\"ETHUSD_"
                               "PERP\",\"contractSize\":25,\"pricePrecision\":1,\"quantityPrecision\":0,"
                               "\"filters\":[{\"filterType\":\"PRICE_FILTER\",\"tickSize\":\"0.0500\"},{"
                               "\"filterType\":\"LOT_SIZE\",\"stepSize\":\"1\"}]}]}";
    struct venue *venue = create(VENUE_COINM, true, false);
    struct venue_message message;
    enum venue_reason reason;
    assert_true(venue_instrument(venue, 0)->contract_size == 100);
    assert_true(venue_instrument(venue, 1)->contract_size == 10);
    assert_int_equal(rest(venue, INFO, &message, &reason), STATUS_OK);
    assert_int_equal(venue_instrument(venue, 1)->price_exponent, 2);
    assert_int_equal(venue_instrument(venue, 1)->qty_exponent, 0);
    assert_true(venue_instrument(venue, 1)->contract_size == 25);
    assert_int_equal(venue_instrument(venue, 0)->price_exponent, DECIMAL_EXPONENT_DEFAULT);
    expect(venue,
           "{\"stream\":\"ethusd_perp@trade\",\"data\":{\"E\":9,\"T\":8,\"t\":1,\"p\":\"2680.55\",\"q\":"
           "\"7\",\"m\":true}}",
           &message);
    assert_int_equal(message.trade.price_units, 268055);
    assert_int_equal(message.trade.qty_units, 7);
    char *later = replaced(INFO, "\"0.0500\"", "\"0.0005\"");
    assert_int_equal(rest(venue, later, &message, &reason), STATUS_OK);
    assert_int_equal(venue_instrument(venue, 1)->price_exponent, 2);
    free(later);
    assert_true(isnan(venue_instrument((struct venue *)venue, 1)->contract_size) == 0);
    venue_destroy(venue);
    venue = create(VENUE_USDM, true, false);
    assert_true(isnan(venue_instrument(venue, 0)->contract_size));
    venue_destroy(venue);
}

static void test_large_messages_are_read_up_to_the_limit(void **state)
{
    (void)state;
    struct venue *venue = create(VENUE_USDM, true, false);
    struct venue_message message;
    enum venue_reason reason;
    struct buffer text;
    buffer_init(&text, 0);
    buffer_append_text(&text, "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":11,\"T\":10,\"U\":5,\"u\":7,"
                              "\"pu\":4,\"a\":[],\"b\":[");
    for (int i = 1; i <= 100000; i++)
        buffer_format(&text, "%s[\"%d.5\",\"1\"]", i > 1 ? "," : "", i);
    buffer_append_text(&text, "]}}");
    assert_true(text.length > 1000000);
    assert_int_equal(venue_parse_text(venue, text.data, text.length, &message, &reason, NULL), STATUS_OK);
    assert_int_equal(message.depth.bid_count, 100000);
    assert_int_equal(message.bids[99999].price_units, 10000050000000);
    while (text.length <= VENUE_PAYLOAD_BYTES_MAX)
        buffer_append(&text, "                                ", 32);
    assert_int_equal(venue_parse_text(venue, text.data, text.length, &message, &reason, NULL),
                     STATUS_MALFORMED);
    assert_int_equal(reason, VENUE_TOO_LARGE);
    buffer_clear(&text);
    for (int i = 0; i < 1000000; i++) /* nested a million deep */
        buffer_append_byte(&text, '[');
    assert_int_equal(venue_parse_text(venue, text.data, text.length, &message, &reason, NULL),
                     STATUS_MALFORMED);
    assert_int_equal(reason, VENUE_BAD_JSON);
    buffer_finish(&text);
    venue_destroy(venue);
}

/* Any single changed byte gives a message or a reason, never a crash (run it under the sanitizers). */
static void test_changed_bytes_never_crash(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":11,\"T\":10,\"s\":\"BTCUSDT\",\"U\":5,\"u\":7,\"pu\":"
        "4,\"b\":[[\"1\",\"1\"]],\"a\":[[\"2\",\"0\"]]}}",
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":9,\"T\":8,\"s\":\"BTCUSDT\",\"t\":55,"
        "\"p\":\"1.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":false}}",
    };
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    random_seed(&random, seed);
    struct venue *venue = create(VENUE_USDM, true, false);
    int fine = 0;
    for (int i = 0; i < 40000; i++) {
        struct venue_message message;
        enum venue_reason reason;
        size_t bytes = strlen(TEXTS[i % 2]);
        char *text = memory_copy(TEXTS[i % 2], bytes); /* its own block, so that reading behind it is seen */
        for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--)
            text[random_below(&random, bytes)] = (char)random_u64(&random);
        enum status status =
            venue_parse_text(venue, text, bytes - random_below(&random, 2), &message, &reason, NULL);
        assert_true((status == STATUS_OK) == (reason == VENUE_FINE));
        if (status == STATUS_OK) {
            assert_int_equal(message.symbol, 0);
            fine++;
        }
        free(text);
    }
    assert_true(fine > 0);
    venue_destroy(venue);
}

static enum status control(struct venue *venue, const char *text, struct venue_control *out)
{
    return venue_parse_control(venue, text, strlen(text), out, NULL);
}

static void test_control_inputs(void **state)
{
    (void)state;
    struct venue *venue = create(VENUE_COINM, true, false);
    struct venue_control got = {.symbol = 5};
    assert_int_equal(control(venue, "{\"decision\":\"suspend_calibration\",\"why\":[1]}", &got), STATUS_OK);
    assert_int_equal(got.symbol, -1);
    assert_int_equal(got.decision, DECISION_SUSPEND_CALIBRATION);
    assert_true(isnan(got.value));
    assert_int_equal(
        control(venue, "{\"symbol\":\"ETHUSD_PERP\",\"decision\":\"slice_weight\",\"value\":0}", &got),
        STATUS_OK);
    assert_int_equal(got.symbol, 1);
    assert_int_equal(got.decision, DECISION_SLICE_WEIGHT);
    assert_true(got.value == 0);
    assert_int_equal(control(venue, "{\"decision\":\"adjust_merge_tol\",\"value\":2500}", &got), STATUS_OK);
    assert_true(got.value == 2500);
    struct venue_control before = got;
    static const struct {
        const char *text;
        enum status status;
    } REFUSED[] = {
        {"{\"symbol\":\"X\",\"decision\":\"lock_direction\"}", STATUS_UNSUPPORTED},
        {"{\"symbol\":7,\"decision\":\"lock_direction\"}", STATUS_UNSUPPORTED},
        {"{\"symbol\":\"ETHUSD_PERP\"}", STATUS_UNSUPPORTED},
        {"{\"decision\":\"none\"}", STATUS_UNSUPPORTED},
        {"{\"decision\":3}", STATUS_UNSUPPORTED},
        {"{\"decision\":\"slice_weight\"}", STATUS_INVALID},
        {"{\"decision\":\"slice_weight\",\"value\":1.5}", STATUS_INVALID},
        {"{\"decision\":\"slice_weight\",\"value\":\"1\"}", STATUS_INVALID},
        {"{\"decision\":\"adjust_merge_tol\",\"value\":0.5}", STATUS_INVALID},
        {"{\"decision\":\"adjust_merge_tol\",\"value\":60001}", STATUS_INVALID},
        {"{\"decision\":\"unlock_direction\",\"value\":1}", STATUS_INVALID},
        {"[1]", STATUS_MALFORMED},
        {"", STATUS_MALFORMED},
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        assert_int_equal(control(venue, REFUSED[i].text, &got), REFUSED[i].status);
    assert_memory_equal(&got, &before, sizeof got);
    venue_destroy(venue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aggregate_trades_of_all_markets_and_years),
        cmocka_unit_test(test_net_quantity_is_taken_where_asked_for),
        cmocka_unit_test(test_raw_trades_and_their_order_types),
        cmocka_unit_test(test_diffs_of_futures_and_spot),
        cmocka_unit_test(test_partial_and_diff_are_told_apart_by_the_stream),
        cmocka_unit_test(test_tickers_with_and_without_times),
        cmocka_unit_test(test_what_is_not_for_us_is_said_by_reason),
        cmocka_unit_test(test_malformed_messages_are_refused_by_reason),
        cmocka_unit_test(test_each_required_key_and_number_is_checked),
        cmocka_unit_test(test_rest_answers),
        cmocka_unit_test(test_exchange_information_sets_the_scale_until_the_first_message),
        cmocka_unit_test(test_large_messages_are_read_up_to_the_limit),
        cmocka_unit_test(test_changed_bytes_never_crash),
        cmocka_unit_test(test_control_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
