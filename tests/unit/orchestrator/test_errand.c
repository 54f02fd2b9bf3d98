/* An errand wakes its loop when it is done, once, whether or not anybody asks for it then; and one that nobody can wait for any longer
 * is left to itself. */
#include "tests/support/check.h"

#include "orchestrator/manifest/errand.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TAG = 77, DEADLINE_MS = 60000 };

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

/* held: an errand that writes something when it is told to, unless it has been left. */
struct held {
    struct errand errand;
    sem_t begun, go_on, ended;
    int written;
};

static void write_one(void *context)
{
    struct held *held = context;
    sem_post(&held->begun);
    sem_wait(&held->go_on); /* a file that does not answer */
    if (errand_hold(&held->errand)) {
        held->written++;
        errand_let_go(&held->errand);
    }
    sem_post(&held->ended);
}

static void one_that_has_been_left_writes_nothing_any_more(void **state)
{
    struct held held = {.written = 0}, other = {.written = 0};
    int epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    (void)state;
    for (struct held *one = &held;; one = &other) {
        sem_init(&one->begun, 0, 0);
        sem_init(&one->go_on, 0, 0);
        sem_init(&one->ended, 0, 0);
        errand_begin(&one->errand, write_one, one, epoll_descriptor, TAG);
        sem_wait(&one->begun);
        if (one == &held)
            assert_true(errand_leave(&one->errand)); /* and nobody waited */
        sem_post(&one->go_on);
        sem_wait(&one->ended);
        if (one == &other)
            break;
    }
    assert_int_equal(held.written, 0);
    assert_int_equal(other.written, 1); /* one that is waited for does */
    errand_finish(&other.errand);
    struct pollfd over = {.fd = held.errand.descriptor, .events = POLLIN};
    assert_int_equal(poll(&over, 1, DEADLINE_MS), 1); /* it is on this stack */
    close(held.errand.descriptor);
    close(epoll_descriptor);
}

static void one_that_holds_something_cannot_be_left(void **state)
{
    struct errand errand = {.descriptor = -1};
    (void)state;
    assert_true(errand_hold(&errand));
    assert_false(errand_leave(&errand));
    errand_let_go(&errand);
    assert_true(errand_leave(&errand));
    assert_false(errand_hold(&errand));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_errand_that_is_done_wakes_its_loop_once),
        cmocka_unit_test(one_that_has_been_left_writes_nothing_any_more),
        cmocka_unit_test(one_that_holds_something_cannot_be_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
