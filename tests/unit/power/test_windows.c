// Every call with which a sink or the journal changes the disk: the process dies before, in and after it, or the call fails; the next
// life, or the next try, ends with what an undisturbed one leaves.
// links: test_disk store journal proto base
// timeout: 600
#include "sink_lives.h"
#include "windows.h"

#include <errno.h>

enum { EVERY = 8 };

static struct window_subject subject_of(const struct sink_life *life)
{
    return (struct window_subject){.life = life->subject, .every = EVERY};
}

static void killed_at_any_call_the_next_life_finishes(void **state)
{
    struct window_subject subject = subject_of(*state);
    troubles = 0;
    lives_synced = false;
    assert_true(windows_kill_everywhere(&subject, DISK_KILL_BEFORE) > 3);
    assert_true(windows_kill_everywhere(&subject, DISK_KILL_TORN) > 3);
    lives_synced = true;
    assert_true(windows_kill_everywhere(&subject, DISK_KILL_AFTER) > 5);
    assert_int_equal(troubles, 0); /* a death is no error for who comes after */
}

static void whatever_call_fails_it_is_tried_again(void **state)
{
    struct window_subject subject = subject_of(*state);
    lives_synced = true;
    assert_true(windows_fail_everywhere(&subject, DISK_FAIL, 1, ENOSPC) > 40);
    assert_true(windows_fail_everywhere(&subject, DISK_FAIL, 3, EIO) > 40);
    assert_true(windows_fail_everywhere(&subject, DISK_FAIL_SHORT, 2, ENOSPC) > 40);
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
