// links: orchestrator base
/* A slot of the process driver through the lives of its processes, keepers and orchestrators: adopted, never taken twice. */
#include "driver_fixture.h"

#include "orchestrator/drivers/driver.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_process_without_its_orchestrator_lives_on_and_is_adopted(void **unused)
{
    (void)unused;
    struct driver_child child = start("echo READY >&3; exec tail -f /dev/null", NULL), adopted;
    pid_t pid = child.pid, keeper = child.keeper_pid;
    int64_t ticks = child.start_ticks;
    wait_announced(&child);
    forget(&child);
    adopt(&adopted);
    assert_int_equal(adopted.pid, pid);
    assert_int_equal(adopted.start_ticks, ticks);
    assert_int_equal(adopted.generation, 1);
    assert_true(adopted.announced);
    assert_ok(process_driver.signal(&adopted, SIGKILL));
    assert_int_equal(wait_exit(&adopted).signal, SIGKILL);
    assert_false(process_driver.kept("slot", folder));  /* the next run may begin at once */
    assert_int_equal(waitpid(keeper, NULL, 0), keeper); /* it left with the run */
}

static void an_end_that_nobody_saw_is_told_to_the_next_orchestrator(void **unused)
{
    (void)unused;
    struct driver_child child = start("read -r line < go; exit 7", NULL), adopted;
    char fifo[PATH_BYTES], script[2 * PATH_BYTES];
    assert_int_equal(wait_exit(&child).code, 7); /* there is no `go` to wait for */
    path_join(fifo, folder, "go");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    snprintf(script, sizeof script, "read -r line < %s; echo READY >&3; exit 7", fifo);
    child = start(script, NULL);
    pid_t pid = child.pid, keeper = child.keeper_pid;
    int gone = dup(child.pid_descriptor), writer = open(fifo, O_WRONLY);
    forget(&child);
    assert_int_equal(write(writer, "\n", 1), 1);
    struct pollfd poll_one = {.fd = gone, .events = POLLIN};
    assert_int_equal(poll(&poll_one, 1, PATIENCE_MS), 1);
    do /* the keeper reaps it in a moment */
        adopt(&adopted);
    while (adopted.pid == pid && (forget(&adopted), true));
    assert_int_equal(adopted.pid, 0);
    assert_true(adopted.announced); /* it had said so */
    assert_int_equal(wait_exit(&adopted).code, 7);
    waitpid(keeper, NULL, 0);
    close(writer);
    close(gone);
}

static void a_slot_serves_one_generation_after_the_other_and_never_two(void **unused)
{
    (void)unused;
    struct error error = {{0}};
    struct driver_child child = start("exec tail -f /dev/null", NULL), other;
    pid_t keeper = child.keeper_pid;
    driver_child_init(&other);
    assert_int_equal(try_in(&other, 1, "exit 0", NULL, &error),
                     STATUS_EXISTS); /* another orchestrator's try */
    assert_non_null(strstr(error.text, "held by another keeper"));
    assert_false(other.lives);
    assert_int_equal(other.descriptor, -1);
    assert_ok(process_driver.signal(&child, SIGTERM));
    assert_int_equal(wait_end(&child).signal, SIGTERM);
    start_in(&child, 2, "exit 3", NULL);
    assert_int_equal(child.generation, 2);
    assert_int_equal(child.keeper_pid, keeper);
    assert_int_equal(wait_exit(&child).code, 3);
}

