#include "late_verbs.h"

#include <assert.h>
#include <stddef.h>

static enum status perform_refused(void *context, const struct control_values *values, struct json *result,
                                   struct error *error)
{
    (void)context, (void)values, (void)result;
    return error_set(error, STATUS_CONFLICT,
                     "the run has ended and is being concluded; nothing can be changed any more");
}

void late_verbs_make(const struct control_verb *verbs, struct control_verb out_verbs[LATE_VERBS_MAX])
{
    size_t count = 0;
    for (; verbs[count].name; count++) {
        assert(count + 1 < LATE_VERBS_MAX);
        out_verbs[count] = verbs[count];
        if (verbs[count].changes)
            out_verbs[count].perform = perform_refused;
    }
    out_verbs[count] = (struct control_verb){0};
}
