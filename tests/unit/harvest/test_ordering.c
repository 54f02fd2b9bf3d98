// Trades in the order of their ids, the watermark, and what each release says about the rows around it
// (algorithms.md §1).
// links: service_harvest market proto base yyjson
#include "base/random.h"
#include "services/harvest/ordering.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { RELEASES_MAX = 4096 };

struct seen {
    int64_t ids[RELEASES_MAX], gaps[RELEASES_MAX], before_ms[RELEASES_MAX], after_ms[RELEASES_MAX];
    size_t count;
};

static void collect(void *context, const struct ordering_release *release)
{
    struct seen *seen = context;
    assert_true(seen->count < RELEASES_MAX);
    seen->ids[seen->count] = release->trade->id;
    seen->gaps[seen->count] = release->gap_before;
    seen->before_ms[seen->count] = release->watermark_ms;
    seen->after_ms[seen->count] = release->watermark_after_ms;
    seen->count++;
}

static void begin(struct ordering *ordering, struct seen *seen, int64_t watermark_ms)
{
    struct ordering_config config = {
        .watermark_ms = watermark_ms, .dedup_lru = 100, .grid_ms = 100, .step_ms = 10000};
    *seen = (struct seen){.count = 0};
    ordering_init(ordering, &config, collect, seen);
}

static void trade(struct ordering *ordering, int64_t transaction_ms, int64_t id)
{
    struct venue_trade item = {.id = id, .transaction_ms = transaction_ms};
    ordering_trade(ordering, &item);
}

static void expect_ids(const struct seen *seen, size_t count, const int64_t *ids)
{
    assert_int_equal(seen->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen->ids[i], ids[i]);
}

static void test_the_first_trade_waits_for_the_watermark_then_ids_follow_at_once(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 50);
    ordering_book(&ordering, 1000);
    trade(&ordering, 1010, 1);
    assert_int_equal(seen.count, 0);
    ordering_book(&ordering, 1060);
    expect_ids(&seen, 1, (int64_t[]){1});
    assert_int_equal(seen.before_ms[0], 960);
    assert_int_equal(seen.after_ms[0], 1010);
    trade(&ordering, 1070, 2);
    expect_ids(&seen, 2, (int64_t[]){1, 2});
    assert_int_equal(seen.before_ms[1], 1010); /* released before its own T moves C */
    assert_int_equal(seen.after_ms[1], 1020);
    ordering_finish(&ordering);
}

static void test_a_hole_waits_for_its_filler_but_not_longer_than_the_watermark(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 50);
    trade(&ordering, 1000, 1);
    ordering_book(&ordering, 1050);
    trade(&ordering, 1060, 3);
    expect_ids(&seen, 1, (int64_t[]){1});
    int64_t first, last;
    assert_true(ordering_hole(&ordering, &first, &last));
    assert_int_equal(first, 2);
    assert_int_equal(last, 2);
    trade(&ordering, 1055, 2);
    expect_ids(&seen, 3, (int64_t[]){1, 2, 3});
    assert_int_equal(seen.after_ms[1], seen.before_ms[1]); /* only the last of an arrival tells the new W */
    trade(&ordering, 1070, 5);
    ordering_book(&ordering, 1119);
    assert_int_equal(seen.count, 3);
    ordering_book(&ordering, 1120);
    expect_ids(&seen, 4, (int64_t[]){1, 2, 3, 5});
    assert_int_equal(seen.gaps[3], 1);
    assert_int_equal(ordering.missing_ids, 1);
    trade(&ordering, 1069, 4);
    trade(&ordering, 1070, 5);
    assert_int_equal(seen.count, 4);
    assert_int_equal(ordering.late, 1);
    assert_int_equal(ordering.duplicates, 1);
    assert_false(ordering_hole(&ordering, &first, &last));
    ordering_finish(&ordering);
}

/* Rule 12: ids 3 (T 1205) and 4 (T 1190) wait for 2. Row 1200 needs 4, so 3 goes too, behind the rows before
 * 1200. */
