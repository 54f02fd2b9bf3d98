/* exits: what an exit code means, of orchctl, of the programs it becomes and of the orchestrator: one table (docs/operations.md
 * shows it). Daemons have theirs in stage/stage.h: nobody asks them a question. */
#pragma once

#include "status.h"

#include <stdio.h>

enum {
    EXIT_FINE = 0,
    EXIT_REFUSED =
        1, /* nobody could say: no run here, no such run, no answer, refused, a file that cannot be read */
    EXIT_WRONG_USE = 2, /* the words themselves are wrong, whatever runs here */
    EXIT_NOT_EVEN = 3,  /* it was looked at, and it is not so, or a figure that must be there is missing */
    EXIT_NOT_HEALTHY = 4,
};

/* exit_meaning: the list ends with a NULL text. */
struct exit_meaning {
    int code;
    const char *text;
};
const struct exit_meaning *exits_all(void);

/* exits_print: a line per code, below a heading. */
void exits_print(FILE *out);

/* exit_of: of a question that could not be asked: STATUS_INVALID is wrong use, everything else EXIT_REFUSED. */
int exit_of(enum status status);
