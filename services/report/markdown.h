/* markdown: tables and figures as Markdown text. Pure. What was not measured is written "–". */
#pragma once

#include "base/buffer.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* markdown_head: the heading row and the rule below it; `alignment` has one letter per column, l or r. */
void markdown_head(struct buffer *out, const char *alignment, const char *const *titles);

/* Cells of one row, between markdown_row_begin and markdown_row_end. Texts are escaped; NULL is "–". */
void markdown_row_begin(struct buffer *out);
void markdown_row_end(struct buffer *out);
void markdown_text(struct buffer *out, const char *text);
void markdown_count(struct buffer *out, int64_t value);                /* 21,313; FIELD_NULL_I64 is "–" */
void markdown_number(struct buffer *out, double value, int decimals);  /* NaN is "–" */
void markdown_percent(struct buffer *out, double share, int decimals); /* 0.125 → 12.5 % */

/* markdown_array: a table of a JSON array of objects with these members as columns; members that are
 * missing or null are "–". Writes `nothing` as a paragraph when the array is empty or no array. */
void markdown_array(struct buffer *out, const char *json_text, const char *const *members,
                    const char *nothing);
