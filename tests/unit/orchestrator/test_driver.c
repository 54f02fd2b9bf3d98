// links: orchestrator base
/* The process driver and its keepers, on small shell scripts: announcement, death, signals, and what a child inherits. */
#include "driver_fixture.h"

#include "base/clock.h"
#include "orchestrator/drivers/driver.h"
#include "orchestrator/preflight/lock.h"
#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_child_announces_itself_and_its_exit_code_is_known(void **unused)
{
    (void)unused;
    struct driver_exit end;
    struct driver_child child = start("echo READY port=7 >&3; read -r line < /dev/null; exec cat", NULL);
    wait_announced(&child);
    end = wait_exit(&child); /* its standard input is /dev/null: cat ends at once */
    assert_int_equal(end.code, 0);
    assert_int_equal(end.signal, 0);
}

/* wait_state: until /proc shows the process in a state, or in any other. */
static void wait_state(const struct driver_child *child, char state, bool is)
{
    struct clock clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(&clock) + PATIENCE_MS;
    struct driver_resources resources;
    do {
        assert_true(clock_monotonic_ms(&clock) < until_ms);
        sched_yield();
        assert_ok(driver_resources_read(child->pid, &resources));
    } while ((resources.run_state == state) != is);
}

static void what_was_suspended_goes_on_by_itself_or_when_it_is_told(void **unused)
{
    (void)unused;
    enum { SHORT_MS = 50, LONG_MS = 600000 };
    struct driver_child child = start("trap 'exit 7' USR1; echo READY >&3; while :; do :; done", NULL);
    wait_announced(&child);
    assert_ok(process_driver.suspend(&child, LONG_MS));
    wait_state(&child, 'T', true);
    assert_ok(process_driver.suspend(&child, 0));
    wait_state(&child, 'T', false);
    assert_ok(process_driver.suspend(&child, LONG_MS));
    wait_state(&child, 'T', true);
    assert_ok(process_driver.suspend(&child, SHORT_MS)); /* a new lease in the place of the old one */
    forget(&child);                                      /* whoever ordered it is dead */
    adopt(&child);
    wait_state(&child, 'T', false);
    assert_ok(process_driver.signal(&child, SIGUSR1));
    assert_int_equal(wait_end(&child).code, 7);
    assert_true(child.suspend_late_ms >= 0);
    assert_int_equal(process_driver.suspend(&child, LONG_MS), STATUS_CLOSED);
    process_driver.release(&child);
}

static void what_is_not_the_line_is_no_announcement(void **unused)
{
    (void)unused;
    static const char *const SCRIPTS[] = {"exit 5", "echo READYMADE >&3; exit 5", "printf READY >&3; exit 5",
                                          "echo no >&3; exit 5"};
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof *SCRIPTS; i++) {
        struct driver_child child = start(SCRIPTS[i], NULL);
        assert_int_equal(wait_exit(&child).code, 5); /* the first and only news */
    }
}

static void a_signal_that_ends_it_is_told(void **unused)
{
    (void)unused;
    struct driver_exit end;
    struct driver_child child = start("exec tail -f /dev/null", NULL);
    assert_int_equal(process_driver.news(&child, &end), DRIVER_NOTHING);
    assert_ok(process_driver.signal(&child, SIGKILL));
    end = wait_exit(&child);
    assert_int_equal(end.signal, SIGKILL);
    assert_int_equal(end.code, -1);
    assert_int_equal(process_driver.signal(&child, SIGKILL), STATUS_CLOSED);
}

static void a_signal_to_what_is_just_being_started_reaches_it(void **unused)
{
    (void)unused;
    struct driver_child child;
    driver_child_init(&child);
    order_in(&child, 1, "exec tail -f /dev/null", NULL);
    assert_ok(process_driver.signal(&child, SIGTERM));
    assert_ok(process_driver.signal(&child, SIGCONT)); /* does not take its place */
    wait_started(&child);
    assert_int_equal(wait_exit(&child).signal, SIGTERM);
}

static void a_program_that_is_not_there_is_an_error(void **unused)
{
    (void)unused;
    const char *const arguments[] = {"/nowhere/at/all", NULL}, *const nothing[] = {NULL};
    struct driver_order order = {.slot = "slot",
                                 .folder = folder,
                                 .keeper = keeper_path,
                                 .generation = 1,
                                 .arguments = arguments,
                                 .environment = nothing,
                                 .stdout_path = out_path,
                                 .stderr_path = err_path};
    struct driver_child child;
    struct error error = {{0}};
    driver_child_init(&child);
    struct driver_exit end;
    assert_ok(process_driver.start(&order, &child, &error));
    assert_int_equal(wait_news(&child, &end), DRIVER_REFUSED);
    assert_int_equal(child.refusal, ENOENT);
    assert_false(child.lives);
    process_driver.release(&child);
}

