/* storage: LMDB and SQLite as the daemons' objects call them (--wrap): who has what open is noted, commits pass fault
 * points, and what would block the machine's thread waits as a fiber. */
#pragma once

#include "tests/simulation/process.h"

/* storage_abandon: closes what a killed daemon had open, adding nothing to any file. */
void storage_abandon(const struct handle *handle);

/* storage_logs_are_synced: the newest data base that was opened asks for a sync of its log with every commit. */
bool storage_logs_are_synced(void);
