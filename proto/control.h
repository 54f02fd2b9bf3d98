/* control: what is not market data but has its place in the stream; every service passes it on. */
#pragma once

#include "proto/kind.h"

/* control_row: ts_ms is C, the newest event time, of the symbol. */
struct control_row {
    int64_t ts_ms;
    int64_t source;
    int8_t action; /* enum control_action */
    char value_json[META_BYTES];
};
extern const struct message control_message;
