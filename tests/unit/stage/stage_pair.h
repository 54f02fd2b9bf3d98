/* stage_pair: a counter and an adder behind it, real processes (tests/support/services), and the rows an undisturbed run of both gives. */
#pragma once

#include "tests/support/world.h"

#include "base/clock.h"
#include "base/hash.h"
#include "proto/control.h"
#include "proto/cvd.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 3000, STOP_PATIENCE_MS = 60000 };
#define ROWS_TEXT     "3000"
#define ROWS_PLUS_END "3001"

/* What an undisturbed run gives; the measure of all others. */
static char expected[SERVICES][65];
static char expected_ledger[SERVICES][65];

static inline void set_arguments(struct service *service, const char *const *arguments)
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

static inline void begin(struct world *world)
{
    world_begin(world);
    ARGUMENTS(world, COUNTER, "--rows", ROWS_TEXT);
}

static inline void start_both(struct world *world)
{
    world_start(world, COUNTER);
    world_start(world, ADDER);
}

static inline void stop_both(struct world *world)
{
    for (enum who who = COUNTER; who < SERVICES; who++) {
        /* A life that has not spoken yet may not have taken the signal in hand. */
        UNTIL(world, world->services[who].beat.pid == world->services[who].pid);
        int64_t begin_ms = world_now_ms();
        world_signal(world, who, SIGTERM);
        int code = world_wait(world, who);
        if (code != EXIT_SUCCESS)
            fail_msg("%s ended with %d in %s", SERVICE_NAMES[who], code, world->folder);
        assert_true(world_now_ms() - begin_ms < STOP_PATIENCE_MS);
    }
}

/* ledger_digest: of what a service counted, as it said when it stopped. */
static inline void ledger_digest(const struct world *world, enum who who, char out_hex[65])
{
    char path[PATH_BYTES];
    path_join(path, world->folder, "artifacts/run_logs/ledger_run-1/%s.json", SERVICE_NAMES[who]);
    assert_ok(file_sha256(path, out_hex));
}

static inline void expect_equal(struct world *world)
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
static inline bool life_ended(const struct world *world, enum who who)
{
    return world_ended(world, who) && world->services[who].beat.pid == world->services[who].pid;
}

/* finish: to the end of all streams, a clean stop, the expected rows. */
static inline void finish(struct world *world)
{
    UNTIL(world, life_ended(world, COUNTER) && life_ended(world, ADDER) &&
                     world->services[ADDER].beat.caught_up == 1);
    stop_both(world);
    expect_equal(world);
    world_end(world);
}

static inline int undisturbed(void **state)
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
