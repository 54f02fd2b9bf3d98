// links: warden keeper injury bus config proto base yyjson
/* A warden's child that stands still on purpose: what the kernel says of it, and a lease that ends by itself, once, however often it was
 * ordered. The child is real, the warden's clock is moved by hand. */
#include "tests/support/check.h"

#include "orchestrator/warden/warden.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct clock_manual manual;
static struct warden warden;

static int set_up(void **unused)
{
    (void)unused;
    manual = (struct clock_manual){.monotonic_ns = 1000000000};
    warden = (struct warden){.clock = clock_from_manual(&manual), .report.late_ms = -1};
    warden.child = fork();
    if (warden.child == 0)
        for (;;)
            pause();
    return warden.child > 0 ? 0 : -1;
}

static int tear_down(void **unused)
{
    (void)unused;
    return kill(warden.child, SIGKILL) == 0 && waitpid(warden.child, NULL, 0) == warden.child ? 0 : -1;
}

static void suspend(int64_t lease, int64_t lease_ms)
{
    struct warden_order order = {.verb = WARDEN_SUSPEND, .lease = lease, .lease_ms = lease_ms};
    warden_suspend(&warden, &order);
}

/* hears: waits for the kernel's word. */
static void hears(bool stands)
{
    int status;
    assert_int_equal(waitpid(warden.child, &status, WUNTRACED | WCONTINUED), warden.child);
    assert_true(warden_take_stand(&warden, status));
    assert_int_equal(warden.report.stands, stands);
}

static void says_nothing_new(void)
{
    int status;
    assert_int_equal(waitpid(warden.child, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
}

static void pass(int64_t time_ms)
{
    clock_manual_advance(&manual, time_ms * 1000000);
    warden_suspend_look(&warden);
}

static void a_lease_ends_by_itself_and_says_how_late(void **unused)
{
    (void)unused;
    suspend(7, 500);
    hears(true);
    assert_int_equal(warden_suspend_due_ms(&warden, 5000), 1500);
    assert_int_equal(warden_suspend_due_ms(&warden, 1200), 1200);
    pass(499);
    assert_int_equal(warden.report.late_ms, -1);
    says_nothing_new();
    pass(4);
    hears(false);
    assert_int_equal(warden.report.late_ms, 3);
    assert_int_equal(warden.report.lease, 7);
    assert_int_equal(warden_suspend_due_ms(&warden, 5000), 5000);
}

static void an_order_that_comes_twice_is_one(void **unused)
{
    (void)unused;
    suspend(7, 500);
    hears(true);
    pass(600);
    hears(false);
    suspend(7, 500); /* an answer to a report that crossed it */
    says_nothing_new();
    assert_int_equal(warden.report.late_ms, 100);
    assert_int_equal(warden_suspend_due_ms(&warden, 5000), 5000);
    suspend(8, 500);
    hears(true);
    assert_int_equal(warden.report.late_ms, -1);
}

static void a_lease_is_ended_early_by_an_order_and_by_a_warden_that_leaves(void **unused)
{
    (void)unused;
    suspend(7, 500);
    hears(true);
    suspend(8, 0);
    hears(false);
    pass(1000);
    says_nothing_new();
    assert_int_equal(warden.report.late_ms, -1);
    suspend(9, 500);
    hears(true);
    warden_go_on(&warden);
    hears(false);
    pass(1000);
    says_nothing_new();
}

static void an_end_is_no_standing_still(void **unused)
{
    (void)unused;
    int status;
    kill(warden.child, SIGKILL);
    assert_int_equal(waitpid(warden.child, &status, WUNTRACED | WCONTINUED), warden.child);
    assert_false(warden_take_stand(&warden, status));
    assert_int_equal(set_up(NULL), 0); /* something to tear down */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lease_ends_by_itself_and_says_how_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_that_comes_twice_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lease_is_ended_early_by_an_order_and_by_a_warden_that_leaves,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_is_no_standing_still, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
