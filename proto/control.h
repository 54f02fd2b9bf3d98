/* control: what is not market data but has its place in the stream; every service passes it on. */
#pragma once

#include "proto/kind.h"

/* control_row: ts_ms is C, the newest event time, of the symbol (0 before its first). decision and value say what was decided;
 * value_json is the input as it came, with whatever else it says (who, why). */
struct control_row {
    int64_t ts_ms;
    int64_t source;
    int8_t action; /* enum control_action */
    char value_json[META_BYTES];
    int8_t decision; /* enum control_decision; DECISION_NONE: at the end of stream */
    double value;
};
extern const struct message control_message;

/* control_check: whether a decision may carry that value (NaN: it has none). STATUS_INVALID with a sentence. */
enum status control_check(int decision, double value, struct error *error) MUST_USE;
