/* telling: the log lines of features. Not data: the rows say it too. */
#pragma once

#include "symbol.h"

void telling_mode(const char *symbol, const struct mode_change *change);
void telling_calibration(const char *symbol, const struct calibration_training *training);

/* telling_row: of rows that people should see at once: incidents. */
void telling_row(const char *symbol, const struct message *message, const void *row);
