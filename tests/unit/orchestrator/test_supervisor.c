// The supervisor's table: every state with every event, and long lives of a process that behaves badly.
// links: orchestrator base
#include "orchestrator/supervision/supervisor.h"
#include "tests/support/check.h"

#include <signal.h>
#include <string.h>

static const struct supervisor_limits LIMITS = {.ready_timeout_ms = 120000, .stop_timeout_ms = 2000};

static struct restart_policy policy_with(size_t burst, size_t budget)
{
    return (struct restart_policy){.burst_count = burst,
                                   .burst_window_ms = 10000,
                                   .delay_first_ms = 200,
                                   .delay_factor = 2,
                                   .delay_cap_ms = 30000,
                                   .budget_count = budget,
                                   .budget_window_ms = 60000,
                                   .probe_ms = 60000,
                                   .ready_delays_ms = {10000, 30000},
                                   .ready_delay_count = 2};
}

static struct supervisor in_state(enum process_state state)
{
    struct supervisor supervisor;
    supervisor_init(&supervisor);
    supervisor.state = state;
    supervisor.generation = 7;
    return supervisor;
}

static struct supervisor_orders step(struct supervisor *supervisor, const struct restart_policy *policy,
                                     enum process_event event, bool progressed)
{
    struct supervisor_input input = {.event = event,
                                     .generation = supervisor->generation,
                                     .now_ms = 1000000,
                                     .progressed = progressed,
                                     .chance = 0.5};
    return supervisor_step(supervisor, policy, &LIMITS, &input);
}

static const char LETTERS[PROCESS_STATE_COUNT + 1] = "ostrdDTPAKbxf";
/* o stopped, s starting, t ready, r running, d draining, D drained, T stopping, P replacing, A aborting, K
 * killing, b restarting (back-off), x degraded, f failed. One row per state, one letter per event: start,
 * stop, restart, drain, announced, caught_up, drained, hung, exited, exited_configuration, timer. */
static const char *const EXPECTED[PROCESS_STATE_COUNT] = {
    [PROCESS_STOPPED] = "sosoooooooo",    [PROCESS_STARTING] = "sTPstssKbfA",
    [PROCESS_READY] = "tTPdtrDKbft",      [PROCESS_RUNNING] = "rTPdrrDKbfr",
    [PROCESS_DRAINING] = "dTPdddDKbfd",   [PROCESS_DRAINED] = "DTPDDDDKbfD",
    [PROCESS_STOPPING] = "PTPTTTTTooT",   [PROCESS_REPLACING] = "PTPPPPPPssP",
    [PROCESS_ABORTING] = "ATPAAAAAbfA",   [PROCESS_KILLING] = "KTPKKKKKbfK",
    [PROCESS_RESTARTING] = "sosbbbbbbbs", [PROCESS_DEGRADED] = "sosxxxxxxxs",
    [PROCESS_FAILED] = "sfsffffffff",
};

static void every_pair_of_state_and_event_leads_where_it_should(void **unused)
{
    (void)unused;
    struct restart_policy policy = policy_with(0, 5);
    for (int state = 0; state < PROCESS_STATE_COUNT; state++)
        for (int event = 0; event < PROCESS_EVENT_COUNT; event++) {
            struct supervisor supervisor = in_state((enum process_state)state);
            step(&supervisor, &policy, (enum process_event)event, false);
            char got = LETTERS[supervisor.state], want = EXPECTED[state][event];
            if (got != want)
                fail_msg("%s with %s: %s", process_state_name((enum process_state)state),
                         process_event_name((enum process_event)event), process_state_name(supervisor.state));
        }
}

