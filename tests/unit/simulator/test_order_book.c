// links: simulator base
#include "services/simulator/order_book.h"

#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

static int64_t side_lots(const struct order_book *book, enum book_side_name side)
{
    int64_t lots = 0;
    for (size_t i = 0; i < book->sides[side].count; i++)
        lots += book->sides[side].levels[i].quantity_lots;
    return lots;
}

static void first_come_first_served(void **state)
{
    (void)state;
    struct order_book book;
    struct fill fills[4];
    order_book_init(&book);
    order_book_add(&book, SIDE_ASK, 101, 5);
    order_book_add(&book, SIDE_ASK, 100, 3);
    order_book_add(&book, SIDE_ASK, 100, 4);
    assert_int_equal(order_book_execute(&book, SIDE_ASK, 5, fills, 4), 1);
    assert_int_equal(fills[0].price_ticks, 100);
    assert_int_equal(fills[0].quantity_lots, 5);
    assert_int_equal(fills[0].orders, 2);
    assert_int_equal(order_book_best(&book, SIDE_ASK)->quantity_lots, 2);
    assert_int_equal(order_book_best(&book, SIDE_ASK)->orders, 1);
    order_book_finish(&book);
}

static void a_market_order_walks_the_levels(void **state)
{
    (void)state;
    struct order_book book;
    struct fill fills[4];
    order_book_init(&book);
    order_book_add(&book, SIDE_BID, 99, 5);
    order_book_add(&book, SIDE_BID, 98, 5);
    order_book_add(&book, SIDE_BID, 90, 5);
    assert_int_equal(order_book_execute(&book, SIDE_BID, 12, fills, 2), 2);
    assert_int_equal(fills[1].price_ticks, 98);
    assert_int_equal(fills[1].quantity_lots, 5);
    assert_int_equal(order_book_best(&book, SIDE_BID)->price_ticks, 90); /* no third fill was allowed */
    assert_int_equal(side_lots(&book, SIDE_BID), 5);
    order_book_finish(&book);
}

static void changes_come_once_and_sorted(void **state)
{
    (void)state;
    struct order_book book;
    size_t count;
    order_book_init(&book);
    order_book_add(&book, SIDE_ASK, 105, 1);
    order_book_add(&book, SIDE_BID, 95, 1);
    order_book_add(&book, SIDE_ASK, 101, 1);
    order_book_add(&book, SIDE_BID, 99, 1);
    order_book_add(&book, SIDE_ASK, 105, 2);
    const struct level_change *changes = order_book_take_changes(&book, &count);
    assert_int_equal(count, 4);
    const int64_t prices[] = {99, 95, 101, 105};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(changes[i].price_ticks, prices[i]);
    order_book_take_changes(&book, &count);
    assert_int_equal(count, 0);
    order_book_finish(&book);
}

/* naive: every level as a plain sum in an array by price. */
enum { PRICES = 64 };

static void check_against_naive(const struct order_book *book, const int64_t naive[2][PRICES])
{
    uint32_t orders = 0;
    for (int side = 0; side < 2; side++) {
        size_t levels = 0;
        for (int price = 0; price < PRICES; price++) {
            assert_int_equal(order_book_quantity(book, (enum book_side_name)side, price), naive[side][price]);
            levels += naive[side][price] > 0;
        }
        assert_int_equal(book->sides[side].count, levels);
        for (size_t i = 0; i < levels; i++)
            orders += book->sides[side].levels[i].orders;
    }
    assert_int_equal(orders, book->order_count);
}

static void agrees_with_a_naive_book(void **state)
{
    (void)state;
    struct random random = check_random();
    struct order_book book;
    int64_t naive[2][PRICES] = {{0}};
    order_book_init(&book);
    for (int step = 0; step < 20000; step++) {
        enum book_side_name side = (enum book_side_name)random_below(&random, 2);
        /* Bids below 32, asks from there on: never crossed. */
        int64_t price = (int64_t)random_below(&random, 32) + (side == SIDE_ASK ? 32 : 0);
        int64_t lots = 1 + (int64_t)random_below(&random, 9);
        uint64_t kind = random_below(&random, 10);
        if (kind < 5 && book.order_count < 400) {
            order_book_add(&book, side, price, lots);
            naive[side][price] += lots;
        } else if (kind < 8 && book.order_count) {
            uint32_t index = (uint32_t)random_below(&random, book.order_count);
            int64_t before = side_lots(&book, SIDE_BID) + side_lots(&book, SIDE_ASK);
            order_book_order(&book, index, &side, &price);
            order_book_cancel(&book, index);
            naive[side][price] -= before - side_lots(&book, SIDE_BID) - side_lots(&book, SIDE_ASK);
        } else {
            struct fill fills[8];
            size_t count = order_book_execute(&book, side, lots * 3, fills, 8);
            for (size_t i = 0; i < count; i++)
                naive[side][fills[i].price_ticks] -= fills[i].quantity_lots;
        }
        if (step % 100 == 0)
            check_against_naive(&book, naive);
    }
    check_against_naive(&book, naive);
    order_book_finish(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(a_market_order_walks_the_levels),
        cmocka_unit_test(changes_come_once_and_sorted),
        cmocka_unit_test(agrees_with_a_naive_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
