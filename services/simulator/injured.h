/* injured: faults ordered while the simulator runs (orchctl fault). Its process has the same ones as every daemon; those of the
 * venue, a stall, cut connections, REST errors, slow REST, messages that are none, happen in client.c and rest.c, which ask here.
 *
 * With --control it listens on the bus as simulator.ctl, with the daemons' words (docs/control-protocol.md §4). */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct clock;
struct simulator;
struct simulator_config;
struct injured;

/* injured_open: *clock becomes one that can be wrong. Without control nothing is opened, and nothing is ever injured. */
enum status injured_open(const struct simulator_config *config, struct injured **out_injured,
                         struct clock *clock, struct error *error) MUST_USE;
void injured_close(struct injured *injured); /* accepts NULL */

/* injured_turn: takes orders; once a turn of the loop. All below accept NULL. */
void injured_turn(struct injured *injured);

/* injured_stalls: whether the streams say nothing; `held`: messages that wait for that. */
bool injured_stalls(struct injured *injured, uint64_t held);
/* injured_cuts: whether connections are cut; injured_cut counts one that was, or that was refused. */
bool injured_cuts(struct injured *injured);
void injured_cut(struct injured *injured);
/* injured_rest_status: the status to answer with instead, 0: none. injured_rest_delay_ns: more to wait before an answer. */
unsigned injured_rest_status(struct injured *injured);
int64_t injured_rest_delay_ns(struct injured *injured);
/* injured_nonsense: a message to send in front of this one; 0: none. At most `room` bytes. */
size_t injured_nonsense(struct injured *injured, const char *text, size_t bytes, char *out_text, size_t room);
