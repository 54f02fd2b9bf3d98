// links: report base proto

#include "report_fixture.h"
#include "services/report/linkage.h"

static void add(struct tally *tally, const char *symbol, int64_t ts_ms, bool confirm)
{
    struct signal_row row =
        confirm ? fixture_confirmed(symbol, ts_ms, 1, SIGNAL_BUY) : fixture_row(symbol, ts_ms, 1);
    tally_add(tally, &row);
}

static void links_rows_within_thirty_seconds_behind_an_event_of_their_symbol(void **state)
{
    (void)state;
    const int64_t event = FIXTURE_START_MS + 50000;
    struct tally tally;
    struct event_times times;
    struct linkage linkage;
    tally_init(&tally);
    event_times_init(&times, "BTCUSDT");
    event_times_add(&times, EVENT_GAP, event);
    add(&tally, "BTCUSDT", event - 1, true);      /* before it */
    add(&tally, "BTCUSDT", event, true);          /* both ends count */
    add(&tally, "BTCUSDT", event + 30000, false); /* … */
    add(&tally, "BTCUSDT", event + 30001, true);  /* too late */
    add(&tally, "ETHUSDT", event + 10, true);     /* another symbol */
    linkage_compute(&tally, &times, 1, &linkage);
    const struct linkage_share *gap = &linkage.types[EVENT_GAP];
    assert_int_equal(gap->event_count, 1);
    assert_int_equal(gap->n, 2);
    assert_int_equal(gap->confirmed, 1);
    assert_true(gap->p == 0.5);
    assert_int_equal(linkage.baseline.n, 5);
    assert_int_equal(linkage.baseline.confirmed, 4);
    assert_true(linkage.baseline.p == 0.8);
    assert_int_equal(linkage.types[EVENT_ANOMALY_Z].n, 0);
    assert_true(isnan(linkage.types[EVENT_ANOMALY_Z].p));
    event_times_finish(&times);
    tally_finish(&tally);
}

/* Against the definition itself: every row with every event, rows in any order. */
static void agrees_with_the_definition_on_random_rows(void **state)
{
    (void)state;
    const unsigned seed = 20240808;
    print_message("seed %u\n", seed);
    srand(seed);
    struct tally tally;
    struct event_times times;
    tally_init(&tally);
    event_times_init(&times, "BTCUSDT");
    int64_t events[40], ts_ms = 0;
    for (int i = 0; i < 40; i++) {
        ts_ms += rand() % 60000;
        events[i] = ts_ms;
        event_times_add(&times, EVENT_ANOMALY_Z, ts_ms);
    }
    int64_t n = 0, confirmed = 0;
    for (int i = 0; i < 3000; i++) {
        int64_t at = i < 1500 ? i * 800 : rand() % 1200000;
        bool confirm = rand() % 3 == 0, linked = false;
        add(&tally, "BTCUSDT", at, confirm);
        for (int k = 0; k < 40; k++)
            linked |= events[k] <= at && events[k] >= at - 30000;
        n += linked;
        confirmed += linked && confirm;
    }
    struct linkage linkage;
    linkage_compute(&tally, &times, 1, &linkage);
    assert_true(n > 0);
    assert_int_equal(linkage.types[EVENT_ANOMALY_Z].n, n);
    assert_int_equal(linkage.types[EVENT_ANOMALY_Z].confirmed, confirmed);
    event_times_finish(&times);
    tally_finish(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_rows_within_thirty_seconds_behind_an_event_of_their_symbol),
        cmocka_unit_test(agrees_with_the_definition_on_random_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
