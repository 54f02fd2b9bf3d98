// What a next owner of a symbol says in its capture: by which move it expects it, and that it does not any more. What is saved of losses.
// links: service_harvest stage market journal net proto base yyjson config bus injury
#include "receiver_bench.h"
#include "services/harvest/intake.h"
#include "stage/stage_private.h"

static const char *SYMBOLS[] = {"BTCUSDT", "XRPUSDT"};
enum { XRP = 1 };

/* place: an intake at a bench; its stage knows symbols and time. */
struct place {
    struct bench bench;
    struct stage stage;
    struct intake intake;
    int64_t expected[2];
};

static void begin(struct place *place)
{
    static const bool FIRST_ONLY[] = {true, false};
    static const int16_t FIRST_IS_OURS[] = {0, FEED_ELSEWHERE};
    struct feed_config feed;
    *place = (struct place){0};
    bench_begin(&place->bench);
    feed_config_defaults(&feed);
    feed.symbols = SYMBOLS;
    feed.symbol_count = place->bench.symbol_count = 2;
    feed.owners = FIRST_IS_OURS;
    feed_destroy(place->bench.feed);
    place->bench.feed = feed_create(&feed, take_row, &place->bench, NULL);
    struct receiver_config settings = bench_settings(&place->bench);
    settings.symbols = SYMBOLS;
    settings.symbol_count = 2;
    settings.is_heard = FIRST_ONLY;
    bench_go(&place->bench, &settings);
    place->stage = (struct stage){.symbols = SYMBOLS, .symbol_count = 2, .clock = clock_system()};
    place->intake = (struct intake){.stage = &place->stage,
                                    .writer = place->bench.writer,
                                    .receiver = place->bench.receiver,
                                    .expected = place->expected};
}

static void expect(struct place *place, int64_t version)
{
    struct error error;
    assert_ok(intake_expect(&place->intake, place->bench.feed, XRP, version, &error));
}

static size_t moves_said(struct place *place)
{
    size_t count = 0;
    for (const char *kind = buffer_text(&place->bench.kinds); *kind; kind++)
        count += *kind == 'V';
    return count;
}

/* The stage asks again and again; what counts is the newest move: when the plan has passed the number of one that nobody remembers, the
 * symbol comes by the next one all the same. */
static void a_newer_move_of_an_expected_symbol_is_said_once_and_outlives_the_older_ones_number(void **state)
{
    (void)state;
    struct place place;
    begin(&place);
    expect(&place, 5);
    expect(&place, 5);
    UNTIL(&place.bench, feed_expected_version(place.bench.feed, XRP) == 5);
    expect(&place, 6);
    expect(&place, 6);
    expect(&place, 5); /* said late */
    UNTIL(&place.bench, feed_expected_version(place.bench.feed, XRP) == 6);
    expect(&place, 6);
    intake_forget(&place.intake, place.bench.feed, XRP, 5);
    assert_true(receiver_listens(place.bench.receiver, XRP));
    intake_forget(&place.intake, place.bench.feed, XRP, 6);
    assert_false(receiver_listens(place.bench.receiver, XRP));
    UNTIL(&place.bench, !feed_expects(place.bench.feed, XRP));
    assert_int_equal(moves_said(&place), 3);
    expect(&place, 7);
    UNTIL(&place.bench, feed_expected_version(place.bench.feed, XRP) == 7);
    assert_int_equal(moves_said(&place), 4);
    bench_finish(&place.bench);
}

static enum status load(struct intake *intake, struct feed *feed, const struct buffer *saved)
{
    struct reader in;
    reader_init(&in, saved->data, saved->length);
    return intake_load(intake, feed, &in);
}

static void what_each_symbol_has_lost_is_known_to_the_next_life(void **state)
{
    (void)state;
    int64_t before[] = {0, 7}, after[] = {0, 0};
    struct stage stage = {.symbols = SYMBOLS, .symbol_count = 2, .clock = clock_system()};
    struct intake intake = {.stage = &stage, .dropped_before = before};
    struct bench bench;
    struct buffer saved;
    bench_begin(&bench);
    bench_feed(&bench, SYMBOLS, 2, BOOK_SOURCE_DIFF);
    buffer_init(&saved, 0);
    intake_save(&intake, bench.feed, &saved);
    intake.dropped_before = after;
    bench_feed(&bench, SYMBOLS, 2, BOOK_SOURCE_DIFF);
    assert_ok(load(&intake, bench.feed, &saved));
    assert_int_equal(intake_dropped(&intake, 0), 0);
    assert_int_equal(intake_dropped(&intake, XRP), 7);
    stage.symbol_count = 1; /* whose state names a symbol that is none */
    assert_int_equal(load(&intake, bench.feed, &saved), STATUS_MALFORMED);
    buffer_finish(&saved);
    bench_finish(&bench);
}

/* limit_files: no file may grow beyond so many bytes: a full disk. */
static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The receiver counts while the state is saved: a symbol may not have lost more than all together, or it would have for ever. */
static void what_is_saved_of_all_symbols_is_no_less_than_of_each(void **state)
{
    (void)state;
    static const char TRADE[] = "{\"stream\":\"btcusdt@trade\",\"data\":{}}";
    int64_t before[] = {0, 0};
    struct place place;
    struct buffer saved;
    begin(&place);
    buffer_init(&saved, 0);
    place.intake.dropped_before = before;
    UNTIL(&place.bench, place.bench.venue.socket);
    limit_files(1);
    int64_t wanted = receiver_figures(place.bench.receiver).messages + 2;
    venue_say(&place.bench.venue, TRADE);
    venue_say(&place.bench.venue, TRADE);
    UNTIL(&place.bench, receiver_figures(place.bench.receiver).messages >= wanted);
    receiver_halt(place.bench.receiver, 0);
    limit_files(RLIM_INFINITY);
    intake_save(&place.intake, place.bench.feed, &saved); /* no turn has counted them yet */
    place.intake.receiver = NULL;                         /* the next life */
    assert_ok(load(&place.intake, place.bench.feed, &saved));
    assert_int_equal(intake_dropped(&place.intake, 0), 2);
    assert_true(place.intake.losses[INTAKE_QUEUE_DROPPED] >= 2);
    buffer_finish(&saved);
    bench_finish(&place.bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_move_of_an_expected_symbol_is_said_once_and_outlives_the_older_ones_number),
        cmocka_unit_test(what_each_symbol_has_lost_is_known_to_the_next_life),
        cmocka_unit_test(what_is_saved_of_all_symbols_is_no_less_than_of_each),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
