/* headroom: descriptors that connections from outside cannot take away.
 *
 * libzmq's listener on an ipc socket takes a failed accept() for a broken program and aborts it when the reason is that no
 * descriptor is left (EMFILE; ipc_listener.cpp): any local program that opens connections enough could end any daemon, and
 * the orchestrator first of all. So accept4() of these programs is ours (headroom.c): a connection to a unix socket that
 * would take one of the last fifth of the descriptors is accepted, closed and counted. Its libzmq peer tries again by itself
 * and gets through when there is room again; everyone connected goes on unharmed. Where even that is not possible, since the
 * limit was lowered below what is open, libzmq is told of an error that it lives with.
 *
 * What counts is the process, as its limit does: all buses of one process share one headroom. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of 5 parts of the limit this many may be taken before connections are turned away. */
enum { HEADROOM_PARTS = 5, HEADROOM_PARTS_FREE = 4 };

struct headroom {
    int64_t used;    /* descriptors open now */
    int64_t limit;   /* of this process, now */
    int64_t refused; /* connections turned away since its start */
};

/* headroom_keep: opens the spare descriptor with which a connection is turned away when none is left. Called by bus_create,
 * early, so that its number is low; later calls change nothing. */
void headroom_keep(void);

/* headroom_refused: connections turned away so far. Cheap: a number. */
int64_t headroom_refused(void);

/* headroom_read: looks at /proc; tens of microseconds. When that cannot be opened, all are in use. */
struct headroom headroom_read(void);

/* headroom_is_short: no further connection would be let in. */
static inline bool headroom_is_short(const struct headroom *headroom)
{
    return headroom->used * HEADROOM_PARTS >= headroom->limit * HEADROOM_PARTS_FREE;
}
