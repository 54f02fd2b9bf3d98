/* gates: figure, comparison, threshold: the verdict of a run (operations.md §13). Pure.
 *
 * A gate whose figure is not known is UNKNOWN, and UNKNOWN fails. A gate that does not concern the run (its
 * process or sink is not part of it, or it had no input of that kind) is not in the list at all. */
#pragma once

#include "base/json.h"
#include "evidence.h"
#include "orchestrator/options.h"

#include <stddef.h>

enum gate_verdict { GATE_PASS, GATE_FAIL, GATE_UNKNOWN };

enum { GATES_MAX = 96, GATES_SOAK_MINUTES = 60 };

/* What operations.md asks of a soak run, whatever is configured: a configured limit counts only when it is stricter. */
enum {
    GATES_SOAK_RSS_MB = 600,
    GATES_SOAK_OPEN_FILES = 256,
    GATES_SOAK_ALERT_S = 60,
    GATES_SOAK_HEALTH_S = 10,
};

struct gate_result {
    const char *id;
    double measured; /* NaN: not known */
    const char *unit;
    const char *op; /* "==", ">=", "<=", "<" */
    double threshold;
    char source_file[EVIDENCE_SOURCE_BYTES];
    char source_field[EVIDENCE_SOURCE_BYTES];
    enum gate_verdict verdict;
};

struct gate_results {
    struct gate_result items[GATES_MAX];
    size_t count;
};

/* gate_conditions: what the run was. */
struct gate_conditions {
    enum gate_set set;
    module_set modules;
    char sink[16];
    double minutes;         /* from go to the end of the feed, as the run counts them: times time_scale */
    double planned_minutes; /* 0: until signalled */
    double time_scale;      /* divides wall time; only 1 is evidence for a release */
    double max_rss_mb, max_open_files;
    bool before_stop; /* the processes have not been stopped yet: gates about that are left out */
};

void gates_judge(const struct gate_conditions *conditions, const struct evidence *evidence,
                 struct gate_results *out_results);

/* gate_compare: UNKNOWN for NaN. */
enum gate_verdict gate_compare(const char *op, double measured, double threshold);

/* gates_overall: PASS when all are; FAIL when one failed; else UNKNOWN. No gates at all: PASS. */
enum gate_verdict gates_overall(const struct gate_results *results);

const char *gate_verdict_name(enum gate_verdict verdict);

/* gates_json: the array of data.md §6.1. */
void gates_json(const struct gate_results *results, struct json *json);
