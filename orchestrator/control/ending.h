/* ending: how a process ended, in words (operations.md §20): "exit 2: configuration or usage", "killed by SIGSEGV (core
 * dumped)". */
#pragma once

#include "orchestrator/drivers/driver.h"

enum { ENDING_TEXT_BYTES = 80 };

enum {
    EXIT_CODE_CONFIGURATION = 2,
    EXIT_CODE_LOSS_UNTOLD = 6
}; /* of a daemon (common/stage) that matter to us */

const char *ending_text(const struct driver_exit *end, char out_text[ENDING_TEXT_BYTES]);
