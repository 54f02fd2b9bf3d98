// links: market base cmocka
/* value_window and timeline against arrays that are searched and sorted anew each time. */
#include "base/random.h"
#include "market/timeline.h"
#include "market/window.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void a_window_holds_the_newest_in_both_orders(void **state)
{
    (void)state;
    struct random random;
    double all[3000], sorted[64];
    random_seed(&random, 1);
    for (size_t limit = 1; limit <= 64; limit = limit * 3 - limit / 2) {
        struct value_window *window = value_window_create(limit, true);
        for (size_t i = 0; i < 3000; i++) {
            all[i] = (double)random_below(&random, 30) - 15;
            value_window_push(window, all[i]);
            size_t count = i + 1 < limit ? i + 1 : limit;
            assert_int_equal(window->count, count);
            assert_memory_equal(window->values, &all[i + 1 - count], count * sizeof *all);
            memcpy(sorted, window->values, count * sizeof *sorted);
            qsort(sorted, count, sizeof *sorted, compare_doubles);
            assert_memory_equal(window->sorted, sorted, count * sizeof *sorted);
        }
        value_window_destroy(window);
    }
}

static void a_window_saves_and_loads_and_refuses_what_is_no_window(void **state)
{
    (void)state;
    struct value_window *window = value_window_create(10, true), *other = value_window_create(10, true);
    struct value_window *smaller = value_window_create(5, false);
    struct buffer saved;
    struct reader in;
    buffer_init(&saved, 0);
    for (int i = 0; i < 25; i++)
        value_window_push(window, i % 7);
    value_window_save(window, &saved);
    reader_init(&in, saved.data, saved.length);
    value_window_load(other, &in);
    assert_int_equal(reader_done(&in), STATUS_OK);
    assert_memory_equal(window->values, other->values, 10 * sizeof(double));
    assert_memory_equal(window->sorted, other->sorted, 10 * sizeof(double));
    reader_init(&in, saved.data, saved.length);
    value_window_load(smaller, &in);
    assert_true(in.failed);
    assert_int_equal(smaller->count, 0);
    double infinite = INFINITY;
    memcpy(saved.data + saved.length - sizeof infinite, &infinite, sizeof infinite);
    reader_init(&in, saved.data, saved.length);
    value_window_load(other, &in);
    assert_true(in.failed);
    assert_int_equal(other->count, 0);
    buffer_finish(&saved);
    value_window_destroy(window);
    value_window_destroy(other);
    value_window_destroy(smaller);
}

struct item {
    int64_t ts_ms;
    double order;
};

/* Inserts as the header says, into a plain array. */
static void slow_insert(struct item *items, size_t *count, struct item item)
{
    size_t at = *count;
    for (; at > 0 && items[at - 1].ts_ms > item.ts_ms; at--)
        items[at] = items[at - 1];
    items[at] = item;
    ++*count;
}

static size_t slow_until(const struct item *items, size_t count, int64_t t_ms)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += items[i].ts_ms <= t_ms;
    return found;
}

static void assert_same(const struct timeline *timeline, const struct item *items, size_t count)
{
    assert_int_equal(timeline->count, count);
    if (count)
        assert_memory_equal(timeline_at(timeline, 0), items, count * sizeof *items);
    assert_null(timeline_at(timeline, count));
}

