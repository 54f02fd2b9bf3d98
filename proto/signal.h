/* signal: one decision (algorithms.md §8, data.md §5.1), identical in both sinks. */
#pragma once

#include "proto/kind.h"

/* signal_row: key (run_id, ts_ms, symbol). */
struct signal_row {
    char run_id[RUN_ID_BYTES];
    int64_t seq;
    int64_t ts_ms;
    char symbol[SYMBOL_BYTES];
    double score;
    double z_ofi;
    double z_cvd;
    double consistency;
    int8_t regime; /* enum regime */
    int8_t div_type; /* enum event_type */
    int8_t confirm;
    int8_t gating;
    int8_t signal_type; /* enum signal_type */
    char guard_reason[REASONS_BYTES];
    double best_bid;
    double best_ask;
    char created_at[32];
    int64_t schema_version;
    int64_t source;
};
extern const struct message signal_message;
