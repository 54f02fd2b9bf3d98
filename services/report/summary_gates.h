/* summary_gates: the part of a summary that the run's gates are told in: the verdict at its head, and their table. The last of them are known
 * only behind the last exit, when the summaries have long been written: then that part alone is written anew, so that nobody reads
 * the day's rows once more for it. */
#pragma once

#include "base/buffer.h"
#include "base/status.h"
#include "given.h"

#include <stdbool.h>

/* summary_gates_verdict: the row of the verdict in the head of the Markdown. summary_gates_table: the section of the gates. */
void summary_gates_verdict(struct buffer *out, const struct given *given);
void summary_gates_table(struct buffer *out, const struct given *given);

/* summary_gates_replace: `gates` and `overall_verdict` of a summary's two files, all else in them stays as it is. STATUS_NOT_FOUND: there are
 * none; STATUS_MALFORMED: one is no summary; nothing is written then. */
enum status summary_gates_replace(const char *json_path, const char *markdown_path, const struct given *given,
                                  bool sync, struct error *error) MUST_USE;
