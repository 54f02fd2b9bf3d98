#include "proto/order.h"

#include <stddef.h>

static const struct field ORDER_FIELDS[] = {
    FIELD_OF(struct order_row, order_id, FIELD_TEXT, 0, "–", "MOCK-<SYMBOL>-<signal_ts_ms>"),
    FIELD_OF(struct order_row, run_id, FIELD_TEXT, 0, "–", "run"),
    FIELD_OF(struct order_row, symbol, FIELD_TEXT, 0, "–", "symbol"),
    FIELD_NAMES_OF(struct order_row, side, ORDER_SIDE_NAMES, 0, "BUY or SELL"),
    FIELD_NAMES_OF(struct order_row, strength, ORDER_STRENGTH_NAMES, 0, "STRONG or NORMAL"),
    FIELD_NAMES_OF(struct order_row, signal_type, SIGNAL_TYPE_NAMES, 0, "decision"),
    FIELD_OF(struct order_row, signal_score, FIELD_F64, 0, "σ", "score"),
    FIELD_OF(struct order_row, signal_ts_ms, FIELD_I64, 0, "ms", "grid time"),
    FIELD_OF(struct order_row, order_ts_ms, FIELD_I64, 0, "ms", "= signal_ts_ms"),
    FIELD_NAMES_OF(struct order_row, status, ORDER_STATUS_NAMES, 0, "FILLED or REJECTED"),
    FIELD_OF(struct order_row, reject_reason, FIELD_TEXT, FIELD_NULLABLE, "–", "why"),
    FIELD_OF(struct order_row, filled_qty, FIELD_F64, 0, "base", "quantity"),
    FIELD_OF(struct order_row, filled_price, FIELD_F64, FIELD_NULLABLE, "quote", "price with slippage"),
    FIELD_OF(struct order_row, mid, FIELD_F64, FIELD_NULLABLE, "quote", "mid at the signal"),
    FIELD_OF(struct order_row, notional, FIELD_F64, FIELD_NULLABLE, "USD", "price·quantity"),
    FIELD_OF(struct order_row, slippage_bps, FIELD_F64, 0, "bps", "assumed"),
    FIELD_OF(struct order_row, fee_bps, FIELD_F64, 0, "bps", "assumed"),
    FIELD_OF(struct order_row, fee, FIELD_F64, FIELD_NULLABLE, "USD", "notional·fee_bps/1e4"),
    FIELD_OF(struct order_row, seq, FIELD_I64, 0, "–", "seq of the signal row"),
    FIELD_OF(struct order_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
};

const struct message order_message = {
    .name = "order",
    .title = "Order (mock_orders.jsonl)",
    .kind = ROW_ORDER,
    .row_bytes = sizeof(struct order_row),
    .fields = ORDER_FIELDS,
    .field_count = sizeof ORDER_FIELDS / sizeof ORDER_FIELDS[0],
    .field_count_default = sizeof ORDER_FIELDS / sizeof ORDER_FIELDS[0],
};

static const struct field FILL_FIELDS[] = {
    FIELD_OF(struct fill_row, ts_ms, FIELD_I64, 0, "ms", "= order_ts_ms"),
    FIELD_OF(struct fill_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
    FIELD_OF(struct fill_row, order_id, FIELD_TEXT, 0, "–", "order"),
    FIELD_NAMES_OF(struct fill_row, side, ORDER_SIDE_NAMES, 0, "BUY or SELL"),
    FIELD_OF(struct fill_row, qty, FIELD_F64, 0, "base", "quantity"),
    FIELD_OF(struct fill_row, price, FIELD_F64, 0, "quote", "price"),
    FIELD_OF(struct fill_row, fee, FIELD_F64, 0, "USD", "fee"),
};

const struct message fill_message = {
    .name = "fill",
    .title = "Fill",
    .kind = ROW_FILL,
    .row_bytes = sizeof(struct fill_row),
    .fields = FILL_FIELDS,
    .field_count = sizeof FILL_FIELDS / sizeof FILL_FIELDS[0],
    .field_count_default = sizeof FILL_FIELDS / sizeof FILL_FIELDS[0],
};

static const struct field POSITION_FIELDS[] = {
    FIELD_OF(struct position_row, ts_ms, FIELD_I64, 0, "ms", "time of the fill"),
    FIELD_OF(struct position_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
    FIELD_OF(struct position_row, qty, FIELD_F64, 0, "base", "signed quantity held"),
    FIELD_OF(struct position_row, cash, FIELD_F64, 0, "USD", "cash after fees, from 0"),
    FIELD_OF(struct position_row, fees, FIELD_F64, 0, "USD", "fees paid"),
    FIELD_OF(struct position_row, orders, FIELD_I64, 0, "–", "orders so far"),
};

const struct message position_message = {
    .name = "position",
    .title = "Position",
    .kind = ROW_POSITION,
    .row_bytes = sizeof(struct position_row),
    .fields = POSITION_FIELDS,
    .field_count = sizeof POSITION_FIELDS / sizeof POSITION_FIELDS[0],
    .field_count_default = sizeof POSITION_FIELDS / sizeof POSITION_FIELDS[0],
};
