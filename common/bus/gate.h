/* gate: who may connect to sockets that listen on TCP: holders of the stack's client key (CURVE; ZeroMQ's RFC 27 "ZAP").
 *
 * A thread of its own answers libzmq's questions and listens to what it says about handshakes that failed before there was a
 * question: no key at all, or one made for another server. Both are counted. */
#pragma once

#include "base/status.h"
#include "bus/keys.h"

#include <stdint.h>

struct gate;

/* gate_open: before any socket of the context listens. */
enum status gate_open(void *zmq_context, const struct bus_keys *keys, struct gate **out_gate,
                      struct error *error) MUST_USE;
void gate_close(struct gate *gate); /* while its sockets are still open; accepts NULL */

/* gate_guard: makes a socket that will listen one of those guarded. At most GATE_SOCKETS_MAX. */
enum { GATE_SOCKETS_MAX = 2 };
enum status gate_guard(struct gate *gate, void *socket, struct error *error) MUST_USE;

int64_t gate_refused(const struct gate *gate);
