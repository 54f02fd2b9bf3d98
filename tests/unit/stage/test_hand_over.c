// links: stage journal bus injury config proto base
// timeout: 300
/* A hand-over and who takes part in it: it comes back, was forgotten, waits for a reader. */
#include "hand_over_place.h"

/* The plan that says where it is may reach its old owner later than the symbol comes back. */
static void a_symbol_that_comes_back_and_goes_again_is_handed_over_as_it_is_by_then(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    pair(&place, &one, &other);
    carry(&place, one, other, AAA, MOVE_VERSION);
    carry(&place, other, one, AAA, MOVE_VERSION + 1);
    emit(one, AAA, 5);
    step(one);
    carry(&place, one, other, AAA, MOVE_VERSION + 2);
    expect_rows(other, AAA, 15);
    pair_end(&place, one, other);
}

/* Its orchestrator died, without a record of the move; the next one counts on from the plan that it knows. */
static void a_symbol_given_up_for_a_forgotten_move_goes_with_the_next_one(void **state)
{
    (void)state;
    struct place place;
    struct stage *from, *to;
    pair(&place, &from, &to);
    order_release(from, AAA);
    step(from);
    assert_false(stage_owns(from, AAA));
    struct plan_move move = move_of(AAA);
    move.version = MOVE_VERSION + 1;
    assert_ok(stage_release(from, &move, NULL));
    assert_ok(stage_acquire(to, &move, NULL));
    await_package(&place, from, to, AAA);
    step(to);
    assert_true(stage_owns(to, AAA));
    assert_int_equal(to->acquired_version, MOVE_VERSION + 1);
    expect_rows(to, AAA, 10);
    pair_end(&place, from, to);
}

/* Which rows a reader needs is known only when it has said how far it is. */
static void a_symbol_stays_until_every_reader_has_registered(void **state)
{
    (void)state;
    struct place place;
    struct error error = {{0}};
    place_begin(&place);
    struct stage *from = life(&place, "numbers"), *to = life(&place, "numbers.2");
    struct plan_move move = move_of(AAA);
    snprintf(move.readers, sizeof move.readers, "reader");
    emit(from, AAA, 10);
    step(from);
    assert_int_equal(stage_release(from, &move, &error), STATUS_AGAIN);
    assert_non_null(strstr(error.text, "reader has not said yet how far it is with numbers/AAA"));
    assert_true(stage_owns(from, AAA));
    hold(from, AAA, 0);
    assert_ok(stage_release(from, &move, &error));
    step(from);
    fetch(&place, from, to, AAA);
    step(to);
    assert_true(stage_owns(to, AAA));
    expect_rows(to, AAA, 10); /* from the first one on */
    assert_int_equal(journal_first(to->journal, to->outputs[AAA].journal_stream), 1);
    pair_end(&place, from, to);
}

static enum status leave_when_heard(void *service, size_t symbol, int64_t version, const char *heard,
                                    struct error *error)
{
    (void)service, (void)symbol, (void)version;
    return *heard ? STATUS_OK : error_set(error, STATUS_AGAIN, "its next owner hears nothing of it yet");
}

static void hear_all(void *service, size_t symbol, char out_heard[HEARD_BYTES])
{
    (void)service, (void)symbol;
    snprintf(out_heard, HEARD_BYTES, "all");
}

/* It comes back and goes again within the time for which what was heard counts. */
static void what_was_heard_in_an_earlier_move_says_nothing_of_the_next_one(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service hears = SERVICE, deaf = SERVICE;
    hears.symbol_leave = deaf.symbol_leave = leave_when_heard;
    hears.symbol_heard = hear_all;
    pair(&place, &one, &other);
    one->service = other->service = &hears;
    order_release(one, AAA);
    fetch(&place, one, other, AAA);
    step(other);
    other->service = &SERVICE;
    carry(&place, other, one, AAA, MOVE_VERSION + 1);
    other->service = &deaf;
    struct plan_move move = move_of(AAA);
    move.version = MOVE_VERSION + 2;
    assert_ok(stage_release(one, &move, NULL));
    assert_ok(stage_acquire(other, &move, NULL));
    step(one);
    assert_true(stage_owns(one, AAA));
    other->service = &hears;
    await_package(&place, one, other, AAA);
    step(other);
    assert_true(stage_owns(other, AAA));
    expect_rows(other, AAA, 10);
    pair_end(&place, one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_symbol_that_comes_back_and_goes_again_is_handed_over_as_it_is_by_then),
        cmocka_unit_test(a_symbol_given_up_for_a_forgotten_move_goes_with_the_next_one),
        cmocka_unit_test(a_symbol_stays_until_every_reader_has_registered),
        cmocka_unit_test(what_was_heard_in_an_earlier_move_says_nothing_of_the_next_one),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
