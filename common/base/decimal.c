#include "base/decimal.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t POWERS_OF_TEN[DECIMAL_EXPONENT_MAX + 1] = {
    1LL,
    10LL,
    100LL,
    1000LL,
    10000LL,
    100000LL,
    1000000LL,
    10000000LL,
    100000000LL,
    1000000000LL,
    10000000000LL,
    100000000000LL,
    1000000000000LL,
    10000000000000LL,
    100000000000000LL,
    1000000000000000LL,
    10000000000000000LL,
    100000000000000000LL,
    1000000000000000000LL,
};

/* A double holds every integer up to here, so units / 10^exponent is one correctly rounded division. */
static const int64_t EXACT_IN_DOUBLE = 1LL << 53;

static bool push_digit(int64_t *units, char digit)
{
    return !__builtin_mul_overflow(*units, 10, units) && !__builtin_add_overflow(*units, digit - '0', units);
}

enum status decimal_parse(const char *text, size_t length, int32_t exponent, int64_t *out_units)
{
    size_t at = 0;
    bool negative = length > 0 && text[0] == '-';
    at += negative;
    size_t first = at;
    int64_t units = 0;
    bool fits = true;
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++)
        fits = fits && push_digit(&units, text[at]);
    if (at == first)
        return STATUS_MALFORMED;
    int32_t decimals = 0;
    if (at < length) {
        if (text[at++] != '.' || at == length)
            return STATUS_MALFORMED;
        for (; at < length; at++) {
            if (text[at] < '0' || text[at] > '9')
                return STATUS_MALFORMED;
            if (decimals < exponent) {
                fits = fits && push_digit(&units, text[at]);
                decimals++;
            } else if (text[at] != '0') {
                fits = false;
            }
        }
    }
    for (; fits && decimals < exponent; decimals++)
        fits = !__builtin_mul_overflow(units, 10, &units);
    if (!fits)
        return STATUS_LIMIT;
    *out_units = negative ? -units : units;
    return STATUS_OK;
}

double decimal_double(struct decimal value)
{
    if (decimal_is_null(value))
        return NAN;
    if (value.units <= EXACT_IN_DOUBLE && value.units >= -EXACT_IN_DOUBLE)
        return (double)value.units / (double)POWERS_OF_TEN[value.exponent];
    char text[DECIMAL_TEXT_BYTES];
    decimal_text(value, text);
    return strtod(text, NULL);
}

static size_t units_text(__int128 units, int32_t exponent, char out_text[DECIMAL_TEXT_BYTES])
{
    char digits[DECIMAL_TEXT_BYTES];
    size_t count = 0;
    bool negative = units < 0;
    unsigned __int128 rest = negative ? -(unsigned __int128)units : (unsigned __int128)units;
    for (; exponent > 0 && rest % 10 == 0; exponent--)
        rest /= 10;
    while (rest || count <= (size_t)exponent) {
        digits[count++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    size_t length = 0;
    if (negative)
        out_text[length++] = '-';
    while (count > 0) {
        if (count == (size_t)exponent)
            out_text[length++] = '.';
        out_text[length++] = digits[--count];
    }
    out_text[length] = 0;
    return length;
}

size_t decimal_text(struct decimal value, char out_text[DECIMAL_TEXT_BYTES])
{
    if (decimal_is_null(value)) {
        memcpy(out_text, "null", 5);
        return 4;
    }
    return units_text(value.units, value.exponent, out_text);
}

static int compare_units(__int128 left, __int128 right)
{
    return (left > right) - (left < right);
}

int decimal_compare(struct decimal left, struct decimal right)
{
    __int128 left_units = left.units, right_units = right.units;
    assert(!decimal_is_null(left) && !decimal_is_null(right));
    if (left.exponent < right.exponent)
        left_units *= POWERS_OF_TEN[right.exponent - left.exponent];
    else
        right_units *= POWERS_OF_TEN[left.exponent - right.exponent];
    return compare_units(left_units, right_units);
}

void decimal_sum_add(struct decimal_sum *sum, struct decimal value)
{
    __int128 units = value.units;
    assert(!decimal_is_null(value));
    if (value.exponent > sum->exponent) {
        sum->units *= POWERS_OF_TEN[value.exponent - sum->exponent];
        sum->exponent = value.exponent;
    } else {
        units *= POWERS_OF_TEN[sum->exponent - value.exponent];
    }
    sum->units += units;
}

size_t decimal_sum_text(const struct decimal_sum *sum, char out_text[DECIMAL_TEXT_BYTES])
{
    return units_text(sum->units, sum->exponent, out_text);
}
