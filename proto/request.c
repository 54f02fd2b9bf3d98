#include "proto/request.h"

#include <stddef.h>

static const struct field CATCH_UP_REQUEST_FIELDS[] = {
    FIELD_OF(struct catch_up_request_row, consumer, FIELD_TEXT, 0, "–", "who asks"),
    FIELD_OF(struct catch_up_request_row, stream, FIELD_TEXT, 0, "–", "service/SYMBOL"),
    FIELD_OF(struct catch_up_request_row, from, FIELD_I64, 0, "sequence", "first row wanted"),
    FIELD_OF(struct catch_up_request_row, heard, FIELD_TEXT, FIELD_NULLABLE, "–",
             "of a hand-over: what the next owner has heard of the symbol, in the words of its service"),
    FIELD_OF(struct catch_up_request_row, question, FIELD_I64, 0, "–",
             "of a hand-over: the newest question of the symbol's owner that had come when this was said, 0 "
             "= none"),
};

const struct message catch_up_request_message = {
    .name = "catch_up_request",
    .title = "Catch-up request",
    .kind = ROW_CATCH_UP_REQUEST,
    .row_bytes = sizeof(struct catch_up_request_row),
    .fields = CATCH_UP_REQUEST_FIELDS,
    .field_count = sizeof CATCH_UP_REQUEST_FIELDS / sizeof CATCH_UP_REQUEST_FIELDS[0],
    .field_count_default = sizeof CATCH_UP_REQUEST_FIELDS / sizeof CATCH_UP_REQUEST_FIELDS[0],
};

static const struct field CATCH_UP_ANSWER_FIELDS[] = {
    FIELD_OF(struct catch_up_answer_row, stream, FIELD_TEXT, 0, "–", "service/SYMBOL"),
    FIELD_OF(struct catch_up_answer_row, from, FIELD_I64, 0, "sequence", "as asked"),
    FIELD_OF(struct catch_up_answer_row, oldest, FIELD_I64, 0, "sequence", "oldest row held, 0 = none"),
    FIELD_OF(struct catch_up_answer_row, last, FIELD_I64, 0, "sequence", "newest row held, 0 = none"),
    FIELD_OF(struct catch_up_answer_row, row_count, FIELD_I64, 0, "rows",
             "rows in the data frame that follows as the next message part"),
    FIELD_OF(struct catch_up_answer_row, error, FIELD_TEXT, FIELD_NULLABLE, "–", "why nothing is given"),
    FIELD_OF(struct catch_up_answer_row, question, FIELD_I64, 0, "–",
             "of a hand-over: the symbol may leave; does its next owner still hear it? Said again in its "
             "next request, at once. 0 = no question"),
};

const struct message catch_up_answer_message = {
    .name = "catch_up_answer",
    .title = "Catch-up answer",
    .kind = ROW_CATCH_UP_ANSWER,
    .row_bytes = sizeof(struct catch_up_answer_row),
    .fields = CATCH_UP_ANSWER_FIELDS,
    .field_count = sizeof CATCH_UP_ANSWER_FIELDS / sizeof CATCH_UP_ANSWER_FIELDS[0],
    .field_count_default = sizeof CATCH_UP_ANSWER_FIELDS / sizeof CATCH_UP_ANSWER_FIELDS[0],
};

static const struct field REGISTER_FIELDS[] = {
    FIELD_OF(struct register_row, consumer, FIELD_TEXT, 0, "–", "who"),
    FIELD_OF(struct register_row, stream, FIELD_TEXT, 0, "–", "service/SYMBOL"),
    FIELD_OF(struct register_row, durable_sequence, FIELD_I64, 0, "sequence",
             "position of the newest durable state"),
};

const struct message register_message = {
    .name = "register",
    .title = "Registration",
    .kind = ROW_REGISTER,
    .row_bytes = sizeof(struct register_row),
    .fields = REGISTER_FIELDS,
    .field_count = sizeof REGISTER_FIELDS / sizeof REGISTER_FIELDS[0],
    .field_count_default = sizeof REGISTER_FIELDS / sizeof REGISTER_FIELDS[0],
};

static const struct field COMMAND_FIELDS[] = {
    FIELD_OF(struct command_row, request_id, FIELD_TEXT, 0, "–",
             "chosen by the sender; a repeated id gets the same answer"),
    FIELD_OF(struct command_row, run_id, FIELD_TEXT, 0, "–", "must match"),
    FIELD_OF(struct command_row, generation, FIELD_I64, 0, "–", "0 = any"),
    FIELD_OF(struct command_row, verb, FIELD_TEXT, 0, "–", "go, stop_intake, drain, status, fault, …"),
    FIELD_OF(struct command_row, arguments, FIELD_JSON, FIELD_NULLABLE, "–", "object"),
};

const struct message command_message = {
    .name = "command",
    .title = "Command",
    .kind = ROW_COMMAND,
    .row_bytes = sizeof(struct command_row),
    .fields = COMMAND_FIELDS,
    .field_count = sizeof COMMAND_FIELDS / sizeof COMMAND_FIELDS[0],
    .field_count_default = sizeof COMMAND_FIELDS / sizeof COMMAND_FIELDS[0],
};

static const struct field COMMAND_ANSWER_FIELDS[] = {
    FIELD_OF(struct command_answer_row, request_id, FIELD_TEXT, 0, "–", "of the command"),
    FIELD_OF(struct command_answer_row, ok, FIELD_BOOL, 0, "–", "accepted"),
    FIELD_OF(struct command_answer_row, text, FIELD_TEXT, FIELD_NULLABLE, "–", "error or result"),
};

const struct message command_answer_message = {
    .name = "command_answer",
    .title = "Command answer",
    .kind = ROW_COMMAND_ANSWER,
    .row_bytes = sizeof(struct command_answer_row),
    .fields = COMMAND_ANSWER_FIELDS,
    .field_count = sizeof COMMAND_ANSWER_FIELDS / sizeof COMMAND_ANSWER_FIELDS[0],
    .field_count_default = sizeof COMMAND_ANSWER_FIELDS / sizeof COMMAND_ANSWER_FIELDS[0],
};
