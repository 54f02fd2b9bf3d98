/* fault_verbs: verbs of the control socket about injuries (docs/control-protocol.md). */
#pragma once

#include "orchestrator/control/control.h"

/* The arguments of `fault`, in the order in which perform_fault reads them. */
#define FAULT_ARGUMENTS                                                                                 \
    {                                                                                                   \
        {"kind", CONTROL_TEXT, true}, {"name", CONTROL_TEXT, true}, {"ttl_ms", CONTROL_INTEGER, false}, \
            {"link", CONTROL_TEXT, false}, {"share", CONTROL_NUMBER, false},                            \
            {"count", CONTROL_INTEGER, false}, {"seed", CONTROL_INTEGER, false},                        \
            {"amount", CONTROL_INTEGER, false}, {"signal", CONTROL_TEXT, false},                        \
            {"force", CONTROL_INTEGER, false},                                                          \
    }

enum status perform_fault(void *context, const struct control_values *values, struct json *result,
                          struct error *error);
enum status perform_fault_list(void *context, const struct control_values *values, struct json *result,
                               struct error *error);
enum status perform_fault_clear(void *context, const struct control_values *values, struct json *result,
                                struct error *error);
/* perform_steady: whether a fault would be accepted now, and if not, why. */
enum status perform_steady(void *context, const struct control_values *values, struct json *result,
                           struct error *error);
