/* errand: something that takes long, done in a thread of its own, so that the loop answers meanwhile: reading a run's files takes as
 * long as they are large. The thread works on what its context holds, and on nothing that anybody else changes. Where no thread can
 * be had, it is done at once. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct errand {
    void (*perform)(void *context);
    void *context;
    pthread_t thread;
    bool has_thread, done;
    int descriptor; /* readable once it is done; -1: it has been done at once */
};

/* errand_begin: the descriptor joins `epoll_descriptor`, under `tag`. */
void errand_begin(struct errand *errand, void (*perform)(void *context), void *context, int epoll_descriptor,
                  unsigned long tag);
bool errand_done(struct errand *errand);
void errand_finish(struct errand *errand); /* waits for it */
