// links: net base
/* The loop of client and server waits as long as it is told to, whatever the machine does meanwhile. */
#include "base/clock.h"
#include "net/loop.h"
#include "tests/support/check.h"

#include <pthread.h>

enum { PATIENCE_S = 20 }; /* less than the half minute that libwebsockets would wait by itself */

static int on_event(struct lws *connection, enum lws_callback_reasons reason, void *user, void *in,
                    size_t bytes)
{
    (void)connection, (void)reason, (void)user, (void)in, (void)bytes;
    return 0;
}

static struct loop open_loop(void)
{
    static const struct lws_protocols PROTOCOLS[] = {{.name = "none", .callback = on_event}, {0}};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN, .protocols = PROTOCOLS, .gid = -1, .uid = -1};
    lws_set_log_level(LLL_ERR, NULL);
    struct loop loop = {.lws = lws_create_context(&info)};
    assert_non_null(loop.lws);
    return loop;
}

static void close_loop(struct loop *loop)
{
    loop_finish(loop);
    lws_context_destroy(loop->lws);
}

/* rescue: wakes a loop that has waited far too long, and remembers it. */
struct rescue {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t over;
    bool is_over, was_needed;
};

static void *rescue_main(void *context)
{
    struct rescue *rescue = context;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&rescue->mutex);
    while (!rescue->is_over && !rescue->was_needed)
        rescue->was_needed = pthread_cond_timedwait(&rescue->over, &rescue->mutex, &until) != 0;
    pthread_mutex_unlock(&rescue->mutex);
    if (rescue->was_needed)
        loop_wake(rescue->loop);
    return NULL;
}

static void rescue_begin(struct rescue *rescue, struct loop *loop)
{
    *rescue = (struct rescue){.loop = loop};
    pthread_mutex_init(&rescue->mutex, NULL);
    pthread_cond_init(&rescue->over, NULL);
    assert_int_equal(pthread_create(&rescue->thread, NULL, rescue_main, rescue), 0);
}

static bool rescue_end(struct rescue *rescue)
{
    pthread_mutex_lock(&rescue->mutex);
    rescue->is_over = true;
    pthread_cond_signal(&rescue->over);
    pthread_mutex_unlock(&rescue->mutex);
    pthread_join(rescue->thread, NULL);
    return rescue->was_needed;
}

static int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

/* A timeout that has passed before the loop begins to wait: so it is where the thread loses its processor in between. */
static void a_timeout_that_is_over_before_the_wait_begins_ends_it(void **state)
{
    (void)state;
    struct loop loop = open_loop();
    struct rescue rescue;
    for (int i = 0; i < 3; i++)
        assert_ok(loop_run_once(&loop, 1)); /* what a new context has to do first */
    rescue_begin(&rescue, &loop);
    loop_arm(&loop, 1);
    for (int64_t from_ms = now_ms(); now_ms() < from_ms + 5;)
        ;
    assert_ok(loop_serve(&loop, 1));
    assert_false(rescue_end(&rescue));
    close_loop(&loop);
}

static void it_waits_for_its_timeout_and_not_less(void **state)
{
    (void)state;
    struct loop loop = open_loop();
    struct rescue rescue;
    for (int i = 0; i < 3; i++)
        assert_ok(loop_run_once(&loop, 1));
    rescue_begin(&rescue, &loop);
    int64_t from_ms = now_ms();
    assert_ok(loop_run_once(&loop, 50));
    assert_true(now_ms() >= from_ms + 48);
    assert_false(rescue_end(&rescue));
    close_loop(&loop);
}

static void waking_ends_the_wait_that_comes(void **state)
{
    (void)state;
    struct loop loop = open_loop();
    struct rescue rescue;
    for (int i = 0; i < 3; i++)
        assert_ok(loop_run_once(&loop, 1));
    rescue_begin(&rescue, &loop);
    loop_wake(&loop);
    assert_ok(loop_run_once(&loop, 3600 * 1000));
    assert_false(rescue_end(&rescue));
    close_loop(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeout_that_is_over_before_the_wait_begins_ends_it),
        cmocka_unit_test(it_waits_for_its_timeout_and_not_less),
        cmocka_unit_test(waking_ends_the_wait_that_comes),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
