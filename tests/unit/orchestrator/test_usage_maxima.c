// links: orchestrator config bus base
/* What is said of all processes' memory and descriptors: nothing, when one of them was not measured. */
#include "orchestrator/manifest/usage_maxima.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>

static struct run *run;

static int set_up(void **unused)
{
    (void)unused;
    run = calloc(1, sizeof *run);
    run->own_max_rss_mb = 12;
    run->own_max_open_files = 30;
    for (size_t module = 0; module < MODULE_COUNT; module++) {
        struct process *process = &run->processes[run->process_count++];
        process_init(process, module, 1);
        process->last_pid = 100 + (int64_t)module;
        process->max_rss_mb = 20 + (double)module;
        process->max_open_files = 10 + (int64_t)module;
    }
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    free(run);
    return 0;
}

static void the_most_is_that_of_any_process(void **unused)
{
    (void)unused;
    struct usage_maxima maxima = usage_maxima_of_run(run);
    assert_true(maxima.rss_mb == 20 + MODULE_COUNT - 1);
    assert_true(maxima.open_files == 30);
}

static void one_that_was_not_measured_makes_it_unknown(void **unused)
{
    (void)unused;
    run->processes[MODULE_SIGNAL].max_rss_mb = 0;
    assert_true(isnan(usage_maxima_of_run(run).rss_mb));
    assert_true(usage_maxima_of_run(run).open_files == 30);
    run->processes[MODULE_SIGNAL].max_open_files = 0;
    assert_true(isnan(usage_maxima_of_run(run).open_files));
    run->processes[MODULE_SIGNAL].last_pid = 0; /* it never lived */
    assert_false(isnan(usage_maxima_of_run(run).rss_mb));
}

static void nor_is_anything_known_without_the_orchestrator_itself(void **unused)
{
    (void)unused;
    run->own_max_rss_mb = 0;
    assert_true(isnan(usage_maxima_of_run(run).rss_mb));
}

static void what_says_nothing_of_itself_counts_when_it_was_looked_at(void **unused)
{
    (void)unused;
    run->processes[MODULE_SIMULATOR].max_rss_mb = 0; /* in a container of another machine */
    assert_true(usage_maxima_of_run(run).rss_mb == 20 + MODULE_COUNT - 1);
    run->processes[MODULE_SIMULATOR].max_rss_mb = 700;
    assert_true(usage_maxima_of_run(run).rss_mb == 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_most_is_that_of_any_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_was_not_measured_makes_it_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nor_is_anything_known_without_the_orchestrator_itself, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_says_nothing_of_itself_counts_when_it_was_looked_at, set_up,
                                        tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
