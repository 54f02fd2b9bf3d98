// links: stage journal bus config proto base
// timeout: 600
/* The stage: whatever happens to its processes, the rows are the same. Real processes (tests/support/services), real
 * sockets, real deaths. */
#include "tests/support/world.h"

#include "base/clock.h"
#include "base/hash.h"
#include "proto/control.h"
#include "proto/cvd.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 3000 };
#define ROWS_TEXT     "3000"
#define ROWS_PLUS_END "3001"

/* What an undisturbed run gives; the measure of all others. */
static char expected[SERVICES][65];
static char expected_ledger[SERVICES][65];

static void set_arguments(struct service *service, const char *const *arguments)
{
    size_t count = 0;
    while (service->arguments[count])
        count++;
    for (size_t i = 0; arguments[i]; i++) {
        assert_true(count + 1 < WORLD_ARGUMENTS);
        service->arguments[count++] = arguments[i];
    }
}
#define ARGUMENTS(world, who, ...) \
    set_arguments(&(world)->services[who], (const char *const[]){__VA_ARGS__, NULL})

static void begin(struct world *world)
{
    world_begin(world);
    ARGUMENTS(world, COUNTER, "--rows", ROWS_TEXT);
}

static void start_both(struct world *world)
{
    world_start(world, COUNTER);
    world_start(world, ADDER);
}

static void stop_both(struct world *world)
{
    for (enum who who = COUNTER; who < SERVICES; who++) {
        /* A life that has not spoken yet may not have taken the signal in hand. */
        UNTIL(world, world->services[who].beat.pid == world->services[who].pid);
        int64_t begin_ms = world_now_ms();
        world_signal(world, who, SIGTERM);
        int code = world_wait(world, who);
        if (code != EXIT_SUCCESS)
            fail_msg("%s ended with %d in %s", SERVICE_NAMES[who], code, world->folder);
        assert_true(world_now_ms() - begin_ms < 8000);
    }
}

/* ledger_digest: of what a service counted, as it said when it stopped. */
static void ledger_digest(const struct world *world, enum who who, char out_hex[65])
{
    char path[PATH_BYTES];
    path_join(path, world->folder, "artifacts/run_logs/ledger_run-1/%s.json", SERVICE_NAMES[who]);
    assert_ok(file_sha256(path, out_hex));
}

static void expect_equal(struct world *world)
{
    for (enum who who = COUNTER; who < SERVICES; who++) {
        char digest[65];
        world_digest(world, who, digest);
        if (strcmp(digest, expected[who]) != 0)
            fail_msg("rows of %s differ in %s", SERVICE_NAMES[who], world->folder);
        ledger_digest(world, who, digest);
        if (strcmp(digest, expected_ledger[who]) != 0)
            fail_msg("%s counted differently in %s", SERVICE_NAMES[who], world->folder);
    }
    assert_int_equal(world_counter(world, ADDER, "stage_rows_lost"), 0);
    assert_int_equal(world_counter(world, ADDER, "stage_malformed_rows"), 0);
}

/* life_ended: its present life says so: one that was just killed had said it too, and its successor may still be reading again. */
static bool life_ended(const struct world *world, enum who who)
{
    return world_ended(world, who) && world->services[who].beat.pid == world->services[who].pid;
}

/* finish: to the end of all streams, a clean stop, the expected rows. */
static void finish(struct world *world)
{
    UNTIL(world, life_ended(world, COUNTER) && life_ended(world, ADDER) &&
                     world->services[ADDER].beat.caught_up == 1);
    stop_both(world);
    expect_equal(world);
    world_end(world);
}

