/* data_root: live data and recomputed data never share a folder, nor does one lie in the other's. */
#pragma once

#include "config/config.h"

/* data_root_check: of a preview. run.data_root, which need not exist yet, must not be, lie in or hold that of live runs, nor hold
 * run.input_dir: told before anything is written. */
void data_root_check(const struct config *config, struct config_errors *errors);
