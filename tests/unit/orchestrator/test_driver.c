// The process driver and its keepers, on small shell scripts: announcement, death, signals, adoption, and what a child
// inherits. And the lock.
// links: orchestrator base
#include "base/clock.h"
#include "orchestrator/drivers/driver.h"
#include "orchestrator/preflight/lock.h"
#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

static char folder[PATH_BYTES], out_path[PATH_BYTES], err_path[PATH_BYTES], keeper_path[PATH_BYTES];

static int set_up(void **unused)
{
    (void)unused;
    check_folder(folder);
    path_join(out_path, folder, "out");
    path_join(err_path, folder, "err");
    path_join(keeper_path, getenv("ORDERFLOW_BUILD"), "bin/keeper");
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return 0;
}

static enum status try_in(struct driver_child *child, int64_t generation, const char *script,
                          const char *const *environment, struct error *error)
{
    const char *const nothing[] = {NULL};
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    struct driver_order order = {.slot = "slot",
                                 .folder = folder,
                                 .keeper = keeper_path,
                                 .generation = generation,
                                 .arguments = arguments,
                                 .environment = environment ? environment : nothing,
                                 .stdout_path = out_path,
                                 .stderr_path = err_path};
    return process_driver.start(&order, child, error);
}

/* order_in: whether it has been started, the next news tells. */
static void order_in(struct driver_child *child, int64_t generation, const char *script,
                     const char *const *environment)
{
    struct error error = {{0}};
    if (try_in(child, generation, script, environment, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_true(child->lives);
    assert_int_equal(child->pid, 0);
}

/* wait_news: the next news that is any. */
static enum driver_news wait_news(struct driver_child *child, struct driver_exit *out_end)
{
    enum driver_news news;
    while ((news = process_driver.news(child, out_end)) == DRIVER_NOTHING) {
        struct pollfd poll_one = {.fd = child->descriptor, .events = POLLIN};
        assert_int_equal(poll(&poll_one, 1, PATIENCE_MS), 1);
    }
    return news;
}

static void wait_started(struct driver_child *child)
{
    struct driver_exit end;
    assert_int_equal(wait_news(child, &end), DRIVER_STARTED);
    assert_true(child->lives && child->pid > 0);
}

static void start_in(struct driver_child *child, int64_t generation, const char *script,
                     const char *const *environment)
{
    order_in(child, generation, script, environment);
    wait_started(child);
}

static struct driver_child start(const char *script, const char *const *environment)
{
    struct driver_child child;
    driver_child_init(&child);
    start_in(&child, 1, script, environment);
    return child;
}

static void wait_announced(struct driver_child *child)
{
    struct driver_exit end;
    assert_int_equal(wait_news(child, &end), DRIVER_ANNOUNCED);
    assert_true(child->announced);
}

/* wait_end: its end, and that nothing announced it before unless it had to. */
static struct driver_exit wait_end(struct driver_child *child)
{
    struct driver_exit end;
    assert_int_equal(wait_news(child, &end), DRIVER_EXITED);
    assert_int_equal(child->pid, 0);
    return end;
}

static struct driver_exit wait_exit(struct driver_child *child)
{
    struct driver_exit end = wait_end(child);
    process_driver.release(child);
    assert_int_equal(child->descriptor, -1);
    return end;
}

/* forget: what a dead orchestrator leaves: its connection closes, nothing is said. */
static void forget(struct driver_child *child)
{
    close(child->descriptor);
    close(child->pid_descriptor);
    driver_child_init(child);
}

static void adopt(struct driver_child *child)
{
    struct error error = {{0}};
    if (process_driver.adopt("slot", folder, child, &error) != STATUS_OK)
        fail_msg("%s", error.text);
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
    struct driver_child child = start("echo READY >&3; trap 'exit 7' USR1; while :; do :; done", NULL);
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
    do { /* in the middle of its exec a process has no memory yet */
        assert_ok(driver_resources_read(child.pid, &resources));
    } while (resources.rss_mb <= 0);
    assert_true(resources.rss_mb > 0.05 && resources.rss_mb < 500);
    assert_in_range(resources.open_files, 3, 10);
    assert_ok(process_driver.signal(&child, SIGKILL));
    wait_exit(&child);
    assert_int_equal(driver_resources_read(999999999, &resources), STATUS_CLOSED);
}

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
                                 .log_files = 2};
    struct driver_child child;
    struct error error = {{0}};
    driver_child_init(&child);
    assert_ok(process_driver.start(&order, &child, &error));
    wait_started(&child);
    assert_int_equal(wait_exit(&child).code, 0); /* all 300 MB have been taken from it */
    int64_t total = 0;
    for (int i = 0; i < 4; i++) {
        char path[PATH_BYTES + 16];
        snprintf(path, sizeof path, i ? "%s.%d" : "%s", out_path, i);
        bool there = stat(path, &found) == 0;
        assert_int_equal(there, i < 3);
        total += there ? found.st_size : 0;
    }
    assert_in_range(total, 2 << 20, (3 << 20) + 4096);
    char tail[4096];
    struct buffer text;
    buffer_init(&text, 0);
    assert_ok(file_read(out_path, &text));
    snprintf(tail, sizeof tail, "%s", buffer_text(&text) + (text.length > 4000 ? text.length - 4000 : 0));
    buffer_finish(&text);
    assert_non_null(strstr(tail, "log_dropped bytes=")); /* and it is said at the end */
}

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
        cmocka_unit_test_setup_teardown(what_a_child_used_is_known_at_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_that_floods_its_log_neither_waits_nor_fills_the_disk, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_lock_knows_the_living_from_the_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_does_not_hold_the_lock, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
