/* preview: recorded input. What run.input_dir holds of captures is given to the simulator, which serves it as fast as it is read: the whole
 * pipeline computes its rows anew, nothing is lost, and the run ends with the recording. Where there are no captures, but rows of
 * kind=features, those are played: features computes nothing (services/playback), and there is nothing before it. */
#pragma once

#include "config/config.h"

#include <stdbool.h>

/* preview_resolve: input_mode preview in terms of the other keys: simulator.captures and harvest.venue, or of rows run.symbols, and, where
 * nobody has chosen them, the pace (run.replay_speed, simulator.speed: one stands for the other) and a data root of its own. Rows are read
 * once to their end: what cannot be played is a mistake, told before anything is started. Mistakes are added to `errors`; any other mode is
 * left as it is. */
void preview_resolve(struct config *config, struct config_errors *errors);
