/* accounting: what is computed from the files of a run that has ended, by programs of their own, so that DuckDB is not
 * loaded here: the loss ledger (`account` writes artifacts/run_logs/ledger_<run>.json) and the data quality report
 * (`validate` writes artifacts/dq_reports/dq_<date>.json). Gates and manifest read those. */
#pragma once

#include "orchestrator/run.h"

void accounting_path(const struct run *run, char out_path[PATH_BYTES]);

/* accounting_make: runs it, for at most ACCOUNTING_LIMIT_MS, and no longer than so many of them have time within conclude_limit_ms. Whatever
 * goes wrong: the file is then not there, or says so. */
enum { ACCOUNTING_LIMIT_MS = 300000, ACCOUNTING_SHARE = 6 };
void accounting_make(const struct run *run);
void accounting_quality(const struct run *run);
void accounting_canary(const struct run *run); /* the canary's figures, gates and final report */
void accounting_summary(
    const struct run *
        run); /* the final summaries and the comparison of the sinks, of a run whose report did not write them */

/* accounting_given: what has been given at the end, into the summaries that are there. */
void accounting_given(const struct run *run);

/* accounting_start: a program of the house beside the run; `words` are its name and arguments, NULL-terminated. Its pid, to be
 * waited for; 0, and a line in the log as `event`, when it cannot be started. */
pid_t accounting_start(const struct run *run, const char *event, const char **words);
