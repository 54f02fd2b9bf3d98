/* fusion: the fused score of one grid row (algorithms.md §5). */
#pragma once

#include "proto/kind.h"

/* fusion_row: row_id is SYM|fusion|<ts_ms>. */
struct fusion_row {
    int64_t ts_ms;
    int64_t source;
    double score;
    double score_z;
    int8_t regime; /* enum regime */
    int8_t signal; /* enum fusion_signal */
    double consistency;
    double dispersion;
    int32_t sign_agree;
    double comp_ofi;
    double comp_cvd;
    double w_ofi;
    double w_cvd;
    int64_t lag_ms;
    double proba;
    int8_t calibration_state; /* enum calibration_state */
    int8_t cvd_direction; /* enum cvd_direction */
    int8_t warmup;
    char reason_codes[REASONS_BYTES];
};
extern const struct message fusion_message;
