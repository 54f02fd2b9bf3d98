// links: orchestrator config bus base
/* One process under process.c with a driver that is a table: whatever happens to it, there is one process at most, and its
 * descriptors, timers and memory come back. */
#include "orchestrator/run.h"
#include "tests/support/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* table: what the driver of the test has done. Its child has two descriptors of its own, as the real one has. */
static struct table {
    bool alive, announced_told;
    int generation_starts;
    bool refuses; /* the next start does not work */
    bool tells;   /* a start is ordered only: that it worked, or did not, is news */
    bool ordered; /* … which have not been asked for yet */
    enum driver_news news;
    struct driver_exit end;
    int signals[NSIG];
} table;

static void child_close(struct driver_child *child)
{
    if (child->pid_descriptor >= 0)
        close(child->pid_descriptor);
    child->pid_descriptor = -1;
    child->pid = 0;
    child->lives = false;
}

static enum status table_start(const struct driver_order *order, struct driver_child *child,
                               struct error *error)
{
    assert_false(table.alive); /* the promise: never two */
    if (table.refuses && !table.tells) {
        table.refuses = false;
        return error_set(error, STATUS_IO, "not today");
    }
    child_close(child);
    if (child->descriptor < 0)
        child->descriptor = eventfd(0, EFD_CLOEXEC);
    child->pid_descriptor = eventfd(0, EFD_CLOEXEC);
    ++table.generation_starts;
    child->pid = table.tells ? 0 : 1000 + table.generation_starts;
    child->lives = true;
    child->generation = order->generation;
    table.alive = true;
    table.ordered = table.tells;
    return STATUS_OK;
}

static bool table_kept(const char *slot, const char *folder)
{
    (void)slot, (void)folder;
    return table.alive;
}

static enum status table_adopt(const char *slot, const char *folder, struct driver_child *child,
                               struct error *error)
{
    (void)folder;
    driver_child_init(child);
    return error_set(error, STATUS_NOT_FOUND, "%s has no keeper", slot);
}

/* order_answered: what was ordered exists now, or will not. */
static enum driver_news order_answered(struct driver_child *child)
{
    table.ordered = false;
    if (!table.refuses) {
        child->pid = 1000 + table.generation_starts;
        return DRIVER_STARTED;
    }
    table.refuses = table.alive = false;
    child_close(child);
    return DRIVER_REFUSED;
}

static enum driver_news table_news(struct driver_child *child, struct driver_exit *out_exit)
{
    if (table.ordered)
        return order_answered(child);
    enum driver_news news = table.news;
    table.news = DRIVER_NOTHING;
    if (news == DRIVER_EXITED) {
        table.alive = false;
        *out_exit = table.end;
        child_close(child);
    }
    return news;
}

static enum status table_signal(struct driver_child *child, int signal_number)
{
    assert_true(table.alive && (child->pid != 0 || table.ordered));
    table.signals[signal_number]++;
    return STATUS_OK;
}

static void table_release(struct driver_child *child)
{
    child_close(child);
    if (child->descriptor >= 0)
        close(child->descriptor);
    child->descriptor = -1;
}

static const struct driver table_driver = {.name = "table",
                                           .start = table_start,
                                           .kept = table_kept,
                                           .adopt = table_adopt,
                                           .news = table_news,
                                           .signal = table_signal,
                                           .release = table_release};

static struct driver telling_driver; /* the same, but for .tells_start */

/* --- a run of one process --- */

static char folder[PATH_BYTES], home[PATH_BYTES];
static struct clock_manual manual;

static int set_up(void **unused)
{
    (void)unused;
    check_folder(folder);
    return getcwd(home, sizeof home) && chdir(folder) == 0 && mkdir("runtime", 0700) == 0 ? 0 : -1;
}

static int tear_down(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return chdir(home);
}

static struct run *run_open(const struct options *options, bool tells)
{
    struct run *run = calloc(1, sizeof *run);
    telling_driver = table_driver;
    telling_driver.tells_start = true;
    manual =
        (struct clock_manual){.wall_ns = (int64_t)1700000000 * 1000000000, .monotonic_ns = (int64_t)1 << 40};
    table = (struct table){.news = DRIVER_NOTHING, .tells = tells};
    run->clock = clock_from_manual(&manual);
    run->options = options;
    run->driver = tells ? &telling_driver : &table_driver;
    run->config = config_create();
    run->limits = (struct supervisor_limits){.ready_timeout_ms = 2000, .stop_timeout_ms = 500};
    run->policy = (struct restart_policy){.burst_count = 3,
                                          .burst_window_ms = 10000,
                                          .delay_first_ms = 200,
                                          .delay_factor = 2,
                                          .delay_cap_ms = 3000,
                                          .budget_count = 3,
                                          .budget_window_ms = 60000,
                                          .probe_ms = 5000,
                                          .ready_delays_ms = {1000, 3000},
                                          .ready_delay_count = 2};
    run->epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    snprintf(run->run_id, sizeof run->run_id, "test");
    run->phase = PHASE_FEEDING;
    run->go_ms = 1;
    feed_init(&run->feed, &run->clock);
    console_init(&run->console, &run->clock);
    buffer_init(&run->recorded_last, 0);
    buffer_init(&run->recording, 0);
    process_init(&run->processes[run->process_count++], MODULE_SIMULATOR,
                 1); /* needs no heartbeat to be ready */
    return run;
}

