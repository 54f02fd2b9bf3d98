// links: orchestrator base
/* The lock of a run's folder. */
#include "driver_fixture.h"

#include "orchestrator/drivers/driver.h"
#include "orchestrator/preflight/lock.h"
#include "tests/support/check.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void the_lock_knows_the_living_from_the_dead(void **unused)
{
    (void)unused;
    char path[PATH_BYTES];
    struct run_lock lock, other;
    struct error error;
    path_join(path, folder, "lock");
    assert_ok(lock_take(path, &lock, &error));
    assert_ok(lock_name(&lock, "run-1", 0, &error));
    assert_string_equal(lock.previous, "");
    assert_int_equal(lock_take(path, &other, &error), STATUS_EXISTS);
    assert_non_null(strstr(error.text, "run-1"));
    lock_release(&lock);
    assert_ok(lock_take(path, &lock, &error));
    assert_ok(lock_name(&lock, "run-2", 0, &error));
    assert_string_equal(lock.previous, ""); /* run-1 ended properly */
    close(lock.descriptor);                 /* as a kill would */
    assert_ok(lock_take(path, &lock, &error));
    assert_ok(lock_name(&lock, "run-3", 0, &error));
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
    assert_ok(lock_take(path, &lock, &error));
    assert_ok(lock_name(&lock, "run-1", 0, &error));
    struct driver_child child = start("echo READY >&3; exec tail -f /dev/null", NULL);
    wait_announced(&child); /* it runs */
    lock_release(&lock);
    assert_ok(lock_take(path, &lock, &error));
    assert_ok(lock_name(&lock, "run-2", 0, &error));
    lock_release(&lock);
    assert_ok(process_driver.signal(&child, SIGKILL));
    wait_exit(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_lock_knows_the_living_from_the_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_does_not_hold_the_lock, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
