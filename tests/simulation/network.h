/* network: what lies between the simulated daemons: the in-memory bus (memory_bus.c implements bus/bus.h). */
#pragma once

struct bus;

/* network_bury: the owner of a bus has died: its sockets are gone, what it had queued for others may still arrive or not,
 * as the seed has it. Accepts NULL. */
void network_bury(struct bus *bus);
/* network_audit: what an instance that has just died had published must be in its journal. */
void network_audit(const char *instance);
void network_end(void); /* forgets all that is left */
