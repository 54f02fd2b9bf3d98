/* own_log: the orchestrator's log, turned over by size as its children's are (`logs.*`, keeper/log.h). */
#pragma once

#include "base/file.h"
#include "base/status.h"

#include <stdint.h>

struct config;

struct own_log {
    int descriptor; /* -1: not open */
    int64_t bytes_max, files;
    char path[PATH_BYTES];
};

enum status own_log_open(struct own_log *log, const struct config *config, struct error *error) MUST_USE;

/* own_log_step: at the end of a turn of the loop. A new file that cannot be opened is tried again; meanwhile the old one goes
 * on. */
void own_log_step(struct own_log *log);
