/* screen: what `monitor` and `top` show, as lines made from the orchestrator's answers. Pure: text in, text out. */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

/* screen_columns: of the terminal that standard output is; 0: it is none. */
size_t screen_columns(void);

/* screen_answers: results of `status` and of `gates`, and the newest summary; NULL: not known. */
struct screen_answers {
    yyjson_val *status, *gates, *summary;
};

/* The parts of operations.md §17, each ended by a newline. screen_gates: those that have not passed first. screen_symbols: harvest's
 * symbols, where they are too many to stand below its own line. */
void screen_concluding(struct buffer *out,
                       yyjson_val *status); /* of a `status`: runs before this one that have no verdict yet */
void screen_head(struct buffer *out, const struct screen_answers *answers);

/* screen_processes: in a terminal of so many columns the least important ones are left out whole; returns how many. 0 columns: no
 * limit. others: those instead, beside the names. */
size_t screen_processes(struct buffer *out, const struct screen_answers *answers, size_t columns,
                        bool others);
void screen_harvest(struct buffer *out, const struct screen_answers *answers);
void screen_report(struct buffer *out, const struct screen_answers *answers);
void screen_rest(struct buffer *out,
                 const struct screen_answers *answers); /* export, alerts, faults, canary */
void screen_gates(struct buffer *out, const struct screen_answers *answers);
void screen_symbols(struct buffer *out, const struct screen_answers *answers);

/* screen_fit: the text for a terminal of so many columns: longer lines go on, indented, in the next, broken between two fields. A character that
 * takes two columns, or several bytes, stays whole. Of the
 * lines that this gives so many from `first`; returns how many there are. 0: no limit. */
size_t screen_fit(struct buffer *out, struct buffer *text, size_t columns, size_t lines, size_t first);
