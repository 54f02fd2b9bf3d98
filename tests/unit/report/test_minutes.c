// What the newest event minutes held: the figures behind alerts, export and /metrics.
// links: report base proto
#include "report_fixture.h"
#include "services/report/minutes.h"

enum { MINUTE_MS = 60000 };

/* market: one minute: books, and signal rows of which some are confirmed, strong, of low consistency. */
static void market(struct minutes *minutes, int64_t number, int books, int signals, int confirmed, int strong,
                   int low)
{
    int64_t ts_ms = FIXTURE_START_MS + number * MINUTE_MS;
    for (int i = 0; i < books; i++)
        minutes_book(minutes, ts_ms + i);
    for (int i = 0; i < signals; i++) {
        struct signal_row row = fixture_row("BTCUSDT", ts_ms + i, i);
        if (i < confirmed)
            row = fixture_confirmed("BTCUSDT", ts_ms + i, i, i < strong ? SIGNAL_STRONG_SELL : SIGNAL_BUY);
        if (i >= signals - low)
            snprintf(row.guard_reason, sizeof row.guard_reason,
                     "weak_signal,low_consistency,low_consistency");
        minutes_signal(minutes, &row);
    }
}

static struct minutes_view view_of(const struct minutes *minutes)
{
    struct minutes_view view;
    minutes_view(minutes, &view);
    return view;
}

static void nothing_is_said_before_a_whole_minute_was_seen(void **state)
{
    struct minutes minutes = {.count = 0};
    (void)state;
    assert_true(isnan(view_of(&minutes).signals_last));
    market(&minutes, 0, 10, 7, 0, 0, 0); /* may have begun before the run */
    market(&minutes, 1, 10, 6, 0, 0, 3); /* still open */
    assert_true(isnan(view_of(&minutes).signals_last));
    assert_true(isnan(view_of(&minutes).silent_in_a_row));
    market(&minutes, 2, 1, 1, 0, 0, 0);
    assert_float_equal(view_of(&minutes).signals_last, 6, 0);
    assert_float_equal(view_of(&minutes).low_consistency_share, 0.5, 0);
    assert_true(isnan(view_of(&minutes).low_consistency_least)); /* not three of them */
}

static void silence_counts_whole_minutes_that_had_books(void **state)
{
    struct minutes minutes = {.count = 0};
    (void)state;
    market(&minutes, 0, 10, 5, 0, 0, 0);
    market(&minutes, 1, 10, 5, 0, 0, 0);
    market(&minutes, 2, 10, 0, 0, 0, 0);
    market(&minutes, 3, 10, 0, 0, 0, 0);
    assert_float_equal(view_of(&minutes).silent_in_a_row, 1, 0);
    market(&minutes, 4, 1, 0, 0, 0, 0);
    assert_float_equal(view_of(&minutes).silent_in_a_row, 2, 0);
    market(&minutes, 5, 1, 0, 0, 0, 0);
    assert_float_equal(view_of(&minutes).silent_in_a_row, 2, 0);
    market(&minutes, 4, 0, 1, 0, 0, 0); /* they came after all */
    assert_float_equal(view_of(&minutes).silent_in_a_row, 0, 0);
    market(&minutes, 9, 1, 0, 0, 0, 0); /* no books, so nothing could have been decided */
    assert_float_equal(view_of(&minutes).silent_in_a_row, 0, 0);
}

static void the_least_share_of_three_minutes_is_what_held_for_three_minutes(void **state)
{
    struct minutes minutes = {.count = 0};
    (void)state;
    const int low[] = {10, 9, 8, 10, 7};
    market(&minutes, 0, 1, 10, 0, 0, 0);
    for (int i = 0; i < 5; i++)
        market(&minutes, 1 + i, 1, 10, 0, 0, low[i]);
    assert_float_equal(view_of(&minutes).low_consistency_least, 0.8, 1e-12); /* minute 5 is open */
    market(&minutes, 6, 1, 1, 0, 0, 0);
    assert_float_equal(view_of(&minutes).low_consistency_least, 0.7, 1e-12);
    market(&minutes, 8, 1, 1, 0, 0, 0); /* minute 7 had no rows: not seen for three minutes */
    assert_true(isnan(view_of(&minutes).low_consistency_least));
}

static void the_strong_ratio_is_measured_against_thirty_minutes_at_least(void **state)
{
    struct minutes minutes = {.count = 0};
    (void)state;
    for (int i = 0; i <= MINUTES_LONG_LEAST; i++) /* the first is not whole */
        market(&minutes, i, 1, 20, 10, i % 2 ? 4 : 6, 0);
    for (int i = 0; i < MINUTES_SHORT; i++)
        market(&minutes, MINUTES_LONG_LEAST + 1 + i, 1, 20, 10, 9, 0);
    assert_true(isnan(view_of(&minutes).strong_ratio_deviation));
    market(&minutes, MINUTES_LONG_LEAST + 1 + MINUTES_SHORT, 1, 1, 0, 0, 0);
    struct minutes_view view = view_of(&minutes);
    assert_float_equal(view.strong_ratio_last, 0.9, 1e-12);
    assert_float_equal(view.strong_ratio_deviation, 0.4 / (1.4826 * 0.1), 1e-9); /* median 0.5, MAD 0.1 */
}

