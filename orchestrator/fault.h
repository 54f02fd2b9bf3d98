/* fault: the evidence of one injury: what was done, when each step of the recovery was seen, and a verdict
 * (operations.md §8). Pure: times come in as arguments. */
#pragma once

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_step { FAULT_KILL, FAULT_EXIT, FAULT_RESTART, FAULT_READY, FAULT_HEALTHY, FAULT_STEP_COUNT };

enum { FAULT_RECOVERY_MAX_MS = 12000 };

/* fault_moment: a step has happened when wall_ms is not 0. */
struct fault_moment {
    int64_t wall_ms;
    int64_t monotonic_ns;
};

struct fault {
    int64_t id;
    char process[64];
    int signal;
    double requested_at_s; /* since go; NaN before it */
    int64_t pid_before, pid_after;
    int64_t generation_before;
    int64_t restart_count_before, restart_count_after;
    int64_t backoff_ms; /* -1: none decided */
    int exit_code, exit_signal;
    int64_t rows_at_kill, rows_at_healthy; /* input position, rows of all its streams */
    struct fault_moment moments[FAULT_STEP_COUNT];
};

/* fault_loss: what the files of the run say; -1: not measured. */
struct fault_loss {
    int64_t rows_expected, rows_lost, rows_duplicated;
    const char *parity_verdict; /* NULL: not dual */
};

void fault_begin(struct fault *fault, int64_t id, const char *process, int signal, int64_t generation,
                 int64_t pid);

/* fault_note: the step happened; false when it does not follow the step before, and nothing changed. */
bool fault_note(struct fault *fault, enum fault_step step, struct fault_moment moment);

/* fault_waiting: the step that must come next; FAULT_STEP_COUNT: all have. */
enum fault_step fault_waiting(const struct fault *fault);

/* fault_elapsed_ms: from the kill to a step, NaN when it has not come. */
double fault_elapsed_ms(const struct fault *fault, enum fault_step step);

/* fault_verdict: "PASS", "FAIL", or "UNKNOWN" when a figure is missing. */
const char *fault_verdict(const struct fault *fault, const struct fault_loss *loss);

void fault_json(struct json *json, const struct fault *fault, const struct fault_loss *loss);
