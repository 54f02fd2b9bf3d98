/* figures: what signal tells of itself: in the heartbeat (operations.md §9), and for the loss ledger. */
#pragma once

#include "decision.h"

#include "stage/stage.h"

/* figures_report: the counters of all symbols together. figures_ledger: those of each symbol. */
void figures_report(const struct signal_decision *decisions, size_t count, struct stage_report *report);
/* figures_report_shards: what its JSON lines sink has put into files, for alerts. */
void figures_report_shards(const struct sink *jsonl, struct stage_report *report);
void figures_ledger(const struct signal_decision *decisions, size_t count, struct stage_ledger *ledger);
