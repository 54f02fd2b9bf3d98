// The process driver, on small shell scripts: announcement, death, signals, and what a child inherits. And
// the lock.
// links: orchestrator base
#include "orchestrator/drivers/driver.h"
#include "orchestrator/lock.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

static char folder[PATH_BYTES], out_path[PATH_BYTES], err_path[PATH_BYTES];

static int set_up(void **unused)
{
    (void)unused;
    check_folder(folder);
    path_join(out_path, folder, "out");
    path_join(err_path, folder, "err");
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return 0;
}

static struct driver_child start(const char *script, const char *const *environment)
{
    const char *const nothing[] = {NULL};
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    struct driver_order order = {.arguments = arguments,
                                 .environment = environment ? environment : nothing,
                                 .stdout_path = out_path,
                                 .stderr_path = err_path};
    struct driver_child child;
    struct error error = {{0}};
    if (process_driver.start(&order, &child, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return child;
}

static void wait_readable(int descriptor)
{
    struct pollfd poll_one = {.fd = descriptor, .events = POLLIN};
    assert_int_equal(poll(&poll_one, 1, PATIENCE_MS), 1);
}

static struct driver_exit wait_exit(struct driver_child *child)
{
    struct driver_exit end;
    wait_readable(child->exit_descriptor);
    assert_ok(process_driver.collect(child, &end));
    assert_int_equal(child->pid, 0);
    assert_int_equal(child->exit_descriptor, -1);
    return end;
}

static void text_of(const char *path, char *out_text, size_t size)
{
    struct buffer text;
    buffer_init(&text, 0);
    assert_ok(file_read(path, &text));
    snprintf(out_text, size, "%s", buffer_text(&text));
    buffer_finish(&text);
}

static void a_child_announces_itself_and_its_exit_code_is_known(void **unused)
{
    (void)unused;
    struct driver_exit end;
    struct driver_child child = start("echo READY port=7 >&3; read -r line < /dev/null; exec cat", NULL);
    wait_readable(child.ready_descriptor);
    assert_ok(process_driver.announced(&child));
    assert_int_equal(child.ready_descriptor, -1);
    assert_int_equal(process_driver.announced(&child), STATUS_CLOSED);
    end = wait_exit(&child); /* its standard input is /dev/null: cat ends at once */
    assert_int_equal(end.code, 0);
    assert_int_equal(end.signal, 0);
}

static void what_is_not_the_line_is_no_announcement(void **unused)
{
    (void)unused;
    static const char *const SCRIPTS[] = {"exit 5", "echo READYMADE >&3; exit 5", "printf READY >&3; exit 5",
                                          "echo no >&3; exit 5"};
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof *SCRIPTS; i++) {
        struct driver_child child = start(SCRIPTS[i], NULL);
        wait_readable(child.ready_descriptor);
        assert_int_equal(process_driver.announced(&child), STATUS_CLOSED);
        assert_int_equal(wait_exit(&child).code, 5);
    }
}

static void a_signal_that_ends_it_is_told(void **unused)
{
    (void)unused;
    struct driver_exit end;
    struct driver_child child = start("exec tail -f /dev/null", NULL);
    assert_int_equal(process_driver.collect(&child, &end), STATUS_AGAIN);
    assert_ok(process_driver.signal(&child, SIGKILL));
    end = wait_exit(&child);
    assert_int_equal(end.signal, SIGKILL);
    assert_int_equal(end.code, -1);
    assert_int_equal(process_driver.signal(&child, SIGKILL), STATUS_CLOSED);
}

static void a_program_that_is_not_there_is_an_error(void **unused)
{
    (void)unused;
    const char *const arguments[] = {"/nowhere/at/all", NULL}, *const nothing[] = {NULL};
    struct driver_order order = {
        .arguments = arguments, .environment = nothing, .stdout_path = out_path, .stderr_path = err_path};
    struct driver_child child;
    struct error error = {{0}};
    assert_int_equal(process_driver.start(&order, &child, &error), STATUS_IO);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
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
    wait_readable(child.ready_descriptor);
    assert_int_equal(getsid(child.pid), child.pid);
    assert_true(child.start_ticks > 0);
    do { /* in the middle of its exec a process has no memory yet */
        assert_ok(driver_resources_read(child.pid, &resources));
    } while (resources.rss_mb <= 0);
    assert_true(resources.rss_mb > 0.05 && resources.rss_mb < 500);
    assert_in_range(resources.open_files, 3, 10);
    assert_ok(process_driver.signal(&child, SIGKILL));
    wait_exit(&child);
    assert_int_equal(driver_resources_read(999999999, &resources), STATUS_CLOSED);
}

static void the_lock_knows_the_living_from_the_dead(void **unused)
{
    (void)unused;
    char path[PATH_BYTES];
    struct run_lock lock, other;
    struct error error;
    path_join(path, folder, "lock");
    assert_ok(lock_take(path, "run-1", 0, &lock, &error));
    assert_string_equal(lock.previous, "");
    assert_int_equal(lock_take(path, "run-2", 0, &other, &error), STATUS_EXISTS);
    assert_non_null(strstr(error.text, "run-1"));
    lock_release(&lock);
    assert_ok(lock_take(path, "run-2", 0, &lock, &error));
    assert_string_equal(lock.previous, ""); /* run-1 ended properly */
    close(lock.descriptor);                 /* as a kill would */
    assert_ok(lock_take(path, "run-3", 0, &lock, &error));
    assert_non_null(strstr(lock.previous, "run-2"));
    lock_release(&lock);
}

static void a_child_does_not_hold_the_lock(void **unused)
{
    (void)unused;
    char path[PATH_BYTES];
    struct run_lock lock;
    struct error error;
    path_join(path, folder, "lock");
    assert_ok(lock_take(path, "run-1", 0, &lock, &error));
    struct driver_child child = start("echo READY >&3; exec tail -f /dev/null", NULL);
    wait_readable(child.ready_descriptor); /* it runs */
    lock_release(&lock);
    assert_ok(lock_take(path, "run-2", 0, &lock, &error));
    lock_release(&lock);
    assert_ok(process_driver.signal(&child, SIGKILL));
    wait_exit(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_child_announces_itself_and_its_exit_code_is_known, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_the_line_is_no_announcement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_that_ends_it_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_program_that_is_not_there_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_gets_its_environment_and_four_descriptors_and_nothing_else,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(logs_are_appended_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_is_a_session_of_its_own_and_named_by_pid_and_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_lock_knows_the_living_from_the_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_does_not_hold_the_lock, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
