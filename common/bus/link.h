/* link: faults on what a process hears of an upstream, and asks it. They act on whole messages on the victim's side, where its
 * lease is: who sends does not know. Chance comes from the order's seed, one generator for each lease, so that the same messages
 * in the same order are hurt in the same way. */
#pragma once

#include "parts.h"

#include <stdbool.h>
#include <stdint.h>

struct injury_table;
struct link;

enum link_side { LINK_FRAME, LINK_ANSWER, LINK_REQUEST };

struct link *link_create(struct injury_table *table); /* NULL table: NULL */
void link_destroy(struct link *link);                 /* accepts NULL; what is held is dropped */

/* link_pass: a message that has arrived from an upstream: how often it is to be delivered now. It may come out changed; what is held
 * back has been taken. */
int link_pass(struct link *link, const char *instance, enum link_side side, size_t connection,
              struct parts *parts);

/* link_request: whether what is said to an upstream is lost. */
bool link_request(struct link *link, const char *instance);

/* link_due: the next message held back whose time has come, or whose lease is over; the caller closes it. */
bool link_due(struct link *link, enum link_side *out_side, size_t *out_connection, struct parts *out_parts);

/* link_timeout: no longer than something held back has to wait. */
int link_timeout(const struct link *link, int timeout_ms);
