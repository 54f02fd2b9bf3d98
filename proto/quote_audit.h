/* quote_audit: harvest comparing its own book with the venue's bookTicker (data.md §1.2a). */
#pragma once

#include "proto/kind.h"

/* quote_audit_row: one per comparable diff, judged once a later bookTicker has arrived. */
struct quote_audit_row {
    int64_t ts_ms;
    int64_t last_id;
    int64_t ticker_id;
    int8_t agrees;
    struct decimal book_bid_price;
    struct decimal book_bid_qty;
    struct decimal book_ask_price;
    struct decimal book_ask_qty;
    struct decimal ticker_bid_price;
    struct decimal ticker_bid_qty;
    struct decimal ticker_ask_price;
    struct decimal ticker_ask_qty;
};
extern const struct message quote_audit_message;
