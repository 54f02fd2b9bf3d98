#include "proto/trade.h"

#include <stddef.h>

static const struct field TRADE_FIELDS[] = {
    FIELD_OF(struct trade_row, ts_ms, FIELD_I64, 0, "ms", "venue transaction time T"),
    FIELD_OF(struct trade_row, event_ts_ms, FIELD_I64, 0, "ms", "venue send time E"),
    FIELD_OF(struct trade_row, recv_ts_ms, FIELD_I64, 0, "ms", "receive time"),
    FIELD_OF(struct trade_row, price, FIELD_DECIMAL, 0, "quote", "price"),
    FIELD_OF(struct trade_row, qty, FIELD_DECIMAL, 0, "base", "quantity (contracts for COIN-M)"),
    FIELD_OF(struct trade_row, agg_trade_id, FIELD_I64, 0, "–", "aggregate trade id a (raw trade: t)"),
    FIELD_OF(struct trade_row, first_trade_id, FIELD_I64, 0, "–", "f (raw trade: t)"),
    FIELD_OF(struct trade_row, last_trade_id, FIELD_I64, 0, "–", "l (raw trade: t)"),
    FIELD_OF(struct trade_row, is_buyer_maker, FIELD_BOOL, FIELD_NULLABLE, "–", "m: true means a sell aggressor"),
    FIELD_OF(struct trade_row, is_market, FIELD_BOOL, 0, "–", "false for venue-internal prints"),
    FIELD_OF(struct trade_row, latency_ms, FIELD_I64, 0, "ms", "recv_ts_ms - event_ts_ms, signed"),
    FIELD_OF(struct trade_row, recv_rate_tps, FIELD_F64, 0, "1/s", "accepted trades up to this one with T > ts_ms - 60000, divided by 60"),
    FIELD_OF(struct trade_row, gap_before, FIELD_I64, 0, "ids", "missing ids before this row"),
    FIELD_OF(struct trade_row, backfilled, FIELD_BOOL, 0, "–", "fetched through REST"),
    FIELD_OF(struct trade_row, watermark_ms, FIELD_I64, FIELD_WIRE, "ms", "grid rows up to here precede this row"),
    FIELD_OF(struct trade_row, watermark_after_ms, FIELD_I64, FIELD_WIRE, "ms", "grid rows up to here follow this row"),
    FIELD_OF(struct trade_row, contract_size, FIELD_F64, FIELD_NULLABLE | FIELD_WIRE, "USD", "COIN-M: value of one contract; null elsewhere"),
};

const struct message trade_message = {
    .name = "trade",
    .title = "Trade (data set prices)",
    .kind = ROW_TRADE,
    .row_bytes = sizeof(struct trade_row),
    .fields = TRADE_FIELDS,
    .field_count = sizeof TRADE_FIELDS / sizeof TRADE_FIELDS[0],
    .field_count_default = sizeof TRADE_FIELDS / sizeof TRADE_FIELDS[0],
};
