// links: stage journal bus config proto base
// timeout: 600
/* The stage: whatever happens to its processes, the rows are the same. Real processes (tests/support/services), real
 * sockets, real deaths. */
#include "stage_pair.h"

#include <math.h>
#include <sys/resource.h>

static void two_runs_are_equal(void **state)
{
    struct world world;
    (void)state;
    begin(&world);
    start_both(&world);
    finish(&world);
}

/* --- deaths --- */

static void rows_survive_deaths_around_every_commit(void **state)
{
    (void)state;
    int deaths = 0;
    static const char *const POINTS[] = {"before_commit:1", "before_commit:2", "before_commit:9",
                                         "after_commit:1",  "after_commit:2",  "after_commit:9"};
    for (enum who who = COUNTER; who < SERVICES; who++)
        for (size_t i = 0; i < sizeof POINTS / sizeof POINTS[0]; i++) {
            struct world world;
            begin(&world);
            world.revive = true;
            world.services[who].crash = POINTS[i];
            world.services[who].crashes = 3;
            start_both(&world);
            UNTIL(&world, (world.services[who].crashes == 0 && !world.services[who].armed) ||
                              world_ended(&world, ADDER));
            deaths += world.services[who].lives - 1;
            world_disarm(&world, who);
            finish(&world);
        }
    assert_true(deaths >= 12); /* how many commits a life needs is a matter of chance, at least one */
}

static void rows_survive_deaths_at_any_time(void **state)
{
    (void)state;
    struct random random = check_random();
    struct world world;
    begin(&world);
    world.revive = true;
    start_both(&world);
    for (int i = 0; i < 12; i++) {
        enum who who = random_below(&random, 2) ? COUNTER : ADDER;
        int64_t goal = world.services[who].beat.progress + 1 + (int64_t)random_below(&random, 300);
        int lives = world.services[who].lives;
        UNTIL(&world, world.services[who].beat.progress >= goal || world_ended(&world, who));
        if (world.services[who].pid)
            kill(world.services[who].pid, SIGKILL);
        UNTIL(&world, world.services[who].lives > lives);
    }
    finish(&world);
}

/* die_holding: COUNTER, alone, dies with all rows up to `hold` in its journal. Its state is of its first commit (at most 50 rows of a
 * symbol) and is written again after a minute; a consumer that registers would have it written at once, hence alone. */
static void die_holding(struct world *world, int64_t hold)
{
    static const char *const STREAMS[] = {"counter/AAA", "counter/BBB"};
    const struct stream_status_row *stream;
    for (size_t i = 0; i < sizeof STREAMS / sizeof STREAMS[0]; i++)
        UNTIL(world, (stream = world_stream(world, STREAMS[i])) && stream->last_sequence == hold);
    world_signal(world, COUNTER, SIGKILL);
    UNTIL(world, !world->services[COUNTER].pid);
}

static void a_recovery_compares_what_it_repeats(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--hold", "1500", "--set", "journal.state_interval_ms=60000");
    world_start(&world, COUNTER);
    die_holding(&world, 1500);
    world_start(&world, COUNTER);
    UNTIL(&world, world_counter(&world, COUNTER, "stage_rows_compared") >= WORLD_SYMBOLS * (1500 - 50));
    world_start(&world, ADDER);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    finish(&world);
}

static void a_row_that_comes_out_differently_stops_the_stage(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--flaw", "100", "--hold", "200", "--set", "journal.state_interval_ms=60000");
    world_start(&world, COUNTER);
    die_holding(&world, 200);
    world_start(&world, COUNTER);
    assert_int_equal(world_wait(&world, COUNTER), 1);
    assert_true(world_logged(&world, COUNTER, "row 100 came out differently after a restart"));
    assert_true(world_logged(&world, COUNTER, "which=journaled kind=11 row={"));
    assert_true(world_logged(&world, COUNTER, "which=again kind=11 row={"));
    world_end(&world);
}

static void a_planned_stop_is_no_loss(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--hold", "1500");
    start_both(&world);
    for (int i = 0; i < 3; i++) {
        UNTIL(&world, world.services[ADDER].beat.progress > 0 || i > 0);
        stop_both(&world);
        world_start(&world, i % 2 ? COUNTER : ADDER);
        world_start(&world, i % 2 ? ADDER : COUNTER);
    }
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    finish(&world);
}

