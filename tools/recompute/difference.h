/* difference: two rows of one message, field by field and bit by bit. */
#pragma once

#include "proto/field.h"

#include <stdbool.h>
#include <stddef.h>

enum { DIFFERENCE_FIELDS_MAX = 64 };

/* difference: the fields in which a stored row is not the recomputed one, in the table's order. */
struct difference {
    const struct field *fields[DIFFERENCE_FIELDS_MAX];
    size_t count;
    size_t compared; /* fields looked at */
};

/* difference_of: fields a sink holds, that is all but FIELD_WIRE ones; `passed_over` (may be NULL) names one more to leave out.
 * A double equals another when its bits do, after what every sink does to it (data.md S2, N8): -0 becomes 0, and what is no number
 * is null. */
void difference_of(const struct message *message, const void *recomputed, const void *stored,
                   const char *passed_over, struct difference *out);

/* difference_value: the field's value as JSON, of a double its bits behind it: "0.1 (3fb999999999999a)". */
void difference_value(const struct field *field, const void *row, struct buffer *out);