static void test_a_blocking_smaller_id_is_released_before_a_due_row(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 50);
    ordering_book(&ordering, 1000);
    trade(&ordering, 1000, 1);
    ordering_book(&ordering, 1060);
    trade(&ordering, 1205, 3);
    trade(&ordering, 1190, 4);
    assert_int_equal(seen.count, 1);
    ordering_book(&ordering, 1252); /* W = 1202 */
    expect_ids(&seen, 3, (int64_t[]){1, 3, 4});
    assert_int_equal(seen.before_ms[1], 1199);
    assert_int_equal(seen.before_ms[2], 1199);
    assert_int_equal(seen.after_ms[2], 1202);
    assert_int_equal(ordering.watermark_ms, 1202);
    ordering_finish(&ordering);
}

static void test_a_boundary_that_is_no_grid_time_forces_too(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    struct ordering_config config = {.watermark_ms = 50, .dedup_lru = 100, .grid_ms = 1000, .step_ms = 70};
    seen.count = 0;
    ordering_init(&ordering, &config, collect, &seen);
    trade(&ordering, 1000, 1);
    ordering_book(&ordering, 1050);
    trade(&ordering, 1125, 3);
    trade(&ordering, 1115, 4);      /* the boundary 1120 needs 4 */
    ordering_book(&ordering, 1169); /* W = 1119 */
    assert_int_equal(seen.count, 1);
    ordering_book(&ordering, 1172);
    expect_ids(&seen, 3, (int64_t[]){1, 3, 4});
    ordering_finish(&ordering);
}

static void test_equal_ids_in_the_buffer_are_one(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 50);
    trade(&ordering, 1000, 10);
    trade(&ordering, 1000, 10);
    ordering_book(&ordering, 1100);
    expect_ids(&seen, 1, (int64_t[]){10});
    assert_int_equal(ordering.duplicates, 1);
    ordering_finish(&ordering);
}

/* LRU evictions are no losses: an id behind the remembered ones is late, not a duplicate. */
static void test_only_remembered_ids_count_as_duplicates(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 0);
    for (int64_t id = 1; id <= 150; id++)
        trade(&ordering, 1000 + id, id);
    assert_int_equal(ordering.late, 0);
    trade(&ordering, 1150, 50);
    assert_int_equal(ordering.late, 1);
    trade(&ordering, 1150, 51);
    trade(&ordering, 1150, 150);
    assert_int_equal(ordering.duplicates, 2);
    assert_int_equal(ordering.late, 1);
    ordering_finish(&ordering);
}

static void test_the_end_releases_everything_in_order(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 50);
    trade(&ordering, 1000, 5);
    trade(&ordering, 1001, 9);
    trade(&ordering, 1002, 7);
    ordering_end(&ordering);
    expect_ids(&seen, 3, (int64_t[]){5, 7, 9});
    assert_int_equal(ordering.missing_ids, 2);
    ordering_finish(&ordering);
}

static void test_backfill_enters_only_what_is_missing(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 50);
    trade(&ordering, 1000, 1);
    ordering_book(&ordering, 1050);
    trade(&ordering, 1060, 4);
    struct venue_trade filler = {.id = 1, .transaction_ms = 1000, .is_backfilled = 1};
    assert_false(ordering_backfill(&ordering, &filler));
    filler.id = 4;
    assert_false(ordering_backfill(&ordering, &filler));
    filler.id = 2;
    filler.transaction_ms = 1055;
    assert_true(ordering_backfill(&ordering, &filler));
    filler.id = 3;
    assert_true(ordering_backfill(&ordering, &filler));
    expect_ids(&seen, 4, (int64_t[]){1, 2, 3, 4});
    assert_int_equal(ordering.missing_ids + ordering.duplicates + ordering.late, 0);
    ordering_finish(&ordering);
}

static void test_the_buffer_is_bounded(void **state)
{
    (void)state;
    struct ordering ordering;
    struct seen seen;
    begin(&ordering, &seen, 10000);
    for (int64_t id = 0; id < ORDERING_BUFFER_MAX + 10; id++)
        trade(&ordering, 1000, 1 + 2 * id);
    assert_int_equal(seen.count, 10);
    assert_int_equal(ordering.early_releases, 10);
    assert_int_equal(ordering.waiting_count, ORDERING_BUFFER_MAX);
    ordering_finish(&ordering);
}

