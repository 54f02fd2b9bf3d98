// links: report base proto

#include "report_fixture.h"
#include "services/report/tally.h"

static void counts_confirmed_sides_and_strengths(void **state)
{
    (void)state;
    static const int TYPES[] = {SIGNAL_STRONG_BUY, SIGNAL_BUY, SIGNAL_BUY, SIGNAL_SELL, SIGNAL_STRONG_SELL};
    struct tally tally;
    tally_init(&tally);
    for (int i = 0; i < 5; i++) {
        struct signal_row row = fixture_confirmed("BTCUSDT", FIXTURE_START_MS + 100 * i, i + 1, TYPES[i]);
        tally_add(&tally, &row);
    }
    struct signal_row gated = fixture_row("BTCUSDT", FIXTURE_START_MS + 500, 6);
    gated.signal_type = SIGNAL_PENDING;
    tally_add(&tally, &gated);
    assert_int_equal(tally.total, 6);
    assert_int_equal(tally.confirmed, 5);
    assert_int_equal(tally.buy, 3);
    assert_int_equal(tally.sell, 2);
    assert_int_equal(tally.strong_buy, 1);
    assert_int_equal(tally.strong_sell, 1);
    assert_int_equal(tally_strong(&tally), 2);
    assert_int_equal(tally.pending, 1);
    tally_finish(&tally);
}

static void each_reason_counts_once_per_row_by_regime_and_minute(void **state)
{
    (void)state;
    struct tally tally;
    tally_init(&tally);
    struct signal_row first = fixture_row("BTCUSDT", FIXTURE_START_MS, 1);
    snprintf(first.guard_reason, sizeof first.guard_reason, "warmup,spread,warmup,reason:stale_ofi");
    first.regime = REGIME_QUIET;
    struct signal_row second = fixture_row("BTCUSDT", FIXTURE_START_MS + 60000, 2);
    snprintf(second.guard_reason, sizeof second.guard_reason, "spread");
    tally_add(&tally, &first);
    tally_add(&tally, &second);

    size_t order[TALLY_REASONS_MAX];
    tally_reason_order(&tally, tally.reasons, order);
    assert_int_equal(tally.reason_count, 3);
    assert_string_equal(tally.reason_names[order[0]], "spread");
    assert_int_equal(tally.reasons[order[0]], 2);
    assert_string_equal(tally.reason_names[order[1]], "reason:stale_ofi"); /* equal counts: by name */
    assert_string_equal(tally.reason_names[order[2]], "warmup");
    assert_int_equal(tally.reasons[order[2]], 1);
    assert_int_equal(tally.reasons_by_regime[REGIME_QUIET][order[0]], 1);
    assert_int_equal(tally.reasons_by_regime[REGIME_NORMAL][order[0]], 1);
    assert_int_equal(tally.minutes[3].reasons[order[2]], 1);
    assert_int_equal(tally.minutes[4].reasons[order[2]], 0);
    assert_int_equal(tally.minutes[4].reasons[order[0]], 1);
    tally_finish(&tally);
}

static void more_reasons_than_fit_count_under_one_name(void **state)
{
    (void)state;
    struct tally tally;
    tally_init(&tally);
    for (int i = 0; i < 100; i++) {
        struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS + i * 100, i + 1);
        snprintf(row.guard_reason, sizeof row.guard_reason, "reason:r%03d", i);
        tally_add(&tally, &row);
    }
    assert_int_equal(tally.reason_count, TALLY_REASONS_MAX);
    assert_string_equal(tally.reason_names[TALLY_REASONS_MAX - 1], TALLY_REASON_OTHER);
    assert_int_equal(tally.reasons[TALLY_REASONS_MAX - 1], 100 - (TALLY_REASONS_MAX - 1));
    tally_finish(&tally);
}

/* Symbol after symbol is how sinks are read: the second one goes back in time. */
static void the_five_newest_minutes_do_not_depend_on_the_order_of_rows(void **state)
{
    (void)state;
    static const int64_t MINUTES[] = {0, 1, 7, 8, 3, 4, 9, 2, 9};
    struct tally forward, backward;
    tally_init(&forward);
    tally_init(&backward);
    for (int i = 0; i < 9; i++) {
        struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS + MINUTES[i] * 60000, i + 1);
        tally_add(&forward, &row);
        row = fixture_row("BTCUSDT", FIXTURE_START_MS + MINUTES[8 - i] * 60000, i + 1);
        tally_add(&backward, &row);
    }
    static const int64_t COUNTS[] = {0, 0, 1, 1, 2}; /* minutes 5 … 9 */
    for (int i = 0; i < TALLY_MINUTES; i++) {
        assert_int_equal(forward.minutes[i].minute, FIXTURE_MINUTE + 5 + i);
        assert_int_equal(forward.minutes[i].count, COUNTS[i]);
        assert_int_equal(backward.minutes[i].minute, forward.minutes[i].minute);
        assert_int_equal(backward.minutes[i].count, COUNTS[i]);
    }
    assert_int_equal(forward.first_minute, FIXTURE_MINUTE);
    assert_int_equal(backward.first_minute, FIXTURE_MINUTE);
    assert_int_equal(forward.last_minute, FIXTURE_MINUTE + 9);
    tally_finish(&forward);
    tally_finish(&backward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_confirmed_sides_and_strengths),
        cmocka_unit_test(each_reason_counts_once_per_row_by_regime_and_minute),
        cmocka_unit_test(more_reasons_than_fit_count_under_one_name),
        cmocka_unit_test(the_five_newest_minutes_do_not_depend_on_the_order_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
