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

static enum status leave_when_heard(void *service, size_t symbol, const char *heard, struct error *error)
{
    (void)service, (void)symbol;
    return *heard ? STATUS_OK : error_set(error, STATUS_AGAIN, "its next owner hears nothing of it yet");
}

static enum status leave(void *service, size_t symbol, int64_t version, struct error *error)
{
    (void)service, (void)symbol, (void)version, (void)error;
    return STATUS_OK;
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
    hears.symbol_may_leave = deaf.symbol_may_leave = leave_when_heard;
    hears.symbol_leave = deaf.symbol_leave = leave;
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

/* --- what a life hears that may be over --- */

/* hearing_pair: the first is asked to let go, the second, in its second life, to take; it hears. */
static struct stage_service hearing_pair(struct place *place, struct stage **out_one,
                                         struct stage **out_other)
{
    struct stage_service hears = SERVICE;
    hears.symbol_may_leave = leave_when_heard;
    hears.symbol_leave = leave;
    hears.symbol_heard = hear_all;
    pair(place, out_one, out_other);
    (*out_other)->options.generation = 2;
    return hears;
}

/* await_words: until the owner knows what the next one's life hears; that one takes no answer meanwhile. */
static void await_words(const struct place *place, struct stage *from, int64_t generation)
{
    const struct next_owner *next = &from->hand_overs[AAA].leaving.next;
    for (int64_t until_ms = now_ms() + PATIENCE_MS; next->generation != generation || !next->waits;) {
        if (now_ms() > until_ms)
            fail_msg("life %lld never spoke (folder %s)", (long long)generation, place->folder);
        stage_inputs_poll(from, 1);
    }
}

/* ask_for: the symbol is to go, and the life that is to have it has said what it hears. */
static void ask_for(struct place *place, struct stage *from, struct stage *to)
{
    order_release(from, AAA);
    order_acquire(to, AAA);
    await_words(place, from, 2);
}

/* Its last words are a moment old when it dies. */
static void what_a_life_heard_that_is_over_lets_no_symbol_go(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service hears = hearing_pair(&place, &one, &other);
    one->service = other->service = &hears;
    ask_for(&place, one, other);
    step(one); /* the question */
    death(other);
    step(one);
    clock_manual_advance(&place.time, 500 * (int64_t)1000000);
    step(one);
    assert_true(stage_owns(one, AAA));
    other = life(&place, "numbers.2");
    other->options.generation = 3;
    order_acquire(other, AAA); /* it hears nothing yet */
    await_words(&place, one, 3);
    step(one);
    assert_true(stage_owns(one, AAA));
    other->service = &hears;
    await_package(&place, one, other, AAA);
    step(other);
    assert_true(stage_owns(other, AAA));
    expect_rows(other, AAA, 10);
    pair_end(&place, one, other);
}

static void what_is_still_on_its_way_of_it_lets_no_symbol_go_either(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service hears = hearing_pair(&place, &one, &other);
    one->service = &hears;
    ask_for(&place, one, other); /* it hears nothing */
    struct leaving *leaving = &one->hand_overs[AAA].leaving;
    const struct bus_peer_id peer = leaving->peer;
    leaving->next.question = 41;
    leaving->next.question_ms = clock_monotonic_ms(&one->clock);
    const struct {
        int64_t generation, question;
        const char *consumer;
    } CASES[] = {{1, 41, "numbers.2"}, {2, 40, "numbers.2"}, {2, 41, "numbers.3"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct frame_header header = {.generation = CASES[i].generation};
        struct catch_up_request_row request = {.from = 1, .heard = "all", .question = CASES[i].question};
        snprintf(request.consumer, sizeof request.consumer, "%s", CASES[i].consumer);
        stage_package_stream(one, AAA, request.stream);
        stage_package_asked(one, &peer, &header, &request);
        step(one);
        assert_true(stage_owns(one, AAA));
    }
    pair_end(&place, one, other);
}

/* However long an answer was on its way, or its reader stood still: it must have been said within a second. */
static void an_answer_to_an_old_question_lets_no_symbol_go(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service hears = hearing_pair(&place, &one, &other);
    one->service = other->service = &hears;
    ask_for(&place, one, other);
    step(one);
    struct leaving *leaving = &one->hand_overs[AAA].leaving;
    int64_t question = leaving->next.question;
    assert_true(question);
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !leaving->next.has_answered;) {
        if (now_ms() > until_ms)
            fail_msg("the question was never answered (folder %s)", place.folder);
        stage_inputs_poll(other, 1);
        stage_inputs_poll(one, 1);
    }
    clock_manual_advance(&place.time, 1000 * (int64_t)1000000);
    stage_package_asked(one, &leaving->peer, &(struct frame_header){.generation = 2},
                        &(struct catch_up_request_row){.consumer = "numbers.2",
                                                       .stream = "hand-over/numbers/AAA",
                                                       .from = 1,
                                                       .heard = "all",
                                                       .question = question});
    step(one);
    assert_true(stage_owns(one, AAA));
    assert_true(leaving->next.question != question); /* it is asked again */
    await_package(&place, one, other, AAA);
    step(other);
    expect_rows(other, AAA, 10);
    pair_end(&place, one, other);
}

/* --- what nobody remembers --- */

/* ask_again: the next owner repeats its request, and it is read. */
static void ask_again(struct place *place, struct stage *from, struct stage *to)
{
    int64_t requests = from->counts.requests;
    for (int64_t until_ms = now_ms() + PATIENCE_MS; from->counts.requests == requests;) {
        if (now_ms() > until_ms)
            fail_msg("%s asks no more (folder %s)", to->instance, place->folder);
        clock_manual_advance(&place->time, 2 * STAGE_REQUEST_TIMEOUT_MS * (int64_t)1000000);
        step(to);
        stage_inputs_poll(from, 1);
        step(from);
        stage_inputs_poll(to, 1);
    }
}

/* Two were told to take it, by an orchestrator that died without a record of it and by the next one. */
static void a_symbol_goes_to_the_one_that_is_wanted_now_and_to_nobody_else(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *forgotten, *wanted;
    struct stage_service hears = hearing_pair(&place, &one, &forgotten);
    struct plan_move move = move_of(AAA);
    one->service = &hears;
    ask_for(&place, one, forgotten); /* it hears nothing */
    wanted = life(&place, "numbers.3");
    wanted->service = &hears;
    snprintf(move.to, sizeof move.to, "numbers.3");
    assert_ok(stage_release(one, &move, NULL));
    assert_ok(stage_acquire(wanted, &move, NULL));
    await_package(&place, one, wanted, AAA);
    for (int i = 0; i < 4; i++) /* the answer to the third at the latest has been read */
        ask_again(&place, one, forgotten);
    assert_false(forgotten->hand_overs[AAA].arriving.complete);
    step(wanted);
    assert_true(stage_owns(wanted, AAA));
    move = move_of(AAA); /* and then it is to have it after all */
    move.version = MOVE_VERSION + 1;
    snprintf(move.from, sizeof move.from, "numbers.3");
    wanted->service = &SERVICE;
    assert_ok(stage_release(wanted, &move, NULL));
    assert_ok(stage_acquire(forgotten, &move, NULL));
    await_package(&place, wanted, forgotten, AAA);
    step(forgotten);
    assert_true(stage_owns(forgotten, AAA));
    assert_false(stage_owns(wanted, AAA));
    expect_rows(forgotten, AAA, 10);
    death(wanted);
    pair_end(&place, one, forgotten);
}

/* Of another run that uses the same folder its generations say nothing, and it gets none of ours. */
static void an_instance_of_another_run_gets_no_symbol(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service hears = hearing_pair(&place, &one, &other);
    char run_id[sizeof other->run_id];
    one->service = other->service = &hears;
    order_release(one, AAA);
    memcpy(run_id, other->run_id, sizeof run_id);
    snprintf(other->run_id, sizeof other->run_id, "run-2");
    other->options.generation = 1000;
    order_acquire(other, AAA);
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !one->counts.foreign_frames;) {
        if (now_ms() > until_ms)
            fail_msg("its request never came (folder %s)", place.folder);
        stage_inputs_poll(one, 1);
    }
    assert_int_equal(one->hand_overs[AAA].leaving.next.generation, 0);
    assert_false(one->hand_overs[AAA].leaving.asked);
    memcpy(other->run_id, run_id, sizeof run_id);
    other->options.generation = 2;
    await_package(&place, one, other, AAA);
    step(other);
    assert_true(stage_owns(other, AAA));
    pair_end(&place, one, other);
}

