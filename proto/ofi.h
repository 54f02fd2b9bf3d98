/* ofi: order-flow imbalance of one accepted snapshot (algorithms.md §2). */
#pragma once

#include "proto/kind.h"

/* ofi_row: row_id is SYM|ofi|<last_id>. */
struct ofi_row {
    int64_t ts_ms;
    int64_t source;
    int64_t last_id;
    double ofi_value;
    double ema_ofi;
    double ofi_z;
    double ofi_z_raw;
    double scale;
    double components[BOOK_LEVELS_MAX]; /* k0 … */
    int8_t regime; /* enum regime */
    int8_t warmup, std_zero, session_reset;
    int64_t bad_points;
    int8_t ofi_mode; /* enum ofi_mode */
};
extern const struct message ofi_message;
