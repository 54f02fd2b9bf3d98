// links: simulator journal base
/* Where a market is, kept for the next life of its simulator, and how that life goes on. */
#include "small_market.h"

#include "services/simulator/position.h"

#include <unistd.h>

static char path[PATH_BYTES];

static int make_path(void **state)
{
    int made = make_folder(state);
    path_join(path, folder, "run/simulator.position");
    return made;
}

static bool found(const char *run_id, const char *market, struct position *out_position)
{
    struct position_file *file;
    struct error error = {""};
    bool is_found;
    if (position_open(path, run_id, market, &file, out_position, &is_found, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    position_close(file);
    return is_found;
}

static void keep(const char *run_id, const char *market, const struct position *position)
{
    struct position_file *file;
    struct position before;
    struct error error = {""};
    bool is_found;
    assert_ok(position_open(path, run_id, market, &file, &before, &is_found, &error));
    position_keep(file, position);
    position_keep(file, position);
    position_close(file);
}

static void what_was_kept_is_found_again(void **state)
{
    (void)state;
    struct position position = {
        .start_ms = 1, .number = 77, .base_market_ns = 2, .base_wall_ns = 3, .held = true};
    struct position again = {0};
    assert_false(found("r", "m", &again)); /* an empty file is there now, and says nothing */
    keep("r", "m", &position);
    assert_true(found("r", "m", &again));
    assert_int_equal(again.start_ms, 1);
    assert_int_equal(again.number, 77);
    assert_int_equal(again.base_market_ns, 2);
    assert_int_equal(again.base_wall_ns, 3);
    assert_true(again.held);
    assert_int_equal(file_bytes(path), POSITION_BYTES);
    position.number = 5; /* shorter than what stood there */
    position.held = false;
    keep("r", "m", &position);
    assert_true(found("r", "m", &again));
    assert_int_equal(again.number, 5);
    assert_false(again.held);
}

static void another_run_means_nothing_and_another_market_is_refused(void **state)
{
    (void)state;
    struct position position = {.number = 77}, again;
    struct position_file *file;
    struct error error = {""};
    bool is_found;
    keep("r", "m", &position);
    assert_false(found("q", "m", &again));
    assert_int_equal(position_open(path, "r", "n", &file, &again, &is_found, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "another market"));
    assert_true(found("r", "m", &again)); /* it was left as it was */
    keep("q", "m", &position);
    assert_false(found("r", "m", &again));
}

static void a_damaged_file_is_no_position(void **state)
{
    (void)state;
    static const char *const DAMAGED[] = {
        "{\"run_id\":\"r\",\"market\":\"m\",\"start_ms\":1,\"position\":-7,\"base_market_ns\":0,\"base_wall_"
        "ns\":0,"
        "\"held\":false}",
        "{\"run_id\":\"r\",\"market\":\"m\",\"start_ms\":1,\"position\":7}",
        "{\"run_id\":\"r\",\"market\":\"m\",\"start_",
        "\x00\x00\x00",
        "[]",
    };
    struct position again;
    keep("x", "m", &(struct position){0});
    for (size_t i = 0; i < sizeof DAMAGED / sizeof *DAMAGED; i++) {
        assert_ok(file_replace(path, DAMAGED[i], strlen(DAMAGED[i]) + 1, false));
        assert_false(found("r", "m", &again));
    }
}

static void a_folder_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct position_file *file;
    struct position again;
    struct error error = {""};
    bool is_found;
    char long_name[POSITION_RUN_BYTES + 1];
    memset(long_name, 'r', sizeof long_name);
    long_name[POSITION_RUN_BYTES] = 0;
    assert_int_equal(position_open("/proc/nowhere/position", "r", "m", &file, &again, &is_found, &error),
                     STATUS_IO);
    assert_non_null(strstr(error.text, "/proc/nowhere/position"));
    assert_int_equal(position_open(path, long_name, "m", &file, &again, &is_found, &error), STATUS_INVALID);
}

/* --- the market's second life --- */

/* Of the first entry. */
static const int64_t FIRST_NS = 1700000000000000000;

static void at_a_pace_time_has_passed_meanwhile(void **state)
{
    (void)state;
    struct venue venue;
    struct market market;
    bool wanted = false;
    small_market_open(&venue, &market, 1, &wanted);
    /* It stood behind the first entry; its clock showed the beginning 350 µs ago. */
    market_resume(&market, 1, false, FIRST_NS, 350000, 9000000);
    assert_int_equal(market.position, 1);
    assert_true(
        market_run(&market, 9000000, UINT64_MAX)); /* the snapshot, too: nobody was there to want it */
    assert_int_equal(market.position, 4);
    assert_int_equal(market_due_ns(&market), 9000000 + 50000 + 1);
    market_run(&market, 9000000 + 50001, UINT64_MAX);
    assert_int_equal(market.position, ENTRIES);
    venue_close(&venue);
}

static void at_max_it_stands_where_it_stood(void **state)
{
    (void)state;
    struct venue venue;
    struct market market;
    bool wanted = true;
    small_market_open(&venue, &market, 0, &wanted);
    market_resume(&market, 3, false, 0, 0, 5);
    assert_int_equal(market.position, 3);
    assert_int_equal(market.beyond_snapshot, 3); /* it never goes back in front of one */
    assert_int_equal(market_due_ns(&market), MARKET_NEVER);
    market_run(&market, 6, 4);
    assert_int_equal(market.position, 4);
    venue_close(&venue);
}

static void held_in_front_of_a_snapshot_it_stands_there_still(void **state)
{
    (void)state;
    static const double SPEEDS[] = {1, 0};
    for (size_t i = 0; i < 2; i++) {
        struct venue venue;
        struct market market;
        bool wanted = true;
        small_market_open(&venue, &market, SPEEDS[i], &wanted);
        market_resume(&market, SNAPSHOT_AT, true, FIRST_NS, 1000000, 2000000);
        assert_true(market.held);
        assert_false(market_run(&market, 3000000, UINT64_MAX));
        assert_int_equal(market_time_ns(&market, 3000000), FIRST_NS + 200000);
        market_fetched(&market, 4000000); /* and no time is made up for */
        assert_int_equal(market.position, SNAPSHOT_AT + 1);
        assert_int_equal(market_run(&market, 4000000, UINT64_MAX), SPEEDS[i] == 0);
        venue_close(&venue);
    }
}

static void a_position_behind_the_end_is_the_end(void **state)
{
    (void)state;
    struct venue venue;
    struct market market;
    bool wanted = false;
    small_market_open(&venue, &market, 20, &wanted);
    market_resume(&market, 1000, false, FIRST_NS, 0, 1);
    assert_int_equal(market.position, ENTRIES);
    assert_true(market_ended(&market));
    venue_close(&venue);
}

static void the_synthetic_market_says_what_it_would_have_said(void **state)
{
    (void)state;
    static const char *const SYMBOLS[] = {"BTCUSDT"};
    enum { BEHIND = 25000, WORDS = 50 };
    struct venue_config config = {.synthetic = {.seed = 1,
                                                .symbols = SYMBOLS,
                                                .symbol_count = 1,
                                                .market = MARKET_USDM,
                                                .rate_per_s = 1000,
                                                .flow_strength = 0.5,
                                                .start_ms = SYNTHETIC_START_MS,
                                                .length_ms = 60000}};
    struct venue first, second;
    struct market market;
    struct error error;
    bool wanted = false;
    assert_ok(venue_open(&first, &config, &error));
    assert_ok(venue_open(&second, &config, &error));
    assert_true(venue_extend(&first, BEHIND + WORDS));
    market_init(&market, &second, 0, is_wanted, &wanted);
    market_resume(&market, BEHIND, false, 0, 0, 0);
    assert_int_equal(market.position, BEHIND);
    assert_in_range(second.recording.tape.first, BEHIND / 2, BEHIND); /* what lies behind is forgotten */
    market_run(&market, 0, BEHIND + WORDS);
    for (uint64_t number = BEHIND; number < BEHIND + WORDS; number++) {
        const struct tape_entry *one = tape_at(venue_tape(&first), number);
        const struct tape_entry *other = tape_at(venue_tape(&second), number);
        assert_int_equal(one->recv_ns, other->recv_ns);
        assert_int_equal(one->bytes, other->bytes);
        assert_memory_equal(one->text, other->text, one->bytes);
    }
    venue_close(&first);
    venue_close(&second);
}

int main(void)
{
#define WITH_PATH(test) cmocka_unit_test_setup_teardown(test, make_path, remove_folder)
    const struct CMUnitTest tests[] = {
        WITH_PATH(what_was_kept_is_found_again),
        WITH_PATH(another_run_means_nothing_and_another_market_is_refused),
        WITH_PATH(a_damaged_file_is_no_position),
        WITH_PATH(a_folder_that_cannot_be_written_is_an_error),
        WITH_PATH(at_a_pace_time_has_passed_meanwhile),
        WITH_PATH(at_max_it_stands_where_it_stood),
        WITH_PATH(held_in_front_of_a_snapshot_it_stands_there_still),
        WITH_PATH(a_position_behind_the_end_is_the_end),
        cmocka_unit_test(the_synthetic_market_says_what_it_would_have_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