/* --- the fast path loses; the rows are there all the same --- */

static void frames_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const char *const SEEDS[] = {"bus.recut_seed=1", "bus.recut_seed=12345", "bus.recut_seed=7"};
    for (size_t i = 0; i < sizeof SEEDS / sizeof SEEDS[0]; i++) {
        struct world world;
        begin(&world);
        ARGUMENTS(&world, COUNTER, "--set", SEEDS[i]);
        ARGUMENTS(&world, ADDER, "--set", SEEDS[i]);
        start_both(&world);
        finish(&world);
    }
}

static void a_stopped_subscriber_with_the_smallest_queue_catches_up(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--set", "bus.high_water_mark=1", "--hold", "100");
    ARGUMENTS(&world, ADDER, "--set", "bus.high_water_mark=1");
    start_both(&world);
    UNTIL(&world, world.services[ADDER].beat.progress >= 200);
    world_signal(&world, ADDER, SIGSTOP);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL(&world, world_ended(&world, COUNTER));
    world_signal(&world, ADDER, SIGCONT);
    UNTIL(&world, world_ended(&world, ADDER));
    assert_true(world_counter(&world, ADDER, "stage_catch_up_rows") > 0);
    finish(&world);
}

static void a_late_joiner_reads_from_the_beginning(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    world_start(&world, COUNTER);
    UNTIL(&world, world_ended(&world, COUNTER));
    world_start(&world, ADDER);
    finish(&world);
}

/* One catch-up answer holds all rows of a symbol, and here they take 3 s: who is silent for so long would be taken for hung. */
static void a_long_turn_beats_and_publishes_on_its_way(void **state)
{
    (void)state;
    struct world world;
    const struct stream_status_row *stream;
    begin(&world);
    ARGUMENTS(&world, ADDER, "--work-us", "1000", "--set", "health.heartbeat_ms=50");
    world_start(&world, COUNTER);
    UNTIL(&world, world_ended(&world, COUNTER));
    world_start(&world, ADDER);
    UNTIL(&world, (stream = world_stream(&world, "adder/AAA")) && stream->last_sequence > 0);
    assert_in_range(stream->last_sequence, 1, ROWS / 3 - 1);
    finish(&world);
}

