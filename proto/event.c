#include "proto/event.h"

#include <stddef.h>

static const struct field EVENT_FIELDS[] = {
    FIELD_OF(struct event_row, ts_ms, FIELD_I64, 0, "ms", "row time, event time"),
    FIELD_OF(struct event_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence at whose processing the row was emitted (own sequence in harvest)"),
    FIELD_NAMES_OF(struct event_row, event_type, EVENT_TYPE_NAMES, 0, "type"),
    FIELD_OF(struct event_row, detected_ts_ms, FIELD_I64, 0, "ms", "= ts_ms"),
    FIELD_OF(struct event_row, pivot_ts_ms, FIELD_I64, FIELD_NULLABLE, "ms", "centre of the newer pivot"),
    FIELD_NAMES_OF(struct event_row, channel, EVENT_CHANNEL_NAMES, 0, "what it was seen on"),
    FIELD_NAMES_OF(struct event_row, direction, EVENT_DIRECTION_NAMES, 0, "bullish, bearish, neutral"),
    FIELD_OF(struct event_row, event_score, FIELD_F64, FIELD_NULLABLE, "0…100", "divergence and conflict only"),
    FIELD_NAMES_OF(struct event_row, strength, EVENT_STRENGTH_NAMES, FIELD_NULLABLE, "strong, normal, weak"),
    FIELD_OF(struct event_row, meta_json, FIELD_JSON, 0, "–", "canonical JSON, see data.md §3.4"),
    FIELD_OF(struct event_row, ordinal, FIELD_I32, FIELD_WIRE, "–", "n of the row_id: order among equal (type, channel, ts_ms), from 1"),
};

const struct message event_message = {
    .name = "event",
    .title = "Event (data set events)",
    .kind = ROW_EVENT,
    .row_bytes = sizeof(struct event_row),
    .fields = EVENT_FIELDS,
    .field_count = sizeof EVENT_FIELDS / sizeof EVENT_FIELDS[0],
    .field_count_default = sizeof EVENT_FIELDS / sizeof EVENT_FIELDS[0],
};
