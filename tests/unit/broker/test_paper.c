// links: broker market proto base cmocka
/* The rule of algorithms.md §12 and the hash values of golden.md §7. */
#include "proto/frame.h"
#include "services/broker/paper.h"
#include "tests/support/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EPOCH_MS INT64_C(1700000000000)

static struct paper_broker plain_broker(void)
{
    struct paper_config config = paper_config_default();
    struct paper_broker broker;
    struct error error;
    assert_int_equal(paper_config_check(&config, &error), STATUS_OK);
    paper_broker_init(&broker, &config);
    return broker;
}

static struct signal_row signal_of(const char *symbol, int64_t ts_ms, int type)
{
    struct signal_row row;
    message_clear(&signal_message, &row);
    strcpy(row.run_id, "run-1");
    strcpy(row.symbol, symbol);
    row.seq = 17;
    row.ts_ms = ts_ms;
    row.source = 4711;
    row.score = type == SIGNAL_SELL || type == SIGNAL_STRONG_SELL ? -1.5 : 1.5;
    row.signal_type = (int8_t)type;
    row.confirm = type != SIGNAL_PENDING && type != SIGNAL_NEUTRAL;
    row.best_bid = 60000;
    row.best_ask = 60010;
    return row;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9 * fmax(1, fabs(expected))))
        fail_msg("%.17g, should be %.17g", value, expected);
}

static void golden_hash_values(void **state)
{
    (void)state;
    assert_int_equal(paper_sample("BTCUSDT", EPOCH_MS), 1435);
    assert_int_equal(paper_sample("BTCUSDT", EPOCH_MS + 100), 3408);
    assert_int_equal(paper_sample("ETHUSDT", EPOCH_MS), 3317);
}

static void golden_orders_of_normal_signals(void **state)
{
    (void)state;
    struct paper_broker bitcoin = plain_broker(), ether = plain_broker();
    struct paper_orders orders;
    struct signal_row first = signal_of("BTCUSDT", EPOCH_MS, SIGNAL_BUY);
    struct signal_row second = signal_of("BTCUSDT", EPOCH_MS + 100, SIGNAL_BUY);
    struct signal_row third = signal_of("ETHUSDT", EPOCH_MS, SIGNAL_SELL);
    assert_true(paper_broker_feed(&bitcoin, &first, &orders));
    assert_int_equal(orders.order.strength, ORDER_NORMAL);
    assert_false(paper_broker_feed(&bitcoin, &second, &orders));
    assert_false(paper_broker_feed(&ether, &third, &orders));
    assert_int_equal(bitcoin.counters.not_sampled, 1);
}

static void a_buy_fills_at_the_ask_with_slippage_and_a_sell_at_the_bid(void **state)
{
    (void)state;
    struct paper_broker broker = plain_broker();
    struct paper_orders orders;
    struct signal_row buy = signal_of("BTCUSDT", EPOCH_MS + 100, SIGNAL_STRONG_BUY);
    struct signal_row sell = signal_of("BTCUSDT", EPOCH_MS + 200, SIGNAL_STRONG_SELL);
    assert_true(paper_broker_feed(&broker, &buy, &orders));
    assert_true(orders.has_order && orders.has_fill);
    assert_string_equal(orders.order.order_id, "MOCK-BTCUSDT-1700000000100");
    assert_string_equal(orders.order.run_id, "run-1");
    assert_int_equal(orders.order.side, ORDER_BUY);
    assert_int_equal(orders.order.strength, ORDER_STRONG);
    assert_int_equal(orders.order.status, ORDER_FILLED);
    assert_string_equal(orders.order.reject_reason, "");
    assert_int_equal(orders.order.order_ts_ms, buy.ts_ms);
    assert_int_equal(orders.order.seq, 17);
    assert_int_equal(orders.order.source, 4711);
    assert_near(orders.order.filled_price, 60010 * 1.0001);
    assert_near(orders.order.filled_qty, 0.001);
    assert_near(orders.order.notional, 60.016001);
    assert_near(orders.order.fee, 60.016001 * 0.0002);
    assert_near(orders.order.mid, 60005);
    assert_string_equal(orders.fill.order_id, orders.order.order_id);
    assert_near(orders.position.qty, 0.001);
    assert_near(orders.position.cash, -60.016001 * 1.0002);
    assert_int_equal(orders.position.orders, 1);

    assert_true(paper_broker_feed(&broker, &sell, &orders));
    assert_int_equal(orders.order.side, ORDER_SELL);
    assert_near(orders.order.filled_price, 60000 * 0.9999);
    assert_near(orders.position.qty, 0);
    assert_near(orders.position.cash, -60.016001 * 1.0002 + 59.994 * 0.9998);
    assert_near(orders.position.fees, (60.016001 + 59.994) * 0.0002);
    assert_int_equal(orders.position.orders, 2);
}

