/* metrics: the text of /metrics: a pure function of the status files of the run (runtime/status).
 *
 * They are what every daemon says of itself once a second, the orchestrator too, so that report need not be connected to
 * anyone to tell of all, and a scrape costs the daemons nothing. Labels are service, instance and stream only; the run's id
 * stands in an info gauge. */
#pragma once

#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>

enum { METRICS_STALE_MS = 5000, METRICS_FILES_MAX = 256 };

struct metrics_file {
    const char *text;
    size_t length;
};

/* metrics_text: of those files that are JSON and of this run; *out_unusable counts the others. */
void metrics_text(const struct metrics_file *files, size_t count, const char *run_id, int64_t now_wall_ms,
                  struct buffer *out, size_t *out_unusable);
