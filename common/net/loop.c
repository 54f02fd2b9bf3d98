#include "loop.h"

/* timer_rang: libwebsockets rings what is due *before* it waits, and then waits for the next timer, its own of up to 30 s. A
 * thread that lost its processor for longer than the timeout between arming and waiting would not wait that timeout but
 * half a minute. So the timer ends the wait that follows it. */
static void timer_rang(lws_sorted_usec_list_t *timer)
{
    lws_cancel_service(lws_container_of(timer, struct loop, timer)->lws);
}

void loop_arm(struct loop *loop, int timeout_ms)
{
    if (timeout_ms > 0)
        lws_sul_schedule(loop->lws, 0, &loop->timer, timer_rang, (lws_usec_t)timeout_ms * 1000);
}

enum status loop_serve(struct loop *loop, int timeout_ms)
{
    int result = lws_service(loop->lws, timeout_ms > 0 ? 0 : -1); /* 0: as long as the timers say */
    lws_sul_cancel(&loop->timer);
    return result < 0 ? STATUS_CLOSED : STATUS_OK;
}

enum status loop_run_once(struct loop *loop, int timeout_ms)
{
    loop_arm(loop, timeout_ms);
    return loop_serve(loop, timeout_ms);
}

void loop_wake(struct loop *loop)
{
    lws_cancel_service(loop->lws);
}

void loop_finish(struct loop *loop)
{
    lws_sul_cancel(&loop->timer);
}