static void check_orders(enum process_state before, enum process_event event, const struct supervisor *after,
                         const struct supervisor_orders *orders)
{
    bool exit_event = event == EVENT_EXITED || event == EVENT_EXITED_CONFIGURATION;
    bool lived = process_state_alive(before) && !exit_event;
    if (orders->spawn) {
        assert_false(lived); /* never a second one */
        assert_int_equal(after->state, PROCESS_STARTING);
        assert_int_equal(after->generation, 8);
        assert_int_equal(orders->timer_ms, LIMITS.ready_timeout_ms);
        assert_int_equal(orders->signal, 0);
    } else {
        assert_int_equal(after->generation, 7);
        assert_int_equal(process_state_alive(after->state),
                         lived); /* the state knows whether there is a process */
    }
    if (orders->signal)
        assert_true(lived);
    if (orders->tell_drain)
        assert_int_equal(after->state, PROCESS_DRAINING);
    bool waits = after->state == PROCESS_RESTARTING || after->state == PROCESS_DEGRADED;
    if (waits && before != after->state)
        assert_true(orders->timer_ms > 0); /* it does not wait for ever */
    if (orders->signal == SIGTERM)
        assert_int_equal(orders->timer_ms, LIMITS.stop_timeout_ms); /* TERM may be ignored */
    bool rests =
        process_state_up(after->state) || after->state == PROCESS_STOPPED || after->state == PROCESS_FAILED;
    if (rests && after->state != before && !process_state_up(before))
        assert_int_equal(orders->timer_ms, TIMER_CANCEL); /* no timer of an earlier state is left */
}

static void no_pair_gives_contradicting_orders(void **unused)
{
    (void)unused;
    for (int round = 0; round < 4; round++)
        for (int state = 0; state < PROCESS_STATE_COUNT; state++)
            for (int event = 0; event < PROCESS_EVENT_COUNT; event++) {
                struct restart_policy policy = policy_with(round & 1 ? 20 : 0, round & 2 ? 5 : 0);
                struct supervisor supervisor = in_state((enum process_state)state);
                struct supervisor_orders orders =
                    step(&supervisor, &policy, (enum process_event)event, round & 1);
                check_orders((enum process_state)state, (enum process_event)event, &supervisor, &orders);
            }
}

static void an_event_of_a_dead_generation_changes_nothing_and_is_counted(void **unused)
{
    (void)unused;
    struct restart_policy policy = policy_with(20, 5);
    for (int state = 0; state < PROCESS_STATE_COUNT; state++)
        for (int event = EVENT_ANNOUNCED; event < PROCESS_EVENT_COUNT; event++) {
            struct supervisor supervisor = in_state((enum process_state)state), before = supervisor;
            struct supervisor_input input = {.event = (enum process_event)event, .generation = 6};
            struct supervisor_orders orders = supervisor_step(&supervisor, &policy, &LIMITS, &input);
            assert_int_equal(supervisor.stale_events, 1);
            supervisor.stale_events = 0;
            assert_memory_equal(&supervisor, &before, sizeof before);
            assert_false(orders.spawn || orders.signal || orders.tell_drain);
            assert_int_equal(orders.timer_ms, TIMER_KEEP);
        }
}

static void a_crash_with_progress_comes_back_at_once(void **unused)
{
    (void)unused;
    struct restart_policy policy = policy_with(20, 5);
    struct supervisor supervisor = in_state(PROCESS_RUNNING);
    struct supervisor_orders orders = step(&supervisor, &policy, EVENT_EXITED, true);
    assert_true(orders.spawn);
    assert_int_equal(orders.delay_ms, 0);
    assert_int_equal(supervisor.restart_count, 1);
    assert_int_equal(supervisor.state, PROCESS_STARTING);
}

static void a_drain_is_told_again_to_a_new_generation(void **unused)
{
    (void)unused;
    struct restart_policy policy = policy_with(20, 5);
    struct supervisor supervisor = in_state(PROCESS_RUNNING);
    assert_true(step(&supervisor, &policy, EVENT_DRAIN, false).tell_drain);
    assert_true(step(&supervisor, &policy, EVENT_EXITED, true).spawn);
    struct supervisor_orders orders = step(&supervisor, &policy, EVENT_ANNOUNCED, false);
    assert_true(orders.tell_drain);
    assert_int_equal(supervisor.state, PROCESS_DRAINING);
}

