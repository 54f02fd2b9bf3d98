/* lock: one orchestrator per run folder. The lock belongs to the open file, so the kernel frees it at
 * death, however that comes; the file's text names the holder for people:
 * {"run_id":…,"pid":…,"started_at":…}. */
#pragma once

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { LOCK_TEXT_BYTES = 512 };

struct run_lock {
    int descriptor;                 /* -1: not held; close-on-exec, so no child inherits it */
    char previous[LOCK_TEXT_BYTES]; /* what a dead holder left, "" when it ended properly */
};

/* lock_take: STATUS_EXISTS with a sentence naming the living holder; STATUS_IO. What a dead holder left stays in the file
 * until lock_name says whose it is now. */
enum status lock_take(const char *path, struct run_lock *out_lock, struct error *error) MUST_USE;
enum status lock_name(struct run_lock *lock, const char *run_id, int64_t now_ms,
                      struct error *error) MUST_USE;

/* lock_release: empties the file: the next holder sees that this one ended properly. */
void lock_release(struct run_lock *lock);
