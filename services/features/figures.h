/* figures: counters and gauges of all symbols for the heartbeat: counters are summed; each symbol tells its gauges under
 * "name/features/SYMBOL", and the worst symbol under the name alone. */
#pragma once

#include "stage/stage.h"
#include "symbol.h"

enum { FIGURES_COUNTERS_MAX = 64 };

struct figures {
    size_t counter_count;
    const char *names[FIGURES_COUNTERS_MAX];
    int64_t values[FIGURES_COUNTERS_MAX];
    struct cvd_diagnostics worst;
};

void figures_init(struct figures *figures);
/* figures_add: one symbol more; its own gauges are reported at once. figures_report: all of them as one. */
void figures_add(struct figures *figures, const struct features_symbol *engine, const char *symbol,
                 struct stage_report *report);
void figures_report(const struct figures *figures, struct stage_report *report);

/* figures_ledger: all counters of one symbol. */
void figures_ledger(const struct features_symbol *symbol, size_t index, struct stage_ledger *ledger);
