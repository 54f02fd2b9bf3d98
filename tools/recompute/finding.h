/* finding: what a sink holds under one key, against what was recomputed. */
#pragma once

#include "config/config.h"
#include "difference.h"
#include "stored.h"

enum finding {
    FINDING_NOT_USED, /* the run had no such sink */
    FINDING_NONE,     /* neither stored nor recomputed */
    FINDING_SAME,
    FINDING_NOT_YET, /* recomputed; the run goes on and the sink has not come so far */
    /* From here on something is wrong. */
    FINDING_DIFFERENT,
    FINDING_NOT_STORED,     /* recomputed only */
    FINDING_NOT_RECOMPUTED, /* stored only */
    FINDING_DOUBLED,        /* stored more than once */
    FINDING_UNREADABLE,
    FINDING_COUNT,
};
extern const char *const FINDING_NAMES[]; /* "not_used" … */

static inline bool finding_is_bad(enum finding finding)
{
    return finding >= FINDING_DIFFERENT;
}

struct finding_row {
    enum finding finding;
    union stored_row stored; /* of SAME and DIFFERENT */
    struct difference difference;
    struct error why; /* of UNREADABLE */
};

/* finding_sink_used: whether a run of this configuration had the sink. */
bool finding_sink_used(const struct config *config, enum stored_sink sink);

/* finding_look: `recomputed` is NULL when there is no such row. `range` holds one time. `running`: what the sink has not come to yet
 * is not missing. `passed_over`: a field not to compare, or NULL. */
void finding_look(enum stored_sink sink, const struct stored_range *range, const void *recomputed,
                  bool running, const char *passed_over, struct finding_row *out);
