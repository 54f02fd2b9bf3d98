/* control: requests of orchctl (or of any ZeroMQ REQ or DEALER) and their answers (docs/control-protocol.md).
 *
 *   {"id":"…","verb":"status","args":{}}  →  {"id":"…","ok":true,"error":null,"result":{…}}
 *
 * A request is believed only as far as it has been checked: at most 64 KiB, depth at most 8, exactly these
 * members, a verb of the table, exactly the arguments that verb takes. An id that comes again within five
 * minutes gets the same answer without anything being done again. */
#pragma once

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONTROL_REQUEST_BYTES_MAX = 64 * 1024,
    CONTROL_DEPTH_MAX = 8,
    CONTROL_ID_BYTES = 65,
    CONTROL_ARGUMENTS_MAX = 12,
    CONTROL_ANSWERS_KEPT = 256,
    CONTROL_ANSWER_BYTES_KEPT = 4 * 1024 * 1024, /* all kept answers together */
    CONTROL_KEEP_MS = 5 * 60 * 1000,
};

enum control_type { CONTROL_TEXT, CONTROL_INTEGER, CONTROL_NUMBER };

struct control_argument {
    const char *name; /* NULL: no further one */
    enum control_type type;
    bool required;
};

/* control_values: the arguments of one request, in the order of the verb's table; borrowed for the call. */
struct control_values {
    const char *texts[CONTROL_ARGUMENTS_MAX]; /* NULL: not given */
    int64_t integers[CONTROL_ARGUMENTS_MAX];
    double numbers[CONTROL_ARGUMENTS_MAX];
    bool given[CONTROL_ARGUMENTS_MAX];
};

/* control_verb: `perform` writes one JSON value as the result, or fails with a sentence; what it wrote is
 * then dropped. The table ends with a NULL name. */
struct control_verb {
    const char *name;
    struct control_argument arguments[CONTROL_ARGUMENTS_MAX];
    bool changes; /* does something: written to the log */
    enum status (*perform)(void *context, const struct control_values *values, struct json *result,
                           struct error *error);
};

struct control {
    struct control_kept {
        char id[CONTROL_ID_BYTES];
        uint8_t digest[32]; /* of the request */
        char *answer;
        size_t bytes;
        int64_t at_ms;
    } kept[CONTROL_ANSWERS_KEPT]; /* a ring */
    size_t next;
    size_t kept_bytes;
    int64_t requests, malformed, repeated;
};

void control_init(struct control *control);
void control_finish(struct control *control);

/* control_handle: one request → one answer (JSON text). Always answers; returns the verb that was performed,
 * also when it then refused (of several instances it may have done some); NULL when none was. */
const struct control_verb *control_handle(struct control *control, const struct control_verb *verbs,
                                          void *context, const void *request, size_t bytes, int64_t now_ms,
                                          struct buffer *out_answer);
