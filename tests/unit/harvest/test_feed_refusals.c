// What the feed refuses: hostile messages, configurations, damaged states.
// links: service_harvest market journal proto base yyjson
#include "feed_harness.h"

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
        cmocka_unit_test(test_hostile_messages_change_no_row_of_the_others),
        cmocka_unit_test(test_impossible_configurations_are_refused),
        cmocka_unit_test(test_damaged_states_are_refused_and_never_crash),
        cmocka_unit_test(test_every_counter_has_its_own_name),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