static void a_process_that_never_gets_ready_is_degraded_at_the_third_time(void **unused)
{
    (void)unused;
    struct restart_policy policy = policy_with(20, 5);
    struct supervisor supervisor;
    supervisor_init(&supervisor);
    int64_t delays[3];
    step(&supervisor, &policy, EVENT_START, false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(step(&supervisor, &policy, EVENT_TIMER, false).signal, SIGTERM);
        delays[i] = step(&supervisor, &policy, EVENT_EXITED, false).delay_ms;
        if (i < 2)
            assert_true(step(&supervisor, &policy, EVENT_TIMER, false).spawn);
    }
    assert_int_equal(delays[0], 10000);
    assert_int_equal(delays[1], 30000);
    assert_int_equal(supervisor.state, PROCESS_DEGRADED);
    assert_true(supervisor.gave_up);
}

static void exit_code_2_is_never_restarted(void **unused)
{
    (void)unused;
    struct restart_policy policy = policy_with(20, 5);
    struct supervisor supervisor = in_state(PROCESS_STARTING);
    struct supervisor_orders orders = step(&supervisor, &policy, EVENT_EXITED_CONFIGURATION, true);
    assert_false(orders.spawn);
    assert_int_equal(orders.timer_ms, TIMER_CANCEL);
    assert_int_equal(supervisor.state, PROCESS_FAILED);
    assert_true(supervisor.gave_up);
    assert_true(step(&supervisor, &policy, EVENT_START, false).spawn); /* but a person may */
}

static void a_planned_restart_is_no_failure(void **unused)
{
    (void)unused;
    struct restart_policy policy = policy_with(20, 5);
    struct supervisor supervisor = in_state(PROCESS_RUNNING);
    assert_int_equal(step(&supervisor, &policy, EVENT_RESTART, false).signal, SIGTERM);
    assert_true(step(&supervisor, &policy, EVENT_EXITED, true).spawn);
    assert_int_equal(supervisor.restart_count, 0);
}

/* world: a process as the supervisor's orders make it, which does whatever chance wants. */
struct world {
    struct supervisor supervisor;
    struct restart_policy policy;
    int64_t now_ms;
    int64_t timer_ms; /* -1: none */
    bool alive, announced, killed;
    int64_t generation; /* of the living process */
    int64_t spawned;
    int64_t events;
};

static void world_step(struct world *world, enum process_event event, double chance)
{
    struct supervisor_input input = {.event = event,
                                     .generation = world->supervisor.generation,
                                     .now_ms = world->now_ms,
                                     .progressed = world->announced && chance > 0.5,
                                     .chance = chance};
    struct supervisor_orders orders = supervisor_step(&world->supervisor, &world->policy, &LIMITS, &input);
    world->events++;
    if (orders.timer_ms == TIMER_CANCEL)
        world->timer_ms = -1;
    else if (orders.timer_ms >= 0)
        world->timer_ms = world->now_ms + orders.timer_ms;
    if (orders.signal) {
        assert_true(world->alive);
        world->killed = world->killed || orders.signal == SIGKILL;
    }
    if (orders.spawn) {
        assert_false(world->alive); /* the promise: never two */
        world->alive = true;
        world->announced = world->killed = false;
        world->generation = world->supervisor.generation;
        world->spawned++;
    }
    assert_int_equal(world->alive, process_state_alive(world->supervisor.state));
    assert_int_equal(world->supervisor.surprises, 0);
}

/* world_chance: one thing that can happen now. */
static void world_chance(struct world *world, struct random *random)
{
    static const enum process_event WISHES[] = {EVENT_START, EVENT_STOP, EVENT_RESTART, EVENT_DRAIN};
    double chance = random_unit(random);
    uint64_t what = random_below(random, 10);
    world->now_ms += (int64_t)random_below(random, random_below(random, 8) ? 3000 : 200000);
    if (world->timer_ms >= 0 && world->now_ms >= world->timer_ms) {
        world->timer_ms = -1;
        world_step(world, EVENT_TIMER, chance);
    } else if (what == 0) {
        world_step(world, WISHES[random_below(random, 4)], chance);
    } else if (world->alive && (world->killed || what < 3)) {
        world->alive = false;
        world_step(world, what == 2 && chance < 0.05 ? EVENT_EXITED_CONFIGURATION : EVENT_EXITED, chance);
    } else if (world->alive && !world->announced && what < 8) {
        world->announced = true;
        world_step(world, EVENT_ANNOUNCED, chance);
    } else if (world->alive && world->announced && what < 9) {
        world_step(world, what < 6 ? EVENT_CAUGHT_UP : what < 8 ? EVENT_DRAINED : EVENT_HUNG, chance);
    }
}

