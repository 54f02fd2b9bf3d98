/* preflight: what must hold before anything is started (operations.md §15), as far as it is local to this
 * machine: directories, disk, limits, sockets. Configuration and lock are checked by whoever loads and takes
 * them. */
#pragma once

#include "base/buffer.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum preflight_verdict { PREFLIGHT_OK, PREFLIGHT_WARNING, PREFLIGHT_FAILED };

enum { PREFLIGHT_CHECKS_MAX = 24, PREFLIGHT_DETAIL_BYTES = 2048 };

struct preflight_check {
    const char *name;
    enum preflight_verdict verdict;
    char detail[PREFLIGHT_DETAIL_BYTES]; /* what was found */
    const char *remedy;                  /* what helps when it is not good; NULL: the detail says it */
};

struct preflight {
    struct preflight_check checks[PREFLIGHT_CHECKS_MAX];
    size_t count;
};

enum { PREFLIGHT_DISK_LEAST_MB = 16, PREFLIGHT_OPEN_FILES = 1024 };

/* preflight_run: does all checks; folders are created, the limit of open files is raised as far as it may.
 * `instances`: the names whose sockets will be bound, NULL-terminated. */
void preflight_run(const struct config *config, const char *const *instances,
                   struct preflight *out_preflight);

/* preflight_add: one check more; `remedy` is borrowed for good. */
void preflight_add(struct preflight *preflight, const char *name, enum preflight_verdict verdict,
                   const char *remedy, const char *format, ...) PRINTF_LIKE(5, 6);

/* preflight_remedy: what to do about a folder that cannot be written to, by the error number. */
const char *preflight_remedy(int reason);

/* preflight_failed: any check failed. */
bool preflight_failed(const struct preflight *preflight);

const char *preflight_verdict_name(enum preflight_verdict verdict);
