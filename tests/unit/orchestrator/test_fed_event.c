// links: orchestrator config bus base
/* How far the market has been fed, over all instances of harvest that ever lived, and what is made of it. */
#include "base/log.h"
#include "orchestrator/run.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct run *run;
static struct clock_manual manual;

static int set_up(void **unused)
{
    (void)unused;
    run = calloc(1, sizeof *run);
    manual =
        (struct clock_manual){.wall_ns = (int64_t)1700000000 * 1000000000, .monotonic_ns = (int64_t)1 << 50};
    run->clock = clock_from_manual(&manual);
    run->config = config_create();
    run->phase = PHASE_FEEDING;
    run->choice.enabled = module_bit(MODULE_HARVEST) | module_bit(MODULE_ARCHIVE);
    process_init(&run->processes[run->process_count++], MODULE_ARCHIVE, 1);
    for (size_t number = 1; number <= 3; number++)
        process_init(&run->processes[run->process_count++], MODULE_HARVEST, number);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    config_destroy(run->config);
    free(run);
    return 0;
}

static void tell(size_t number, int64_t event_ms)
{
    run->processes[number].telemetry.beat.event_ts_ms = event_ms;
}

static void nobody_has_told_a_time(void **unused)
{
    (void)unused;
    tell(0, 5); /* archive's is not the feed's */
    assert_true(run_fed_event_ms(run) == FIELD_NULL_I64);
}

static void the_newest_of_all_counts_wherever_it_stands(void **unused)
{
    (void)unused;
    run->processes[3].retired = true; /* scaled away long ago */
    tell(1, 9000);
    tell(3, 4000);
    assert_int_equal(run_fed_event_ms(run), 9000);
    tell(3, FIELD_NULL_I64); /* had no symbols */
    assert_int_equal(run_fed_event_ms(run), 9000);
    tell(2, 9500);
    assert_int_equal(run_fed_event_ms(run), 9500);
}

static void no_report_is_made_while_nobody_tells_a_time(void **unused)
{
    (void)unused;
    char folder[PATH_BYTES], path[PATH_BYTES];
    check_folder(folder);
    path_join(path, folder, "log");
    int log = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    log_redirect(log);
    tell(1, 100000);
    quality_watch_step(run);
    assert_int_equal(run->quality.first_event_ms, 100000);
    tell(1, FIELD_NULL_I64); /* a new life has seen nothing yet */
    manual.monotonic_ns += (int64_t)1 << 50;
    assert_true(run_now_ms(run) > run->quality.due_ms);
    quality_watch_step(run);
    assert_int_equal(run->quality.pid, 0);
    assert_int_equal(file_bytes(path), 0); /* nor has one been tried */
    assert_true(run->quality.due_ms > run_now_ms(run));
    log_redirect(STDERR_FILENO);
    close(log);
    check_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_has_told_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_of_all_counts_wherever_it_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_report_is_made_while_nobody_tells_a_time, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
