/* figures: what the broker tells of itself in the heartbeat (operations.md §9). */
#pragma once

#include "paper.h"

#include "stage/stage.h"

/* figures_report: the counters of all symbols together. */
void figures_report(const struct paper_broker *papers, size_t count, struct stage_report *report);

/* figures_ledger: those of each symbol, for the loss ledger. */
void figures_ledger(const struct paper_broker *papers, size_t count, struct stage_ledger *ledger);
