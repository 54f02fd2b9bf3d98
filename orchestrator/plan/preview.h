/* preview: recorded input. What run.input_dir holds of captures is given to the simulator, which serves it as fast as it is read: the whole
 * pipeline computes its rows anew, nothing is lost, and the run ends with the recording. */
#pragma once

#include "config/config.h"

/* preview_resolve: input_mode preview in terms of the other keys: simulator.captures, harvest.venue, and, where nobody has chosen them,
 * simulator.speed and a data root of its own. Mistakes are added to `errors`; any other mode is left as it is. */
void preview_resolve(struct config *config, struct config_errors *errors);
