/* ledger: every line of a run judged, as JSON (artifacts/run_logs/ledger_<run>.json, docs/ledger.md) and as text. */
#pragma once

#include "run_files.h"

#include <stdio.h>

struct ledger_entry {
    const struct balance_line *line;
    const char *symbol; /* "" of the run */
    struct balance balance;
};

struct ledger {
    const struct run_files *run;
    struct ledger_entry *entries;
    size_t count, capacity;
    size_t by_verdict[BALANCE_UNKNOWN + 1];
};

void ledger_judge(struct ledger *ledger, const struct run_files *run);
void ledger_finish(struct ledger *ledger);

/* ledger_verdict: PASS, FAIL (a line that does not balance), UNKNOWN (none of those, but one that cannot be judged, or no
 * line at all). */
const char *ledger_verdict(const struct ledger *ledger);

void ledger_json(const struct ledger *ledger, struct buffer *out);
void ledger_print(const struct ledger *ledger, FILE *out);
