/* quality_watch: the data quality report in between (data.md §4.3): every archive.quality_interval_s of a run that is fed,
 * `validate` looks at what has been written so far. One at a time, beside the run; the last one, behind the end, is
 * accounting.h's. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct run;

struct quality_watch {
    int64_t first_event_ms; /* of the market, as harvest first told it; 0: not yet */
    int64_t due_ms;         /* monotonic; 0: not begun */
    pid_t pid;              /* of the one under way; 0: none */
};

void quality_watch_step(struct run *run);
int64_t quality_watch_due_ms(const struct run *run);

/* quality_watch_end: one under way is ended: the last report follows. */
void quality_watch_end(struct run *run);
