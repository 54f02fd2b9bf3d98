// links: stage journal bus config proto base
// timeout: 300
/* What the journal gives back, and when: by age and by bytes, from the positions consumers hold durably; who holds it up is told
 * first, and what must go is counted to the row. The consumers here are registrations: nobody is more dead. */
#include "tests/support/world.h"

#include "journal/journal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { HELD = 50 };

static const char *const STREAMS[] = {"counter/AAA", "counter/BBB"};
enum { STREAM_COUNT = 2 };

static void begin(struct world *world, const char *const *arguments)
{
    struct service *counter;
    world_begin(world);
    counter = &world->services[COUNTER];
    for (size_t i = 0; arguments[i]; i++)
        counter->arguments[i] = arguments[i];
    world_start(world, COUNTER);
    UNTIL(world, world_stream(world, STREAMS[0]) && world_stream(world, STREAMS[0])->last_sequence == 100 &&
                     world_stream(world, STREAMS[1])->last_sequence == 100);
}
#define BEGIN(world, ...) begin(world, (const char *const[]){__VA_ARGS__, NULL})

/* hold: a consumer called `reader` says that it has both streams up to there. */
static void hold(struct world *world, int64_t first, int64_t second)
{
    struct buffer rows, frame;
    struct frame_header header = {.run_id = "run-1", .instance = "reader", .row_count = STREAM_COUNT};
    int64_t positions[] = {first, second};
    buffer_init(&rows, 0);
    buffer_init(&frame, 0);
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        struct register_row row = {.consumer = "reader", .durable_sequence = positions[i]};
        snprintf(row.stream, sizeof row.stream, "%s", STREAMS[i]);
        row_encode(&rows, &register_message, register_message.field_count, &row);
    }
    frame_encode(&frame, &header, rows.data, rows.length);
    int64_t before = world_counter(world, COUNTER, "stage_requests");
    world_send(world, COUNTER, frame.data, frame.length);
    UNTIL(world, world_counter(world, COUNTER, "stage_requests") > before);
    buffer_finish(&rows);
    buffer_finish(&frame);
}

/* lost: rows that the reader does not hold and the journal no longer has. */
static int64_t lost(const struct world *world)
{
    int64_t sum = 0;
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        int64_t first = world_stream(world, STREAMS[i])->first_sequence;
        sum += first > HELD + 1 ? first - HELD - 1 : 0;
    }
    return sum;
}

/* of_each: what is told of each stream is what is gone of it; asked for, so that it is no brief heartbeat that tells it. */
static void of_each(struct world *world)
{
    int64_t sum = 0;
    world_tell(world, COUNTER, "status");
    assert_int_equal(world->services[COUNTER].beat.brief, 0);
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        char name[160];
        int64_t first = world_stream(world, STREAMS[i])->first_sequence;
        snprintf(name, sizeof name, "stage_retention_dropped/%s", STREAMS[i]);
        assert_int_equal(world_counter(world, COUNTER, name), first > HELD + 1 ? first - HELD - 1 : 0);
        sum += world_counter(world, COUNTER, name);
    }
    assert_int_equal(sum, world_counter(world, COUNTER, "stage_retention_dropped"));
}

static void told_before_dropped(const struct world *world)
{
    if (world_counter(world, COUNTER, "stage_retention_dropped") > 0)
        assert_true(world_counter(world, COUNTER, "stage_retention_alerts") > 0);
}