static int undisturbed(void **state)
{
    struct world world;
    (void)state;
    begin(&world);
    start_both(&world);
    UNTIL(&world, world_ended(&world, COUNTER) && world_ended(&world, ADDER));
    assert_int_equal(world_stream(&world, "counter/AAA")->last_sequence, ROWS + 1);
    assert_int_equal(world_stream(&world, "adder/BBB")->last_sequence, ROWS / 3 + 1);
    UNTIL(&world, world_stream(&world, "adder/BBB")->source == ROWS + 1);
    assert_int_equal(world_counter(&world, ADDER, "sums"), ROWS / 3);
    assert_int_equal(world.services[ADDER].beat.event_ts_ms, 1700000000000 + ROWS);
    assert_int_equal(world.services[COUNTER].beat.event_ts_ms, 1700000000000 + ROWS);
    assert_true(world.services[COUNTER].beat.progress > 0);
    stop_both(&world);
    for (enum who who = COUNTER; who < SERVICES; who++)
        world_digest(&world, who, expected[who]);
    for (enum who who = COUNTER; who < SERVICES; who++)
        ledger_digest(&world, who, expected_ledger[who]);
    assert_string_not_equal(expected[COUNTER], expected[ADDER]);
    world_end(&world);
    return 0;
}

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

/* The state holds every row of the journal, and rows that come out again are compared. (The first state is not of the very commit the
 * stage dies behind, however slow the machine.) */
static void a_recovery_compares_what_it_repeats(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world);
    ARGUMENTS(&world, COUNTER, "--rows", ROWS_TEXT, "--set", "journal.state_interval_ms=2000");
    world.revive = true;
    world.services[COUNTER].crash = "after_commit:30";
    world.services[COUNTER].crashes = 1;
    start_both(&world);
    UNTIL(&world,
          world.services[COUNTER].lives == 2 && world_counter(&world, COUNTER, "stage_rows_compared") > 0);
    finish(&world);
}

static void a_row_that_comes_out_differently_stops_the_stage(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--flaw", "100", "--largest", "10", "--set", "journal.state_interval_ms=2000");
    world.services[COUNTER].crash = "after_commit:60";
    world.services[COUNTER].crashes = 1;
    world_start(&world, COUNTER);
    UNTIL(&world, !world.services[COUNTER].pid);
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

/* --- the journal's room --- */

static void start_with_little_room(struct world *world)
{
    begin(world);
    world->services[COUNTER].arguments[1] = "8000";
    ARGUMENTS(world, COUNTER, "--set", "journal.max_mb=1", "--hold", "100");
    start_both(world);
    UNTIL(world,
          world->services[ADDER].beat.progress >= 200 && world_counter(world, COUNTER, "stage_requests") > 0);
}

static void expect_all_sums(struct world *world)
{
    UNTIL(world, world_ended(world, ADDER));
    assert_int_equal(world_counter(world, ADDER, "sums"), 8000 / 3);
    assert_int_equal(world_counter(world, ADDER, "stage_rows_lost"), 0);
    assert_int_equal(world_counter(world, COUNTER, "stage_retention_dropped"), 0);
    assert_true(world_stream(world, "counter/AAA")->first_sequence > 1); /* the journal did give back */
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
    stop_both(&world); /* within 8 s */
    world_end(&world);
}

/* --- strangers --- */

static void append_frame(struct buffer *out, const char *run_id, const struct message *message,
                         const void *row, size_t times)
{
    struct buffer rows;
    struct frame_header header = {.instance = "counter", .first_sequence = 1, .row_count = times};
    snprintf(header.run_id, sizeof header.run_id, "%s", run_id);
    buffer_init(&rows, 0);
    for (size_t i = 0; i < times; i++)
        row_encode(&rows, message, message->field_count, row);
    buffer_clear(out);
    frame_encode(out, &header, rows.data, rows.length);
    buffer_finish(&rows);
}

static const struct {
    const char *bytes;
    size_t length;
} GARBAGE[] = {
    {"", 0},
    {"\xc1", 1},
    {"\xdd\x0f\xff\xff\xff", 5},
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\xdd\x0f\xff\xff\xff", 15},
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x91\x46", 13}, /* a catch-up request without anything */
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x94\x46\xa1x\xa1y\xff", 17},
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x94\x48\xa1x\xab"
     "counter/AAA\xff",
     27}, /* durable at -1 */
    {"\x96\x02\xa1r\x92\xa1i\x01\x05\x01\x90", 11},
};