/* world_stop: a person wants it stopped; it may ignore TERM, but not KILL. Whatever state it had got into, no more than TERM,
 * a timer and KILL are needed, and nothing is left: no process, no timer. */
static void world_stop(struct world *world)
{
    world_step(world, EVENT_STOP, 0.5);
    for (int i = 0; world->alive && i < 10; i++) {
        if (world->killed) {
            world->alive = false;
            world_step(world, EVENT_EXITED, 0.5);
        } else {
            assert_true(world->timer_ms >= 0);
            world->now_ms = world->timer_ms;
            world->timer_ms = -1;
            world_step(world, EVENT_TIMER, 0.5);
        }
    }
    assert_false(world->alive);
    assert_true(world->supervisor.state == PROCESS_STOPPED || world->supervisor.state == PROCESS_FAILED);
    assert_int_equal(world->timer_ms, -1);
    assert_int_equal(world->spawned, world->supervisor.generation);
}

/* world_wedged: no process, none on its way, and yet it is not over: nothing would ever happen again. */
static bool world_wedged(const struct world *world)
{
    enum process_state state = world->supervisor.state;
    bool probes = world->policy.probe_ms > 0;
    bool waits = state == PROCESS_RESTARTING || (state == PROCESS_DEGRADED && probes);
    bool may_ignore = state == PROCESS_STARTING || state == PROCESS_ABORTING || state == PROCESS_STOPPING ||
                      state == PROCESS_REPLACING; /* but a KILL it cannot */
    return (waits || (may_ignore && !world->killed)) && world->timer_ms < 0;
}

static void a_million_lives_end_in_no_wedged_state_and_leave_nothing(void **unused)
{
    (void)unused;
    enum { LIVES = 1000000, EVENTS_MAX = 48 };
    struct random random = check_random();
    int64_t seen[PROCESS_STATE_COUNT] = {0}, events = 0;
    for (int life = 0; life < LIVES; life++) {
        struct world world = {.policy = policy_with(random_below(&random, 3), random_below(&random, 6)),
                              .timer_ms = -1};
        supervisor_init(&world.supervisor);
        world_step(&world, EVENT_START, 0.5);
        for (uint64_t i = random_below(&random, EVENTS_MAX); i > 0; i--) {
            world_chance(&world, &random);
            assert_false(world_wedged(&world));
        }
        seen[world.supervisor.state]++;
        world_stop(&world);
        events += world.events;
    }
    printf("%lld events\n", (long long)events);
    for (int state = 0; state < PROCESS_STATE_COUNT; state++)
        if (seen[state] < 100)
            fail_msg("only %lld lives came to %s", (long long)seen[state],
                     process_state_name((enum process_state)state));
}

static void a_long_life_is_as_good_as_a_short_one(void **unused)
{
    (void)unused;
    struct random random = check_random();
    for (int life = 0; life < 100; life++) {
        struct world world = {.policy = policy_with(random_below(&random, 3), random_below(&random, 6)),
                              .timer_ms = -1};
        supervisor_init(&world.supervisor);
        for (int i = 0; i < 1000; i++) {
            world_chance(&world, &random);
            assert_false(world_wedged(&world));
        }
        world_stop(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_state_and_event_leads_where_it_should),
        cmocka_unit_test(no_pair_gives_contradicting_orders),
        cmocka_unit_test(an_event_of_a_dead_generation_changes_nothing_and_is_counted),
        cmocka_unit_test(a_crash_with_progress_comes_back_at_once),
        cmocka_unit_test(a_drain_is_told_again_to_a_new_generation),
        cmocka_unit_test(a_process_that_never_gets_ready_is_degraded_at_the_third_time),
        cmocka_unit_test(exit_code_2_is_never_restarted),
        cmocka_unit_test(a_planned_restart_is_no_failure),
        cmocka_unit_test(a_million_lives_end_in_no_wedged_state_and_leave_nothing),
        cmocka_unit_test(a_long_life_is_as_good_as_a_short_one),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
