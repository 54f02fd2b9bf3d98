/* row_text: rows back from what sinks hold: a JSON line or a row of a table. Driven by the field table, so
 * a new field needs no line here.
 *
 * Reading is strict: a missing key, another type, an unknown enum name, a text too long or a null where
 * none may be is STATUS_MALFORMED with the field's name. Surplus keys (newer writers) are passed over.
 * Wire-only fields are cleared. */
#pragma once

#include "base/buffer.h"
#include "base/status.h"
#include "proto/field.h"

struct statement;

/* row_from_json: one object of `length` bytes; decimal and JSON fields are not supported (sinks of
 * signals hold none). */
enum status row_from_json(const struct message *message, const char *text, size_t length, void *out_row,
                          struct error *error) MUST_USE;

/* row_columns: appends the table's columns as SQL text ("run_id, seq, …") in the order row_from_statement
 * wants; returns how many. */
int row_columns(const struct message *message, struct buffer *out);

/* row_from_statement: the present row of a SELECT whose columns are row_columns, starting at column 0. */
enum status row_from_statement(const struct message *message, const struct statement *statement,
                               void *out_row, struct error *error) MUST_USE;

/* row_line: appends the row as its JSON object without wire-only fields, no newline (data.md S1). */
void row_line(const struct message *message, const void *row, struct buffer *out);
