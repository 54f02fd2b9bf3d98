/* swarm: makes a service for an instance that the stack's file knows nothing of (orchctl scale), through the engine of a manager. That is
 * all: the swarm itself keeps the containers, and their wardens tell the rest. */
#pragma once

#include "engine.h"

struct swarm;

/* swarm_open: the stack is that of our own container. STATUS_NOT_FOUND: it is of none. */
enum status swarm_open(const char *socket_path, struct swarm **out_swarm, struct error *error) MUST_USE;
void swarm_close(struct swarm *swarm); /* accepts NULL */

/* swarm_need: like the first instance's, unless there is one of that name already. Done by a thread of its own (engine_worker.h); that it
 * could not be made is news, as of an engine. */
void swarm_need(struct swarm *swarm, const char *instance);

int swarm_descriptor(const struct swarm *swarm); /* readable when there is news */
bool swarm_take(struct swarm *swarm, struct engine_news *out_news);
