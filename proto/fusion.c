#include "proto/fusion.h"

#include <stddef.h>

static const struct field FUSION_FIELDS[] = {
    FIELD_OF(struct fusion_row, ts_ms, FIELD_I64, 0, "ms", "row time, event time"),
    FIELD_OF(struct fusion_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
    FIELD_OF(struct fusion_row, score, FIELD_F64, 0, "σ", "0 when invalid or warm-up"),
    FIELD_OF(struct fusion_row, score_z, FIELD_F64, FIELD_NULLABLE, "σ", "score against its last 300"),
    FIELD_NAMES_OF(struct fusion_row, regime, REGIME_NAMES, 0, "mode in force"),
    FIELD_NAMES_OF(struct fusion_row, signal, FUSION_SIGNAL_NAMES, 0, "fused decision"),
    FIELD_OF(struct fusion_row, consistency, FIELD_F64, 0, "–", "agreement of both z, 0…1"),
    FIELD_OF(struct fusion_row, dispersion, FIELD_F64, FIELD_NULLABLE, "σ", "abs(z_ofi - z_cvd)"),
    FIELD_OF(struct fusion_row, sign_agree, FIELD_I32, FIELD_NULLABLE, "–", "1, -1, 0"),
    FIELD_OF(struct fusion_row, comp_ofi, FIELD_F64, 0, "σ", "weight·z after clipping"),
    FIELD_OF(struct fusion_row, comp_cvd, FIELD_F64, 0, "σ", "weight·z after clipping"),
    FIELD_OF(struct fusion_row, w_ofi, FIELD_F64, 0, "–", "weight used"),
    FIELD_OF(struct fusion_row, w_cvd, FIELD_F64, 0, "–", "weight used"),
    FIELD_OF(struct fusion_row, lag_ms, FIELD_I64, 0, "ms", "distance of both inputs"),
    FIELD_OF(struct fusion_row, proba, FIELD_F64, FIELD_NULLABLE, "–", "calibrated probability"),
    FIELD_NAMES_OF(struct fusion_row, calibration_state, CALIBRATION_STATE_NAMES, 0, "state"),
    FIELD_NAMES_OF(struct fusion_row, cvd_direction, CVD_DIRECTION_NAMES, 0, "as_is or flipped"),
    FIELD_OF(struct fusion_row, warmup, FIELD_BOOL, 0, "–", "fusion warm-up"),
    FIELD_OF(struct fusion_row, reason_codes, FIELD_TEXT, 0, "–", "comma-joined, all fusion reasons"),
};

const struct message fusion_message = {
    .name = "fusion",
    .title = "Fusion",
    .kind = ROW_FUSION,
    .row_bytes = sizeof(struct fusion_row),
    .fields = FUSION_FIELDS,
    .field_count = sizeof FUSION_FIELDS / sizeof FUSION_FIELDS[0],
    .field_count_default = sizeof FUSION_FIELDS / sizeof FUSION_FIELDS[0],
};
