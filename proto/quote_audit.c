#include "proto/quote_audit.h"

#include <stddef.h>

static const struct field QUOTE_AUDIT_FIELDS[] = {
    FIELD_OF(struct quote_audit_row, ts_ms, FIELD_I64, 0, "ms", "row time, event time"),
    FIELD_OF(struct quote_audit_row, last_id, FIELD_I64, 0, "–", "u of the applied diff"),
    FIELD_OF(struct quote_audit_row, ticker_id, FIELD_I64, 0, "–", "u of the last bookTicker not above it"),
    FIELD_OF(struct quote_audit_row, agrees, FIELD_BOOL, 0, "–", "prices and quantities of both sides are equal"),
    FIELD_OF(struct quote_audit_row, book_bid_price, FIELD_DECIMAL, FIELD_NULLABLE, "quote", "own best bid"),
    FIELD_OF(struct quote_audit_row, book_bid_qty, FIELD_DECIMAL, FIELD_NULLABLE, "base", "own best bid quantity"),
    FIELD_OF(struct quote_audit_row, book_ask_price, FIELD_DECIMAL, FIELD_NULLABLE, "quote", "own best ask"),
    FIELD_OF(struct quote_audit_row, book_ask_qty, FIELD_DECIMAL, FIELD_NULLABLE, "base", "own best ask quantity"),
    FIELD_OF(struct quote_audit_row, ticker_bid_price, FIELD_DECIMAL, FIELD_NULLABLE, "quote", "bookTicker b"),
    FIELD_OF(struct quote_audit_row, ticker_bid_qty, FIELD_DECIMAL, FIELD_NULLABLE, "base", "bookTicker B"),
    FIELD_OF(struct quote_audit_row, ticker_ask_price, FIELD_DECIMAL, FIELD_NULLABLE, "quote", "bookTicker a"),
    FIELD_OF(struct quote_audit_row, ticker_ask_qty, FIELD_DECIMAL, FIELD_NULLABLE, "base", "bookTicker A"),
};

const struct message quote_audit_message = {
    .name = "quote_audit",
    .title = "Book audit",
    .kind = ROW_QUOTE_AUDIT,
    .row_bytes = sizeof(struct quote_audit_row),
    .fields = QUOTE_AUDIT_FIELDS,
    .field_count = sizeof QUOTE_AUDIT_FIELDS / sizeof QUOTE_AUDIT_FIELDS[0],
    .field_count_default = sizeof QUOTE_AUDIT_FIELDS / sizeof QUOTE_AUDIT_FIELDS[0],
};
