/* rows: any row of any message, filled with everything its fields allow. */
#pragma once

#include "base/random.h"
#include "proto/kind.h"

/* row_random: every field gets a random value of its whole range, nulls where they may be; the first `field_count`
 * fields only, the others are cleared. */
void row_random(const struct message *message, size_t field_count, struct random *random, void *out_row);

/* row_difference: the name of the first field whose value differs (bit for bit, decimals by units and exponent), NULL
 * when the rows are equal. */
const char *row_difference(const struct message *message, const void *left, const void *right);

/* assert_same_row: equal byte for byte as the wire has them (padding in the structs means nothing); else the test fails. */
void assert_same_row(const struct message *message, const void *row, const void *other);