static void publish_garbage(struct bus *stranger, const struct buffer *foreign)
{
    for (size_t i = 0; i < sizeof GARBAGE / sizeof GARBAGE[0]; i++) {
        bus_publish(stranger, "counter/AAA", GARBAGE[i].bytes, GARBAGE[i].length);
        bus_publish(stranger, "heartbeat/counter", GARBAGE[i].bytes, GARBAGE[i].length);
    }
    bus_publish(stranger, "counter/AAA", foreign->data, foreign->length);
}

/* A stranger holds the producer's name first and says wrong things under its topics. */
static void wrong_frames_are_counted_and_change_nothing(void **state)
{
    (void)state;
    struct world world;
    struct bus *stranger;
    struct buffer frame;
    struct cvd_row row;
    struct error error;
    begin(&world);
    world_start(&world, ADDER);
    struct bus_config config = {.folder = world.home, .instance = "counter", .high_water_mark = 1000};
    assert_ok(bus_create(&config, &stranger, &error));
    assert_ok(bus_bind(stranger, &error));
    buffer_init(&frame, 0);
    message_clear(&cvd_message, &row);
    append_frame(&frame, "another-run", &cvd_message, &row, 3);
    UNTIL_DOING(&world,
                world_counter(&world, ADDER, "stage_foreign_frames") > 0 &&
                    world_counter(&world, ADDER, "stage_malformed_frames") >= 6,
                publish_garbage(stranger, &frame));
    assert_true(world_logged(&world, ADDER, "frame_rejected"));
    bus_destroy(stranger);
    buffer_finish(&frame);
    world_start(&world, COUNTER);
    finish(&world);
}

static void wrong_requests_are_counted_and_change_nothing(void **state)
{
    (void)state;
    struct world world;
    struct random random = check_random();
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--hold", "100");
    start_both(&world);
    for (enum who who = COUNTER; who < SERVICES; who++) {
        for (size_t i = 0; i < sizeof GARBAGE / sizeof GARBAGE[0]; i++)
            world_send(&world, who, GARBAGE[i].bytes, GARBAGE[i].length);
        for (int i = 0; i < 500; i++) {
            uint8_t noise[64];
            for (size_t k = 0; k < sizeof noise; k++)
                noise[k] = (uint8_t)random_u64(&random);
            world_send(&world, who, noise, random_below(&random, sizeof noise));
        }
        UNTIL(&world, world_counter(&world, who, "stage_malformed_requests") >= 500);
    }
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    finish(&world);
}

/* Many questions in one message would call for megabytes of answers. */
static void one_message_gets_one_answer(void **state)
{
    (void)state;
    struct world world;
    struct buffer frame;
    struct catch_up_request_row request = {.consumer = "x", .stream = "counter/AAA", .from = 1};
    begin(&world);
    world_start(&world, COUNTER);
    UNTIL(&world, world_ended(&world, COUNTER));
    buffer_init(&frame, 0);
    append_frame(&frame, "run-1", &catch_up_request_message, &request, 1000);
    int64_t before = world_counter(&world, COUNTER, "stage_malformed_requests");
    world_send(&world, COUNTER, frame.data, frame.length);
    UNTIL(&world, world_counter(&world, COUNTER, "stage_malformed_requests") == before + 999);
    buffer_finish(&frame);
    world_end(&world);
}

static void commands_are_answered_with_a_sentence(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    world_start(&world, COUNTER);
    assert_true(world_tell(&world, COUNTER, "status")->ok);
    assert_true(world_tell(&world, COUNTER, "go")->ok);
    const struct command_answer_row *answer = world_tell(&world, COUNTER, "dance");
    assert_false(answer->ok);
    assert_string_equal(answer->text, "counter knows no command dance");
    UNTIL(&world, strcmp(world.services[COUNTER].beat.state, "running") == 0);
    assert_true(world_tell(&world, COUNTER, "drain")->ok);
    UNTIL(&world, strcmp(world.services[COUNTER].beat.state, "drained") == 0);
    assert_true(world_tell(&world, COUNTER, "stop")->ok);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    world_end(&world);
}