/* --- against a model written from the rules, with no structure at all
 * --------------------------------------------- */

struct model {
    struct venue_trade waiting[600];
    size_t count;
    bool has_id, has_time;
    int64_t last_id, newest_ms, watermark_ms, horizon_ms;
    struct seen out;
    size_t arrival_from; /* releases of this arrival begin here */
};

static size_t model_smallest(const struct model *model)
{
    size_t best = 0;
    for (size_t i = 1; i < model->count; i++)
        if (model->waiting[i].id < model->waiting[best].id)
            best = i;
    return best;
}

static void model_release(struct model *model, int64_t before_ms)
{
    size_t at = model_smallest(model);
    struct venue_trade trade_out = model->waiting[at];
    model->waiting[at] = model->waiting[--model->count];
    size_t n = model->out.count++;
    model->out.ids[n] = trade_out.id;
    model->out.gaps[n] = model->has_id ? trade_out.id - model->last_id - 1 : 0;
    model->out.before_ms[n] = model->out.after_ms[n] = before_ms;
    model->last_id = trade_out.id;
    model->has_id = true;
}

static bool model_follows(const struct model *model)
{
    return model->count && model->has_id && model->waiting[model_smallest(model)].id == model->last_id + 1;
}

static void model_move(struct model *model, int64_t transaction_ms, int64_t lag_ms)
{
    int64_t old_ms = model->has_time ? model->watermark_ms : transaction_ms - lag_ms - 1;
    if (!model->has_time || transaction_ms > model->newest_ms)
        model->newest_ms = transaction_ms;
    model->has_time = true;
    model->watermark_ms = model->newest_ms - lag_ms;
    while (model->count && (model_follows(model) ||
                            model->waiting[model_smallest(model)].transaction_ms <= model->watermark_ms))
        model_release(model, old_ms);
    for (int64_t g = old_ms + 1; g <= model->watermark_ms; g++) {
        bool needs = g % 100 == 0 || g % 10000 == 0;
        while (needs) {
            needs = false;
            for (size_t i = 0; i < model->count; i++)
                needs = needs || model->waiting[i].transaction_ms <= g;
            if (needs) {
                model_release(model, g - 1);
                while (model_follows(model))
                    model_release(model, g - 1);
            }
        }
    }
    if (model->out.count > model->arrival_from)
        model->out.after_ms[model->out.count - 1] = model->watermark_ms;
}

static void model_trade(struct model *model, int64_t transaction_ms, int64_t id, int64_t lag_ms)
{
    model->arrival_from = model->out.count;
    if (model->has_id && id <= model->last_id)
        return;
    for (size_t i = 0; i < model->count; i++)
        if (model->waiting[i].id == id)
            return;
    model->waiting[model->count++] = (struct venue_trade){.id = id, .transaction_ms = transaction_ms};
    while (model_follows(model))
        model_release(model, model->has_time ? model->watermark_ms : transaction_ms - lag_ms - 1);
    model_move(model, transaction_ms, lag_ms);
}

static void compare(const struct seen *ours, const struct seen *theirs)
{
    assert_int_equal(ours->count, theirs->count);
    for (size_t i = 0; i < ours->count; i++) {
        assert_int_equal(ours->ids[i], theirs->ids[i]);
        assert_int_equal(ours->gaps[i], theirs->gaps[i]);
        assert_int_equal(ours->before_ms[i], theirs->before_ms[i]);
        assert_int_equal(ours->after_ms[i], theirs->after_ms[i]);
    }
}

/* reload: the state goes through bytes, which must give the same bytes again. */
static void reload(struct ordering *ordering, struct seen *seen)
{
    struct buffer saved, again;
    struct reader reader;
    struct ordering loaded;
    buffer_init(&saved, 0);
    buffer_init(&again, 0);
    ordering_save(ordering, &saved);
    ordering_init(&loaded, &ordering->config, collect, seen);
    reader_init(&reader, saved.data, saved.length);
    assert_int_equal(ordering_load(&loaded, &reader), STATUS_OK);
    assert_int_equal(reader_done(&reader), STATUS_OK);
    ordering_save(&loaded, &again);
    assert_int_equal(saved.length, again.length);
    assert_memory_equal(saved.data, again.data, saved.length);
    ordering_finish(ordering);
    *ordering = loaded;
    buffer_finish(&saved);
    buffer_finish(&again);
}

