/* effect: what is done to the process itself, and undone. Called under the table's mutex. */
#pragma once

#include "injury/lease.h"

#include <pthread.h>
#include <sys/resource.h>

enum { EFFECT_BURNERS_MAX = 64, EFFECT_HOGS_MAX = 1024 };

/* effects: what must be remembered to undo what lasts; a resource has one lease at a time. */
struct effects {
    struct rlimit files, bytes; /* as they were */
    int hogs[EFFECT_HOGS_MAX];  /* descriptors held for nothing */
    size_t hog_count;
    int64_t refused_before; /* writes, when the lease began */
    uint64_t chance;        /* write_error: state of its generator */
    bool bytes_limited;
    void *ballast;
    size_t ballast_bytes;
    pthread_t burners[EFFECT_BURNERS_MAX];
    size_t burner_count;
    _Atomic int64_t skew_ns;
    struct injury_lease *_Atomic skewed;
};

/* effect_conflicts: whether the two kinds need the same resource. */
bool effect_conflicts(enum injury_kind one, enum injury_kind other);

/* effect_begin: nothing to do for kinds that others do. lease->active is set. */
enum status effect_begin(struct effects *effects, struct injury_lease *lease, struct error *error) MUST_USE;
/* effect_tick: counts what was touched; returns in how many milliseconds it wants to be called again, -1: never. */
int64_t effect_tick(struct effects *effects, struct injury_lease *lease);
void effect_end(struct effects *effects, struct injury_lease *lease); /* lease->active is false */