static void what_is_dropped_is_told_before_and_counted_to_the_row(void **state)
{
    (void)state;
    struct world world;
    bool alert_alone = false;
    BEGIN(&world, "--rows", "12000", "--hold", "100", "--set", "journal.max_mb=1", "--set",
          "harvest.on_full=drop");
    hold(&world, HELD, HELD);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL_DOING(&world, world_ended(&world, COUNTER),
                alert_alone |= world_counter(&world, COUNTER, "stage_retention_alerts") > 0 &&
                               world_counter(&world, COUNTER, "stage_retention_dropped") == 0;
                told_before_dropped(&world));
    assert_true(alert_alone); /* a heartbeat had the alert and no loss yet */
    assert_true(
        world_logged(&world, COUNTER, "journal_pressure stream=counter/AAA held_up_by=reader position=50") ||
        world_logged(&world, COUNTER, "held_up_by=reader position=50"));
    assert_true(world_logged(&world, COUNTER, "data_dropped"));
    assert_true(lost(&world) > 1000);
    assert_int_equal(world_counter(&world, COUNTER, "stage_retention_dropped"), lost(&world));
    of_each(&world);

    int64_t before = lost(&world);
    world_signal(&world, COUNTER, SIGKILL);
    world_wait(&world, COUNTER);
    world_start(&world, COUNTER);
    UNTIL(&world, world.services[COUNTER].beat.pid == world.services[COUNTER].pid);
    /* Between its last word and the kill there may have been one more look at the room. */
    assert_true(world_counter(&world, COUNTER, "stage_retention_dropped") >= before);
    assert_int_equal(world_counter(&world, COUNTER, "stage_retention_dropped"), lost(&world));
    of_each(&world);
    world_signal(&world, COUNTER, SIGTERM);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    world_end(&world);
}

static void who_waits_loses_nothing_however_dead_its_consumer_is(void **state)
{
    (void)state;
    struct world world;
    BEGIN(&world, "--rows", "12000", "--hold", "100", "--set", "journal.max_mb=1", "--set",
          "harvest.on_full=wait");
    hold(&world, HELD, HELD);
    /* Killed at once: who registered is remembered all the same. */
    world_signal(&world, COUNTER, SIGKILL);
    world_wait(&world, COUNTER);
    world_start(&world, COUNTER);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL(&world, world_logged(&world, COUNTER, "journal_full"));
    UNTIL(&world, world_counter(&world, COUNTER, "stage_retention_alerts") == 1);
    int64_t beats = world.services[COUNTER].beat.seq;
    UNTIL(&world, world.services[COUNTER].beat.seq > beats + 2); /* what is told now is later than that */
    int64_t stood = world_stream(&world, STREAMS[0])->last_sequence;
    UNTIL(&world, world.services[COUNTER].beat.seq > beats + 100); /* 2 s: several looks of the retention */
    assert_int_equal(world_stream(&world, STREAMS[0])->last_sequence, stood);
    assert_true(stood < 12000);
    while (!world_ended(&world, COUNTER))
        hold(&world, world_stream(&world, STREAMS[0])->last_sequence,
             world_stream(&world, STREAMS[1])->last_sequence);
    assert_int_equal(world_counter(&world, COUNTER, "stage_retention_dropped"), 0);
    assert_true(world_stream(&world, STREAMS[0])->first_sequence > HELD);
    UNTIL_DOING(&world, world_logged(&world, COUNTER, "journal_relieved"),
                hold(&world, world_stream(&world, STREAMS[0])->last_sequence,
                     world_stream(&world, STREAMS[1])->last_sequence));
    world_signal(&world, COUNTER, SIGTERM);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    world_end(&world);
}

static void age_takes_what_all_hold_and_only_tells_of_the_rest(void **state)
{
    (void)state;
    struct world world;
    BEGIN(&world, "--rows", "3000", "--hold", "100", "--largest", "5", "--set", "journal.max_age_s=1");
    hold(&world, 100, HELD);
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    UNTIL(&world, world_ended(&world, COUNTER));
    hold(&world, 3001, HELD);
    UNTIL(&world,
          world_stream(&world, STREAMS[0])->first_sequence > 2000); /* a nearly empty journal, and yet */
    assert_true(world_stream(&world, STREAMS[1])->first_sequence <= HELD + 1);
    UNTIL(&world, world_logged(&world, COUNTER, "reason=age"));
    assert_int_equal(world_counter(&world, COUNTER, "stage_retention_dropped"), 0);
    world_signal(&world, COUNTER, SIGTERM);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_dropped_is_told_before_and_counted_to_the_row),
        cmocka_unit_test(who_waits_loses_nothing_however_dead_its_consumer_is),
        cmocka_unit_test(age_takes_what_all_hold_and_only_tells_of_the_rest),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
