#include "proto/signal.h"

#include <stddef.h>

static const struct field SIGNAL_FIELDS[] = {
    FIELD_OF(struct signal_row, run_id, FIELD_TEXT, 0, "–", "run"),
    FIELD_OF(struct signal_row, seq, FIELD_I64, 0, "–", "per run and symbol, from 1 without holes"),
    FIELD_OF(struct signal_row, ts_ms, FIELD_I64, 0, "ms", "grid time"),
    FIELD_OF(struct signal_row, symbol, FIELD_TEXT, 0, "–", "symbol"),
    FIELD_OF(struct signal_row, score, FIELD_F64, 0, "σ", "fused score, weighted"),
    FIELD_OF(struct signal_row, z_ofi, FIELD_F64, FIELD_NULLABLE, "σ", "OFI z"),
    FIELD_OF(struct signal_row, z_cvd, FIELD_F64, FIELD_NULLABLE, "σ", "CVD z"),
    FIELD_OF(struct signal_row, consistency, FIELD_F64, 0, "–", "agreement"),
    FIELD_NAMES_OF(struct signal_row, regime, REGIME_NAMES, 0, "regime"),
    FIELD_NAMES_OF(struct signal_row, div_type, EVENT_TYPE_NAMES, FIELD_NULLABLE, "divergence, for information"),
    FIELD_OF(struct signal_row, confirm, FIELD_BOOL, 0, "–", "candidate and not gated"),
    FIELD_OF(struct signal_row, gating, FIELD_BOOL, 0, "–", "a gate closed"),
    FIELD_NAMES_OF(struct signal_row, signal_type, SIGNAL_TYPE_NAMES, 0, "decision"),
    FIELD_OF(struct signal_row, guard_reason, FIELD_TEXT, FIELD_NULLABLE, "–", "comma-joined; null iff confirmed"),
    FIELD_OF(struct signal_row, best_bid, FIELD_F64, FIELD_NULLABLE, "quote", "of the feature row"),
    FIELD_OF(struct signal_row, best_ask, FIELD_F64, FIELD_NULLABLE, "quote", "of the feature row"),
    FIELD_OF(struct signal_row, created_at, FIELD_TEXT, 0, "–", "ISO-8601 of ts_ms"),
    FIELD_OF(struct signal_row, schema_version, FIELD_I64, 0, "–", "1"),
    FIELD_OF(struct signal_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
};

const struct message signal_message = {
    .name = "signal",
    .title = "Signal",
    .kind = ROW_SIGNAL,
    .row_bytes = sizeof(struct signal_row),
    .fields = SIGNAL_FIELDS,
    .field_count = sizeof SIGNAL_FIELDS / sizeof SIGNAL_FIELDS[0],
    .field_count_default = sizeof SIGNAL_FIELDS / sizeof SIGNAL_FIELDS[0],
};
