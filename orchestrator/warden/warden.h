/* warden: the first process of a daemon's container: it waits for the orchestrator's order, is the daemon's parent, hands signals
 * on, and tells how things are (protocol.h). What the keeper is on a machine of one's own, it is in a container; the engine
 * keeps the container itself. */
#pragma once

#include "protocol.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "config/config.h"
#include "orchestrator/keeper/log.h"

#include <stdbool.h>
#include <sys/types.h>

struct warden {
    struct clock clock;
    struct warden_report report; /* how things are */
    bool stays;                  /* outlives its process, for the next order … */
    bool stays_killed;           /* … or only one that a signal ended */
    struct bus *bus;
    size_t connection;
    int signals, poll_descriptor, lock;
    pid_t child;        /* 0: none */
    int ready;          /* the child's readiness pipe; -1 */
    struct log logs[2]; /* of its standard output and standard error */
    struct log_policy policy;
    const char *bus_folder, *state_path;
    int64_t ask_due_ms;
    int64_t continue_due_ms; /* the child, which stands still, goes on; 0: it does not stand because of us */
    int exit_code;
};

enum { WARDEN_EXIT_USAGE = 2, WARDEN_EXIT_TEMPORARY = 5 };

/* warden_open: the name has been checked. Texts of `config` must live as long. STATUS_INVALID: nothing can be done so. */
enum status warden_open(struct warden *warden, const struct config *config, const char *name,
                        struct error *error) MUST_USE;
void warden_turn(struct warden *warden);
bool warden_is_done(const struct warden *warden);
void warden_close(struct warden *warden);

/* stand.c: a lease that has been heard of already is not begun again. warden_suspend_due_ms: no later than the lease ends.
 * warden_take_stand: true when the status of wait(2) says that the child stands still, or does so no more. */
void warden_suspend(struct warden *warden, const struct warden_order *order);
void warden_go_on(struct warden *warden);
int64_t warden_suspend_due_ms(const struct warden *warden, int64_t due_ms);
void warden_suspend_look(struct warden *warden);
bool warden_take_stand(struct warden *warden, int status);

/* warden_check: what a container's healthcheck asks: 0 when it waits or its process has announced itself and says so still. */
int warden_check(const char *state_path, const char *status_folder);
