/* keeper: see main.c. One object per program; nothing is allocated. */
#pragma once

#include "log.h"
#include "protocol.h"

#include <stdbool.h>
#include <sys/un.h>

struct keeper {
    int lock, listener, connection, signals, ready; /* -1: none */
    struct keeper_report child;                     /* as HELLO would tell it */
    struct log logs[2];                             /* of its standard output and standard error */
    struct log_policy policy;
    bool leaving;
    int64_t
        continue_due_ms; /* monotonic: the child, which stands still, goes on; 0: it does not stand still */
    char socket_path[sizeof((struct sockaddr_un *)NULL)->sun_path];
};

/* keeper_open: with the descriptors it was born with (protocol.h). 0, or the exit code after a sentence on standard error. */
int keeper_open(struct keeper *keeper, const char *slot);

/* keeper_turn: waits for something to happen, and deals with it. */
void keeper_turn(struct keeper *keeper);

/* suspend.c: STOP now and CONT after lease_ms, 0: CONT now. */
void keeper_suspend(struct keeper *keeper, int64_t lease_ms);
int keeper_suspend_timeout(const struct keeper *keeper, int timeout_ms); /* no longer than the lease lasts */
bool keeper_suspend_look(struct keeper *keeper);                         /* ends a lease that is over: true */

/* keeper_is_done: told to leave, or left alone for ten minutes, and without a child. */
bool keeper_is_done(const struct keeper *keeper);
void keeper_close(struct keeper *keeper);
