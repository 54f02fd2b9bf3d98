/* fault: the evidence of one injury: what was done, what it touched, when it was over, when each step of the recovery was seen, and a
 * verdict (operations.md §8). Pure: times come in as arguments.
 *
 * A signal that ends the process (kind kill) is followed by exit, restart, ready, healthy. Any other kind is a lease: it begins, is
 * over (expired, cleared, or the process ended), and then the victim is healthy again; if the process ended meanwhile, exit, restart
 * and ready come in between. */
#pragma once

#include "base/json.h"
#include "injury/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* FAULT_KILL is the beginning, whatever the kind. */
enum fault_step { FAULT_KILL, FAULT_EXIT, FAULT_RESTART, FAULT_READY, FAULT_HEALTHY, FAULT_STEP_COUNT };

enum fault_end {
    FAULT_LASTS,
    FAULT_EXPIRED,
    FAULT_CLEARED,
    FAULT_ENDED /* with its process */,
    FAULT_REFUSED,   /* by its victim: nothing was touched */
    FAULT_UNANSWERED /* nobody knows whether it had begun */
};

enum { FAULT_RECOVERY_MAX_MS = 12000, FAULT_REASON_BYTES = 256 };

/* fault_moment: a step has happened when wall_ms is not 0. */
struct fault_moment {
    int64_t wall_ms;
    int64_t monotonic_ns;
};

struct fault {
    int64_t id;
    char process[64];
    struct injury_order order;
    int signal;            /* of kind kill */
    double requested_at_s; /* since go; NaN before it */
    int64_t pid_before, pid_after;
    int64_t generation_before;
    int64_t restart_count_before, restart_count_after;
    int64_t backoff_ms; /* -1: none decided */
    int exit_code, exit_signal;
    int64_t rows_at_kill, rows_at_healthy; /* input position, rows of all its streams */
    int64_t features_at_kill,
        features_at_healthy;                   /* feature rows that features had published; -1: not known */
    int64_t replayed_at_kill, frames_replayed; /* rows fetched from producers: before; because of this */
    struct fault_moment moments[FAULT_STEP_COUNT];
    /* Of leases: */
    enum fault_end end;
    struct fault_moment over;
    int64_t touched; /* by the victim's count */
    int64_t late_ms; /* behind its deadline it was undone, by the victim's clock; -1: not known */
    int64_t
        caught_rows; /* the victim has caught up when it is here: its producers' last rows when it was over */
    char reason[FAULT_REASON_BYTES]; /* why it was refused */
    /* No evidence, but part of what an adopting orchestrator must know: */
    int64_t wished_ms, asked_ms; /* monotonic */
    bool clearing;
    bool target_known; /* caught_rows says what every producer has told since the end */
};

/* fault_loss: what the files of the run say; -1: not measured. */
struct fault_loss {
    int64_t rows_expected, rows_lost, rows_duplicated;
    const char *parity_verdict; /* NULL: not dual */
};

void fault_begin(struct fault *fault, const char *process, const struct injury_order *order, int signal,
                 int64_t generation, int64_t pid);

/* fault_is_lease: it has an end of its own. */
bool fault_is_lease(const struct fault *fault);

/* fault_never_began: as far as anybody knows. fault_is_refused: for certain; then it is no evidence of anything. */
bool fault_never_began(const struct fault *fault);
bool fault_is_refused(const struct fault *fault);

/* fault_note: the step happened; false when it does not follow the step before, and nothing changed. */
bool fault_note(struct fault *fault, enum fault_step step, struct fault_moment moment);

/* fault_over: a lease is over; false when it was already, or has not begun. */
bool fault_over(struct fault *fault, enum fault_end end, struct fault_moment moment);

/* fault_waiting: the step that must come next; FAULT_STEP_COUNT: all have. */
enum fault_step fault_waiting(const struct fault *fault);

/* fault_elapsed_ms: from the beginning to a step, NaN when it has not come. */
double fault_elapsed_ms(const struct fault *fault, enum fault_step step);

/* fault_moment_from: since when recovery can be asked for, monotonic; while a lease lasts: now. */
int64_t fault_moment_from(const struct fault *fault, int64_t now_ns);

/* fault_recovery_ms: from when recovery was possible: of a lease that was undone, from then; else from the beginning. */
double fault_recovery_ms(const struct fault *fault);

/* fault_verdict: "PASS", "FAIL", "REFUSED" (then nobody asks for losses), or "UNKNOWN" when a figure is missing. */
const char *fault_verdict(const struct fault *fault, const struct fault_loss *loss);

void fault_json(struct json *json, const struct fault *fault, const struct fault_loss *loss);
