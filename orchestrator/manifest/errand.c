#include "errand.h"

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { HOLD_NOTHING, HOLD_HELD, HOLD_LEFT };

static void *errand_thread(void *context)
{
    struct errand *errand = context;
    errand->perform(errand->context);
    uint64_t one = 1;
    if (write(errand->descriptor, &one, sizeof one) < 0) {
        /* Cannot be full. */
    }
    return NULL;
}

/* start: signals are the loop's affair, not this thread's. */
static bool start(struct errand *errand, int epoll_descriptor, unsigned long tag)
{
    sigset_t all, before;
    /* Told once: whoever does not ask any more (an interrupt has cut the phase short) must not be woken for ever. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = tag};
    errand->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (errand->descriptor < 0 || epoll_ctl(epoll_descriptor, EPOLL_CTL_ADD, errand->descriptor, &event) != 0)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    errand->has_thread = pthread_create(&errand->thread, NULL, errand_thread, errand) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errand->has_thread;
}

void errand_begin(struct errand *errand, void (*perform)(void *context), void *context, int epoll_descriptor,
                  unsigned long tag)
{
    *errand = (struct errand){.perform = perform, .context = context, .descriptor = -1};
    if (start(errand, epoll_descriptor, tag))
        return;
    if (errand->descriptor >= 0)
        close(errand->descriptor);
    errand->descriptor = -1;
    perform(context);
    errand->done = true;
}

bool errand_done(struct errand *errand)
{
    uint64_t count;
    if (!errand->done)
        errand->done = read(errand->descriptor, &count, sizeof count) == (ssize_t)sizeof count;
    return errand->done;
}

void errand_finish(struct errand *errand)
{
    if (errand->has_thread)
        pthread_join(errand->thread, NULL);
    errand->has_thread = false;
    errand->done = true;
    if (errand->descriptor >= 0)
        close(errand->descriptor); /* which takes it from the epoll */
    errand->descriptor = -1;
}

/* change: from one state of the hold to another, if it is that one. */
static bool change(struct errand *errand, int from, int to)
{
    return atomic_compare_exchange_strong(&errand->hold, &from, to);
}

bool errand_leave(struct errand *errand)
{
    if (!change(errand, HOLD_NOTHING, HOLD_LEFT))
        return false;
    if (errand->has_thread)
        pthread_detach(errand->thread); /* the descriptor stays: it may be written to at any time */
    errand->has_thread = false;
    return true;
}

bool errand_hold(struct errand *errand)
{
    return change(errand, HOLD_NOTHING, HOLD_HELD);
}

void errand_let_go(struct errand *errand)
{
    change(errand, HOLD_HELD, HOLD_NOTHING);
}
