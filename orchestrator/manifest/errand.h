/* errand: something that takes long, done in a thread of its own, so that the loop answers meanwhile: reading a run's files takes as
 * long as they are large. The thread works on what its context holds, and on nothing that anybody else changes. Where no thread can
 * be had, it is done at once. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct errand {
    void (*perform)(void *context);
    void *context;
    pthread_t thread;
    bool has_thread, done;
    atomic_int hold; /* errand_hold, errand_leave */
    int descriptor;  /* readable once it is done; -1: it has been done at once */
};

/* errand_begin: the descriptor joins `epoll_descriptor`, under `tag`. */
void errand_begin(struct errand *errand, void (*perform)(void *context), void *context, int epoll_descriptor,
                  unsigned long tag);
bool errand_done(struct errand *errand);
void errand_finish(struct errand *errand); /* waits for it */

/* errand_leave: nobody waits for it any more: its thread goes on by itself, for ever where a file never answers. Its context, this struct
 * and what they point to are that thread's from now on: nobody frees them. False: it is just doing what it holds; ask again. */
bool errand_leave(struct errand *errand);

/* In its thread: what comes between errand_hold and errand_let_go is done as a whole, or not at all (false: it has been left). */
bool errand_hold(struct errand *errand);
void errand_let_go(struct errand *errand);