static void test_random_arrivals_come_out_as_the_rules_say(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    random_seed(&random, seed);
    static struct seen seen;
    static struct model model;
    for (int round = 0; round < 60; round++) {
        struct ordering ordering;
        int64_t lag_ms = (int64_t)random_below(&random, 3) * 60;
        begin(&ordering, &seen, lag_ms);
        memset(&model, 0, sizeof model);
        int64_t now_ms = 100000, id = 1000;
        for (int i = 0; i < 500; i++) {
            now_ms += (int64_t)random_below(&random, 40);
            int64_t transaction_ms = now_ms - (int64_t)random_below(&random, 150);
            if (random_below(&random, 4) == 0) {
                model.arrival_from = model.out.count;
                model_move(&model, transaction_ms, lag_ms);
                ordering_book(&ordering, transaction_ms);
            } else {
                int64_t shuffled = id + (int64_t)random_below(&random, 9) - 4;
                id += (int64_t)random_below(&random, 3);
                model_trade(&model, transaction_ms, shuffled, lag_ms);
                trade(&ordering, transaction_ms, shuffled);
            }
            if (random_below(&random, 50) == 0)
                reload(&ordering, &seen);
            assert_int_equal(ordering.waiting_count, model.count);
        }
        compare(&seen, &model.out);
        ordering_finish(&ordering);
    }
}

static void test_damaged_states_are_refused(void **state)
{
    (void)state;
    struct ordering ordering, loaded;
    struct seen seen;
    struct buffer saved;
    begin(&ordering, &seen, 50);
    for (int64_t id = 1; id < 40; id += 3)
        trade(&ordering, 1000 + 40 * id, id);
    assert_true(ordering.waiting_count > 0 && ordering.run_count > 1);
    buffer_init(&saved, 0);
    ordering_save(&ordering, &saved);
    for (size_t bytes = 0; bytes < saved.length; bytes++) {
        struct reader reader;
        ordering_init(&loaded, &ordering.config, collect, &seen);
        reader_init(&reader, saved.data, bytes);
        assert_int_equal(ordering_load(&loaded, &reader), STATUS_MALFORMED);
        ordering_finish(&loaded);
    }
    for (size_t at = 0; at < saved.length;
         at++) { /* any byte changed: loaded or refused, and usable without a crash */
        struct reader reader;
        saved.data[at] ^= 0x80;
        ordering_init(&loaded, &ordering.config, collect, &seen);
        reader_init(&reader, saved.data, saved.length);
        seen.count = 0;
        if (ordering_load(&loaded, &reader) == STATUS_OK) {
            trade(&loaded, 5000, 60);
            ordering_end(&loaded);
        }
        ordering_finish(&loaded);
        saved.data[at] ^= 0x80;
    }
    buffer_finish(&saved);
    ordering_finish(&ordering);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_trade_waits_for_the_watermark_then_ids_follow_at_once),
        cmocka_unit_test(test_a_hole_waits_for_its_filler_but_not_longer_than_the_watermark),
        cmocka_unit_test(test_a_blocking_smaller_id_is_released_before_a_due_row),
        cmocka_unit_test(test_a_boundary_that_is_no_grid_time_forces_too),
        cmocka_unit_test(test_equal_ids_in_the_buffer_are_one),
        cmocka_unit_test(test_only_remembered_ids_count_as_duplicates),
        cmocka_unit_test(test_the_end_releases_everything_in_order),
        cmocka_unit_test(test_backfill_enters_only_what_is_missing),
        cmocka_unit_test(test_the_buffer_is_bounded),
        cmocka_unit_test(test_random_arrivals_come_out_as_the_rules_say),
        cmocka_unit_test(test_damaged_states_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
