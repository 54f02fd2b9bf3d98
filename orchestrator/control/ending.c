#include "ending.h"

#include "orchestrator/supervision/signal_name.h"

#include <stddef.h>
#include <stdio.h>

static const struct meaning {
    int code;
    const char *text;
} MEANINGS[] = {
    {0, "clean stop"},
    {1, "internal error"},
    {EXIT_CODE_CONFIGURATION, "configuration or usage"},
    {5, "temporary external failure: port, lock or venue"},
    {EXIT_CODE_LOSS_UNTOLD, "it could not save what it had counted as lost"},
    {127, "its program could not be run"},
};

static const char *meaning_of(int code)
{
    for (size_t i = 0; i < sizeof MEANINGS / sizeof *MEANINGS; i++)
        if (MEANINGS[i].code == code)
            return MEANINGS[i].text;
    return "no meaning agreed on";
}

const char *ending_text(const struct driver_exit *end, char out_text[ENDING_TEXT_BYTES])
{
    if (end->signal)
        snprintf(out_text, ENDING_TEXT_BYTES, "killed by SIG%s%s", signal_name_of(end->signal),
                 end->core ? " (core dumped)" : "");
    else if (end->code < 0)
        snprintf(out_text, ENDING_TEXT_BYTES, "nobody saw how: its keeper is gone, or it was never started");
    else
        snprintf(out_text, ENDING_TEXT_BYTES, "exit %d: %s", end->code, meaning_of(end->code));
    return out_text;
}