static void a_steady_ratio_is_measured_against_the_floor(void **state)
{
    struct minutes minutes = {.count = 0};
    (void)state;
    for (int i = 0; i < 70; i++)
        market(&minutes, i, 1, 20, 10, i % 7 ? 5 : 0,
               0); /* every seventh one deviates: the median does not */
    for (int i = 70; i < 75; i++)
        market(&minutes, i, 1, 100, 100, 55, 0);
    market(&minutes, 75, 1, 1, 0, 0, 0);
    assert_float_equal(view_of(&minutes).strong_ratio_deviation, 0.05 / MINUTES_SIGMA_FLOOR, 1e-9);
    market(&minutes, 76, 1, 1, 1, 0, 0);
    market(&minutes, 90, 1, 1, 1, 0, 0); /* nothing was confirmed in the last five */
    assert_true(isnan(view_of(&minutes).strong_ratio_last));
    assert_true(isnan(view_of(&minutes).strong_ratio_deviation));
}

static void each_reason_counts_once_per_row(void **state)
{
    struct minutes minutes = {.count = 0};
    (void)state;
    market(&minutes, 0, 0, 5, 1, 0, 2);
    assert_int_equal(minutes.reason_count, 2);
    assert_int_equal(minutes_reason(&minutes, "weak_signal", 11)->rows, 4);
    assert_int_equal(minutes_reason(&minutes, "low_consistency", 15)->rows, 2);
    for (int i = 0; i < 100; i++) {
        struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS, i);
        snprintf(row.guard_reason, sizeof row.guard_reason, "reason:%d", i);
        minutes_signal(&minutes, &row);
    }
    assert_int_equal(minutes.reason_count, MINUTES_REASONS_MAX);
    assert_string_equal(minutes.reasons[MINUTES_REASONS_MAX - 1].name, MINUTES_REASON_OTHER);
    assert_int_equal(minutes.reasons[MINUTES_REASONS_MAX - 1].rows, 2 + 100 - (MINUTES_REASONS_MAX - 1));
}

static void old_minutes_go_and_what_comes_for_them_harms_nothing(void **state)
{
    struct minutes minutes = {.count = 0};
    (void)state;
    for (int i = 0; i < MINUTES_KEPT + 20; i++)
        market(&minutes, i, 1, 3, 0, 0, 0);
    assert_int_equal(minutes.count, MINUTES_KEPT);
    assert_int_equal(minutes.items[0].minute, FIXTURE_MINUTE + 20);
    market(&minutes, 3, 1, 3, 0, 0, 0);
    assert_int_equal(minutes.count, MINUTES_KEPT);
    for (int i = 1; i < MINUTES_KEPT; i++)
        assert_true(minutes.items[i].minute > minutes.items[i - 1].minute);
    assert_float_equal(view_of(&minutes).signals_last, 3, 0);
}

static void a_minute_without_a_trade_is_seen_for_an_hour(void **state)
{
    struct trade_minutes trades = {.newest = 0};
    int64_t first = FIXTURE_START_MS;
    (void)state;
    assert_true(isnan(trade_minutes_empty_share(&trades, first, first)));
    for (int64_t i = 0; i < 62; i++)
        if (i != 1)
            trade_minutes_add(&trades, first + i * MINUTE_MS);
    assert_true(isnan(trade_minutes_empty_share(&trades, first, first + MINUTE_MS)));
    assert_float_equal(trade_minutes_empty_share(&trades, first, first + 61 * MINUTE_MS), 1.0 / 60, 1e-12);
    assert_float_equal(trade_minutes_empty_share(&trades, first, first + 62 * MINUTE_MS), 0, 0);
    assert_float_equal(trade_minutes_empty_share(&trades, first, first + 65 * MINUTE_MS), 3.0 / 60, 1e-12);
    trade_minutes_add(&trades, first + 500 * MINUTE_MS);
    assert_float_equal(trade_minutes_empty_share(&trades, first, first + 501 * MINUTE_MS), 59.0 / 60, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_before_a_whole_minute_was_seen),
        cmocka_unit_test(silence_counts_whole_minutes_that_had_books),
        cmocka_unit_test(the_least_share_of_three_minutes_is_what_held_for_three_minutes),
        cmocka_unit_test(the_strong_ratio_is_measured_against_thirty_minutes_at_least),
        cmocka_unit_test(a_steady_ratio_is_measured_against_the_floor),
        cmocka_unit_test(each_reason_counts_once_per_row),
        cmocka_unit_test(old_minutes_go_and_what_comes_for_them_harms_nothing),
        cmocka_unit_test(a_minute_without_a_trade_is_seen_for_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
