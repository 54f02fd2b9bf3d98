// links: simulator journal base
/* The clock: what is said when, and where it stops. Time is handed in, nothing waits. */
#include "small_market.h"

static int64_t us(int64_t microseconds)
{
    return 5000000000 + microseconds * 1000;
}

static void stands_still_until_the_first_subscription(void **state)
{
    (void)state;
    struct venue venue;
    struct market market;
    bool wanted = true;
    small_market_open(&venue, &market, 1, &wanted);
    assert_false(market_run(&market, us(1000000), UINT64_MAX));
    assert_int_equal(market_due_ns(&market), MARKET_NEVER);
    assert_int_equal(market_time_ns(&market, us(7)), 1700000000000000000);
    market_start(&market, us(0));
    assert_true(market_run(&market, us(0), UINT64_MAX));
    assert_int_equal(market.position, 1);
    venue_close(&venue);
}

static void receive_times_pace_it(void **state)
{
    (void)state;
    struct venue venue;
    struct market market;
    bool wanted = false;
    small_market_open(&venue, &market, 20, &wanted);
    market_start(&market, us(0));
    market_run(&market, us(4), UINT64_MAX); /* 80 µs of market time */
    assert_int_equal(market.position, 1);
    assert_in_range(market_due_ns(&market), us(5), us(5) + 10);
    assert_int_equal(market_time_ns(&market, us(4)), 1700000000000080000);
    market_run(&market, us(5) + 10, UINT64_MAX);
    assert_int_equal(market.position, 2);
    market_run(&market, us(100), UINT64_MAX);
    assert_int_equal(market.position, ENTRIES);
    assert_true(market_ended(&market));
    assert_int_equal(market_due_ns(&market), MARKET_NEVER);
    assert_int_equal(market_time_ns(&market, us(100)), 1700000000000400000);
    venue_close(&venue);
}

static void stops_at_a_snapshot_until_it_is_fetched(void **state)
{
    (void)state;
    static const double SPEEDS[] = {1, 20, 0};
    for (size_t i = 0; i < 3; i++) {
        struct venue venue;
        struct market market;
        bool wanted = true;
        small_market_open(&venue, &market, SPEEDS[i], &wanted);
        market_start(&market, us(0));
        market_run(&market, us(1000000), UINT64_MAX);
        assert_int_equal(market.position, SNAPSHOT_AT);
        assert_true(market.held);
        assert_int_equal(market_due_ns(&market), MARKET_NEVER);
        assert_non_null(market_snapshot(&market));
        assert_false(market_run(&market, us(2000000), UINT64_MAX));
        market_fetched(&market, us(3000000));
        assert_int_equal(market.position, SNAPSHOT_AT + 1);
        /* The clock stood still meanwhile: the next entry is due 100 µs of market time later, not at once. */
        bool moved = market_run(&market, us(3000000), UINT64_MAX);
        assert_int_equal(moved, SPEEDS[i] == 0);
        market_run(&market, us(3000000 + 201), UINT64_MAX);
        assert_int_equal(market.position, ENTRIES);
        venue_close(&venue);
    }
}

static void a_market_that_follows_the_wall_clock_is_never_late_for_long(void **state)
{
    (void)state;
    static const int64_t FIRST_NS = 1700000000000000000;
    struct venue venue;
    struct market market;
    bool wanted = true;
    small_market_open(&venue, &market, 1, &wanted);
    market_follow_wall(&market, us(0), FIRST_NS); /* what was received first was received at us(0) */
    assert_int_equal(market_time_ns(&market, us(77)), FIRST_NS + 77000);
    market_start(&market, us(150)); /* the first subscription comes later */
    market_run(&market, us(150), UINT64_MAX);
    assert_int_equal(market_time_ns(&market, us(150)), FIRST_NS + 150000);
    market_run(&market, us(1000000), UINT64_MAX);
    assert_int_equal(market.position, SNAPSHOT_AT);
    market_fetched(&market, us(3000000));
    assert_true(market_run(&market, us(3000000), UINT64_MAX)); /* all is due, however long it was held */
    assert_int_equal(market.position, ENTRIES);
    venue_close(&venue);
}

static void passes_a_snapshot_nobody_wants(void **state)
{
    (void)state;
    struct venue venue;
    struct market market;
    bool wanted = true;
    small_market_open(&venue, &market, 1, &wanted);
    market_start(&market, us(0));
    market_run(&market, us(250), UINT64_MAX);
    assert_true(market.held);
    wanted = false; /* its only subscriber has left */
    market_run(&market, us(1000), UINT64_MAX);
    assert_false(market.held);
    assert_int_equal(market.position, SNAPSHOT_AT + 1); /* and no jump in time */
    market_run(&market, us(1000 + 101), UINT64_MAX);
    assert_int_equal(market.position, SNAPSHOT_AT + 2);
    venue_close(&venue);
}

static void never_passes_its_limit(void **state)
{
    (void)state;
    struct venue venue;
    struct market market;
    bool wanted = false;
    small_market_open(&venue, &market, 0, &wanted);
    market_start(&market, us(0));
    market_run(&market, 0, 1);
    assert_int_equal(market.position, 1);
    market_run(&market, 0, 4);
    assert_int_equal(market.position, 4);
    venue_close(&venue);
}

static void the_synthetic_market_ends_and_forgets(void **state)
{
    (void)state;
    static const char *const SYMBOLS[] = {"BTCUSDT"};
    struct venue_config config = {.synthetic = {.seed = 1,
                                                .symbols = SYMBOLS,
                                                .symbol_count = 1,
                                                .market = MARKET_USDM,
                                                .rate_per_s = 1000,
                                                .flow_strength = 0.5,
                                                .start_ms = SYNTHETIC_START_MS,
                                                .length_ms = 60000}};
    struct venue venue;
    struct market market;
    struct error error;
    bool wanted = false;
    size_t most = 0;
    assert_ok(venue_open(&venue, &config, &error));
    assert_true(venue_snapshot_ahead(&venue, 0, 0));
    market_init(&market, &venue, 0, is_wanted, &wanted);
    market_start(&market, 0);
    while (!market_ended(&market)) {
        market_run(&market, 0, market.position + 100);
        tape_forget(venue_tape(&venue), market.position - 1);
        most = venue_tape(&venue)->text_bytes > most ? venue_tape(&venue)->text_bytes : most;
    }
    assert_in_range(market.position, 50000, 70000);
    assert_in_range(most, 1, 4 << 20); /* of some 12 MiB */
    assert_false(venue_snapshot_ahead(&venue, 0, market.position));
    assert_in_range(market_time_ns(&market, 0), 1700000059000000000, 1700000060010000000);
    venue_close(&venue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(stands_still_until_the_first_subscription),
        IN_FOLDER(receive_times_pace_it),
        IN_FOLDER(stops_at_a_snapshot_until_it_is_fetched),
        IN_FOLDER(a_market_that_follows_the_wall_clock_is_never_late_for_long),
        IN_FOLDER(passes_a_snapshot_nobody_wants),
        IN_FOLDER(never_passes_its_limit),
        cmocka_unit_test(the_synthetic_market_ends_and_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
