/* services: the daemons of test_services. */
#pragma once

#include "stage/stage.h"

/* counter_service: publishes --rows cvd rows per symbol, then end_of_stream. --hold N: waits after N rows until the verb
 * `release` comes. --flaw N: row N says another thing in every life. --largest N: at most N rows per turn. */
extern const struct stage_service counter_service;

/* adder_service: reads counter; publishes a fill for every third row, which says the sum of all prices so far, and passes
 * end_of_stream on. --lines FILE: a sink that appends `stream sequence` lines; --lines-fail N: its first N writes fail.
 * --work-us N: each row takes so long. */
extern const struct stage_service adder_service;
