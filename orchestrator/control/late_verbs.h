/* late_verbs: what may be asked of a run that has ended and is being concluded: all that only looks. */
#pragma once

#include "control.h"

enum { LATE_VERBS_MAX = 64 };

/* late_verbs_make: `verbs`, but what changes something is refused. */
void late_verbs_make(const struct control_verb *verbs, struct control_verb out_verbs[LATE_VERBS_MAX]);
