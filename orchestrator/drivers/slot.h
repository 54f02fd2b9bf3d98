/* slot: the place of one service's process in `folder`: the lock `<slot>.slot`, and the socket `<slot>.keeper` at which its
 * keeper listens. Both are taken before the keeper exists and given to it at its birth: whenever the orchestrator dies, the slot
 * is either free, or has a keeper that can be connected to. */
#pragma once

#include "base/status.h"

struct sockaddr_un;

struct slot {
    int lock, listener; /* -1: none */
};

/* slot_address: STATUS_INVALID with a sentence when the folder's path is too long for a socket's. */
enum status slot_address(const char *folder, const char *name, struct sockaddr_un *out_address,
                         struct error *error) MUST_USE;

/* slot_take: STATUS_EXISTS when a keeper has it, STATUS_IO. slot_close: our copies; a keeper's stay. */
enum status slot_take(const char *folder, const char *name, struct slot *out_slot,
                      struct error *error) MUST_USE;
void slot_close(struct slot *slot);
