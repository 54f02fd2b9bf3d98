/* decimal: an exact price or quantity, units · 10^-exponent.
 *
 * The venue's decimal text becomes an integer once, at the door, and is compared and summed as an integer;
 * double begins inside the kernels (algorithms.md N1: the nearest double of the decimal text). The exponent is
 * the number of decimals, 0…DECIMAL_EXPONENT_MAX, one per symbol for prices and one for quantities. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DECIMAL_EXPONENT_DEFAULT = 8, DECIMAL_EXPONENT_MAX = 18, DECIMAL_TEXT_BYTES = 48 };

/* DECIMAL_NULL_UNITS: no value. */
#define DECIMAL_NULL_UNITS INT64_MIN

struct decimal {
    int64_t units;
    int32_t exponent;
};

static inline struct decimal decimal_null(void)
{
    return (struct decimal){.units = DECIMAL_NULL_UNITS};
}

static inline bool decimal_is_null(struct decimal value)
{
    return value.units == DECIMAL_NULL_UNITS;
}

/* decimal_parse: "[-]digits[.digits]" of `length` bytes into units at `exponent`. Zeros beyond the exponent are
 * accepted. STATUS_MALFORMED: not such a text (signs, blanks, exponents, "nan", empty); STATUS_LIMIT: digits
 * other than 0 beyond the exponent, or too large for 63 bits. */
enum status decimal_parse(const char *text, size_t length, int32_t exponent, int64_t *out_units) MUST_USE;

/* decimal_double: the double nearest to the exact value (NaN for null). */
double decimal_double(struct decimal value);

/* decimal_text: shortest plain decimal text ("61659.7", "0.002", "-3"), "null" for null; returns its length. */
size_t decimal_text(struct decimal value, char out_text[DECIMAL_TEXT_BYTES]);

/* decimal_compare: <0, 0, >0; works across exponents. Neither may be null. */
int decimal_compare(struct decimal left, struct decimal right);

/* decimal_sum: an exact running total that cannot overflow in practice (128 bits), at a fixed exponent. */
struct decimal_sum {
    __int128 units;
    int32_t exponent;
};

/* decimal_sum_add: `value` may not be null; the sum is rescaled when exponents differ. */
void decimal_sum_add(struct decimal_sum *sum, struct decimal value);
size_t decimal_sum_text(const struct decimal_sum *sum, char out_text[DECIMAL_TEXT_BYTES]);
