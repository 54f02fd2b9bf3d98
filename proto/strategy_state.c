#include "proto/strategy_state.h"

#include <stddef.h>

static const struct field STRATEGY_STATE_FIELDS[] = {
    FIELD_OF(struct strategy_state_row, ts_ms, FIELD_I64, 0, "ms", "boundary c"),
    FIELD_OF(struct strategy_state_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
    FIELD_NAMES_OF(struct strategy_state_row, mode, STRATEGY_MODE_NAMES, 0, "mode after this boundary"),
    FIELD_OF(struct strategy_state_row, trades_per_min, FIELD_F64, FIELD_NULLABLE, "1/min", "trade rate over the look-back"),
    FIELD_OF(struct strategy_state_row, quotes_per_sec, FIELD_F64, FIELD_NULLABLE, "1/s", "snapshot rate over the look-back"),
    FIELD_OF(struct strategy_state_row, spread_bps, FIELD_F64, FIELD_NULLABLE, "bps", "median spread"),
    FIELD_OF(struct strategy_state_row, volatility_bps, FIELD_F64, FIELD_NULLABLE, "bps", "realised volatility"),
    FIELD_OF(struct strategy_state_row, volume_usd, FIELD_F64, FIELD_NULLABLE, "USD", "traded value"),
    FIELD_OF(struct strategy_state_row, schedule_active, FIELD_BOOL, 0, "–", "inside a schedule window"),
    FIELD_OF(struct strategy_state_row, market_active, FIELD_BOOL, 0, "–", "all five within limits"),
    FIELD_OF(struct strategy_state_row, market_unknown, FIELD_BOOL, 0, "–", "an input is missing"),
    FIELD_OF(struct strategy_state_row, history_size, FIELD_I32, 0, "–", "wants held"),
    FIELD_OF(struct strategy_state_row, last_transition_ms, FIELD_I64, FIELD_NULLABLE, "ms", "last change of mode"),
};

const struct message strategy_state_message = {
    .name = "strategy_state",
    .title = "Strategy mode snapshot",
    .kind = ROW_STRATEGY_STATE,
    .row_bytes = sizeof(struct strategy_state_row),
    .fields = STRATEGY_STATE_FIELDS,
    .field_count = sizeof STRATEGY_STATE_FIELDS / sizeof STRATEGY_STATE_FIELDS[0],
    .field_count_default = sizeof STRATEGY_STATE_FIELDS / sizeof STRATEGY_STATE_FIELDS[0],
};
