/* settings: the configuration keys of the simulator as its plain struct. */
#pragma once

#include "simulator.h"

#include "config/config.h"

/* simulator_settings: everything but the ping interval, pass_snapshots and whether the market has to be attended. Texts and lists
 * are borrowed from the configuration. */
void simulator_settings(const struct config *config, struct simulator_config *out);
