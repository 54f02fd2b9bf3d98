#include "proto/control.h"

#include <math.h>
#include <stddef.h>

enum { MERGE_TOL_MAX_MS = 60000 };

static const struct field CONTROL_FIELDS[] = {
    FIELD_OF(struct control_row, ts_ms, FIELD_I64, 0, "ms", "row time, event time"),
    FIELD_OF(struct control_row, source, FIELD_I64, FIELD_WIRE, "sequence", "harvest sequence of the symbol at whose processing the row was emitted"),
    FIELD_NAMES_OF(struct control_row, action, CONTROL_ACTION_NAMES, 0, "end_of_stream: nothing follows; input: a decision of people or gates"),
    FIELD_OF(struct control_row, value_json, FIELD_JSON, FIELD_NULLABLE, "–", "the input as it came"),
    FIELD_NAMES_OF(struct control_row, decision, CONTROL_DECISION_NAMES, 0, "what was decided"),
    FIELD_OF(struct control_row, value, FIELD_F64, FIELD_NULLABLE, "–", "slice_weight: factor of active scores, 0…1; adjust_merge_tol: ms"),
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

enum status control_check(int decision, double value, struct error *error)
{
    const char *name = CONTROL_DECISION_NAMES[decision];
    bool is_weight = decision == DECISION_SLICE_WEIGHT, is_ms = decision == DECISION_ADJUST_MERGE_TOL;
    if (is_weight && !(value >= 0 && value <= 1))
        return error_set(error, STATUS_INVALID, "control input: %s needs a \"value\" of 0 to 1", name);
    if (is_ms && !(value >= 0 && value <= MERGE_TOL_MAX_MS && value == floor(value)))
        return error_set(error, STATUS_INVALID,
                         "control input: %s needs a \"value\" of 0 to %d whole milliseconds", name,
                         MERGE_TOL_MAX_MS);
    if (!is_weight && !is_ms && !isnan(value))
        return error_set(error, STATUS_INVALID, "control input: %s takes no \"value\"", name);
    return STATUS_OK;
}