static void a_child_gets_its_environment_and_four_descriptors_and_nothing_else(void **unused)
{
    (void)unused;
    const char *const environment[] = {"ONE=1", "PATH=/usr/bin:/bin", NULL};
    char text[4096];
    int null = open("/dev/null", O_RDONLY), leak = fcntl(null, F_DUPFD, 10);
    assert_true(leak >= 10); /* not close-on-exec, as a library may leave one */
    struct driver_child child = start("env; echo descriptors; ls /proc/$$/fd", environment);
    assert_int_equal(wait_exit(&child).code, 0);
    close(leak);
    close(null);
    text_of(out_path, text, sizeof text);
    char *descriptors = strstr(text, "descriptors\n");
    assert_non_null(descriptors);
    /* ls itself has none of its own open in the shell's folder. */
    assert_string_equal(descriptors, "descriptors\n0\n1\n2\n3\n");
    *descriptors = 0;
    assert_non_null(strstr(text, "ONE=1\n"));
    assert_null(strstr(text, "HOME="));
    assert_null(strstr(text, "ORDERFLOW_ROOT="));
}

static void logs_are_appended_to(void **unused)
{
    (void)unused;
    char text[64];
    for (int i = 0; i < 2; i++) {
        struct driver_child child = start("echo line; echo fault >&2", NULL);
        wait_exit(&child);
    }
    text_of(out_path, text, sizeof text);
    assert_string_equal(text, "line\nline\n");
    text_of(err_path, text, sizeof text);
    assert_string_equal(text, "fault\nfault\n");
}

static void a_child_is_a_session_of_its_own_and_named_by_pid_and_start(void **unused)
{
    (void)unused;
    struct driver_resources resources;
    struct driver_child child = start("echo READY >&3; exec tail -f /dev/null", NULL);
    wait_announced(&child);
    assert_int_equal(getsid(child.pid), child.pid);
    assert_true(child.start_ticks > 0);
    do { /* in the middle of its exec a process has next to no memory yet */
        assert_ok(driver_resources_read(child.pid, &resources));
    } while (resources.rss_mb <= 0.05);
    assert_true(resources.rss_mb < 500);
    assert_in_range(resources.open_files, 3, 10);
    assert_ok(process_driver.signal(&child, SIGKILL));
    wait_exit(&child);
    assert_int_equal(driver_resources_read(999999999, &resources), STATUS_CLOSED);
}

static void what_a_child_used_is_known_at_its_end(void **unused)
{
    (void)unused;
    struct driver_child child = start("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done", NULL);
    struct driver_exit end = wait_exit(&child);
    assert_int_equal(end.code, 0);
    assert_in_range(end.cpu_ms, 10, 60000);
    assert_in_range(end.max_rss_kb, 500, 100000);
}

static void a_child_that_floods_its_log_neither_waits_nor_fills_the_disk(void **unused)
{
    (void)unused;
    /* Together they hold more than a second's share: what was told where the last second began is still there. */
    enum { FILES = 5 };
    struct stat found;
    const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    const char *const arguments[] = {"/bin/sh", "-c", "yes 'a line that is repeated' | head -c 300000000",
                                     NULL};
    struct driver_order order = {.slot = "slot",
                                 .folder = folder,
                                 .keeper = keeper_path,
                                 .generation = 1,
                                 .arguments = arguments,
                                 .environment = environment,
                                 .stdout_path = out_path,
                                 .stderr_path = err_path,
                                 .log_bytes_max = 1 << 20,
                                 .log_bytes_per_s = 4 << 20,
                                 .log_files = FILES};
    struct driver_child child;
    struct error error = {{0}};
    driver_child_init(&child);
    assert_ok(process_driver.start(&order, &child, &error));
    wait_started(&child);
    assert_int_equal(wait_exit(&child).code, 0); /* all 300 MB have been taken from it */
    int64_t total = 0;
    bool told = false;
    for (int i = 0; i <= FILES + 1; i++) {
        char path[PATH_BYTES + 16];
        struct buffer text;
        snprintf(path, sizeof path, i ? "%s.%d" : "%s", out_path, i);
        bool there = stat(path, &found) == 0;
        if (i < 3 || i > FILES) /* a flood of less than a second fills no more than a second's share */
            assert_int_equal(there, i < 3);
        total += there ? found.st_size : 0;
        buffer_init(&text, 0);
        assert_true(file_read(path, &text) == STATUS_OK || !there);
        told = told || strstr(buffer_text(&text), "log_dropped bytes=");
        buffer_finish(&text);
    }
    assert_in_range(total, 3 << 20, ((FILES + 1) << 20) + 4096);
    assert_true(told); /* and it is said */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_child_announces_itself_and_its_exit_code_is_known, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_suspended_goes_on_by_itself_or_when_it_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_the_line_is_no_announcement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_that_ends_it_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_to_what_is_just_being_started_reaches_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_program_that_is_not_there_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_gets_its_environment_and_four_descriptors_and_nothing_else,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(logs_are_appended_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_is_a_session_of_its_own_and_named_by_pid_and_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_child_used_is_known_at_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_that_floods_its_log_neither_waits_nor_fills_the_disk, set_up,
                                        tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
