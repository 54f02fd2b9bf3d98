/* quality: the gate every row passes before it is written (data.md §4.2). */
#pragma once

#include "kinds.h"

/* Duplicates are found where rows are collected: counted, not dead-lettered. There is no write_failed: a write is
 * retried until it succeeds, and the rows wait in their producers' journals meanwhile. */
enum quality {
    QUALITY_GOOD,
    QUALITY_MISSING_REQUIRED,
    QUALITY_INVALID_TIME,
    QUALITY_INVALID_PRICE,
    QUALITY_INVALID_QTY,
    QUALITY_INVALID_ORDERBOOK,
    QUALITY_NON_FINITE,
    QUALITY_PARSE_ERROR, /* the row could not be decoded at all */
    QUALITY_COUNT,
};

/* quality_name: "missing_required" … as dead letters say it. */
const char *quality_name(enum quality quality);

/* quality_check: the first rule the decoded row breaks, in the order time, required, finite, values.
 * `field_count`: fields in use. Null z in warm-up and negative latency are good. */
enum quality quality_check(enum data_kind kind, size_t field_count, const void *row);
