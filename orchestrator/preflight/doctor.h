/* doctor: whether a run can be started here (operations.md §15): the checks that every run makes, and those that take longer or ask
 * others: who uses the folder, the speed of the disk, ports, sinks, the venue and its clock, the export's target. Each failed check
 * says its cause and its remedy. */
#pragma once

#include "orchestrator/options.h"

/* doctor_run: prints a table, or JSON; 0 when no check failed, else 3. Nothing is started. */
int doctor_run(const struct options *options);