static void run_close(struct run *run)
{
    process_finish(run, &run->processes[0]);
    buffer_finish(&run->recorded_last);
    buffer_finish(&run->recording);
    record_file_finish(&run->record_file);
    feed_finish(&run->feed);
    config_destroy(run->config);
    close(run->epoll_descriptor);
    free(run);
}

/* happen: one thing that the world or a person can do now. */
static void happen(struct run *run, struct random *random)
{
    static const enum process_event WISHES[] = {EVENT_START, EVENT_STOP, EVENT_RESTART};
    struct process *process = &run->processes[0];
    struct error error;
    int64_t fault;
    clock_manual_advance(&manual, (int64_t)random_below(random, 800) * 1000000);
    process_timers(run, process);
    switch (random_below(random, 8)) {
    case 0: process_step(run, process, WISHES[random_below(random, 3)]); break;
    case 1:
    case 2:
        table.news = table.alive ? DRIVER_EXITED : DRIVER_NOTHING;
        table.end = random_below(random, 2) ? (struct driver_exit){.code = -1, .signal = SIGKILL}
                                            : (struct driver_exit){.code = (int)random_below(random, 3)};
        break;
    case 3:
    case 4: table.news = table.alive ? DRIVER_ANNOUNCED : DRIVER_NOTHING; break;
    case 5: table.refuses = !table.alive; break;
    case 6: (void)!process_pause(run, process, random_below(random, 2), &error); break;
    case 7:
        if (run->fault_count == RUN_FAULTS_MAX)
            run->fault_count = 0;
        (void)!process_signal(run, process, SIGUSR1, &fault, &error);
    }
    process_take_news(run, process);
}

static void settle(struct run *run)
{
    struct process *process = &run->processes[0];
    process_step(run, process, EVENT_STOP);
    process_take_news(run, process);
    for (int i = 0;
         i < 8 && process->supervisor.state != PROCESS_STOPPED && process->supervisor.state != PROCESS_FAILED;
         i++) {
        if (process->timer_due_ms != NEVER_MS) {
            manual.monotonic_ns = process->timer_due_ms * 1000000;
            process_timers(run, process);
        }
        if (table.alive && table.signals[SIGKILL]) { /* TERM it may ignore */
            table.news = DRIVER_EXITED;
            table.end = (struct driver_exit){.code = -1, .signal = SIGKILL};
            process_take_news(run, process);
        }
    }
    memset(table.signals, 0, sizeof table.signals);
}

static size_t open_files(void)
{
    size_t count = 0;
    DIR *listed = opendir("/proc/self/fd");
    while (readdir(listed))
        count++;
    closedir(listed);
    return count;
}

static void many_lives_leak_nothing(bool tells)
{
    enum { LIVES = 50000, WARM_UP = 2000 };
    struct random random = check_random();
    static struct options options;
    size_t files = 0, bytes = 0;
    int standard = dup(STDOUT_FILENO), errors = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    fflush(stdout);
    dup2(null, STDOUT_FILENO); /* what it tells people */
    dup2(null, STDERR_FILENO);
    struct run *run = run_open(&options, tells);
    struct process *process = &run->processes[0];
    for (int life = 0; life < LIVES; life++) {
        for (uint64_t i = random_below(&random, 30); i > 0; i--)
            happen(run, &random);
        settle(run);
        assert_false(table.alive);
        assert_int_equal(process->timer_due_ms, NEVER_MS);
        assert_int_equal(process->child.pid, 0);
        process->restart_count = 0; /* kept on purpose, up to RUN_RESTARTS_KEPT … */
        run->fault_count = 0;       /* … and RUN_FAULTS_MAX */
        if (life == WARM_UP) {      /* rings and buffers have their size */
            files = open_files();
            bytes = mallinfo2().uordblks;
        }
    }
    size_t files_after = open_files(), bytes_after = mallinfo2().uordblks;
    int starts = table.generation_starts;
    run_close(run);
    dup2(standard, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    close(standard);
    close(errors);
    close(null);
    printf("%d starts, %zu descriptors, %zu bytes before and %zu after\n", starts, files_after, bytes,
           bytes_after);
    assert_true(starts > LIVES / 2);
    assert_int_equal(files_after, files);
    /* Each place of the rings keeps room for the longest event it has held: less than 3 bytes a life, and less and less. */
    assert_in_range(bytes_after, 0, bytes + 3 * (size_t)LIVES);
}

static void many_lives_leak_no_descriptor_no_timer_and_no_byte(void **unused)
{
    (void)unused;
    many_lives_leak_nothing(false);
}

static void so_do_those_whose_start_is_told_later(void **unused)
{
    (void)unused;
    many_lives_leak_nothing(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_do_those_whose_start_is_told_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_lives_leak_no_descriptor_no_timer_and_no_byte, set_up,
                                        tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
