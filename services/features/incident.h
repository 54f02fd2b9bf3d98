/* incident: event rows of what changed the direction of CVD (algorithms.md §11): turns, locks, unlocks. */
#pragma once

#include "base/buffer.h"
#include "proto/event.h"

#include <stdint.h>

enum incident_rule { INCIDENT_DIRECTION_CHANGED, INCIDENT_DIRECTION_LOCKED, INCIDENT_DIRECTION_UNLOCKED };
enum incident_origin { INCIDENT_BY_RULE, INCIDENT_BY_CONTROL };

enum { INCIDENTS_RECENT = 8 }; /* event times whose ordinals are remembered */

struct incidents {
    struct incidents_recent {
        int64_t ts_ms;
        int64_t count;
    } recent[INCIDENTS_RECENT];
    int64_t next; /* the slot that is overwritten next */
    int64_t count;
};

/* incident: ts_ms is the row's time; effective_ms the first grid time it can act on; direction the one from then on. */
struct incident {
    int64_t ts_ms;
    int64_t effective_ms;
    enum incident_rule rule;
    enum incident_origin origin;
    int direction; /* enum cvd_direction */
};

/* incidents_write: the row of an incident, all but source. */
void incidents_write(struct incidents *incidents, const struct incident *incident, struct event_row *out_row);

/* incidents_save, incidents_load: a load that fails (in->failed) leaves it zeroed. */
void incidents_save(const struct incidents *incidents, struct buffer *out);
void incidents_load(struct incidents *incidents, struct reader *in);
