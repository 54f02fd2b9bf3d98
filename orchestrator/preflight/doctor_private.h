/* doctor_private: the doctor's parts.
 *
 *   doctor.c        configuration, what is asked of this machine, the table
 *   doctor_venue.c  what is asked of others: venue and export */
#pragma once

#include "config/config.h"
#include "preflight.h"

/* doctor_ask: one GET. Its HTTP status (0: no answer, the reason is in `error`); the body is appended to `out`. */
long doctor_ask(const char *url, struct buffer *out, struct error *error);

/* doctor_venue: clock and symbols of a real venue; the simulator needs neither. */
void doctor_venue(const struct config *config, struct preflight *preflight);

/* doctor_export: whether the target answers; `needed`: the run is judged by it. */
void doctor_export(const struct config *config, bool needed, struct preflight *preflight);
