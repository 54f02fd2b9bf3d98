/* gate_steps: the canary's gates (operations.md §14.1): when a figure that fails leads to an action, and when it is taken back.
 *
 * One evaluation a minute per gate and symbol. A gate fires when it has failed at every evaluation of its period; where it has a second
 * action, again when it still fails a period later. RECOVERY_MINUTES of passes undo one step. Until a full gate window has matured
 * UNKNOWN does nothing; afterwards it counts as failed. Pure: a table and a function. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum canary_gate {
    CANARY_AUC,
    CANARY_ECE,
    CANARY_PLATT,
    CANARY_BRIER,
    CANARY_MERGE,
    CANARY_MATCH,
    CANARY_DIRECTION,
    CANARY_GATES
};

enum { CANARY_STEPS_MAX = 2, CANARY_RECOVERY_MINUTES = 30 };

enum canary_verdict { CANARY_PASS, CANARY_FAIL, CANARY_UNKNOWN };
extern const char *const CANARY_VERDICT_NAMES[]; /* NULL-terminated */

struct canary_gate_rule {
    const char *id;     /* canary_auc */
    const char *metric; /* column of the time series */
    const char *op;     /* >=, <=, > */
    int period_minutes;
    const char *actions[CANARY_STEPS_MAX]; /* of its first and second step; NULL: it has no such step */
};

const struct canary_gate_rule *canary_gate_rule(enum canary_gate gate);

/* canary_gate_state: zeroed is the beginning. */
struct canary_gate_state {
    int failing, passing;        /* evaluations in a row, since the newest step */
    int step;                    /* actions in force */
    bool known;                  /* was measured at least once */
    enum canary_verdict verdict; /* of the newest evaluation */
};

enum canary_event { CANARY_NOTHING, CANARY_FIRED, CANARY_RECOVERED };

/* canary_gate_evaluate: one minute. `matured`: a full gate window lies behind. */
enum canary_event canary_gate_evaluate(const struct canary_gate_rule *rule, struct canary_gate_state *state,
                                       enum canary_verdict verdict, bool matured);

/* canary_compare: CANARY_UNKNOWN for NaN. */
enum canary_verdict canary_compare(const char *op, double measured, double threshold);

/* canary_worse: FAIL before UNKNOWN before PASS. */
enum canary_verdict canary_worse(enum canary_verdict one, enum canary_verdict other);
