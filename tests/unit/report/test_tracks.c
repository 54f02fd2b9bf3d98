// links: report base proto

#include "services/report/tracks.h"

#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 6000, EVENTS_MAX = 60, SYMBOLS = 2, SPAN_MS = 7200000 };

static const char *const NAMES[SYMBOLS] = {"BTCUSDT", "ETHUSDT"};

/* world: what there is to be known, and how much of it is. */
struct world {
    struct {
        int symbol;
        int64_t ts_ms;
        bool confirm;
    } rows[ROWS_MAX];
    size_t row_count;
    struct {
        int symbol, type;
        int64_t ts_ms;
        bool is_known;
    } events[EVENTS_MAX];
    struct event_times times[SYMBOLS];
    struct tracks tracks;
    size_t read; /* rows given to the tracks */
};

static struct event_knowledge knowledge_of(struct world *world, bool is_complete)
{
    return (struct event_knowledge){.times = world->times, .count = SYMBOLS, .is_complete = is_complete};
}

/* learn: the events known now, as a reading of report.db gives them: rising, one a symbol. */
static void learn(struct world *world, int64_t known_ms)
{
    for (int symbol = 0; symbol < SYMBOLS; symbol++) {
        event_times_finish(&world->times[symbol]);
        event_times_init(&world->times[symbol], NAMES[symbol]);
        world->times[symbol].known_ms = known_ms;
    }
    for (size_t i = 0; i < EVENTS_MAX; i++)
        if (world->events[i].is_known)
            event_times_add(&world->times[world->events[i].symbol], world->events[i].type,
                            world->events[i].ts_ms);
}

/* check: what the tracks say is what the definition says: every row read with every event known. */
static void check(struct world *world)
{
    struct track_share shares[EVENT_TYPE_COUNT], wanted[EVENT_TYPE_COUNT] = {0};
    for (size_t i = 0; i < world->read; i++)
        for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
            bool follows = false;
            for (size_t k = 0; k < EVENTS_MAX; k++)
                follows |= world->events[k].is_known && world->events[k].type == type &&
                           world->events[k].symbol == world->rows[i].symbol &&
                           world->events[k].ts_ms <= world->rows[i].ts_ms &&
                           world->events[k].ts_ms >= world->rows[i].ts_ms - 30000;
            wanted[type].rows += follows;
            wanted[type].confirmed += follows && world->rows[i].confirm;
        }
    const struct event_knowledge knowledge = knowledge_of(world, false);
    tracks_count(&world->tracks, &knowledge, shares);
    assert_memory_equal(shares, wanted, sizeof shares);
}

static void read_rows(struct world *world, size_t until, bool is_complete)
{
    const struct event_knowledge knowledge = knowledge_of(world, is_complete);
    for (; world->read < until; world->read++)
        tracks_add(&world->tracks, &knowledge, NAMES[world->rows[world->read].symbol],
                   world->rows[world->read].ts_ms, world->rows[world->read].confirm);
    tracks_settle(&world->tracks, &knowledge);
}

static void world_begin(struct world *world)
{
    *world = (struct world){.row_count = ROWS_MAX};
    tracks_init(&world->tracks);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        bool is_late = rand() % 50 == 0;
        world->rows[i].symbol = rand() % SYMBOLS;
        world->rows[i].ts_ms = is_late ? rand() % SPAN_MS : (int64_t)i * SPAN_MS / ROWS_MAX;
        world->rows[i].confirm = rand() % 3 == 0;
    }
    int64_t ts_ms = 0;
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        ts_ms += rand() % (2 * SPAN_MS / EVENTS_MAX);
        world->events[i].ts_ms = ts_ms;
        world->events[i].symbol = rand() % SYMBOLS;
        world->events[i].type = rand() % 2 ? EVENT_GAP : EVENT_ANOMALY_Z;
    }
    learn(world, FIELD_NULL_I64);
}

static void world_end(struct world *world)
{
    for (int symbol = 0; symbol < SYMBOLS; symbol++)
        event_times_finish(&world->times[symbol]);
    tracks_finish(&world->tracks);
}

/* a summary: what reporter does with one. How often the rows had to be read anew is counted. */
static size_t summary(struct world *world, size_t until, bool is_complete)
{
    const struct event_knowledge knowledge = knowledge_of(world, is_complete);
    bool holds = tracks_hold(&world->tracks, &knowledge);
    if (!holds) {
        tracks_finish(&world->tracks);
        world->read = 0;
    }
    read_rows(world, until, is_complete);
    check(world);
    return !holds;
}

/* Rows run ahead of events or behind them, many events come late, and each summary says what the definition does. */
static void every_summary_agrees_with_the_definition(void **state)
{
    (void)state;
    srand((unsigned)check_seed());
    size_t anew = 0, settled = 0;
    for (int round = 0; round < 4; round++) {
        static struct world world;
        world_begin(&world);
        for (size_t step = 1; step <= 24; step++) {
            const int64_t now_ms = (int64_t)step * SPAN_MS / 24;
            for (size_t k = 0; k < EVENTS_MAX; k++)
                if (world.events[k].ts_ms <= now_ms && (rand() % 2 || step == 24))
                    world.events[k].is_known = true;
            learn(&world, now_ms);
            anew += summary(&world, step == 24 ? ROWS_MAX : (size_t)rand() % (ROWS_MAX / 24) + world.read,
                            step == 24);
            settled += world.read * 3 > tracks_bytes(&world.tracks);
        }
        assert_int_equal(tracks_bytes(&world.tracks), 0);
        world_end(&world);
    }
    assert_true(anew > 0 && settled > 0);
}

