/* accounting: the loss ledger of a run that has ended: `account` (a program of its own, so that DuckDB is not loaded here)
 * reads every file and writes artifacts/run_logs/ledger_<run>.json; gates and manifest read that. */
#pragma once

#include "run.h"

void accounting_path(const struct run *run, char out_path[PATH_BYTES]);

/* accounting_make: runs it, for at most ACCOUNTING_LIMIT_MS. Whatever goes wrong: the file is then not there, or says so. */
enum { ACCOUNTING_LIMIT_MS = 300000 };
void accounting_make(struct run *run);
