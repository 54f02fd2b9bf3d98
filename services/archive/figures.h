/* figures: what the archive tells of itself in the heartbeat (operations.md §9). */
#pragma once

#include "collector.h"

#include "stage/stage.h"

/* figures_report: counters (rows of each kind, files_written, write_errors_total, deadletter_rows, compactions …),
 * gauges and the sink `parquet`. Counters of files and rows go on over restarts of a run. */
void figures_report(const struct collector *collector, struct writer *writer, struct stage_report *report);

/* figures_ledger: duplicates left out, by symbol and kind; stored rows and dead letters are counted in their files. */
void figures_ledger(struct writer *writer, struct stage *stage, struct stage_ledger *ledger);