static void without_a_book_price_the_order_is_rejected(void **state)
{
    (void)state;
    struct paper_broker broker = plain_broker();
    struct paper_orders orders;
    struct signal_row buy = signal_of("BTCUSDT", EPOCH_MS, SIGNAL_STRONG_BUY);
    buy.best_ask = NAN;
    assert_true(paper_broker_feed(&broker, &buy, &orders));
    assert_false(orders.has_fill);
    assert_int_equal(orders.order.status, ORDER_REJECTED);
    assert_string_equal(orders.order.reject_reason, "no_book_price");
    assert_true(orders.order.filled_qty == 0);
    assert_true(isnan(orders.order.filled_price) && isnan(orders.order.notional) && isnan(orders.order.fee) &&
                isnan(orders.order.mid));
    assert_int_equal(broker.counters.rejected, 1);
    assert_true(broker.qty == 0 && broker.cash == 0);
}

static void only_confirmed_signals_and_each_once(void **state)
{
    (void)state;
    struct paper_broker broker = plain_broker();
    struct paper_orders orders;
    struct signal_row pending = signal_of("BTCUSDT", EPOCH_MS, SIGNAL_PENDING);
    struct signal_row neutral = signal_of("BTCUSDT", EPOCH_MS, SIGNAL_NEUTRAL);
    struct signal_row strong = signal_of("BTCUSDT", EPOCH_MS, SIGNAL_STRONG_SELL);
    struct signal_row gated = strong;
    gated.confirm = 0;
    assert_false(paper_broker_feed(&broker, &pending, &orders));
    assert_false(paper_broker_feed(&broker, &neutral, &orders));
    assert_false(paper_broker_feed(&broker, &gated, &orders));
    assert_true(paper_broker_feed(&broker, &strong, &orders));
    assert_false(paper_broker_feed(&broker, &strong, &orders));
    assert_int_equal(broker.counters.repeated, 1);
    assert_int_equal(broker.counters.orders, 1);
}

static void the_share_of_normal_signals_is_the_sample_rate(void **state)
{
    (void)state;
    for (int rate = 0; rate <= 4; rate++) {
        struct paper_config config = paper_config_default();
        struct paper_broker broker;
        struct paper_orders orders;
        int taken = 0;
        config.sample_rate = rate / 4.0;
        paper_broker_init(&broker, &config);
        for (int i = 0; i < 10000; i++) {
            struct signal_row row =
                signal_of("BTCUSDT", EPOCH_MS + 100 * i, i % 2 ? SIGNAL_BUY : SIGNAL_SELL);
            taken += paper_broker_feed(&broker, &row, &orders);
        }
        assert_true(abs(taken - 2500 * rate) < 200);
        assert_true((rate != 0 && rate != 4) || taken == 2500 * rate);
    }
}

static void the_run_does_not_change_the_sample(void **state)
{
    (void)state;
    struct paper_broker broker = plain_broker(), other = plain_broker();
    for (int i = 0; i < 500; i++) {
        struct signal_row row = signal_of("BTCUSDT", EPOCH_MS + 100 * i, SIGNAL_BUY), replayed = row;
        struct paper_orders orders, again;
        strcpy(replayed.run_id, "another-run");
        assert_int_equal(paper_broker_feed(&broker, &row, &orders),
                         paper_broker_feed(&other, &replayed, &again));
    }
}

static void saved_and_loaded_it_goes_on_alike(void **state)
{
    (void)state;
    struct paper_broker broker = plain_broker(), other = plain_broker();
    struct paper_orders orders, resumed;
    struct buffer saved;
    struct reader in;
    for (int i = 0; i < 40; i++) {
        struct signal_row row =
            signal_of("BTCUSDT", EPOCH_MS + 100 * i, i % 3 ? SIGNAL_STRONG_BUY : SIGNAL_SELL);
        paper_broker_feed(&broker, &row, &orders);
    }
    buffer_init(&saved, 0);
    paper_broker_save(&broker, &saved);
    reader_init(&in, saved.data, saved.length);
    assert_int_equal(paper_broker_load(&other, &in), STATUS_OK);
    assert_int_equal(reader_done(&in), STATUS_OK);
    for (int i = 39; i < 80; i++) {
        struct signal_row row =
            signal_of("BTCUSDT", EPOCH_MS + 100 * i, i % 3 ? SIGNAL_BUY : SIGNAL_STRONG_SELL);
        bool ordered = paper_broker_feed(&broker, &row, &orders);
        assert_int_equal(paper_broker_feed(&other, &row, &resumed), ordered);
        if (!ordered)
            continue;
        assert_same_row(&order_message, &orders.order, &resumed.order);
        assert_same_row(&fill_message, &orders.fill, &resumed.fill);
        assert_same_row(&position_message, &orders.position, &resumed.position);
    }
    reader_init(&in, saved.data, saved.length - 1);
    assert_int_equal(paper_broker_load(&other, &in), STATUS_MALFORMED);
    assert_true(other.qty == 0 && other.counters.orders == 0);
    buffer_finish(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_hash_values),
        cmocka_unit_test(golden_orders_of_normal_signals),
        cmocka_unit_test(a_buy_fills_at_the_ask_with_slippage_and_a_sell_at_the_bid),
        cmocka_unit_test(without_a_book_price_the_order_is_rejected),
        cmocka_unit_test(only_confirmed_signals_and_each_once),
        cmocka_unit_test(the_share_of_normal_signals_is_the_sample_rate),
        cmocka_unit_test(the_run_does_not_change_the_sample),
        cmocka_unit_test(saved_and_loaded_it_goes_on_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
