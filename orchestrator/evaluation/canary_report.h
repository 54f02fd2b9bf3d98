/* canary_report: minutes are measured and judged, and written where data.md §7 says. */
#pragma once

#include "base/hash.h"
#include "measure.h"
#include "orchestrator/canary/gate_steps.h"

enum { REPORT_SYMBOLS_MAX = 1000 };

/* judged: one gate of one symbol at its newest evaluation. */
struct judged {
    struct canary_gate_state state;
    double measured; /* NaN: not measured */
    double threshold;
    int64_t n;
    int64_t fired, recovered; /* events of the whole run */
};

struct symbol_report {
    const char *symbol;
    struct judged gates[CANARY_GATES];
    int64_t minutes; /* evaluated */
    int64_t first_end_ms, last_end_ms;
    struct measures newest[SERIES_HORIZONS_MAX]; /* by horizon */
};

struct canary_report {
    const struct config *config;
    const char *run_id, *run_tag, *folder; /* artifacts/runtime/canary_report */
    char fingerprint[SHA256_HEX_BYTES];
    struct symbol_report symbols[REPORT_SYMBOLS_MAX];
    size_t symbol_count;
    size_t horizon_count;
    int64_t horizons_ms[SERIES_HORIZONS_MAX];
    struct buffer timeseries, merges, slices; /* CSV */
};

/* canary_report_symbol: measures and judges every minute of a symbol whose end lies behind its first event and not behind its last. */
void canary_report_symbol(struct canary_report *report, const struct series *series,
                          const struct series_settings *settings);

void canary_report_begin(struct canary_report *report);
void canary_report_finish(struct canary_report *report);

/* canary_conclusion: the final report's verdict and what it stands on. */
struct canary_conclusion {
    enum canary_verdict verdict;
    double hours, hours_needed;
    int64_t open_p1; /* incidents, and gates whose action is in force */
    bool incidents_known;
};

struct canary_conclusion canary_report_conclude(const struct canary_report *report);

/* canary_report_write: all files below the folder, each atomically. */
enum status canary_report_write(const struct canary_report *report,
                                const struct canary_conclusion *conclusion, struct error *error) MUST_USE;

/* csv_number: a further cell of a row, empty for NaN. */
void csv_number(struct buffer *row, double value);
