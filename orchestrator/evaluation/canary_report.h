/* canary_report: minutes are measured and judged, and written where data.md §7 says.
 *
 *   whole.c         from where, and to which files
 *   minutes.c       minute by minute: figures into the time series      judge.c    figures against the gates; what follows
 *   calibrations.c  a row per test window                               checks.c   self-checks, every six hours
 *   progress.c      what a live evaluation has come to                  tables.c   CSV files that grow
 *   conclude.c      the final report                                    monitor.c  the newest evaluation, the dashboard
 *
 * A minute is measured of rows only, and of those before its end only; what it needs of the minutes before (how long a gate has failed, which
 * steps are in force) is in symbol_report. So one that goes on from a progress file gives what one over the whole run gives. */
#pragma once

#include "archived.h"
#include "base/hash.h"
#include "fits.h"
#include "measure.h"
#include "orchestrator/canary/gate_steps.h"
#include "tables.h"

enum { REPORT_SYMBOLS_MAX = 1000, FLIPS_MAX = 64, CHECK_HOURS = 6, CHECKS_A_DAY = 4 };

/* judged: one gate of one symbol at its newest evaluation. */
struct judged {
    struct canary_gate_state state;
    double measured; /* NaN: not measured */
    double threshold;
    int64_t n;
    int64_t fired, recovered;         /* events of the whole run */
    int64_t opened[CANARY_STEPS_MAX]; /* the decision that led to each step in force */
};

/* decision: what a gate decided at the end of a minute; the orchestrator carries it out. Numbered from 1 within its symbol. */
struct decision {
    int64_t number;
    int64_t minute_ms;
    enum canary_gate gate;
    bool fired;          /* else recovered */
    int64_t undoes;      /* recovered: the decision that is taken back */
    const char *action;  /* of the step: reduce_weight, … */
    const char *control; /* control input that follows; NULL: none */
    double value;        /* of the control input; NaN: none */
    double measured;
};

struct symbol_report {
    char symbol[SYMBOL_BYTES];
    struct judged gates[CANARY_GATES];
    int64_t minutes;  /* evaluated */
    int64_t first_ms; /* first accepted event; INT64_MAX: none yet */
    int64_t first_end_ms, last_end_ms;
    int64_t flips_ms[FLIPS_MAX]; /* changes of direction within the last day */
    size_t flip_count;
    uint8_t direction; /* of the newest row that had one */
    struct tolerance tolerance;
    int64_t next_fit_ms; /* begin of the next test window to be summed up; 0: not known yet */
    int64_t checks;      /* self-checks made */
    struct decision *decisions;
    size_t decision_count, decision_capacity;
    enum canary_verdict slo;                     /* worst of the newest minute */
    struct measures newest[SERIES_HORIZONS_MAX]; /* by horizon */
};

struct self_check {
    int64_t number; /* from 1 */
    const char *symbol;
    struct buffer json; /* an object */
};

struct canary_report {
    const struct config *config;
    const char *run_id, *run_tag, *folder; /* artifacts/runtime/canary_report */
    const char *artifacts_dir;             /* where the incidents are, wherever the report goes */
    char fingerprint[SHA256_HEX_BYTES];
    struct archived archived;
    bool goes_on; /* from a progress file */
    struct symbol_report symbols[REPORT_SYMBOLS_MAX];
    size_t symbol_count;
    size_t horizon_count;
    int64_t horizons_ms[SERIES_HORIZONS_MAX];
    struct table timeseries, merges, calibrations;
    struct buffer slices; /* CSV */
    struct self_check *checks;
    size_t check_count, check_capacity;
};

void canary_report_begin(struct canary_report *report);
void canary_report_finish(struct canary_report *report);
/* symbol_report_init: nothing is measured yet; what the gates want is known from the start. */
void symbol_report_init(struct symbol_report *symbol, const char *name, const struct config *config,
                        const struct series_settings *settings);

