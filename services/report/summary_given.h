/* summary_given: the parts of a summary that only the end of the run decides: what the orchestrator gives (verdict, gates, alerts, faults,
 * export), and the daemons' counters, which any of them may move up to its own last word. The summaries have long been written by
 * then: these parts alone are written anew behind the last exit, so that nobody reads the day's rows once more for them. */
#pragma once

#include "base/buffer.h"
#include "base/json.h"
#include "base/status.h"
#include "given.h"
#include "summary_counts.h"

#include <stdbool.h>

/* The sections of the Markdown that are written anew, in their order. */
enum summary_section {
    SECTION_COUNTS,
    SECTION_EXPORT,
    SECTION_FAULTS,
    SECTION_ALERTS,
    SECTION_GATES,
    SECTION_COUNT,
};

/* summary_given_verdict: the row of the verdict in the head of the Markdown. summary_given_section: one section with its heading. */
void summary_given_verdict(struct buffer *out, const struct given *given);
void summary_given_section(struct buffer *out, enum summary_section section,
                           const struct summary_counts *counts, const struct given *given);

/* summary_given_json: members "timeseries_export", "fault_injection", "alerts" of an open object; summary_given_gates_json: "gates",
 * "overall_verdict". */
void summary_given_json(struct json *json, const struct given *given);
void summary_given_gates_json(struct json *json, const struct given *given);

/* summary_given_replace: all these parts of a summary's two files, all else in them stays as it is. STATUS_NOT_FOUND: there are none;
 * STATUS_MALFORMED: one is no summary; nothing is written then. */
enum status summary_given_replace(const char *json_path, const char *markdown_path,
                                  const struct summary_counts *counts, const struct given *given, bool sync,
                                  struct error *error) MUST_USE;
