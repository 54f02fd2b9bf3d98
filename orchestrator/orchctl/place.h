/* place: where the run of this folder keeps its things, as its effective configuration says. */
#pragma once

#include "config/config.h"

/* place_config: runtime/effective_config.json, or the built-in values when there is none. STATUS_INVALID with
 * a sentence when it cannot be read. */
enum status place_config(struct config **out_config, struct error *error) MUST_USE;

/* place_orchestrator_lives: somebody holds the lock of this folder. */
bool place_orchestrator_lives(void);
