/* fault_scenario: a file of faults and expectations, played on the run of this folder, with a table of what came true.
 *
 *   name: a lossy link                        all values are texts
 *   steps:
 *     - fault: drop features                  KIND TARGET; waits until it has recovered, unless `background: yes`
 *       for: 2s                               also: link share count seed amount signal force
 *       expect: "recovered within 12s, lost: 0, doubled: 0"
 *     - wait: "signal degraded within 5s"     NAME healthy|unhealthy|degraded|up; steady; fault touched|touched N|over|recovered
 *     - clear: all                            or the number of a fault
 *     - expect: "caught_up within 12s, restarts: 1"
 *
 * An expectation is a list of `recovered within T`, `caught_up within T`, and `lost: N`, `doubled: N`, `restarts: N`, `touched: N`
 * (at least), `verdict: PASS`, `refused: yes`. */
#pragma once

#include "client.h"

/* scenario_check: the file by itself: every word of it. Anything but STATUS_OK with "file:line:column: reason". */
enum status scenario_check(const char *path, struct error *error) MUST_USE;

/* scenario_run: the exit code: 0 all came true, 3 something did not, 2 the file is wrong, 1 no answer. */
int scenario_run(struct client *client, const char *path, bool as_json);
