// Which symbols say nothing while others speak.
// links: harvest market proto base
#include "proto/book.h"
#include "proto/trade.h"
#include "services/harvest/silence.h"
#include "tests/support/check.h"

static void trade(struct silence *silence, size_t symbol, int64_t recv_ts_ms, bool backfilled)
{
    struct trade_row row;
    message_clear(&trade_message, &row);
    row.recv_ts_ms = recv_ts_ms;
    row.backfilled = backfilled;
    silence_add(silence, symbol, &trade_message, &row);
}

static void book(struct silence *silence, size_t symbol, int64_t recv_ts_ms)
{
    struct book_row row;
    message_clear(&book_message, &row);
    row.recv_ts_ms = recv_ts_ms;
    silence_add(silence, symbol, &book_message, &row);
}

static void a_symbol_without_a_trade_or_a_book_for_a_minute_is_counted(void **unused)
{
    (void)unused;
    struct silence silence;
    silence_init(&silence, 3);
    assert_int_equal(silence_trades(&silence), 0); /* nothing has come at all: the totals say so */
    trade(&silence, 0, 1000, false);
    book(&silence, 0, 61000);
    assert_int_equal(silence_trades(&silence), 0); /* the minute is not over */
    book(&silence, 1, 61001);
    assert_int_equal(silence_trades(&silence), 3);
    assert_int_equal(silence_books(&silence), 1); /* the third symbol never had one */
    trade(&silence, 1, 61001, false);
    trade(&silence, 2, 61001, true); /* fetched later, not heard */
    assert_int_equal(silence_trades(&silence), 2);
    trade(&silence, 2, 61002, false);
    trade(&silence, 0, 61002, false);
    assert_int_equal(silence_trades(&silence), 0);
    silence_finish(&silence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_symbol_without_a_trade_or_a_book_for_a_minute_is_counted)};
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
