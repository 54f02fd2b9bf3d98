/* request: what travels to and from a daemon's ROUTER: catch-up, registration, commands (docs/control-protocol.md). */
#pragma once

#include "proto/kind.h"

enum { HEARD_BYTES = 128 };

/* catch_up_request_row: "give me rows of this stream from here". */
struct catch_up_request_row {
    char consumer[INSTANCE_BYTES];
    char stream[STREAM_BYTES];
    int64_t from;
    char heard[HEARD_BYTES];
    int64_t question;
};
extern const struct message catch_up_request_message;

/* catch_up_answer_row: followed by a data frame when row_count > 0. */
struct catch_up_answer_row {
    char stream[STREAM_BYTES];
    int64_t from;
    int64_t oldest;
    int64_t last;
    int64_t row_count;
    char error[128];
    int64_t question;
};
extern const struct message catch_up_answer_message;

/* register_row: retention counts from here; no answer. */
struct register_row {
    char consumer[INSTANCE_BYTES];
    char stream[STREAM_BYTES];
    int64_t durable_sequence;
};
extern const struct message register_message;

/* command_row: from the orchestrator. */
struct command_row {
    char request_id[64];
    char run_id[RUN_ID_BYTES];
    int64_t generation;
    char verb[32];
    char arguments[META_BYTES];
};
extern const struct message command_message;

/* command_answer_row */
struct command_answer_row {
    char request_id[64];
    int8_t ok;
    char text[512];
};
extern const struct message command_answer_message;