/* --- the command line --- */

static int run_with(struct world *world, const char *argument, const char *value)
{
    struct service *service = &world->services[COUNTER];
    service->arguments[0] = argument;
    service->arguments[1] = value;
    service->arguments[2] = NULL;
    world_spawn(world, COUNTER);
    return world_wait(world, COUNTER);
}

static void exit_codes_say_what_kind_of_failure_it_was(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    assert_int_equal(run_with(&world, "--help", NULL), 0);
    assert_int_equal(run_with(&world, "--version", NULL), 0);
    assert_int_equal(run_with(&world, "--nonsense", NULL), 2);
    assert_true(world_logged(&world, COUNTER, "counter: --nonsense: unknown option; see --help"));
    assert_int_equal(run_with(&world, "word", NULL), 2);
    assert_int_equal(run_with(&world, "--rows", NULL), 2);
    assert_int_equal(run_with(&world, "--set", "=x"), 2);
    assert_int_equal(run_with(&world, "--set", "no.such_key=1"), 2);
    assert_int_equal(run_with(&world, "--instance", "../elsewhere"), 2);
    assert_int_equal(run_with(&world, "--instance", ""), 2);
    assert_int_equal(run_with(&world, "--generation", "third"), 2);
    assert_int_equal(run_with(&world, "--config", "no-such-file.yaml"), 2);
    assert_int_equal(run_with(&world, "--debug=yes", NULL), 2);
    world.services[COUNTER].arguments[0] = NULL;
    world_start(&world, COUNTER);
    pid_t first = world.services[COUNTER].pid;
    world.services[COUNTER].pid = 0;
    world_spawn(&world, COUNTER); /* the name is taken */
    assert_int_equal(world_wait(&world, COUNTER), 5);
    world.services[COUNTER].pid = first;
    world_signal(&world, COUNTER, SIGTERM);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    world_end(&world);
}

static void a_damaged_journal_is_refused_with_its_place(void **state)
{
    (void)state;
    struct world world;
    char path[PATH_BYTES];
    begin(&world);
    start_both(&world);
    UNTIL(&world, world_ended(&world, ADDER));
    stop_both(&world);
    path_join(path, world.folder, "state/journal/counter/data.mdb");
    assert_int_equal(truncate(path, 8192), 0);
    world_spawn(&world, COUNTER);
    assert_int_equal(world_wait(&world, COUNTER), 1);
    assert_true(world_logged(&world, COUNTER, "state/journal/counter: cannot be opened; remove the folder"));
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
        cmocka_unit_test(a_consumer_may_come_before_its_producer),
        cmocka_unit_test(a_joiner_asks_and_need_not_wait_for_a_heartbeat_of_its_producer),
        cmocka_unit_test(the_first_progress_of_a_life_is_told_at_once),
        cmocka_unit_test(a_full_journal_waits_for_its_consumer),
        cmocka_unit_test(a_restarted_producer_remembers_its_consumers),
        cmocka_unit_test(a_service_says_what_it_counted_when_asked_and_when_it_stops),
        cmocka_unit_test(rows_nobody_asks_for_give_way),
        cmocka_unit_test(a_sink_gets_every_row_once_through_failures_and_deaths),
        cmocka_unit_test(a_stop_does_not_wait_for_a_sink_that_cannot_write),
        cmocka_unit_test(wrong_frames_are_counted_and_change_nothing),
        cmocka_unit_test(wrong_requests_are_counted_and_change_nothing),
        cmocka_unit_test(one_message_gets_one_answer),
        cmocka_unit_test(commands_are_answered_with_a_sentence),
        cmocka_unit_test(exit_codes_say_what_kind_of_failure_it_was),
        cmocka_unit_test(a_damaged_journal_is_refused_with_its_place),
    };
    check_filter();
    return cmocka_run_group_tests(tests, undisturbed, NULL);
}
