#include "quality.h"

#include "proto/book.h"
#include "proto/trade.h"

#include <math.h>

const char *quality_name(enum quality quality)
{
    static const char *const NAMES[QUALITY_COUNT] = {"good",          "missing_required", "invalid_time",
                                                     "invalid_price", "invalid_qty",      "invalid_orderbook",
                                                     "non_finite",    "parse_error"};
    return NAMES[quality];
}

/* holds_value: field_is_null answers for fields that may be null; a required one is looked at itself. */
static bool holds_value(const struct field *field, const void *row)
{
    const void *member = (const char *)row + field->offset;
    switch (field->type) {
    case FIELD_F64: return !isnan(*(const double *)member);
    case FIELD_I64: return *(const int64_t *)member != FIELD_NULL_I64;
    case FIELD_DECIMAL: return !decimal_is_null(*(const struct decimal *)member);
    case FIELD_ENUM:
    case FIELD_BOOL: return *(const int8_t *)member >= 0;
    default: return !field_is_null(field, row);
    }
}

static bool required_present(const struct kind_info *kind, const void *row)
{
    for (size_t i = 0; kind->required[i]; i++)
        if (!holds_value(message_field(kind->message, kind->required[i]), row))
            return false;
    return true;
}

static bool all_finite(const struct message *message, size_t field_count, const void *row)
{
    for (size_t i = 0; i < field_count; i++) {
        const struct field *field = &message->fields[i];
        if (field->type != FIELD_F64)
            continue;
        double value = *(const double *)((const char *)row + field->offset);
        if (isinf(value) || (isnan(value) && !(field->flags & FIELD_NULLABLE)))
            return false;
    }
    return true;
}

static bool is_positive(struct decimal value)
{
    return !decimal_is_null(value) && value.units > 0;
}

/* check_trade: prints that are not of the market (insurance fund) may have any price and quantity. */
static enum quality check_trade(const struct trade_row *trade)
{
    if (!trade->is_market)
        return QUALITY_GOOD;
    if (!is_positive(trade->price))
        return QUALITY_INVALID_PRICE;
    return is_positive(trade->qty) ? QUALITY_GOOD : QUALITY_INVALID_QTY;
}

static enum quality check_book(const struct book_row *book)
{
    if (!is_positive(book->best_bid) || !is_positive(book->best_ask))
        return QUALITY_INVALID_PRICE;
    if (decimal_compare(book->best_bid, book->best_ask) >= 0)
        return QUALITY_INVALID_ORDERBOOK;
    bool inside = book->mid >= decimal_double(book->best_bid) && book->mid <= decimal_double(book->best_ask);
    return inside ? QUALITY_GOOD : QUALITY_INVALID_ORDERBOOK;
}

enum quality quality_check(enum data_kind kind, size_t field_count, const void *row)
{
    const struct kind_info *info = &KINDS[kind];
    if (field_as_i64(message_field(info->message, "ts_ms"), row) <= 0)
        return QUALITY_INVALID_TIME;
    if (!required_present(info, row))
        return QUALITY_MISSING_REQUIRED;
    if (!all_finite(info->message, field_count, row))
        return QUALITY_NON_FINITE;
    if (kind == KIND_PRICES)
        return check_trade(row);
    return kind == KIND_ORDERBOOK ? check_book(row) : QUALITY_GOOD;
}
