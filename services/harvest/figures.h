/* figures: harvest's counters and gauges for the heartbeat (operations.md §9). */
#pragma once

#include "feed.h"
#include "intake.h"
#include "latency.h"
#include "silence.h"
#include "stage/stage.h"

/* row_figures: what is told of the rows themselves. */
struct row_figures {
    struct latency latency;     /* of trades */
    struct latency *of_symbols; /* the same, of each */
    double *rates_tps;          /* recv_rate_tps of each symbol's newest trade, NaN: none yet */
    size_t symbol_count;
    struct silence silence;
};
void row_figures_init(struct row_figures *figures, size_t symbol_count);
void row_figures_finish(struct row_figures *figures);
void row_figures_elsewhere(struct row_figures *figures, size_t symbol,
                           bool is_elsewhere); /* it is another's */
/* row_figures_add: takes its figures; a gap and a broken book are also told in the log. */
void row_figures_add(struct row_figures *figures, size_t symbol, const char *name,
                     const struct message *message, const void *row);

/* figures_report: those of symbols not in every heartbeat (stage_report_is_brief); what receiver and writer would tell is not reported in a replay, not 0. */
void figures_report(const struct stage *stage, const struct feed *feed, const struct intake *intake,
                    const struct row_figures *rows, struct stage_report *report);

/* figures_ledger: the feed's counters of the run and of each symbol of ours, what it holds back, and what the sockets of this life
 * gave. */
void figures_ledger(const struct stage *stage, const struct feed *feed, const struct intake *intake,
                    struct stage_ledger *ledger);
