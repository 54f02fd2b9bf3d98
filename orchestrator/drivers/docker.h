/* docker: the driver that runs one container per daemon.
 *
 * Two hands do it. In each container a warden (orchestrator/warden) waits for orders and is the daemon's parent; it speaks to us over
 * the bus, on whichever machine it is. The engine of this machine starts, signals, pauses and creates containers and tells of their
 * deaths; without an engine (a Swarm stack: the swarm keeps the containers) signals go through the wardens too, and a manager's engine,
 * where we may use one, makes the services of further instances (swarm.h). */
#pragma once

#include "base/buffer.h"
#include "driver.h"

struct bus;
struct bus_peer_id;
struct docker;

extern const struct driver docker_driver;

/* docker_open: `socket_path` "": there is no engine. */
enum status docker_open(const char *socket_path, const char *run_id, struct bus *bus,
                        struct docker **out_docker, struct error *error) MUST_USE;
void docker_close(struct docker *docker); /* accepts NULL */

int docker_descriptor(const struct docker *docker); /* -1: none */
void docker_turn(struct docker *docker);            /* takes what the engine has told */

/* docker_hear: a warden's report; *out_answer gets the answer. False: it is none, somebody else's request. */
bool docker_hear(struct docker *docker, const struct bus_peer_id *peer, const void *data, size_t bytes,
                 struct buffer *out_answer);
