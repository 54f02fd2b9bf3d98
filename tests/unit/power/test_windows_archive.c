// Every call with which the archive changes the disk (parts, merged hours, dead letters, checkpoint): the process dies before, in and
// after it, or the call fails; every row is stored once in the end.
// links: test_disk archive store proto base duckdb
// timeout: 600
#include "base/log.h"
#include "tests/unit/archive/archive_driver.h"
#include "windows.h"

#include <errno.h>

/* A life makes some 200 calls (how rows fall into parts depends on the moment), of which every 61st is tried. */
enum { EVERY = 61, DEATHS_LEAST = 2, REFUSALS_MAX = 20 };

static bool try_open(struct archive *archive, const char *folder)
{
    struct error error = {{0}};
    return archive_try_open(archive, folder, 40, &error) == STATUS_OK;
}

/* live: a start that the disk refuses is tried again, as the supervisor would. */
static void live(const char *folder, uint64_t seed)
{
    struct archive archive;
    struct random random;
    int refusals = 0;
    random_seed(&random, seed);
    while (!try_open(&archive, folder))
        if (++refusals == REFUSALS_MAX)
            fail_msg("the archive does not open");
    while (archive_feed(&archive, 1 + random_below(&random, 60)))
        wait_until_idle(&archive);
    wait_until_idle(&archive); /* what fails is tried again until it does not */
    archive_close(&archive);
}

static const struct window_subject SUBJECT = {.life = {live, check}, .every = EVERY};

static void killed_at_any_call_the_next_life_finishes(void **state)
{
    (void)state;
    archive_sync = false;
    assert_true(windows_kill_everywhere(&SUBJECT, DISK_KILL_BEFORE) >= DEATHS_LEAST);
    assert_true(windows_kill_everywhere(&SUBJECT, DISK_KILL_TORN) >= DEATHS_LEAST);
    archive_sync = true;
    assert_true(windows_kill_everywhere(&SUBJECT, DISK_KILL_AFTER) >= DEATHS_LEAST);
}

static void whatever_call_fails_it_is_tried_again(void **state)
{
    (void)state;
    archive_sync = true;
    assert_true(windows_fail_everywhere(&SUBJECT, DISK_FAIL, 1, ENOSPC) > 40);
    assert_true(windows_fail_everywhere(&SUBJECT, DISK_FAIL_SHORT, 2, ENOSPC) > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_call_the_next_life_finishes),
        cmocka_unit_test(whatever_call_fails_it_is_tried_again),
    };
    log_configure("test", RUN, LOG_ERROR);
    feed_make(&feed, 1, 120, 8000);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    feed_finish(&feed);
    return failed;
}