/* keeper_behind_a_gate: one that gets no further than its birth until there is `gate`. */
static void keeper_behind_a_gate(char out_gate[PATH_BYTES])
{
    char script[3 * PATH_BYTES];
    path_join(out_gate, folder, "gate");
    snprintf(script, sizeof script, "#!/bin/sh\nread -r line < %s\nexec %s \"$@\"\n", out_gate, keeper_path);
    path_join(keeper_path, folder, "keeper");
    assert_int_equal(mkfifo(out_gate, 0600), 0);
    FILE *file = fopen(keeper_path, "w");
    assert_non_null(file);
    assert_true(fputs(script, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(keeper_path, 0700), 0);
}

static void *open_gate(void *gate)
{
    int writer = open(gate, O_WRONLY); /* waits for the keeper to come to it */
    bool opened = writer >= 0 && write(writer, "\n", 1) == 1;
    close(writer);
    return opened ? gate : NULL;
}

static void a_keeper_whose_orchestrator_died_at_its_birth_has_the_slot_and_is_adopted(void **unused)
{
    (void)unused;
    struct error error = {{0}};
    struct driver_child child, adopted, other;
    char gate[PATH_BYTES];
    pthread_t opener;
    void *opened;
    keeper_behind_a_gate(gate);
    driver_child_init(&child);
    driver_child_init(&other);
    order_in(&child, 7, "exec tail -f /dev/null", NULL);
    pid_t keeper = child.keeper_pid;
    close(child.descriptor); /* the orchestrator dies; its keeper has not even begun */
    driver_child_init(&child);
    assert_true(process_driver.kept("slot", folder));
    assert_int_equal(try_in(&other, 7, "exit 0", NULL, &error), STATUS_EXISTS); /* no second copy */
    assert_int_equal(pthread_create(&opener, NULL, open_gate, gate), 0);
    adopt(&adopted);
    assert_int_equal(pthread_join(opener, &opened), 0);
    assert_non_null(opened);
    assert_int_equal(adopted.generation, 7); /* what it had been told it has done */
    assert_true(adopted.lives && adopted.pid > 0);
    assert_ok(process_driver.signal(&adopted, SIGKILL));
    assert_int_equal(wait_exit(&adopted).signal, SIGKILL);
    assert_int_equal(waitpid(keeper, NULL, 0), keeper);
    assert_false(process_driver.kept("slot", folder));
}

static void a_process_dies_with_its_keeper_and_the_slot_is_free_again(void **unused)
{
    (void)unused;
    struct error error = {{0}};
    struct driver_child child = start("echo READY >&3; exec tail -f /dev/null", NULL);
    wait_announced(&child);
    int gone = dup(child.pid_descriptor);
    assert_int_equal(kill(child.keeper_pid, SIGKILL), 0);
    struct driver_exit end = wait_end(&child);
    assert_int_equal(end.code, -1);
    assert_int_equal(end.signal, 0); /* nobody knows */
    struct pollfd poll_one = {.fd = gone, .events = POLLIN};
    assert_int_equal(poll(&poll_one, 1, PATIENCE_MS), 1);
    close(gone);
    start_in(&child, 2, "exit 4", NULL);
    assert_int_equal(wait_exit(&child).code, 4);
    assert_int_equal(process_driver.adopt("slot", folder, &child, &error), STATUS_NOT_FOUND);
}

static void what_a_process_leaves_behind_is_ended_and_reaped(void **unused)
{
    (void)unused;
    char text[64];
    struct driver_child child = start(
        "(setsid tail -f /dev/null & echo $!) > /dev/stdout; echo READY >&3; exec tail -f /dev/null", NULL);
    wait_announced(&child);
    text_of(out_path, text, sizeof text);
    pid_t grandchild = (pid_t)strtol(text, NULL, 10);
    int gone = (int)syscall(SYS_pidfd_open, grandchild, 0u);
    assert_true(grandchild > 0 && gone >= 0);
    assert_ok(process_driver.signal(&child, SIGKILL));
    wait_end(&child);
    struct pollfd poll_one = {.fd = gone, .events = POLLIN};
    assert_int_equal(poll(&poll_one, 1, PATIENCE_MS), 1);
    close(gone);
    process_driver.release(&child);
}

/* The family holds a lock, as one that was forked off a daemon would hold its instance's. */
static void a_new_generation_never_meets_what_the_one_before_left_behind(void **unused)
{
    (void)unused;
    struct driver_child child;
    char script[PATH_BYTES + 200];
    snprintf(script, sizeof script,
             "exec 9> %s/alive; flock -n 9 || exit 99; (setsid sh -c 'sleep 1000 & sleep 1000' &); echo "
             "READY >&3; sleep 1000",
             folder);
    driver_child_init(&child);
    for (int64_t generation = 1; generation <= 20; generation++) {
        const char *const path[] = {"PATH=/usr/bin:/bin", NULL};
        start_in(&child, generation, script, path);
        wait_announced(&child); /* had anybody held the lock, it would have ended with 99 instead */
        assert_ok(process_driver.signal(&child, SIGKILL));
        struct driver_exit end = wait_end(&child);
        assert_int_equal(end.signal, SIGKILL);
        assert_false(end.core);
    }
    process_driver.release(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_process_without_its_orchestrator_lives_on_and_is_adopted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_end_that_nobody_saw_is_told_to_the_next_orchestrator, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slot_serves_one_generation_after_the_other_and_never_two, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_keeper_whose_orchestrator_died_at_its_birth_has_the_slot_and_is_adopted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_process_dies_with_its_keeper_and_the_slot_is_free_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_process_leaves_behind_is_ended_and_reaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_generation_never_meets_what_the_one_before_left_behind, set_up,
                                        tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
