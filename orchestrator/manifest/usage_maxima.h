/* usage_maxima: the most memory and descriptors that processes have used. NaN: not measured. */
#pragma once

#include "orchestrator/run.h"

struct usage_maxima {
    double rss_mb, open_files;
};

/* usage_maxima_of: of one process, whose figures are 0 while nobody has measured them. */
struct usage_maxima usage_maxima_of(double rss_mb, int64_t open_files);

/* usage_maxima_of_run: over all processes and the orchestrator. One that has lived and says itself how much it uses, but was never
 * heard, makes it unknown; what does not say so (the simulator) counts as far as it could be looked at from here. */
struct usage_maxima usage_maxima_of_run(const struct run *run);
