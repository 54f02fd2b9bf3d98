// links: stage journal bus config proto base
// timeout: 600
/* The stage and its room: a full journal, what it counts, sinks that fail. */
#include "stage_pair.h"

/* --- the journal's room --- */

/* counter_knows_adder: of what the counter has been asked, something was no request for rows, hence a registration: and only whoever
 * has registered holds up a journal. */
static bool counter_knows_adder(struct world *world)
{
    int64_t heard = world_counter(world, COUNTER, "stage_requests");
    world_tell(world, ADDER, "status"); /* its answer tells of all it had asked when the counter said that */
    return heard > world_counter(world, ADDER, "stage_catch_up_requests");
}

static void start_with_little_room(struct world *world)
{
    begin(world);
    world->services[COUNTER].arguments[1] = "8000";
    ARGUMENTS(world, COUNTER, "--set", "journal.max_mb=1", "--hold", "100");
    start_both(world);
    UNTIL(world, world->services[ADDER].beat.progress >= 200 && counter_knows_adder(world));
}

static void expect_all_sums(struct world *world)
{
    UNTIL(world, world_ended(world, ADDER));
    assert_int_equal(world_counter(world, ADDER, "sums"), 8000 / 3);
    assert_int_equal(world_counter(world, ADDER, "stage_rows_lost"), 0);
    assert_int_equal(world_counter(world, COUNTER, "stage_retention_dropped"), 0);
    UNTIL(world, world_stream(world, "counter/AAA")->first_sequence > 1); /* the journal did give back */
    stop_both(world);
    world_end(world);
}

static void a_full_journal_waits_for_its_consumer(void **state)
{
    (void)state;
    struct world world;
    start_with_little_room(&world);
    world_signal(&world, ADDER, SIGSTOP);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL(&world, world_logged(&world, COUNTER, "journal_full"));
    assert_false(world_ended(&world, COUNTER));
    world_signal(&world, ADDER, SIGCONT);
    expect_all_sums(&world);
}

static void a_restarted_producer_remembers_its_consumers(void **state)
{
    (void)state;
    struct world world;
    start_with_little_room(&world);
    stop_both(&world);
    world_start(&world, COUNTER);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL(&world, world_logged(&world, COUNTER, "journal_full"));
    world_start(&world, ADDER);
    expect_all_sums(&world);
}

/* expect_in_ledger: a text in what a service counted. */
static void expect_in_ledger(const struct world *world, enum who who, const char *text)
{
    char path[PATH_BYTES];
    struct buffer ledger;
    path_join(path, world->folder, "artifacts/run_logs/ledger_run-1/%s.json", SERVICE_NAMES[who]);
    buffer_init(&ledger, 0);
    assert_ok(file_read(path, &ledger));
    if (!strstr(buffer_text(&ledger), text))
        fail_msg("%s is not in %s: %s", text, path, buffer_text(&ledger));
    buffer_finish(&ledger);
}

static void a_service_says_what_it_counted_when_asked_and_when_it_stops(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    start_both(&world);
    UNTIL(&world, world_ended(&world, ADDER) && world.services[ADDER].beat.caught_up == 1);
    assert_true(world_tell(&world, ADDER, "ledger")->ok);
    assert_true(world_tell(&world, COUNTER, "ledger")->ok);
    expect_in_ledger(&world, COUNTER, "\"AAA\":{\"last_sequence\":" ROWS_PLUS_END ",\"rows.trade\":");
    expect_in_ledger(&world, ADDER,
                     "\"position.counter\":" ROWS_PLUS_END ",\"consumed.counter\":" ROWS_PLUS_END
                     ",\"malformed.counter\":0,\"lost.counter\":0,\"sums\":1000}");
    expect_in_ledger(&world, ADDER, "\"rows.control\":1,");
    for (enum who who = COUNTER; who < SERVICES; who++) {
        char digest[65];
        ledger_digest(&world, who, digest);
        assert_string_equal(digest, expected_ledger[who]); /* asked for or at the end: the same */
    }
    finish(&world);
}

