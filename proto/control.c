#include "proto/control.h"

#include <stddef.h>

static const struct field CONTROL_FIELDS[] = {
    FIELD_OF(struct control_row, ts_ms, FIELD_I64, 0, "ms", "row time, event time"),
    FIELD_OF(struct control_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
    FIELD_NAMES_OF(struct control_row, action, CONTROL_ACTION_NAMES, 0, "end_of_stream: nothing follows; input: a decision of people or gates"),
    FIELD_OF(struct control_row, value_json, FIELD_JSON, FIELD_NULLABLE, "–", "what was decided"),
};

const struct message control_message = {
    .name = "control",
    .title = "Control",
    .kind = ROW_CONTROL,
    .row_bytes = sizeof(struct control_row),
    .fields = CONTROL_FIELDS,
    .field_count = sizeof CONTROL_FIELDS / sizeof CONTROL_FIELDS[0],
    .field_count_default = sizeof CONTROL_FIELDS / sizeof CONTROL_FIELDS[0],
};
