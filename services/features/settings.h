/* settings: the configuration keys of features as the engines' plain structs. */
#pragma once

#include "config/config.h"
#include "symbol.h"

/* features_settings: all engine settings of one symbol. `zone` was loaded from strategy_mode.schedule.timezone and is
 * borrowed. STATUS_INVALID with a sentence that names the key. */
enum status features_settings(const struct config *config, const char *symbol, const struct zone *zone,
                              struct features_config *out, struct error *error) MUST_USE;
