/* origin: keeps replays out of a data root that live runs have written (data.md §3.1). */
#pragma once

#include "base/status.h"

#include <stdbool.h>

/* origin_claim: notes in `<root>/.origin` whose folder it is, "live" or "replay"; the first one decides, and a
 * folder that has content but no note counts as live. STATUS_INVALID: a replay in a live folder. */
enum status origin_claim(const char *root, bool is_replay, struct error *error) MUST_USE;

/* origin_is_live: whether a replay would be refused there. */
bool origin_is_live(const char *root);
