// The order book against a naive one, and its limits.
// links: market proto base
#include "base/random.h"
#include "market/book.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { PRICES = 400 };

/* naive: quantities by price; nothing to get wrong. */
struct naive {
    int64_t bids[PRICES], asks[PRICES];
};

static void naive_apply(int64_t side[PRICES], const struct book_level *levels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        side[levels[i].price_units] = levels[i].qty_units;
}

static size_t naive_top(const int64_t side[PRICES], bool is_bid, size_t limit, struct book_level *out_levels)
{
    size_t count = 0;
    for (int i = 0; i < PRICES && count < limit; i++) {
        int price = is_bid ? PRICES - 1 - i : i;
        if (side[price])
            out_levels[count++] = (struct book_level){price, side[price]};
    }
    return count;
}

static void expect_side(const struct book_side *side, const int64_t naive[PRICES])
{
    struct book_level ours[PRICES], theirs[PRICES];
    size_t count = naive_top(naive, side->is_bid, PRICES, theirs);
    assert_int_equal(side->count, count);
    assert_int_equal(book_top(side, PRICES, ours), count);
    assert_memory_equal(ours, theirs, count * sizeof *ours);
}

static size_t random_levels(struct random *random, size_t limit, struct book_level *out_levels)
{
    size_t count = random_below(random, limit + 1);
    for (size_t i = 0; i < count; i++)
        out_levels[i] = (struct book_level){
            .price_units = 1 + (int64_t)random_below(random, PRICES - 1),
            .qty_units = random_below(random, 3) ? 1 + (int64_t)random_below(random, 1000) : 0,
        };
    return count;
}

static void test_random_diffs_and_snapshots_give_the_naive_book(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    random_seed(&random, seed);
    struct book book;
    struct naive naive = {0};
    struct book_level bids[300], asks[300];
    book_init(&book, 0);
    for (int round = 0; round < 3000; round++) {
        size_t limit = random_below(&random, 20) ? 8 : 300;
        size_t bid_count = random_levels(&random, limit, bids),
               ask_count = random_levels(&random, limit, asks);
        if (random_below(&random, 200) == 0) {
            memset(&naive, 0, sizeof naive);
            for (int i = 0; i < PRICES; i++) /* a snapshot gives each price once */
                naive.bids[i] = naive.asks[i] = 0;
            bid_count = naive_top((int64_t[PRICES]){[3] = 5, [7] = 6, [300] = 1}, true, 300, bids);
            ask_count = naive_top((int64_t[PRICES]){[301] = 2, [399] = 9}, false, 300, asks);
            book_replace(&book, bids, bid_count, asks, ask_count);
        } else {
            book_apply(&book, bids, bid_count, asks, ask_count);
        }
        naive_apply(naive.bids, bids, bid_count);
        naive_apply(naive.asks, asks, ask_count);
        expect_side(&book.bids, naive.bids);
        expect_side(&book.asks, naive.asks);
    }
    book_finish(&book);
    book_finish(&book);
}

static void test_best_top_and_shape(void **state)
{
    (void)state;
    struct book book;
    struct book_level top[2];
    book_init(&book, 0);
    assert_int_equal(book_shape(&book), BOOK_EMPTY);
    assert_null(book_best(&book.bids));
    book_apply(&book, (struct book_level[]){{100, 1}, {99, 2}, {101, 3}}, 3, NULL, 0);
    assert_int_equal(book_shape(&book), BOOK_EMPTY);
    book_apply(&book, NULL, 0, (struct book_level[]){{103, 4}, {102, 5}}, 2);
    assert_int_equal(book_shape(&book), BOOK_PROPER);
    assert_int_equal(book_best(&book.bids)->price_units, 101);
    assert_int_equal(book_best(&book.asks)->price_units, 102);
    assert_int_equal(book_top(&book.bids, 2, top), 2);
    assert_int_equal(top[1].price_units, 100);
    book_apply(&book, (struct book_level[]){{102, 1}}, 1, NULL, 0);
    assert_int_equal(book_shape(&book), BOOK_CROSSED); /* locked counts as crossed */
    book_apply(&book, (struct book_level[]){{102, 0}, {55, 0}}, 2, NULL, 0);
    assert_int_equal(book_shape(&book), BOOK_PROPER);
    assert_int_equal(book.unknown_deletes, 1);
    book_clear(&book);
    assert_int_equal(book_shape(&book), BOOK_EMPTY);
    book_finish(&book);
}

static void test_a_snapshot_replaces_and_passes_over_empty_levels(void **state)
{
    (void)state;
    struct book book;
    book_init(&book, 0);
    book_apply(&book, (struct book_level[]){{10, 1}, {90, 1}}, 2, (struct book_level[]){{95, 1}}, 1);
    book_replace(&book, (struct book_level[]){{50, 2}, {49, 0}, {48, 3}}, 3, (struct book_level[]){{51, 2}},
                 1);
    assert_int_equal(book.bids.count, 2);
    assert_int_equal(book.asks.count, 1);
    assert_int_equal(book_best(&book.bids)->price_units, 50);
    assert_int_equal(book.unknown_deletes, 0);
    book_finish(&book);
}

