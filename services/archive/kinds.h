/* kinds: the data sets of the archive (data.md §3): which rows go where and what identifies one.
 *
 * A kind's columns are its message's fields; there is no list of them here. */
#pragma once

#include "proto/kind.h"

#include <stddef.h>
#include <stdint.h>

enum data_kind {
    KIND_PRICES,
    KIND_ORDERBOOK,
    KIND_OFI,
    KIND_CVD,
    KIND_FUSION,
    KIND_EVENTS,
    KIND_FEATURES,
    KIND_COUNT,
    KIND_NONE = KIND_COUNT,
};

enum { ROW_ID_BYTES = 160 };

struct kind_info {
    const char *name;              /* "orderbook": the folder kind=… */
    const struct message *message; /* whose rows it holds */
    const char *id_field;          /* what follows the kind in row_id; NULL: events have a longer one */
    const char *order_column;      /* sorts rows of one ts_ms; NULL: their order in the stream does */
    const char *const *required; /* fields that hold a value in every row, NULL-terminated (data.md §4.2) */
};

extern const struct kind_info KINDS[KIND_COUNT];

/* kind_of_row: the data set of an enum row_kind, KIND_NONE when it has none. */
enum data_kind kind_of_row(int row_kind);
enum data_kind kind_of_name(const char *name, size_t length);

/* row_key: what row_id says, as two numbers: equal keys, equal row_ids within one symbol and kind. */
struct row_key {
    int64_t id;
    int64_t detail;
};
struct row_key kind_row_key(enum data_kind kind, const void *row);

/* kind_row_id: "BTCUSDT|orderbook|5123" (data.md §3.3–3.5). */
void kind_row_id(enum data_kind kind, const char *symbol, const void *row, char out_text[ROW_ID_BYTES]);
