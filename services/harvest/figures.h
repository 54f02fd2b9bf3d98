/* figures: harvest's counters and gauges for the heartbeat (operations.md §9). */
#pragma once

#include "feed.h"
#include "receiver.h"
#include "stage/stage.h"

/* figures_report: `receiver` and `writer` are NULL in a replay; what they would tell is then not reported, not 0. */
void figures_report(const struct feed *feed, const struct receiver *receiver, const struct capture_writer *writer,
                    struct stage_report *report);
