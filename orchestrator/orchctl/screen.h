/* screen: what `monitor` and `top` show, as lines of plain ASCII made from the orchestrator's answers. Pure: text in, text out. */
#pragma once

#include "base/buffer.h"

#include <stddef.h>
#include <yyjson.h>

/* screen_answers: results of `status` and of `gates`, and the newest summary; NULL: not known. */
struct screen_answers {
    yyjson_val *status, *gates, *summary;
};

/* The parts of operations.md §17, each ended by a newline. screen_gates: at most `most` gates, those that have not passed first;
 * 0: all. */
void screen_head(struct buffer *out, const struct screen_answers *answers);
void screen_processes(struct buffer *out, const struct screen_answers *answers);
void screen_harvest(struct buffer *out, const struct screen_answers *answers);
void screen_report(struct buffer *out, const struct screen_answers *answers);
void screen_rest(struct buffer *out,
                 const struct screen_answers *answers); /* export, alerts, faults, canary */
void screen_gates(struct buffer *out, const struct screen_answers *answers, size_t most);

/* screen_fit: the text cut to so many columns and lines, for a terminal; 0: no limit. */
void screen_fit(struct buffer *out, struct buffer *text, size_t columns, size_t lines);