static void a_timeline_is_ordered_by_time_then_by_arrival(void **state)
{
    (void)state;
    struct random random;
    struct timeline timeline;
    static struct item items[4000];
    size_t count = 0;
    int64_t now_ms = 1000;
    random_seed(&random, 2);
    timeline_init(&timeline, 2);
    for (int i = 0; i < 20000; i++) {
        now_ms += (int64_t)random_below(&random, 3);
        struct item item = {now_ms - (int64_t)(random_below(&random, 5) ? 0 : random_below(&random, 40)), i};
        slow_insert(items, &count, item);
        timeline_insert(&timeline, &item);
        int64_t t_ms = now_ms - (int64_t)random_below(&random, 100);
        assert_int_equal(timeline_until(&timeline, t_ms), slow_until(items, count, t_ms));
        if (random_below(&random, 100))
            continue;
        size_t old = slow_until(items, count, now_ms - 50);
        bool keep_last = random_below(&random, 2) && old > 0;
        old -= keep_last;
        memmove(items, items + old, (count - old) * sizeof *items);
        count -= old;
        if (keep_last)
            timeline_keep_last_until(&timeline, now_ms - 50);
        else
            timeline_drop_until(&timeline, now_ms - 50);
        assert_same(&timeline, items, count);
    }
    timeline_finish(&timeline);
}

/* What supersede leaves answers "the last one fed with T ≤ t" for every t. */
static void superseding_keeps_what_can_be_the_last_one_fed(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 3);
    for (int round = 0; round < 300; round++) {
        struct timeline timeline;
        struct item fed[60];
        timeline_init(&timeline, 2);
        for (int i = 0; i < 60; i++) {
            fed[i] = (struct item){100 + (int64_t)random_below(&random, 60), i};
            timeline_supersede(&timeline, &fed[i]);
            for (int64_t t_ms = 95; t_ms < 165; t_ms++) {
                const struct item *last = NULL;
                for (int k = 0; k <= i; k++)
                    if (fed[k].ts_ms <= t_ms)
                        last = &fed[k];
                size_t count = timeline_until(&timeline, t_ms);
                if (!last)
                    assert_int_equal(count, 0);
                else
                    assert_memory_equal(timeline_at(&timeline, count - 1), last, sizeof *last);
            }
        }
        timeline_finish(&timeline);
    }
}

static void a_full_timeline_lets_the_oldest_go_and_counts_it(void **state)
{
    (void)state;
    struct timeline timeline;
    timeline_init(&timeline, 1);
    for (int64_t t_ms = 1; t_ms <= TIMELINE_LIMIT + 7; t_ms++)
        timeline_insert(&timeline, &t_ms);
    assert_int_equal(timeline.count, TIMELINE_LIMIT);
    assert_int_equal(timeline.overflowed, 7);
    assert_int_equal(timeline_ts_ms(&timeline, 0), 8);
    timeline_finish(&timeline);
    timeline_finish(&timeline);
}

static void a_timeline_saves_and_loads_and_refuses_falling_times(void **state)
{
    (void)state;
    struct timeline timeline, other;
    struct buffer saved;
    struct reader in;
    buffer_init(&saved, 0);
    timeline_init(&timeline, 2);
    timeline_init(&other, 2);
    for (int i = 0; i < 100; i++)
        timeline_insert(&timeline, &(struct item){1000 + i / 2, i % 5 ? i : NAN});
    timeline_drop(&timeline, 10);
    timeline_save(&timeline, &saved);
    reader_init(&in, saved.data, saved.length);
    timeline_load(&other, &in);
    assert_int_equal(reader_done(&in), STATUS_OK);
    assert_same(&other, timeline_at(&timeline, 0), 90);
    int64_t earlier_ms = 999;
    memcpy(saved.data + saved.length - sizeof(struct item), &earlier_ms, sizeof earlier_ms);
    reader_init(&in, saved.data, saved.length);
    timeline_load(&other, &in);
    assert_true(in.failed);
    assert_int_equal(other.count, 0);
    buffer_finish(&saved);
    timeline_finish(&timeline);
    timeline_finish(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_holds_the_newest_in_both_orders),
        cmocka_unit_test(a_window_saves_and_loads_and_refuses_what_is_no_window),
        cmocka_unit_test(a_timeline_is_ordered_by_time_then_by_arrival),
        cmocka_unit_test(superseding_keeps_what_can_be_the_last_one_fed),
        cmocka_unit_test(a_full_timeline_lets_the_oldest_go_and_counts_it),
        cmocka_unit_test(a_timeline_saves_and_loads_and_refuses_falling_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
