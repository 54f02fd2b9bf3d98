/* conditions: what a run was, as its manifest says: which gates apply and how their thresholds scale.
 *
 * They are read from the file by the run's own verdict as well as by `evidence verify`: both judge the same, from the same
 * words. */
#pragma once

#include "gates.h"

/* conditions_json: the manifest's member "conditions". `fed_minutes`: from go to the end of the feed, times the time scale;
 * `event_clock`: wall, scaled or recorded; `sizes_have_tail`: false only of a synthetic market without one (docs/operations.md). */
void conditions_json(const struct gate_conditions *conditions, const char *event_clock, bool sizes_have_tail,
                     struct json *json);

/* conditions_read: from the manifest of a run. STATUS_NOT_FOUND; STATUS_MALFORMED when it is another run's or a member is
 * missing; with a sentence. */
enum status conditions_read(const char *manifest_path, const char *run_id,
                            struct gate_conditions *out_conditions, struct error *error) MUST_USE;