static void rows_nobody_asks_for_give_way(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    world.services[COUNTER].arguments[1] = "8000";
    ARGUMENTS(&world, COUNTER, "--set", "journal.max_mb=1", "--largest", "2");
    world_start(&world, COUNTER);
    UNTIL(&world, world_ended(&world, COUNTER));
    world_start(&world, ADDER); /* too late for the oldest: that is counted, told and not hidden */
    UNTIL(&world, world_ended(&world, ADDER));
    int64_t first = world_stream(&world, "counter/AAA")->first_sequence;
    int64_t lost = world_counter(&world, ADDER, "stage_rows_lost");
    if (first > 1)
        assert_true(lost > 0 && world_logged(&world, ADDER, "rows_lost"));
    stop_both(&world);
    start_both(&world); /* a loss is not forgotten by a restart */
    UNTIL(&world, world.services[ADDER].beat.seq > 0);
    assert_int_equal(world_counter(&world, ADDER, "stage_rows_lost"), lost);
    stop_both(&world);
    world_end(&world);
}

/* --- sinks --- */

static void a_sink_gets_every_row_once_through_failures_and_deaths(void **state)
{
    (void)state;
    struct world world;
    struct buffer text;
    char path[PATH_BYTES];
    begin(&world);
    world.revive = true;
    world.services[ADDER].crash = "after_commit:5";
    world.services[ADDER].crashes = 3;
    ARGUMENTS(&world, ADDER, "--lines", "lines.txt", "--lines-fail", "2");
    start_both(&world);
    UNTIL(&world, world_ended(&world, ADDER));
    world_disarm(&world, ADDER);
    UNTIL(&world, life_ended(&world, ADDER) && world.services[ADDER].sink.position == 2 * (ROWS / 3 + 1));
    assert_string_equal(world.services[ADDER].sink.sink, "lines");
    assert_int_equal(world.services[ADDER].sink.lag_rows, 0);
    assert_true(world_logged(&world, ADDER, "write_error run_id=run-1 sink=lines"));
    assert_int_equal(world.services[ADDER].sink.dropped, 0);
    stop_both(&world);
    buffer_init(&text, 0);
    path_join(path, world.folder, "lines.txt");
    assert_ok(file_read(path, &text));
    long long next[WORLD_SYMBOLS] = {1, 1}, sequence;
    char stream[STREAM_BYTES];
    int length;
    for (const char *at = buffer_text(&text); sscanf(at, "%95s %lld\n%n", stream, &sequence, &length) == 2;
         at += length)
        assert_int_equal(sequence, next[strcmp(stream, "adder/AAA") != 0]++);
    assert_int_equal(next[0], ROWS / 3 + 2);
    assert_int_equal(next[1], ROWS / 3 + 2);
    buffer_finish(&text);
    expect_equal(&world);
    world_end(&world);
}

/* A sink that cannot write must not hold up the stop beyond its limit. */
static void a_stop_does_not_wait_for_a_sink_that_cannot_write(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    ARGUMENTS(&world, ADDER, "--lines", "lines.txt", "--lines-fail", "1000000");
    start_both(&world);
    UNTIL(&world, world_ended(&world, ADDER) && world.services[ADDER].sink.write_errors > 0);
    stop_both(&world); /* within STOP_PATIENCE_MS */
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_journal_waits_for_its_consumer),
        cmocka_unit_test(a_restarted_producer_remembers_its_consumers),
        cmocka_unit_test(a_service_says_what_it_counted_when_asked_and_when_it_stops),
        cmocka_unit_test(rows_nobody_asks_for_give_way),
        cmocka_unit_test(a_sink_gets_every_row_once_through_failures_and_deaths),
        cmocka_unit_test(a_stop_does_not_wait_for_a_sink_that_cannot_write),
    };
    check_filter();
    return cmocka_run_group_tests(tests, undisturbed, NULL);
}