/* Between the two moves it may have stopped listening. */
static void what_was_answered_in_a_forgotten_move_says_nothing_of_the_next_one(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service hears = hearing_pair(&place, &one, &other);
    struct plan_move move = move_of(AAA);
    one->service = other->service = &hears;
    order_release(one, AAA);
    order_acquire(other, AAA);
    await_words(&place, one, 2);
    step(one); /* the question */
    const struct next_owner *next = &one->hand_overs[AAA].leaving.next;
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !next->has_answered;) {
        if (now_ms() > until_ms)
            fail_msg("the question was never answered (folder %s)", place.folder);
        stage_inputs_poll(other, 1);
        stage_inputs_poll(one, 1);
    }
    move.version = MOVE_VERSION + 1;
    assert_ok(stage_release(one, &move, NULL));
    step(one);
    assert_true(stage_owns(one, AAA));
    assert_ok(stage_acquire(other, &move, NULL));
    await_package(&place, one, other, AAA);
    step(other);
    assert_true(stage_owns(other, AAA));
    expect_rows(other, AAA, 10);
    pair_end(&place, one, other);
}

static int64_t forgotten_version;

static void note_forgotten(void *service, size_t symbol, int64_t version)
{
    (void)service;
    if (symbol == AAA)
        forgotten_version = version;
}

