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
    char socket_path[sizeof((struct sockaddr_un *)NULL)->sun_path];
};

/* keeper_open: 0, or the exit code after a sentence on standard error: 5 when another keeper has the slot. */
int keeper_open(struct keeper *keeper, const char *slot, const char *folder);

/* keeper_turn: waits for something to happen, and deals with it. */
void keeper_turn(struct keeper *keeper);

/* keeper_is_done: told to leave, or left alone for ten minutes, and without a child. */
bool keeper_is_done(const struct keeper *keeper);
void keeper_close(struct keeper *keeper);
