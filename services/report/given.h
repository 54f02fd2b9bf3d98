/* given: parts of the summary that only the orchestrator knows; it gives them with a command as a JSON
 * object
 *
 *   {"gates": […], "overall_verdict": "PASS", "alerts": […], "fault_injection": […], "timeseries_export": {…},
 *    "processes": [{"name": "harvest", "counters": {…}, "sinks": [{"sink": "jsonl", "dropped": 0, …}]}, …],
 *    "file": "runtime/summary_given.json"}
 *
 * Every member may be missing; `file` names a file with such an object, for more than a command can carry.
 * What was never given is null, an empty list, or UNKNOWN. */
#pragma once

#include "base/status.h"
#include "figures.h"

enum { GIVEN_FILE_BYTES_MAX = 4 * 1024 * 1024 };

/* given: JSON texts, owned; NULL: not given. */
struct given {
    char *gates; /* array of {id, measured?, unit, op, threshold, source_file, source_field, verdict} */
    char *overall_verdict;   /* PASS, FAIL or UNKNOWN, without quotes */
    char *alerts;            /* array */
    char *fault_injection;   /* array */
    char *timeseries_export; /* object */
    char *
        processes; /* array: what each counted, as the gates were judged by it; a heartbeat may be lost on its way here */
};

void given_init(struct given *given);
void given_finish(struct given *given);
void given_copy(struct given *copy, const struct given *given); /* into an initialised one */

/* given_take: takes over the members that are there. STATUS_MALFORMED, STATUS_NOT_FOUND …: nothing was
 * taken. An empty text is fine and gives nothing. */
enum status given_take(struct given *given, const char *arguments_json, struct error *error) MUST_USE;

/* given_counts: what was given of `processes` in place of what their heartbeats said. Nothing given changes nothing; what is
 * not a count is passed over. */
void given_counts(const struct given *given, struct figures *figures);
