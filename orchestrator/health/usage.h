/* usage: memory, descriptors and processor time of one process, looked at every ten seconds (operations.md §12). Peaks are of
 * all its generations; processor time is theirs together. */
#pragma once

#include "base/json.h"
#include "orchestrator/drivers/driver.h"

#include <stdint.h>

struct usage {
    double rss_mb;
    int64_t open_files;
    int64_t cpu_ms;      /* of the generation looked at last … */
    int64_t cpu_ms_dead; /* … and of those that have ended */
    double cpu_percent;  /* of one processor, between the last two looks */
    int64_t looked_ms;   /* of this generation; 0: not yet */
};

/* usage_take: of the living process. usage_end: it has ended, and used so much in all; -1: nobody knows. */
void usage_take(struct usage *usage, const struct driver_resources *resources, int64_t now_ms);
void usage_end(struct usage *usage, int64_t cpu_ms);

/* usage_json: members of an open object. */
void usage_json(struct json *json, const struct usage *usage);
