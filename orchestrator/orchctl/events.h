/* events: the history of the run, followed without holes: the status feed only says when to ask. */
#pragma once

#include "client.h"

#include <stdbool.h>

/* events_visit: one event; return false to stop following. */
typedef bool events_visit(void *context, yyjson_val *event);

/* events_serial: of the newest event now. */
enum status events_serial(struct client *client, int64_t *out_serial, struct error *error) MUST_USE;

/* events_follow: gives every event above `serial` to `visit`, until it returns false (STATUS_OK) or
 * `limit_ms` are over (STATUS_AGAIN; -1: no limit). STATUS_LIMIT: events were lost, the orchestrator no
 * longer keeps them. */
enum status events_follow(struct client *client, int64_t serial, int64_t limit_ms, events_visit *visit,
                          void *context, struct error *error) MUST_USE;
