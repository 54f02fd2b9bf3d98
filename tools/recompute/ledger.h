/* ledger: what the run manifest says about the end of a run and its capture files. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct ledger {
    bool known; /* there is a manifest */
    bool
        running; /* and it says that the run has not been concluded: it goes on, or nobody has seen to its end yet */
    bool finished; /* or that it ended in good order */
    size_t raw_files;
};

/* ledger_read: `path` need not exist. STATUS_CONFLICT: the run has finished, and a capture file the manifest names is not there or
 * has another size: the sentence says which. STATUS_MALFORMED: not a manifest. */
enum status ledger_read(const char *path, struct ledger *out, struct error *error) MUST_USE;
