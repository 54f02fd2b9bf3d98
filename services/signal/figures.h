/* figures: what signal tells of itself: in the heartbeat (operations.md §9), and for the loss ledger. */
#pragma once

#include "decision.h"

#include "stage/stage.h"

/* figures_report: the counters of all symbols that are ours together. figures_ledger: those of each. */
void figures_report(const struct signal_decision *decisions, const struct stage *stage,
                    struct stage_report *report);
void figures_ledger(const struct signal_decision *decisions, const struct stage *stage,
                    struct stage_ledger *ledger);
/* figures_report_shards: what its JSON lines sink has put into files, for alerts. */
void figures_report_shards(const struct sink *jsonl, struct stage_report *report);
