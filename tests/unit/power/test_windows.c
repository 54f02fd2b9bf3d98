// Every call with which a sink or the journal changes the disk: the process dies before, in and after it, or the call fails; the next
// life, or the next try, ends with what an undisturbed one leaves.
// links: test_disk store journal proto base
// timeout: 600
#include "sink_lives.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* Each pass tries one call in so many, beginning at another one by the seed; $ORDERFLOW_TEST_EVERY=1 tries them all. */
enum { EVERY = 8 };

static long stride(void)
{
    const char *given = getenv("ORDERFLOW_TEST_EVERY");
    return given ? strtol(given, NULL, 10) : EVERY;
}

static long first_call(void)
{
    static struct random random;
    static bool seeded;
    if (!seeded)
        random = check_random();
    seeded = true;
    return 1 + (long)random_below(&random, (uint64_t)stride());
}

static void folder_of(char out_path[PATH_BYTES])
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    check_folder(out_path);
}

/* killed: a life of its own that dies at the n-th call; false when it had fewer. */
static bool killed(const struct sink_life *life, const char *folder, long n, enum disk_fault fault)
{
    int result;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        disk_fault_begin(folder, n, 1, fault, 0);
        life->subject.live(folder, 1);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    if (WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL)
        return true;
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    return false;
}

static int kill_everywhere(const struct sink_life *life, enum disk_fault fault)
{
    int deaths = 0;
    for (long n = first_call();; n += stride()) {
        char folder[PATH_BYTES];
        folder_of(folder);
        bool died = killed(life, folder, n, fault);
        if (died)
            life->subject.live(folder, 2);
        life->subject.check(folder);
        check_folder_remove(folder);
        deaths += died;
        if (!died)
            return deaths;
    }
}

static void killed_at_any_call_the_next_life_finishes(void **state)
{
    const struct sink_life *life = *state;
    troubles = 0;
    lives_synced = false;
    assert_true(kill_everywhere(life, DISK_KILL_BEFORE) > 3);
    assert_true(kill_everywhere(life, DISK_KILL_TORN) > 3);
    lives_synced = true;
    assert_true(kill_everywhere(life, DISK_KILL_AFTER) > 5);
    assert_int_equal(troubles, 0); /* a death is no error for who comes after */
}

/* fail_everywhere: the calls from the n-th on fail, `count` of them, until there is no n-th. */
static long fail_everywhere(const struct sink_life *life, enum disk_fault fault, long count, int error)
{
    for (long n = first_call();; n += stride()) {
        char folder[PATH_BYTES];
        folder_of(folder);
        troubles = 0;
        disk_fault_begin(folder, n, count, fault, error);
        life->subject.live(folder, 1);
        long calls = disk_fault_end();
        life->subject.check(folder);
        check_folder_remove(folder);
        if (calls < n)
            return n - 1;
    }
}

static void whatever_call_fails_it_is_tried_again(void **state)
{
    const struct sink_life *life = *state;
    lives_synced = true;
    assert_true(fail_everywhere(life, DISK_FAIL, 1, ENOSPC) > 40);
    assert_true(fail_everywhere(life, DISK_FAIL, 3, EIO) > 40);
    assert_true(fail_everywhere(life, DISK_FAIL_SHORT, 2, ENOSPC) > 40);
}

int main(void)
{
    struct CMUnitTest tests[2 * SINK_LIFE_COUNT];
    for (size_t i = 0; i < SINK_LIFE_COUNT; i++) {
        void *life = (void *)(uintptr_t)&SINK_LIVES[i];
        tests[2 * i] = (struct CMUnitTest){.name = SINK_LIVES[i].name,
                                           .test_func = killed_at_any_call_the_next_life_finishes,
                                           .initial_state = life};
        tests[2 * i + 1] = (struct CMUnitTest){.name = SINK_LIVES[i].name,
                                               .test_func = whatever_call_fails_it_is_tried_again,
                                               .initial_state = life};
    }
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
