#include "proto/cvd.h"

#include <stddef.h>

static const struct field CVD_FIELDS[] = {
    FIELD_OF(struct cvd_row, ts_ms, FIELD_I64, 0, "ms", "row time, event time"),
    FIELD_OF(struct cvd_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
    FIELD_OF(struct cvd_row, agg_trade_id, FIELD_I64, 0, "–", "trade"),
    FIELD_OF(struct cvd_row, cvd, FIELD_F64, 0, "base", "cumulative signed quantity"),
    FIELD_OF(struct cvd_row, delta, FIELD_F64, 0, "base", "signed quantity of the trade"),
    FIELD_OF(struct cvd_row, ema_cvd, FIELD_F64, 0, "base", "exponential mean"),
    FIELD_OF(struct cvd_row, z_raw, FIELD_F64, FIELD_NULLABLE, "σ", "before winsorising"),
    FIELD_OF(struct cvd_row, z_cvd, FIELD_F64, FIELD_NULLABLE, "σ", "after winsorising"),
    FIELD_OF(struct cvd_row, scale, FIELD_F64, FIELD_NULLABLE, "base", "divisor; null in warm-up"),
    FIELD_OF(struct cvd_row, sigma_floor, FIELD_F64, FIELD_NULLABLE, "base", "MAD floor; null in warm-up"),
    FIELD_OF(struct cvd_row, floor_used, FIELD_BOOL, FIELD_NULLABLE, "–", "the floor decided"),
    FIELD_OF(struct cvd_row, ewma_fast, FIELD_F64, FIELD_NULLABLE, "base", "fast mean of |delta|"),
    FIELD_OF(struct cvd_row, ewma_slow, FIELD_F64, FIELD_NULLABLE, "base", "slow mean of |delta|"),
    FIELD_OF(struct cvd_row, ewma_mix, FIELD_F64, FIELD_NULLABLE, "base", "weighted; null in warm-up"),
    FIELD_OF(struct cvd_row, boost, FIELD_F64, FIELD_NULLABLE, "–", "factor of the floor in quiet hours"),
    FIELD_OF(struct cvd_row, tps, FIELD_F64, FIELD_NULLABLE, "1/s", "trades of the last 60 s divided by 60"),
    FIELD_NAMES_OF(struct cvd_row, regime, REGIME_NAMES, 0, "mode in force"),
    FIELD_OF(struct cvd_row, warmup, FIELD_BOOL, 0, "–", "fewer than freeze_min trades"),
    FIELD_OF(struct cvd_row, frozen, FIELD_BOOL, 0, "–", "silenced after a gap"),
    FIELD_OF(struct cvd_row, std_zero, FIELD_BOOL, 0, "–", "scale not above 1e-9"),
    FIELD_NAMES_OF(struct cvd_row, side_source, SIDE_SOURCE_NAMES, 0, "venue or tick"),
};

const struct message cvd_message = {
    .name = "cvd",
    .title = "Cumulative volume delta",
    .kind = ROW_CVD,
    .row_bytes = sizeof(struct cvd_row),
    .fields = CVD_FIELDS,
    .field_count = sizeof CVD_FIELDS / sizeof CVD_FIELDS[0],
    .field_count_default = sizeof CVD_FIELDS / sizeof CVD_FIELDS[0],
};
