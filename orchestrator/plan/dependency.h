/* dependency: who needs whom must not come back to itself: such processes would wait for each other's first row at the start and
 * for each other's last at the end. Pure. */
#pragma once

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { DEPENDENCIES_MAX = 32 };

/* dependency_check: `needs[i]`: a bit for each of the `count` others that i needs. STATUS_CONFLICT names the cycle: "a needs b needs
 * a". */
enum status dependency_check(const char *const *names, const uint32_t *needs, size_t count,
                             struct error *error) MUST_USE;
