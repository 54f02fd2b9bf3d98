/* adopt: going on with a run whose orchestrator died (record.h has what it knew, the keepers have the processes). */
#pragma once

#include "orchestrator/run.h"

/* adopt_find: looks for such a run in this folder. STATUS_OK: there is one; the run has its lock, configuration and
 * command line now. STATUS_NOT_FOUND: none, begin a new one. STATUS_EXISTS: its orchestrator lives. STATUS_INVALID: there is
 * one, but another was asked for. */
enum status adopt_find(struct run *run, struct error *error) MUST_USE;

/* adopt_all: the processes, when everything else of the run stands. */
enum status adopt_all(struct run *run, struct error *error) MUST_USE;
