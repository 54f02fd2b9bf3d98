/* adopt: going on with a run whose orchestrator died (record.h has what it knew, the keepers have the processes). */
#pragma once

#include "orchestrator/run.h"

/* adopt_config: an effective configuration; NULL: not there, or it cannot be used. */
struct config *adopt_config(const char *path);

/* adopt_options: run->left's command line and this configuration, which becomes the run's, count. */
enum status adopt_options(struct run *run, struct config *config, struct error *error) MUST_USE;

/* adopt_find: looks for such a run in this folder. STATUS_OK: there is one; the run has its lock, configuration and
 * command line now. STATUS_NOT_FOUND: none, begin a new one. STATUS_AGAIN: it is over and left to be concluded behind the next one, which had
 * not begun yet: begin that (--roll-back). STATUS_EXISTS: its orchestrator lives. STATUS_INVALID: there is
 * one, but another was asked for. */
enum status adopt_find(struct run *run, struct error *error) MUST_USE;

/* adopt_all: the processes, when everything else of the run stands. */
enum status adopt_all(struct run *run, struct error *error) MUST_USE;