static void both_ends_of_the_window_count_and_only_events_of_the_symbol(void **state)
{
    (void)state;
    const int64_t event = 50000;
    struct tracks tracks;
    struct event_times times;
    struct track_share shares[EVENT_TYPE_COUNT];
    for (int is_complete = 0; is_complete < 2; is_complete++) { /* waiting, settled */
        tracks_init(&tracks);
        event_times_init(&times, "BTCUSDT");
        event_times_add(&times, EVENT_GAP, event);
        const struct event_knowledge knowledge = {.times = &times, .count = 1, .is_complete = is_complete};
        tracks_add(&tracks, &knowledge, "BTCUSDT", event - 1, true);
        tracks_add(&tracks, &knowledge, "BTCUSDT", event, true);
        tracks_add(&tracks, &knowledge, "BTCUSDT", event + 30000, false);
        tracks_add(&tracks, &knowledge, "BTCUSDT", event + 30001, true);
        tracks_add(&tracks, &knowledge, "ETHUSDT", event + 10, true);
        tracks_settle(&tracks, &knowledge);
        assert_int_equal(tracks_bytes(&tracks) == 0, is_complete);
        tracks_count(&tracks, &knowledge, shares);
        assert_int_equal(shares[EVENT_GAP].rows, 2);
        assert_int_equal(shares[EVENT_GAP].confirmed, 1);
        assert_int_equal(shares[EVENT_ANOMALY_Z].rows, 0);
        event_times_finish(&times);
        tracks_finish(&tracks);
    }
}

static void an_event_behind_a_settled_row_does_not_go_unnoticed(void **state)
{
    (void)state;
    struct tracks tracks;
    struct event_times times;
    tracks_init(&tracks);
    event_times_init(&times, "BTCUSDT");
    times.known_ms = 1000000;
    const struct event_knowledge knowledge = {.times = &times, .count = 1};
    tracks_add(&tracks, &knowledge, "BTCUSDT", 1000000 - TRACKS_MARGIN_MS, true);
    tracks_settle(&tracks, &knowledge);
    assert_int_equal(tracks_bytes(&tracks), 0);
    event_times_add(&times, EVENT_GAP, 1000001 - TRACKS_MARGIN_MS); /* before no settled row */
    assert_true(tracks_hold(&tracks, &knowledge));
    event_times_add(&times, EVENT_ANOMALY_Z, 1000000 - TRACKS_MARGIN_MS);
    assert_false(tracks_hold(&tracks, &knowledge));
    event_times_finish(&times);
    tracks_finish(&tracks);
}

/* A day of ten rows a second in one reading, and over many: neither keeps more than its margin. */
static void what_is_kept_does_not_grow_with_the_rows(void **state)
{
    (void)state;
    struct tracks tracks;
    struct event_times times;
    tracks_init(&tracks);
    event_times_init(&times, "BTCUSDT");
    struct event_knowledge knowledge = {.times = &times, .count = 1};
    for (int64_t ts_ms = 0; ts_ms < 86400000; ts_ms += 100) {
        times.known_ms = ts_ms;
        tracks_add(&tracks, &knowledge, "BTCUSDT", ts_ms, false);
        assert_true(tracks_bytes(&tracks) <= 2 * 6000 * 4 + TRACKS_SETTLE_BYTES);
    }
    assert_true(tracks.items[0].packed.capacity <= 256 * 1024);
    tracks_finish(&tracks);
    knowledge.is_complete = true;
    for (int64_t ts_ms = 0; ts_ms < 86400000; ts_ms += 100)
        tracks_add(&tracks, &knowledge, "BTCUSDT", ts_ms, false);
    assert_true(tracks.items[0].packed.capacity <= 2 * TRACKS_SETTLE_BYTES);
    event_times_finish(&times);
    tracks_finish(&tracks);
}

static void any_two_times_can_follow_each_other(void **state)
{
    (void)state;
    static const int64_t TIMES[] = {0, 100, 200, 253402300799999, 5, 5, 1723161240000};
    struct tracks tracks;
    struct event_times times;
    struct track_share shares[EVENT_TYPE_COUNT];
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES;
         i++) { /* which of them follow an event at one of them */
        tracks_init(&tracks);
        event_times_init(&times, "ETHUSDT");
        event_times_add(&times, EVENT_GAP, TIMES[i]);
        const struct event_knowledge knowledge = {.times = &times, .count = 1};
        int64_t wanted = 0, confirmed = 0;
        for (size_t k = 0; k < sizeof TIMES / sizeof *TIMES; k++) {
            bool follows = TIMES[k] >= TIMES[i] && TIMES[k] - TIMES[i] <= 30000;
            tracks_add(&tracks, &knowledge, "ETHUSDT", TIMES[k], k % 2);
            wanted += follows;
            confirmed += follows && k % 2;
        }
        tracks_count(&tracks, &knowledge, shares);
        assert_int_equal(shares[EVENT_GAP].rows, wanted);
        assert_int_equal(shares[EVENT_GAP].confirmed, confirmed);
        event_times_finish(&times);
        tracks_finish(&tracks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_summary_agrees_with_the_definition),
        cmocka_unit_test(both_ends_of_the_window_count_and_only_events_of_the_symbol),
        cmocka_unit_test(an_event_behind_a_settled_row_does_not_go_unnoticed),
        cmocka_unit_test(what_is_kept_does_not_grow_with_the_rows),
        cmocka_unit_test(any_two_times_can_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
