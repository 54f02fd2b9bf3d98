// A power cut anywhere: sinks go on where journal and files agree, and no row is missing or there twice.
// links: test_disk store journal proto base
// timeout: 240
#include "sink_lives.h"

enum { CUTS = 200 };

static void a_cut_costs_no_row_and_doubles_none(void **state)
{
    const struct sink_life *life = *state;
    power_try(&life->subject, CUTS);
    assert_int_equal(troubles, 0);
}

int main(void)
{
    struct CMUnitTest tests[SINK_LIFE_COUNT];
    for (size_t i = 0; i < SINK_LIFE_COUNT; i++)
        tests[i] = (struct CMUnitTest){.name = SINK_LIVES[i].name,
                                       .test_func = a_cut_costs_no_row_and_doubles_none,
                                       .initial_state = (void *)(uintptr_t)&SINK_LIVES[i]};
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
