/* decision: one signal row for every accepted feature row of one symbol (algorithms.md §8).
 *
 * Every row that is not confirmed says why. */
#pragma once

#include "base/buffer.h"
#include "proto/control.h"
#include "proto/feature.h"
#include "proto/signal.h"

#include <stdbool.h>
#include <stdint.h>

enum { REGIME_COUNT = 3 };

/* signal_thresholds: the keys signal.thresholds.<regime>.*; the sell side mirrors the buy side. */
struct signal_thresholds {
    double buy;
    double strong;
};

/* signal_config: the keys signal.*, arrays by enum regime; and whose rows these are. */
struct signal_config {
    char run_id[RUN_ID_BYTES];
    char symbol[SYMBOL_BYTES];
    int64_t dedupe_ms;
    double spread_bps_cap;
    double lag_cap_sec;
    double weak_threshold;
    double active_min_tps;
    double normal_min_tps;
    double consistency_min[REGIME_COUNT];
    struct signal_thresholds thresholds[REGIME_COUNT];
};

/* signal_config_default: all but run_id and symbol, which are empty. */
struct signal_config signal_config_default(void);

/* signal_config_check: STATUS_INVALID with a sentence that names the key. */
enum status signal_config_check(const struct signal_config *config, struct error *error) MUST_USE;

struct signal_counters {
    int64_t processed; /* feature rows seen */
    int64_t signals;   /* rows made */
    int64_t confirmed;
    int64_t pending;
    int64_t deduplicated;     /* dropped: within dedupe_ms of the row before */
    int64_t late_feature_row; /* dropped: before the row before */
    int64_t bad_feature_row;  /* rejected: a required value is missing */
};

struct signal_decision {
    struct signal_config config;
    int64_t last_ts_ms; /* 0 = no row yet */
    int64_t last_seq;
    double slice_weight_active; /* 1 unless a decision of people or gates changed it */
    struct signal_counters counters;
};

void signal_decision_init(struct signal_decision *decision, const struct signal_config *config);

/* signal_gate: one comparison of step 4. Closed gates become reasons, in their order, before the row's reason codes. */
struct signal_gate {
    const char *name;     /* the reason */
    const char *relation; /* that closes it: "=", ">", "<" */
    double value;
    double limit;
    bool closed;
};

enum { SIGNAL_GATES = 5 };

/* signal_decision_gates: what each gate makes of a complete feature row whose regime and score are these. */
void signal_decision_gates(const struct signal_decision *decision, const struct feature_row *feature,
                           int regime, double score, struct signal_gate out_gates[SIGNAL_GATES]);

/* signal_decision_feed: true when *out_row was written. */
bool signal_decision_feed(struct signal_decision *decision, const struct feature_row *feature,
                          struct signal_row *out_row);

/* signal_decision_set_slice_weight: the factor of the scores of active rows from here on, 0…1; 0 suspends them.
 * signal_decision_control: a control row takes effect: slice_weight; what else was decided is not for this stage. */
void signal_decision_set_slice_weight(struct signal_decision *decision, double weight);
void signal_decision_control(struct signal_decision *decision, const struct control_row *control);

/* signal_decision_save, signal_decision_load: the state. STATUS_MALFORMED leaves the decision as after init. */
void signal_decision_save(const struct signal_decision *decision, struct buffer *out);
enum status signal_decision_load(struct signal_decision *decision, struct reader *in) MUST_USE;
