// links: stage journal bus injury config proto base
// timeout: 300
/* A hand-over on a disk that now and then takes nothing. */
#include "hand_over_place.h"

/* --- a disk that takes nothing --- */

static void a_hand_over_waits_for_rows_that_the_disk_has_not_taken(void **state)
{
    (void)state;
    struct place place;
    place_begin(&place);
    struct stage *stage = life(&place, "numbers");
    emit(stage, AAA, 10);
    emit(stage, BBB, 10);
    step(stage);
    emit(stage, BBB, 5);
    step_refused(stage);
    order_release(stage, AAA);
    step(stage); /* the disk takes everything again, but it is not yet time for the next try */
    death(stage);

    stage = life(&place, "numbers");
    assert_true(stage_owns(stage, AAA)); /* nobody has given it up */
    emit(stage, BBB, 5);                 /* the rows that were lost come out again */
    step(stage);
    expect_rows(stage, BBB, 15);
    emit(stage, BBB, 5);
    step_refused(stage);
    order_release(stage, AAA);
    wait_for_retry(&place);
    step(stage);
    assert_false(stage_owns(stage, AAA));
    death(stage);

    stage = life(&place, "numbers");
    assert_false(stage_owns(stage, AAA));
    expect_rows(stage, AAA, 10);
    expect_rows(stage, BBB, 20);
    death(stage);
    place_end(&place);
}

static int64_t table_pages_of_a_step(struct place *place, struct stage *stage)
{
    int64_t before = stage->counts.table_pages;
    clock_manual_advance(&place->time, INT64_C(1000000000)); /* journal.state_interval_ms: a state is due */
    step(stage);
    return stage->counts.table_pages - before;
}

static void only_pages_of_a_table_that_changed_are_written(void **state)
{
    (void)state;
    struct place place;
    place_begin(&place);
    struct stage *stage = life(&place, "numbers");
    emit(stage, AAA, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), SYMBOLS * KEPT_PAGES); /* the first ones */
    emit(stage, AAA, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), 1);
    emit(stage, AAA, 600);
    emit(stage, BBB, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), 3);
    emit(stage, BBB, 1);
    clock_manual_advance(&place.time, INT64_C(1000000000));
    step_refused(stage);
    wait_for_retry(&place);
    assert_int_equal(table_pages_of_a_step(&place, stage), 1); /* what the disk refused comes again */
    death(stage);

    stage = life(&place, "numbers"); /* numbers_load compares the whole table */
    assert_int_equal(((struct numbers *)stage->state)->loads, SYMBOLS);
    assert_int_equal(((struct numbers *)stage->state)->last[AAA], 602);
    emit(stage, AAA, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), 1); /* what was read is known to be there */
    death(stage);
    place_end(&place);
}

static void a_state_ahead_of_its_journal_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct place place;
    struct error error = {{0}};
    place_begin(&place);
    struct stage *stage = life(&place, "numbers");
    emit(stage, BBB, 10);
    step(stage);
    emit(stage, BBB, 5);
    assert_ok(journal_begin(stage->journal, NULL));
    stage_state_put(stage);
    assert_ok(journal_commit(stage->journal, NULL));
    death(stage);
    assert_int_equal(life_try(&place, "numbers", &stage, &error), STATUS_MALFORMED);
    assert_string_equal(error.text, "the saved state of numbers is at row 15 of numbers/BBB, but its journal "
                                    "ends at 10; remove its journal to begin anew");
    death(stage);
    place_end(&place);
}

/* hand_over_refused: the stage's own commit is taken, that of the hand-over behind it is not. */
static void hand_over_refused(struct stage *stage)
{
    struct error error = {{0}};
    int64_t failures = stage->counts.commit_failures;
    assert_ok(stage_commit(stage, true, &error));
    disk_takes(false);
    enum status status = stage_hand_over_turn(stage, &error);
    disk_takes(true);
    assert_ok(status);
    assert_int_equal(stage->counts.commit_failures, failures + 1);
    assert_true(stage->unwritten);
}

/* move_through_refusals: until the symbol has changed hands; each commit of the hand-over is refused so many times before. */
static void move_through_refusals(struct place *place, struct stage *from, struct stage *to, size_t symbol,
                                  int refusals)
{
    order_release(from, symbol);
    for (int i = 0; i < refusals; i++) {
        hand_over_refused(from);
        assert_true(stage_owns(from, symbol));
        step(from); /* not yet time */
        assert_true(stage_owns(from, symbol));
        wait_for_retry(place);
    }
    step(from);
    assert_false(stage_owns(from, symbol));
    fetch(place, from, to, symbol);
    for (int i = 0; i < refusals; i++) {
        hand_over_refused(to);
        assert_false(stage_owns(to, symbol));
        step(to);
        assert_false(stage_owns(to, symbol));
        wait_for_retry(place);
    }
    step(to);
    assert_true(stage_owns(to, symbol));
    assert_false(to->unwritten);
}

static void commits_of_a_hand_over_are_tried_again(void **state)
{
    (void)state;
    struct place place;
    place_begin(&place);
    struct stage *from = life(&place, "numbers"), *to = life(&place, "numbers.2");
    hold(from, AAA, 0);
    emit(from, AAA, 10);
    emit(from, BBB, 10);
    step(from);
    move_through_refusals(&place, from, to, AAA, 3);
    assert_int_equal(((struct numbers *)to->state)->loads, 1);
    assert_int_equal(to->outputs[AAA].emitted, 10);
    emit(to, AAA, 5);
    step(to);
    death(from);
    death(to);
    from = life(&place, "numbers");
    to = life(&place, "numbers.2");
    assert_false(stage_owns(from, AAA));
    assert_true(stage_owns(from, BBB));
    assert_true(stage_owns(to, AAA));
    expect_rows(to, AAA, 15);
    expect_rows(from, BBB, 10);
    death(from);
    death(to);
    place_end(&place);
}

/* Between two tries the stage's own commits go on; none of them may tell of a symbol whose rows are not here. */
static void a_death_between_two_tries_leaves_the_symbol_to_be_fetched_again(void **state)
{
    (void)state;
    struct place place;
    struct stage *from, *to;
    pair(&place, &from, &to);
    order_release(from, AAA);
    step(from);
    fetch(&place, from, to, AAA);
    hand_over_refused(to);
    wait_for_retry(&place);
    struct error error = {{0}};
    assert_ok(
        stage_commit(to, true, &error)); /* the disk is back, and it is killed behind its first commit */
    assert_false(to->unwritten);
    death(to);
    to = life(&place, "numbers.2");
    assert_false(stage_owns(to, AAA));
    fetch(&place, from, to, AAA);
    step(to);
    assert_true(stage_owns(to, AAA));
    expect_rows(to, AAA, 10);
    pair_end(&place, from, to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_over_waits_for_rows_that_the_disk_has_not_taken),
        cmocka_unit_test(only_pages_of_a_table_that_changed_are_written),
        cmocka_unit_test(a_state_ahead_of_its_journal_is_refused_with_a_sentence),
        cmocka_unit_test(commits_of_a_hand_over_are_tried_again),
        cmocka_unit_test(a_death_between_two_tries_leaves_the_symbol_to_be_fetched_again),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