static void test_growth_stops_at_the_limit_and_the_worst_level_goes(void **state)
{
    (void)state;
    struct book book;
    book_init(&book, 3);
    for (int64_t price = 1; price <= 5; price++)
        book_apply(&book, (struct book_level[]){{price, 1}}, 1, (struct book_level[]){{price + 10, 1}}, 1);
    assert_int_equal(book.bids.count, 3);
    assert_int_equal(book.asks.count, 3);
    assert_int_equal(book_best(&book.bids)->price_units, 5);
    assert_int_equal(book_best(&book.asks)->price_units, 11);
    assert_int_equal(book.levels_dropped, 4); /* bids 1 and 2 pushed out, asks 14 and 15 never in */
    assert_int_equal(book.bids.levels[0].price_units, 3);
    assert_int_equal(book.asks.levels[0].price_units, 13);
    book_finish(&book);
}

static void test_a_large_diff_gives_the_same_as_many_small_ones(void **state)
{
    (void)state;
    enum { LEVELS = 3 * BOOK_MERGE_LEVELS };
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    random_seed(&random, seed);
    struct book large, small;
    struct book_level *bids = malloc(LEVELS * sizeof *bids), *asks = malloc(LEVELS * sizeof *asks);
    book_init(&large, 0);
    book_init(&small, 0);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < LEVELS; i++) {
            bids[i] = (struct book_level){1 + (int64_t)random_below(&random, 4000),
                                          (int64_t)random_below(&random, 3)};
            asks[i] = (struct book_level){1 + (int64_t)random_below(&random, 4000),
                                          (int64_t)random_below(&random, 3)};
        }
        book_apply(&large, bids, LEVELS, asks, LEVELS);
        for (size_t i = 0; i < LEVELS; i++)
            book_apply(&small, &bids[i], 1, &asks[i], 1);
        assert_int_equal(large.bids.count, small.bids.count);
        assert_memory_equal(large.bids.levels, small.bids.levels, large.bids.count * sizeof *bids);
        assert_int_equal(large.asks.count, small.asks.count);
        assert_memory_equal(large.asks.levels, small.asks.levels, large.asks.count * sizeof *asks);
    }
    /* At the limit the worst go too. */
    book_finish(&large);
    book_init(&large, 100);
    for (size_t i = 0; i < LEVELS; i++)
        bids[i] = (struct book_level){1 + (int64_t)i, 1};
    book_apply(&large, bids, LEVELS, NULL, 0);
    assert_int_equal(large.bids.count, 100);
    assert_int_equal(book_best(&large.bids)->price_units, LEVELS);
    assert_int_equal(large.levels_dropped, LEVELS - 100);
    book_finish(&large);
    book_finish(&small);
    free(bids);
    free(asks);
}

static void fill(struct book *book)
{
    book_init(book, 100);
    book_apply(book, (struct book_level[]){{10, 1}, {9, 2}}, 2,
               (struct book_level[]){{11, 3}, {12, 4}, {77, 0}}, 3);
}

static void test_save_and_load_are_exact(void **state)
{
    (void)state;
    struct book book, loaded;
    struct buffer first, second;
    struct reader reader;
    fill(&book);
    buffer_init(&first, 0);
    buffer_init(&second, 0);
    book_save(&book, &first);
    book_init(&loaded, 0);
    reader_init(&reader, first.data, first.length);
    assert_int_equal(book_load(&loaded, &reader), STATUS_OK);
    assert_int_equal(reader_done(&reader), STATUS_OK);
    book_save(&loaded, &second);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    assert_int_equal(loaded.unknown_deletes, 1);
    buffer_finish(&first);
    buffer_finish(&second);
    book_finish(&book);
    book_finish(&loaded);
}

static void test_damaged_states_are_refused(void **state)
{
    (void)state;
    struct book book, loaded;
    struct buffer saved;
    fill(&book);
    buffer_init(&saved, 0);
    book_save(&book, &saved);
    for (size_t bytes = 0; bytes < saved.length; bytes++) { /* cut anywhere */
        struct reader reader;
        book_init(&loaded, 0);
        reader_init(&reader, saved.data, bytes);
        assert_int_equal(book_load(&loaded, &reader), STATUS_MALFORMED);
        assert_int_equal(loaded.bids.count + loaded.asks.count, 0);
        book_finish(&loaded);
    }
    const size_t bid_prices = 3 * 8 + 8;
    const int64_t wrong[] = {0, -5, 10, 11, INT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) { /* first bid must be below the second, 10 */
        struct reader reader;
        memcpy(saved.data + bid_prices, &wrong[i], 8);
        book_init(&loaded, 0);
        reader_init(&reader, saved.data, saved.length);
        assert_int_equal(book_load(&loaded, &reader), STATUS_MALFORMED);
        book_finish(&loaded);
    }
    buffer_finish(&saved);
    book_finish(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_diffs_and_snapshots_give_the_naive_book),
        cmocka_unit_test(test_best_top_and_shape),
        cmocka_unit_test(test_a_snapshot_replaces_and_passes_over_empty_levels),
        cmocka_unit_test(test_growth_stops_at_the_limit_and_the_worst_level_goes),
        cmocka_unit_test(test_a_large_diff_gives_the_same_as_many_small_ones),
        cmocka_unit_test(test_save_and_load_are_exact),
        cmocka_unit_test(test_damaged_states_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
