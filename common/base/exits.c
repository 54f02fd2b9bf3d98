#include "exits.h"

static const struct exit_meaning EXITS[] = {
    {EXIT_FINE, "done, or so: every check passes"},
    {EXIT_REFUSED, "not answered: no run here, no such run, process or row, no answer in time, refused, or "
                   "an error of our own"},
    {EXIT_WRONG_USE, "wrong use or configuration"},
    {EXIT_NOT_EVEN, "looked at and not so: rows differ, a check or gate fails or is unknown"},
    {EXIT_NOT_HEALTHY, "a process is not healthy, degraded or failed"},
    {0},
};

const struct exit_meaning *exits_all(void)
{
    return EXITS;
}

void exits_print(FILE *out)
{
    fputs("Exit codes:\n", out);
    for (const struct exit_meaning *meaning = EXITS; meaning->text; meaning++)
        fprintf(out, "  %d  %s\n", meaning->code, meaning->text);
}

int exit_of(enum status status)
{
    return status == STATUS_OK ? EXIT_FINE : status == STATUS_INVALID ? EXIT_WRONG_USE : EXIT_REFUSED;
}