static void what_a_process_cannot_measure_is_null(void **state)
{
    (void)state;
    struct world world;
    struct rlimit before, none;
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--hold", "100");
    world_start(&world, COUNTER);
    UNTIL(&world, world.services[COUNTER].beat.rss_mb > 0 && world.services[COUNTER].beat.open_files > 0);
    assert_true(world.services[COUNTER].beat.queue_cap == FIELD_NULL_I64); /* there is no limit */
    assert_int_equal(prlimit(world.services[COUNTER].pid, RLIMIT_NOFILE, NULL, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(prlimit(world.services[COUNTER].pid, RLIMIT_NOFILE, &none, NULL), 0);
    UNTIL(&world, isnan(world.services[COUNTER].beat.rss_mb));
    assert_int_equal(prlimit(world.services[COUNTER].pid, RLIMIT_NOFILE, &before, NULL), 0);
    UNTIL(&world, world.services[COUNTER].beat.rss_mb > 0);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    world_start(&world, ADDER);
    finish(&world);
}

static void a_consumer_may_come_before_its_producer(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    world_start(&world, ADDER);
    world_start(&world, COUNTER);
    finish(&world);
}

/* heartbeats_rare: none but those with news in them, for longer than a test has patience. */
static void heartbeats_rare(struct world *world, enum who who)
{
    ARGUMENTS(world, who, "--set", "health.heartbeat_ms=55000", "--set", "health.heartbeat_timeout_ms=60000");
}

static void a_joiner_asks_and_need_not_wait_for_a_heartbeat_of_its_producer(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    heartbeats_rare(&world, COUNTER);
    world_start(&world, COUNTER);
    UNTIL_DOING(&world, world_ended(&world, COUNTER), world_tell(&world, COUNTER, "status"));
    world_tell(&world, COUNTER,
               "status"); /* its answer holds the newest heartbeat: none is still on its way */
    int64_t beat = world.services[COUNTER].beat.seq;
    world_start(&world, ADDER);
    UNTIL(&world, world_ended(&world, ADDER) && world.services[ADDER].beat.caught_up == 1);
    assert_int_equal(world.services[COUNTER].beat.seq, beat);
    finish(&world);
}

static void the_first_progress_of_a_life_is_told_at_once(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    world.services[COUNTER].arguments[1] = "1000000000"; /* never through, hence never caught up */
    ARGUMENTS(&world, COUNTER, "--hold", "0", "--set", "journal.max_mb=1");
    heartbeats_rare(&world, COUNTER);
    world_start(&world, COUNTER);
    UNTIL_DOING(&world, world.services[COUNTER].beat.pid, world_tell(&world, COUNTER, "status"));
    assert_int_equal(world.services[COUNTER].beat.progress, 0);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL(&world, world.services[COUNTER].beat.progress > 0);
    world_end(&world);
}

/* of_streams: figures of single streams in the newest heartbeat. */
static size_t of_streams(const struct world *world)
{
    const struct service *service = &world->services[COUNTER];
    size_t count = 0;
    for (size_t i = 0; i < service->counter_count; i++)
        count += figure_is_of_stream(service->counters[i].name);
    return count;
}

/* the_status_file_has: of each stream, in any heartbeat's file. */
static void the_status_file_has(const struct world *world, int64_t rows)
{
    char path[PATH_BYTES], wanted[64];
    struct buffer text;
    path_join(path, world->folder, "runtime/status/counter.json");
    buffer_init(&text, 0);
    assert_ok(file_read(path, &text));
    for (const char *const *symbol = (const char *const[]){"AAA", "BBB", NULL}; *symbol; symbol++) {
        snprintf(wanted, sizeof wanted, "\"rows/counter/%s\":%lld", *symbol, (long long)rows);
        if (!strstr(buffer_text(&text), wanted))
            fail_msg("%s is not in %s", wanted, buffer_text(&text));
    }
    buffer_finish(&text);
}

static void heartbeats_between_two_files_are_brief_and_the_first_of_a_state_is_not(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--hold", "100");
    world_start(&world, COUNTER);
    const struct heartbeat_row *beat = &world.services[COUNTER].beat;
    UNTIL(&world, beat->seq && !beat->brief && world_counter(&world, COUNTER, "rows/counter/AAA") == 100);
    bool was_brief = false;
    UNTIL_DOING(&world, was_brief && !beat->brief, /* one that tells all comes again by itself */
                was_brief = was_brief || beat->brief;
                assert_int_equal(of_streams(&world), beat->brief ? 0 : 2));
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL(&world, world_ended(&world, COUNTER));
    assert_true(world_tell(&world, COUNTER, "drain")->ok);
    UNTIL(&world, strcmp(beat->state, "drained") == 0); /* the first that says so */
    assert_int_equal(beat->brief, 0);
    assert_int_equal(world_counter(&world, COUNTER, "rows/counter/AAA"), ROWS);
    assert_int_equal(world_counter(&world, COUNTER, "rows/counter/BBB"), ROWS);
    world_signal(&world, COUNTER, SIGTERM);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    the_status_file_has(&world, ROWS);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_runs_are_equal),
        cmocka_unit_test(rows_survive_deaths_around_every_commit),
        cmocka_unit_test(rows_survive_deaths_at_any_time),
        cmocka_unit_test(a_recovery_compares_what_it_repeats),
        cmocka_unit_test(a_row_that_comes_out_differently_stops_the_stage),
        cmocka_unit_test(a_planned_stop_is_no_loss),
        cmocka_unit_test(frames_may_be_cut_anywhere),
        cmocka_unit_test(a_stopped_subscriber_with_the_smallest_queue_catches_up),
        cmocka_unit_test(a_late_joiner_reads_from_the_beginning),
        cmocka_unit_test(a_long_turn_beats_and_publishes_on_its_way),
        cmocka_unit_test(what_a_process_cannot_measure_is_null),
        cmocka_unit_test(a_consumer_may_come_before_its_producer),
        cmocka_unit_test(a_joiner_asks_and_need_not_wait_for_a_heartbeat_of_its_producer),
        cmocka_unit_test(the_first_progress_of_a_life_is_told_at_once),
        cmocka_unit_test(heartbeats_between_two_files_are_brief_and_the_first_of_a_state_is_not),
    };
    check_filter();
    return cmocka_run_group_tests(tests, undisturbed, NULL);
}
