/* An errand wakes its loop when it is done, once, whether or not anybody asks for it then; and one that nobody can wait for any longer
 * is left to itself. */
#include "tests/support/check.h"

#include "orchestrator/manifest/errand.h"

#include <semaphore.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TAG = 77, DEADLINE_MS = 20000 };

static void nothing(void *context)
{
    (void)context;
}

static void an_errand_that_is_done_wakes_its_loop_once(void **state)
{
    struct errand errand;
    struct epoll_event event;
    int epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    (void)state;
    errand_begin(&errand, nothing, NULL, epoll_descriptor, TAG);
    assert_int_equal(epoll_wait(epoll_descriptor, &event, 1, DEADLINE_MS), 1);
    assert_int_equal(event.data.u64, TAG);
    /* Nobody asks, as in a run that was interrupted a second time: the loop must be able to sleep. */
    assert_int_equal(epoll_wait(epoll_descriptor, &event, 1, 0), 0);
    assert_true(errand_done(&errand));
    errand_finish(&errand);
    close(epoll_descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_errand_that_is_done_wakes_its_loop_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
