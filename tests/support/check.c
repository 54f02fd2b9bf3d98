#include "tests/support/check.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

uint64_t check_seed(void)
{
    static uint64_t seed;
    const char *given = getenv("ORDERFLOW_TEST_SEED");
    if (!seed) {
        struct clock clock = clock_system();
        seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_ns(&clock);
        print_message("seed: repeat with ORDERFLOW_TEST_SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

struct random check_random(void)
{
    struct random random;
    random_seed(&random, check_seed());
    return random;
}

void check_filter(void)
{
    const char *pattern = getenv("ORDERFLOW_TEST_FILTER");
    if (pattern)
        cmocka_set_test_filter(pattern);
}

void check_folder(char out_path[PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    path_join(out_path, parent ? parent : "/tmp", "orderflow-check-XXXXXX");
    assert_non_null(mkdtemp(out_path));
}

void check_folder_remove(const char *path)
{
    if (getenv("ORDERFLOW_TEST_KEEP"))
        print_message("kept: %s\n", path);
    else
        assert_ok(folder_remove(path));
}

bool check_begin_life(bool *was_killed)
{
    int result;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        return true;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    *was_killed = WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL;
    assert_true(*was_killed || (WIFEXITED(result) && WEXITSTATUS(result) == 0));
    return false;
}