static void hear_of_plan(struct place *place, struct stage *stage, int64_t version)
{
    place_plan(place, version, SYMBOLS);
    assert_ok(stage_plan_renew(stage, NULL));
    step(stage);
}

/* Its orchestrator died without a record of the move, and the next one plans something else. */
static void a_symbol_is_not_awaited_any_more_when_the_plan_has_passed_its_move(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service forgets = SERVICE;
    forgets.symbol_forget = note_forgotten;
    pair(&place, &one, &other);
    other->service = &forgets;
    forgotten_version = 0;
    order_acquire(other, AAA);
    step(other);
    assert_true(other->hand_overs[AAA].arriving.active);
    hear_of_plan(&place, other, MOVE_VERSION);
    assert_false(other->hand_overs[AAA].arriving.active);
    assert_int_equal(other->moving, 0);
    assert_int_equal(forgotten_version, MOVE_VERSION);
    death(other);
    other = life(&place, "numbers.2");
    other->service = &forgets;
    forgotten_version = 0;
    step(other);
    assert_int_equal(forgotten_version, MOVE_VERSION); /* what an earlier life may have expected */
    carry(&place, one, other, AAA, MOVE_VERSION + 2);  /* it is wanted after all */
    expect_rows(other, AAA, 10);
    pair_end(&place, one, other);
}

static void a_move_that_the_plan_has_not_reached_is_awaited_on(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    struct stage_service forgets = SERVICE;
    struct plan_move move = move_of(AAA);
    forgets.symbol_forget = note_forgotten;
    pair(&place, &one, &other);
    other->service = &forgets;
    step(other);
    forgotten_version = 0;
    order_acquire(other, AAA);
    move.version = MOVE_VERSION + 1; /* asked for anew before the plan has come */
    assert_ok(stage_acquire(other, &move, NULL));
    hear_of_plan(&place, other, MOVE_VERSION);
    assert_true(other->hand_overs[AAA].arriving.active);
    assert_int_equal(forgotten_version, 0);
    assert_ok(stage_release(one, &move, NULL));
    await_package(&place, one, other, AAA);
    step(other);
    assert_true(stage_owns(other, AAA));
    pair_end(&place, one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_symbol_that_comes_back_and_goes_again_is_handed_over_as_it_is_by_then),
        cmocka_unit_test(a_symbol_given_up_for_a_forgotten_move_goes_with_the_next_one),
        cmocka_unit_test(a_symbol_stays_until_every_reader_has_registered),
        cmocka_unit_test(what_was_heard_in_an_earlier_move_says_nothing_of_the_next_one),
        cmocka_unit_test(what_a_life_heard_that_is_over_lets_no_symbol_go),
        cmocka_unit_test(what_is_still_on_its_way_of_it_lets_no_symbol_go_either),
        cmocka_unit_test(an_answer_to_an_old_question_lets_no_symbol_go),
        cmocka_unit_test(a_symbol_goes_to_the_one_that_is_wanted_now_and_to_nobody_else),
        cmocka_unit_test(an_instance_of_another_run_gets_no_symbol),
        cmocka_unit_test(what_was_answered_in_a_forgotten_move_says_nothing_of_the_next_one),
        cmocka_unit_test(a_symbol_is_not_awaited_any_more_when_the_plan_has_passed_its_move),
        cmocka_unit_test(a_move_that_the_plan_has_not_reached_is_awaited_on),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
