/* intervention_verbs: what people may decide about a running system: rollback, direction, that an incident is over. */
#pragma once

#include "orchestrator/control/control.h"

#define ROLLBACK_ARGUMENTS                                                                                \
    {                                                                                                     \
        {"fingerprint", CONTROL_TEXT, false}, {"who", CONTROL_TEXT, false}, {"why", CONTROL_TEXT, false}, \
    }
#define DIRECTION_ARGUMENTS                                                                            \
    {                                                                                                  \
        {"action", CONTROL_TEXT, true}, {"symbol", CONTROL_TEXT, false}, {"who", CONTROL_TEXT, false}, \
            {"why", CONTROL_TEXT, false},                                                              \
    }
#define RESOLVE_ARGUMENTS                                                                      \
    {                                                                                          \
        {"id", CONTROL_TEXT, true}, {"why", CONTROL_TEXT, true}, {"who", CONTROL_TEXT, false}, \
    }

enum status perform_rollback(void *context, const struct control_values *values, struct json *result,
                             struct error *error);
enum status perform_direction(void *context, const struct control_values *values, struct json *result,
                              struct error *error);
enum status perform_resolve(void *context, const struct control_values *values, struct json *result,
                            struct error *error);
