/* self: what the orchestrator knows of itself (operations.md §12: the supervisor is measured too): how long a turn of its loop
 * takes, and whether it has descriptors left. A turn that takes long is time in which nobody is supervised, so the longest is
 * always measured and told. */
#pragma once

#include "base/json.h"
#include "bus/headroom.h"

#include <stdbool.h>
#include <stdint.h>

struct run;

struct self {
    int64_t turns; /* wake-ups of the loop */
    int64_t turn_ns_max, turn_ns_sum;
    int64_t turn_cpu_ns_max;  /* of it on a processor: the rest is the machine's doing */
    struct headroom headroom; /* as looked at last */
    int64_t refused_seen;
    int64_t look_due_ms;               /* while short: looked at again */
    bool is_short;                     /* of descriptors: told as degraded */
    double rss_mb, cpu_s, cpu_percent; /* as looked at last */
    int64_t looked_ms;
};

/* self_cpu_ns: processor time of this thread. */
int64_t self_cpu_ns(void);

/* self_turn: a turn of the loop that began at `begun_ns` (monotonic; self_cpu_ns) is over. Looks at the descriptors when a connection has
 * been turned away since. */
void self_turn(struct run *run, int64_t begun_ns, int64_t begun_cpu_ns);

/* self_look: memory, processor time, descriptors; every ten seconds. */
void self_look(struct run *run);

/* self_due_ms: when it has to be looked at again; NEVER_MS: nothing is the matter. */
int64_t self_due_ms(const struct run *run);

void self_json(const struct run *run, struct json *json);
