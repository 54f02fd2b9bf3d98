/* intervention_verbs: what people may decide about a running system: rollback, direction. */
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

enum status perform_rollback(void *context, const struct control_values *values, struct json *result,
                             struct error *error);
enum status perform_direction(void *context, const struct control_values *values, struct json *result,
                              struct error *error);
