// Quality gate: each rule of data.md §4.2 rejects what it says and nothing else.
// links: archive proto base
#include "proto/book.h"
#include "proto/cvd.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/fusion.h"
#include "proto/ofi.h"
#include "proto/trade.h"
#include "services/archive/quality.h"
#include "tests/support/check.h"

#include <math.h>

static enum quality check(enum data_kind kind, const void *row)
{
    return quality_check(kind, KINDS[kind].message->field_count, row);
}

static struct trade_row good_trade(void)
{
    struct trade_row row;
    message_clear(&trade_message, &row);
    row.ts_ms = 1723161255030;
    row.price = (struct decimal){6165970, 2};
    row.qty = (struct decimal){2, 3};
    row.agg_trade_id = 1;
    row.is_market = 1;
    return row;
}

static struct book_row good_book(void)
{
    struct book_row row;
    message_clear(&book_message, &row);
    row.ts_ms = 1723161255030;
    row.best_bid = (struct decimal){6165970, 2};
    row.best_ask = (struct decimal){616598, 1};
    row.mid = 61659.75;
    return row;
}

static void good_rows_pass(void **state)
{
    struct trade_row trade = good_trade();
    struct book_row book = good_book();
    (void)state;
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_GOOD);
    assert_int_equal(check(KIND_ORDERBOOK, &book), QUALITY_GOOD);
    trade.latency_ms = -40; /* clock skew is reported, not rejected */
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_GOOD);
}

static void warm_up_nulls_pass(void **state)
{
    struct ofi_row ofi;
    struct cvd_row cvd;
    struct feature_row feature;
    struct fusion_row fusion;
    struct event_row event;
    (void)state;
    message_clear(&ofi_message, &ofi);
    message_clear(&cvd_message, &cvd);
    message_clear(&feature_message, &feature);
    message_clear(&fusion_message, &fusion);
    message_clear(&event_message, &event);
    ofi.ts_ms = cvd.ts_ms = feature.ts_ms = fusion.ts_ms = event.ts_ms = 1;
    assert_int_equal(check(KIND_OFI, &ofi), QUALITY_GOOD);
    assert_int_equal(check(KIND_CVD, &cvd), QUALITY_GOOD);
    assert_int_equal(check(KIND_FEATURES, &feature), QUALITY_GOOD);
    assert_int_equal(check(KIND_FUSION, &fusion), QUALITY_GOOD);
    assert_int_equal(check(KIND_EVENTS, &event), QUALITY_GOOD);
}

static void missing_required_values_are_found(void **state)
{
    struct trade_row trade = good_trade();
    struct book_row book = good_book();
    struct ofi_row ofi;
    struct cvd_row cvd;
    struct fusion_row fusion;
    struct feature_row feature;
    struct event_row event;
    (void)state;
    trade.qty = decimal_null();
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_MISSING_REQUIRED);
    trade = good_trade();
    trade.agg_trade_id = FIELD_NULL_I64;
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_MISSING_REQUIRED);
    book.best_ask = decimal_null();
    assert_int_equal(check(KIND_ORDERBOOK, &book), QUALITY_MISSING_REQUIRED);
    message_clear(&ofi_message, &ofi);
    message_clear(&cvd_message, &cvd);
    message_clear(&fusion_message, &fusion);
    message_clear(&feature_message, &feature);
    message_clear(&event_message, &event);
    ofi.ts_ms = cvd.ts_ms = fusion.ts_ms = feature.ts_ms = event.ts_ms = 1;
    ofi.ofi_value = NAN;
    cvd.delta = NAN;
    fusion.score = NAN;
    feature.mid = NAN;
    event.event_type = FIELD_NULL_ENUM;
    assert_int_equal(check(KIND_OFI, &ofi), QUALITY_MISSING_REQUIRED);
    assert_int_equal(check(KIND_CVD, &cvd), QUALITY_MISSING_REQUIRED);
    assert_int_equal(check(KIND_FUSION, &fusion), QUALITY_MISSING_REQUIRED);
    assert_int_equal(check(KIND_FEATURES, &feature), QUALITY_MISSING_REQUIRED);
    assert_int_equal(check(KIND_EVENTS, &event), QUALITY_MISSING_REQUIRED);
}

static void wrong_times_prices_and_quantities_are_found(void **state)
{
    struct trade_row trade = good_trade();
    (void)state;
    trade.ts_ms = 0;
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_INVALID_TIME);
    trade = good_trade();
    trade.price.units = 0;
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_INVALID_PRICE);
    trade = good_trade();
    trade.qty.units = -1;
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_INVALID_QTY);
    trade.is_market = 0; /* an internal print of the venue */
    assert_int_equal(check(KIND_PRICES, &trade), QUALITY_GOOD);
}

static void crossed_locked_and_lopsided_books_are_found(void **state)
{
    struct book_row book = good_book();
    (void)state;
    book.best_ask = (struct decimal){616597, 1}; /* equal to the bid, at another exponent */
    book.mid = 61659.7;
    assert_int_equal(check(KIND_ORDERBOOK, &book), QUALITY_INVALID_ORDERBOOK);
    book = good_book();
    book.mid = 61659.85;
    assert_int_equal(check(KIND_ORDERBOOK, &book), QUALITY_INVALID_ORDERBOOK);
    book = good_book();
    book.best_bid.units = 0;
    assert_int_equal(check(KIND_ORDERBOOK, &book), QUALITY_INVALID_PRICE);
}

static void infinities_are_found_even_where_null_is_allowed(void **state)
{
    struct ofi_row ofi;
    (void)state;
    message_clear(&ofi_message, &ofi);
    ofi.ts_ms = 1;
    ofi.ofi_z = INFINITY;
    assert_int_equal(check(KIND_OFI, &ofi), QUALITY_NON_FINITE);
    ofi.ofi_z = NAN;
    ofi.ema_ofi = NAN;
    assert_int_equal(check(KIND_OFI, &ofi), QUALITY_NON_FINITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_rows_pass),
        cmocka_unit_test(warm_up_nulls_pass),
        cmocka_unit_test(missing_required_values_are_found),
        cmocka_unit_test(wrong_times_prices_and_quantities_are_found),
        cmocka_unit_test(crossed_locked_and_lopsided_books_are_found),
        cmocka_unit_test(infinities_are_found_even_where_null_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
