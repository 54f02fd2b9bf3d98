// links: report base proto

#include "report_fixture.h"
#include "services/report/linkage.h"

/* The newest type is read from the database like the first: one that is not known there ends report's last word. */
static void every_event_type_there_is_can_be_kept(void **state)
{
    (void)state;
    int types = 0;
    while (EVENT_TYPE_NAMES[types])
        types++;
    assert_int_equal(EVENT_TYPE_COUNT, types);
}

static void shares_stand_beside_the_share_of_all_rows(void **state)
{
    (void)state;
    const int64_t event = FIXTURE_START_MS + 50000;
    struct tally tally;
    struct tracks tracks;
    struct event_times times;
    struct linkage linkage;
    tally_init(&tally);
    tracks_init(&tracks);
    event_times_init(&times, "BTCUSDT");
    event_times_add(&times, EVENT_GAP, event);
    const struct event_knowledge knowledge = {.times = &times, .count = 1};
    for (int i = 0; i < 5; i++) {
        struct signal_row row = i % 2 ? fixture_confirmed("BTCUSDT", event + 20000 * i, 1, SIGNAL_BUY)
                                      : fixture_row("BTCUSDT", event + 20000 * i, 1);
        tally_add(&tally, &row);
        tracks_add(&tracks, &knowledge, row.symbol, row.ts_ms, row.confirm);
    }
    linkage_compute(&tally, &tracks, &knowledge, &linkage);
    const struct linkage_share *gap = &linkage.types[EVENT_GAP];
    assert_int_equal(gap->event_count, 1);
    assert_int_equal(gap->n, 2);
    assert_int_equal(gap->confirmed, 1);
    assert_true(gap->p == 0.5);
    assert_int_equal(linkage.baseline.n, 5);
    assert_int_equal(linkage.baseline.confirmed, 2);
    assert_true(linkage.baseline.p == 0.4);
    assert_int_equal(linkage.types[EVENT_ANOMALY_Z].n, 0);
    assert_true(isnan(linkage.types[EVENT_ANOMALY_Z].p));
    event_times_finish(&times);
    tracks_finish(&tracks);
    tally_finish(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_type_there_is_can_be_kept),
        cmocka_unit_test(shares_stand_beside_the_share_of_all_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
