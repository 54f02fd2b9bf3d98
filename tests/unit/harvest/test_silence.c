// Which symbols say nothing while others speak.
// links: harvest market proto base
#include "proto/book.h"
#include "proto/trade.h"
#include "services/harvest/silence.h"
#include "tests/support/check.h"

/* Times of the tests are behind it. */
static const int64_t BEGIN_MS = 1700000000000;

static void trade(struct silence *silence, size_t symbol, int64_t recv_ts_ms, bool backfilled)
{
    struct trade_row row;
    message_clear(&trade_message, &row);
    row.recv_ts_ms = BEGIN_MS + recv_ts_ms;
    row.backfilled = backfilled;
    silence_add(silence, symbol, &trade_message, &row);
}

static void book(struct silence *silence, size_t symbol, int64_t recv_ts_ms)
{
    struct book_row row;
    message_clear(&book_message, &row);
    row.recv_ts_ms = BEGIN_MS + recv_ts_ms;
    silence_add(silence, symbol, &book_message, &row);
}

/* speak: a book each twenty seconds, the last one at until_ms. */
static void speak(struct silence *silence, size_t symbol, int64_t from_ms, int64_t until_ms)
{
    for (int64_t at_ms = from_ms + 20000; at_ms <= until_ms; at_ms += 20000)
        book(silence, symbol, at_ms);
}

static void a_clock_that_is_set_makes_nobody_silent(void **unused)
{
    enum { HOUR_MS = 3600000 };
    (void)unused;
    struct silence silence;
    silence_init(&silence, 2);
    trade(&silence, 0, 0, false);
    trade(&silence, 1, 0, false);
    for (int64_t i = 1; i <= 20; i++) { /* an hour ahead and back, and all the while one symbol alone */
        book(&silence, 0, i);
        book(&silence, 0, HOUR_MS + i);
    }
    assert_int_equal(silence_trades(&silence), 0);
    book(&silence, 0, -HOUR_MS);
    speak(&silence, 0, -HOUR_MS, SILENCE_MS - HOUR_MS);
    /* sixty seconds of this clock, and a millisecond of the one before */
    assert_int_equal(silence_trades(&silence), 2);
    trade(&silence, 0, SILENCE_MS - HOUR_MS, false);
    trade(&silence, 1, SILENCE_MS - HOUR_MS, false);
    assert_int_equal(silence_trades(&silence), 0);
    silence_finish(&silence);
}

static void a_symbol_that_was_held_comes_out_late_and_takes_no_time(void **unused)
{
    (void)unused;
    struct silence silence;
    silence_init(&silence, 2);
    trade(&silence, 0, 0, false);
    trade(&silence, 1, 0, false);
    book(&silence, 0, 0);
    speak(&silence, 1, 0, 80000); /* the other one's book cannot be had for so long */
    for (int64_t at_ms = 1; at_ms <= 80000; at_ms += 1000)
        book(&silence, 0, at_ms);
    assert_int_equal(silence.spoken_ms, 80000);
    silence_finish(&silence);
}

static void a_symbol_without_a_trade_or_a_book_for_a_minute_is_counted(void **unused)
{
    (void)unused;
    struct silence silence;
    silence_init(&silence, 3);
    assert_int_equal(silence_trades(&silence), 0); /* nothing has come at all: the totals say so */
    trade(&silence, 0, 1000, false);
    speak(&silence, 0, 1000, 61000);
    assert_int_equal(silence_trades(&silence), 0); /* the minute is not over */
    book(&silence, 1, 61001);
    assert_int_equal(silence_trades(&silence), 3);
    assert_int_equal(silence_books(&silence), 1); /* the third symbol never had one */
    trade(&silence, 1, 61001, false);
    trade(&silence, 2, 61001, true); /* fetched later, not heard */
    assert_int_equal(silence_trades(&silence), 2);
    trade(&silence, 2, 60500, false); /* a trade waits for its watermark: books were ahead of it */
    trade(&silence, 0, 61002, false);
    assert_int_equal(silence_trades(&silence), 0);
    silence_finish(&silence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_symbol_without_a_trade_or_a_book_for_a_minute_is_counted),
        cmocka_unit_test(a_symbol_that_was_held_comes_out_late_and_takes_no_time),
        cmocka_unit_test(a_clock_that_is_set_makes_nobody_silent)};
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
