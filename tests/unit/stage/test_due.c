// links: stage journal bus config proto base
/* What a stage sleeps until: the nearest of its deadlines, never beyond a heartbeat, and never without a pause for one that has
 * passed and still stands. */
#include "tests/support/check.h"

#include "injury/lease.h"
#include "stage/stage_private.h"

#include <stdlib.h>
#include <string.h>

enum { NOW_MS = 100000, FAR_MS = NOW_MS + 100000 };

/* Only asked whether there is one. */
#define NEVER_OPENED ((struct journal *)(uintptr_t)8)

static int64_t service_due_ms;

static int64_t due_ms(void *service)
{
    (void)service;
    return service_due_ms;
}

static int64_t now_ns(void *context)
{
    (void)context;
    return (int64_t)NOW_MS * 1000000;
}

static const struct stage_service SERVICE = {.name = "idle", .due_ms = due_ms};

/* quiet: a stage with one upstream that has just been heard, and nothing to do for long. */
static struct stage *quiet(void)
{
    static const struct stage_service *const service = &SERVICE;
    static struct input input;
    static atomic_bool owned;
    struct stage *stage = calloc(1, sizeof *stage);
    service_due_ms = INT64_MAX;
    atomic_store(&owned, true);
    input = (struct input){.upstream = 0};
    stage->service = service;
    stage->clock = (struct clock){.monotonic_ns = now_ns, .wall_ns = now_ns};
    stage->injuries = injury_table_create();
    stage->beat_due_ms = stage->register_due_ms = FAR_MS;
    stage->owned = &owned;
    stage->symbol_count = 1;
    stage->inputs = &input;
    stage->input_count = 1;
    stage->upstreams[0] = (struct upstream){.instance = "harvest", .heard_ms = NOW_MS};
    stage->upstream_count = 1;
    return stage;
}

static void finish(struct stage *stage)
{
    injury_table_destroy(stage->injuries);
    free(stage);
}

#define SLEEPS(expected, change)                               \
    do {                                                       \
        struct stage *stage = quiet();                         \
        change;                                                \
        assert_int_equal(stage_poll_timeout(stage), expected); \
        finish(stage);                                         \
    } while (0)

static void nothing_is_polled_for(void **state)
{
    (void)state;
    SLEEPS(STAGE_SILENCE_MS + 1, );
    SLEEPS(200, stage->beat_due_ms = NOW_MS + 200);
    SLEEPS(300, stage->register_due_ms = NOW_MS + 300);
    SLEEPS(7, service_due_ms = NOW_MS + 7);
}

static void what_is_due_is_not_slept_over(void **state)
{
    (void)state;
    SLEEPS(0, stage->beat_due_ms = NOW_MS);
    SLEEPS(0, stage->pull_more = true);
    SLEEPS(0, stage->pull_held = true); /* it may be again */
    SLEEPS(STAGE_SILENCE_MS + 1, stage->pull_held = stage->full = true);
}

static void an_answer_is_awaited_for_as_long_as_its_producer_speaks(void **state)
{
    (void)state;
    SLEEPS(151, (stage->inputs->requested_from = 1, stage->inputs->requested_ms = NOW_MS - 100));
    SLEEPS(STAGE_SILENCE_MS / 2 + 1,
           (stage->inputs->requested_from = 1, stage->inputs->requested_ms = NOW_MS - 100,
            stage->upstreams[0].heard_ms = NOW_MS - STAGE_SILENCE_MS / 2));
    SLEEPS(STAGE_SILENCE_MS + 1, (stage->inputs->requested_from = 1, stage->inputs->upstream = SIZE_MAX));
}

static void what_could_not_be_done_is_tried_again_and_not_without_a_pause(void **state)
{
    (void)state;
    SLEEPS(STAGE_AGAIN_MS, service_due_ms = NOW_MS - 1);
    SLEEPS(STAGE_AGAIN_MS, stage->register_due_ms = NOW_MS);
    SLEEPS(20,
           (stage->journal = NEVER_OPENED, stage->unwritten = true, stage->commit_retry_ms = NOW_MS + 20));
    SLEEPS(30, (stage->register_due_ms = NOW_MS, stage->beat_due_ms = NOW_MS + 30));
}

static void what_nobody_tells_of_is_looked_at(void **state)
{
    (void)state;
    SLEEPS(STAGE_AGAIN_MS, stage->moving = 1);
    SLEEPS(STAGE_AGAIN_MS, stage->options.replay_link = true);
    SLEEPS(7, (stage->moving = 1, service_due_ms = NOW_MS + 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_polled_for),
        cmocka_unit_test(what_is_due_is_not_slept_over),
        cmocka_unit_test(an_answer_is_awaited_for_as_long_as_its_producer_speaks),
        cmocka_unit_test(what_could_not_be_done_is_tried_again_and_not_without_a_pause),
        cmocka_unit_test(what_nobody_tells_of_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