/* canary_report_from_ms: the first row that a symbol's next minutes need; INT64_MIN: all. */
int64_t canary_report_from_ms(const struct symbol_report *symbol, const struct series_settings *settings,
                              int64_t below_ms);

/* canary_report_symbol: measures and judges every minute of a symbol that has not been yet, whose end lies behind its first event and not behind
 * its last, and that is whole on the disk. */
void canary_report_symbol(struct canary_report *report, struct symbol_report *symbol, struct series *series,
                          const struct series_settings *settings);

/* judge_thresholds: of every gate, as configured. */
void judge_thresholds(const struct config *config, struct judged gates[CANARY_GATES]);

/* judge_minute: all gates of the newest minute; their worst. Decisions are added. */
enum canary_verdict judge_minute(const struct canary_report *report, struct symbol_report *symbol,
                                 const struct series_settings *settings, bool is_matured);
/* judge_weight: the factor of the scores of active rows that the gates have decided on. */
double judge_weight(const struct symbol_report *symbol);

/* calibrations_add: rows of test windows whose labels had matured by `end_ms`. */
void calibrations_add(struct canary_report *report, struct symbol_report *symbol, const struct series *series,
                      const struct series_settings *settings, int64_t end_ms);
/* checks_add: the self-checks that are due by `end_ms`. The next one is due at the minute that ends at checks_due_ms, and needs rows from
 * checks_from_ms on. */
void checks_add(struct canary_report *report, struct symbol_report *symbol, const struct series *series,
                const struct series_settings *settings, int64_t end_ms, struct measure_scratch *scratch);
int64_t checks_due_ms(const struct symbol_report *symbol, const struct series_settings *settings);
int64_t checks_from_ms(const struct symbol_report *symbol, const struct series_settings *settings);
enum status checks_write(const struct canary_report *report, struct error *error) MUST_USE;

/* canary_conclusion: the final report's verdict and what it stands on. */
struct canary_conclusion {
    enum canary_verdict verdict;
    double hours, hours_needed;
    int64_t incidents;
    int64_t open_p1; /* incidents, and gates whose action is in force */
    bool incidents_known;
};

struct canary_conclusion canary_report_conclude(const struct canary_report *report);

/* canary_report_write: all files below the folder, each atomically. */
enum status canary_report_write(struct canary_report *report, const struct canary_conclusion *conclusion,
                                struct error *error) MUST_USE;
/* canary_report_make: everything that can be measured is, and written. live: from where the last one of this run came to. */
enum status canary_report_make(struct quality_input *input, bool live, struct canary_report *report,
                               enum canary_verdict *out_verdict, struct error *error) MUST_USE;
enum status report_put(const struct canary_report *report, const char *name, const struct buffer *text,
                       struct error *error) MUST_USE;

/* monitor.c */
/* gate_json: the members that every document has of a gate. */
void gate_json(const struct judged *judged, enum canary_gate gate, struct json *json);
void report_gates_json(const struct canary_report *report, const char *key, struct json *json);
void report_monitoring_json(const struct canary_report *report, struct buffer *out);
void report_dashboard_json(const struct canary_report *report, struct buffer *out);

/* progress.c: where a live evaluation has come to, for the next one and for the orchestrator. progress_read: false: there is none, or it is not
 * of this run and configuration, or does not fit the tables; then the whole run is measured. */
bool progress_read(struct canary_report *report, const char *path);
enum status progress_write(const struct canary_report *report, const struct canary_conclusion *conclusion,
                           const char *path, struct error *error) MUST_USE;
void progress_path(const struct config *config, const char *run_id, char out_path[PATH_BYTES]);

/* measured: names and values of a minute's figures in the order of the time series. */
enum { FIGURES = 21 };
extern const char *const FIGURE_NAMES[FIGURES];
void figures_of(const struct measures *measures, double out[FIGURES]);

/* csv_number: a further cell of a row, empty for NaN. */
void csv_number(struct buffer *row, double value);
